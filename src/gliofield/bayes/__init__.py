"""The distribution of tumors that explain a patient's scans: priors, targets, samplers and their diagnostics."""

from gliofield.bayes.database_posterior import DatabasePosterior, DatabasePosteriorSettings, database_posterior
from gliofield.bayes.diagnostics import (
    effective_number_of_distinct,
    effective_sample_size,
    rank_uniformity,
    truth_ranks,
)
from gliofield.bayes.growth_importance import GrowthPosterior, sample_growth
from gliofield.bayes.growth_target import GrowthLikelihood, SimulationCounts
from gliofield.bayes.identifiable import IdentifiableTumors, log_design_of_tumors, log_prior_of_tumors
from gliofield.bayes.imaging_integral import ImagingIntegral, ImagingPrior
from gliofield.bayes.importance import BatchInfo, ImportanceResult, ImportanceSettings, sample_by_importance
from gliofield.bayes.journal import LikelihoodJournal
from gliofield.bayes.level_likelihood import ThresholdGrid
from gliofield.bayes.mode import Mode, find_mode
from gliofield.bayes.pareto_smoothing import smoothed_log_weights
from gliofield.bayes.posterior import CredibleInterval, PosteriorSamples
from gliofield.bayes.predictive_check import MaskCheck, check_mask
from gliofield.bayes.prior import BoxPrior, GrowthTimePrior, ParameterRange, Prior
from gliofield.bayes.published_priors import patient_specific_prior, surrogate_paper_prior
from gliofield.bayes.sampler import SampledPosterior, Sampler, SamplerStage
from gliofield.bayes.t_mixture import TMixture
from gliofield.bayes.target import LogLikelihood, PosteriorTarget, Target
from gliofield.bayes.transforms import BoxTransform, CoordinateTransform, GrowthTimeTransform, ScanTransform

__all__ = [
    "BatchInfo",
    "BoxPrior",
    "BoxTransform",
    "CoordinateTransform",
    "CredibleInterval",
    "DatabasePosterior",
    "DatabasePosteriorSettings",
    "GrowthLikelihood",
    "GrowthPosterior",
    "GrowthTimePrior",
    "GrowthTimeTransform",
    "IdentifiableTumors",
    "ImagingIntegral",
    "ImagingPrior",
    "ImportanceResult",
    "ImportanceSettings",
    "LikelihoodJournal",
    "LogLikelihood",
    "MaskCheck",
    "Mode",
    "ParameterRange",
    "PosteriorSamples",
    "PosteriorTarget",
    "Prior",
    "ScanTransform",
    "SampledPosterior",
    "Sampler",
    "SamplerStage",
    "SimulationCounts",
    "TMixture",
    "Target",
    "ThresholdGrid",
    "check_mask",
    "database_posterior",
    "effective_number_of_distinct",
    "effective_sample_size",
    "find_mode",
    "log_design_of_tumors",
    "log_prior_of_tumors",
    "patient_specific_prior",
    "rank_uniformity",
    "sample_by_importance",
    "sample_growth",
    "smoothed_log_weights",
    "surrogate_paper_prior",
    "truth_ranks",
]
