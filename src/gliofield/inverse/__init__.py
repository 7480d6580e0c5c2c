"""Networks from two masks to growth parameters (Learn-Morph-Infer); need PyTorch (extra ``learn``)."""

from gliofield.inverse.checkpoint import InverseHeader, read_inverse_header
from gliofield.inverse.config import (
    GROWTH_TARGETS,
    TARGET_SCALES,
    InverseNetworkSettings,
    InverseSettings,
    MaskPerturbation,
    ObservationSettings,
    TargetSettings,
)
from gliofield.inverse.predict import InversePrediction, InversePredictor
from gliofield.inverse.shipped import shipped_checkpoint
from gliofield.inverse.targets import FRONT_SPEED_MM_PER_DAY, PUBLISHED_RANGES, GrowthRates
from gliofield.inverse.trained_ranges import TrainedRanges

__all__ = [
    "FRONT_SPEED_MM_PER_DAY",
    "GROWTH_TARGETS",
    "PUBLISHED_RANGES",
    "TARGET_SCALES",
    "GrowthRates",
    "InverseHeader",
    "InverseNetworkSettings",
    "InversePrediction",
    "InversePredictor",
    "InverseSettings",
    "MaskPerturbation",
    "ObservationSettings",
    "TargetSettings",
    "TrainedRanges",
    "read_inverse_header",
    "shipped_checkpoint",
]
