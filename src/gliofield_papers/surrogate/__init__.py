"""A growth model that a network learned from the solver, for any anatomy; needs PyTorch (extra ``learn``)."""

from gliofield_papers.surrogate.anatomies import patient_like_anatomy
from gliofield_papers.surrogate.checkpoint import SurrogateHeader, read_surrogate_header
from gliofield_papers.surrogate.config import (
    SURROGATE_LOSSES,
    TISSUES,
    ParameterRanges,
    SurrogateNetworkSettings,
    SurrogateSettings,
)
from gliofield_papers.surrogate.model import LearnedFisherKolmogorov
from gliofield_papers.surrogate.samples import SurrogateSamples, simulate_samples
from gliofield_papers.surrogate.training import train_surrogate

__all__ = [
    "SURROGATE_LOSSES",
    "TISSUES",
    "LearnedFisherKolmogorov",
    "ParameterRanges",
    "SurrogateHeader",
    "SurrogateNetworkSettings",
    "SurrogateSamples",
    "SurrogateSettings",
    "patient_like_anatomy",
    "read_surrogate_header",
    "simulate_samples",
    "train_surrogate",
]
