"""How good a mask or a density is, measured against a reference; every metric says what its undefined cases are."""

from gliofield.metrics.agreement import MaskAgreement, mask_agreement
from gliofield.metrics.overlap import dice, dice_from_counts
from gliofield.metrics.ranking import CoverageCurve, best_first, highest_voxels
from gliofield.metrics.recurrence import (
    RecurrenceScores,
    equal_volume_plan,
    recurrence_coverage,
    score_recurrence,
    standard_plan,
)
from gliofield.metrics.separation import distribution_gap, roc_area
from gliofield.metrics.statistics import (
    LEAST_DIFFERENCE,
    Mean,
    PairedDifference,
    PairedTest,
    mean_of,
    paired_difference,
    paired_test,
)
from gliofield.metrics.surface import SurfaceAgreement, surface_agreement

__all__ = [
    "LEAST_DIFFERENCE",
    "CoverageCurve",
    "Mean",
    "MaskAgreement",
    "PairedDifference",
    "PairedTest",
    "RecurrenceScores",
    "SurfaceAgreement",
    "best_first",
    "dice",
    "dice_from_counts",
    "distribution_gap",
    "equal_volume_plan",
    "highest_voxels",
    "mask_agreement",
    "mean_of",
    "paired_difference",
    "paired_test",
    "recurrence_coverage",
    "roc_area",
    "score_recurrence",
    "standard_plan",
    "surface_agreement",
]
