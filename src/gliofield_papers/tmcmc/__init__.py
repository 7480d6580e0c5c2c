"""The surrogate paper's sampler of the posterior, TMCMC, which importance sampling replaced in the product."""

from gliofield_papers.tmcmc.preset import paper_settings
from gliofield_papers.tmcmc.sampling import sample_posterior
from gliofield_papers.tmcmc.settings import TmcmcSettings, equally_weighted
from gliofield_papers.tmcmc.state import StageInfo, TmcmcResult, TmcmcState

__all__ = [
    "StageInfo",
    "TmcmcResult",
    "TmcmcSettings",
    "TmcmcState",
    "equally_weighted",
    "paper_settings",
    "sample_posterior",
]
