"""The distribution of tumors that explain a patient's scans: priors, targets, TMCMC and its diagnostics."""

from gliomap.bayes.diagnostics import (
    effective_number_of_distinct,
    effective_sample_size,
    interval_coverage,
    rank_uniformity,
    truth_ranks,
)
from gliomap.bayes.posterior import CredibleInterval, PosteriorSamples
from gliomap.bayes.prior import BoxPrior, GrowthTimePrior, ParameterRange, Prior
from gliomap.bayes.published_priors import patient_specific_prior, surrogate_paper_prior
from gliomap.bayes.sampling import sample_posterior
from gliomap.bayes.stage_file import read_stage_file, write_stage_file
from gliomap.bayes.target import LogLikelihood, PosteriorTarget, Target
from gliomap.bayes.tmcmc_state import StageInfo, TmcmcResult, TmcmcSettings, TmcmcState
from gliomap.bayes.transforms import BoxTransform, CoordinateTransform, GrowthTimeTransform

__all__ = [
    "BoxPrior",
    "BoxTransform",
    "CoordinateTransform",
    "CredibleInterval",
    "GrowthTimePrior",
    "GrowthTimeTransform",
    "LogLikelihood",
    "ParameterRange",
    "PosteriorSamples",
    "PosteriorTarget",
    "Prior",
    "StageInfo",
    "Target",
    "TmcmcResult",
    "TmcmcSettings",
    "TmcmcState",
    "effective_number_of_distinct",
    "effective_sample_size",
    "interval_coverage",
    "patient_specific_prior",
    "rank_uniformity",
    "read_stage_file",
    "sample_posterior",
    "surrogate_paper_prior",
    "truth_ranks",
    "write_stage_file",
]
