"""How good a mask or a density is, measured against a reference; every metric says what its undefined cases are."""

from gliofield.metrics.agreement import MaskAgreement, mask_agreement
from gliofield.metrics.errors_by_tissue import DensityErrors, MeanValue, density_errors
from gliofield.metrics.overlap import dice, dice_from_counts
from gliofield.metrics.ranking import best_first, highest_voxels
from gliofield.metrics.separation import distribution_gap, roc_area

__all__ = [
    "DensityErrors",
    "MaskAgreement",
    "MeanValue",
    "best_first",
    "density_errors",
    "dice",
    "dice_from_counts",
    "distribution_gap",
    "highest_voxels",
    "mask_agreement",
    "roc_area",
]
