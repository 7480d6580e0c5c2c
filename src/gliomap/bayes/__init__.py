"""The distribution of tumors that explain a patient's scans: priors, targets, samplers and their diagnostics."""

from gliomap.bayes.database_posterior import DatabasePosterior, DatabasePosteriorSettings, database_posterior
from gliomap.bayes.database_start import ReferenceDensity, StartedTarget, reference_of_matches
from gliomap.bayes.diagnostics import (
    effective_number_of_distinct,
    effective_sample_size,
    interval_coverage,
    rank_uniformity,
    truth_ranks,
)
from gliomap.bayes.growth_target import GrowthLikelihood, SimulationCounts
from gliomap.bayes.identifiable import IdentifiableTumors, log_design_of_tumors, log_prior_of_tumors
from gliomap.bayes.imaging_integral import ImagingIntegral, ImagingPrior
from gliomap.bayes.level_likelihood import ThresholdGrid
from gliomap.bayes.multilevel_sampling import sample_multilevel
from gliomap.bayes.multilevel_state import Levels, MultilevelSettings, MultilevelStageInfo
from gliomap.bayes.posterior import CredibleInterval, PosteriorSamples
from gliomap.bayes.predictive_check import MaskCheck, check_mask
from gliomap.bayes.prior import BoxPrior, GrowthTimePrior, ParameterRange, Prior
from gliomap.bayes.published_priors import patient_specific_prior, surrogate_paper_prior
from gliomap.bayes.sampling import sample_posterior
from gliomap.bayes.stage_file import read_stage_file, write_stage_file
from gliomap.bayes.target import LogLikelihood, PosteriorTarget, Target
from gliomap.bayes.tmcmc_state import StageInfo, TmcmcResult, TmcmcSettings, TmcmcState
from gliomap.bayes.transforms import BoxTransform, CoordinateTransform, GrowthTimeTransform, ScanTransform

__all__ = [
    "BoxPrior",
    "BoxTransform",
    "CoordinateTransform",
    "CredibleInterval",
    "DatabasePosterior",
    "DatabasePosteriorSettings",
    "GrowthLikelihood",
    "GrowthTimePrior",
    "GrowthTimeTransform",
    "IdentifiableTumors",
    "ImagingIntegral",
    "ImagingPrior",
    "Levels",
    "LogLikelihood",
    "MaskCheck",
    "MultilevelSettings",
    "MultilevelStageInfo",
    "ParameterRange",
    "PosteriorSamples",
    "PosteriorTarget",
    "Prior",
    "ReferenceDensity",
    "ScanTransform",
    "SimulationCounts",
    "StageInfo",
    "StartedTarget",
    "Target",
    "ThresholdGrid",
    "TmcmcResult",
    "TmcmcSettings",
    "TmcmcState",
    "check_mask",
    "database_posterior",
    "effective_number_of_distinct",
    "effective_sample_size",
    "interval_coverage",
    "log_design_of_tumors",
    "log_prior_of_tumors",
    "patient_specific_prior",
    "rank_uniformity",
    "read_stage_file",
    "reference_of_matches",
    "sample_multilevel",
    "sample_posterior",
    "surrogate_paper_prior",
    "truth_ranks",
    "write_stage_file",
]
