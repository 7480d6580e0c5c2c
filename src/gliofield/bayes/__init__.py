"""The distribution of tumors that explain a patient's scans: priors, targets, samplers and their diagnostics."""

from gliofield.bayes.database_posterior import DatabasePosterior, DatabasePosteriorSettings, database_posterior
from gliofield.bayes.database_start import ReferenceDensity, StartedTarget, reference_of_matches
from gliofield.bayes.diagnostics import (
    effective_number_of_distinct,
    effective_sample_size,
    interval_coverage,
    rank_uniformity,
    truth_ranks,
)
from gliofield.bayes.growth_target import GrowthLikelihood, SimulationCounts
from gliofield.bayes.identifiable import IdentifiableTumors, log_design_of_tumors, log_prior_of_tumors
from gliofield.bayes.imaging_integral import ImagingIntegral, ImagingPrior
from gliofield.bayes.level_likelihood import ThresholdGrid
from gliofield.bayes.multilevel_sampling import sample_multilevel
from gliofield.bayes.multilevel_state import Levels, MultilevelSettings, MultilevelStageInfo
from gliofield.bayes.posterior import CredibleInterval, PosteriorSamples
from gliofield.bayes.predictive_check import MaskCheck, check_mask
from gliofield.bayes.prior import BoxPrior, GrowthTimePrior, ParameterRange, Prior
from gliofield.bayes.published_priors import patient_specific_prior, surrogate_paper_prior
from gliofield.bayes.sampling import sample_posterior
from gliofield.bayes.stage_file import read_stage_file, write_stage_file
from gliofield.bayes.target import LogLikelihood, PosteriorTarget, Target
from gliofield.bayes.tmcmc_state import StageInfo, TmcmcResult, TmcmcSettings, TmcmcState
from gliofield.bayes.transforms import BoxTransform, CoordinateTransform, GrowthTimeTransform, ScanTransform

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
