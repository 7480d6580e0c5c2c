"""Networks from two masks to growth parameters (Learn-Morph-Infer); need PyTorch (extra ``learn``)."""

from gliomap.inverse.checkpoint import InverseHeader, read_inverse_header
from gliomap.inverse.config import (
    GROWTH_TARGETS,
    TARGET_SCALES,
    InverseNetworkSettings,
    InverseSettings,
    MaskPerturbation,
    ObservationSettings,
    TargetSettings,
)
from gliomap.inverse.predict import InversePrediction, InversePredictor
from gliomap.inverse.shipped import shipped_checkpoint
from gliomap.inverse.targets import FRONT_SPEED_MM_PER_DAY, PUBLISHED_RANGES, GrowthRates
from gliomap.inverse.trained_ranges import TrainedRanges
from gliomap.inverse.training import train_inverse
from gliomap.inverse.tumors import DatabaseTumors, SimulatedTumors, TumorSource, split_tumors

__all__ = [
    "FRONT_SPEED_MM_PER_DAY",
    "GROWTH_TARGETS",
    "PUBLISHED_RANGES",
    "TARGET_SCALES",
    "DatabaseTumors",
    "GrowthRates",
    "InverseHeader",
    "InverseNetworkSettings",
    "InversePrediction",
    "InversePredictor",
    "InverseSettings",
    "MaskPerturbation",
    "ObservationSettings",
    "SimulatedTumors",
    "TargetSettings",
    "TrainedRanges",
    "TumorSource",
    "read_inverse_header",
    "shipped_checkpoint",
    "split_tumors",
    "train_inverse",
]
