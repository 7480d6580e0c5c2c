"""A growth model that a network learned from the solver, for any anatomy; needs PyTorch (extra ``learn``)."""

from gliomap.surrogate.anatomies import patient_like_anatomy
from gliomap.surrogate.checkpoint import SurrogateHeader, read_surrogate_header
from gliomap.surrogate.config import (
    SURROGATE_LOSSES,
    TISSUES,
    ParameterRanges,
    SurrogateNetworkSettings,
    SurrogateSettings,
)
from gliomap.surrogate.model import LearnedFisherKolmogorov
from gliomap.surrogate.samples import SurrogateSamples, simulate_samples
from gliomap.surrogate.training import train_surrogate

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
