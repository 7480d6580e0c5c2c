"""How good a mask or a density is, measured against a reference; every metric says what its undefined cases are."""

from gliofield.metrics.agreement import MaskAgreement, mask_agreement
from gliofield.metrics.overlap import dice, dice_from_counts
from gliofield.metrics.ranking import best_first, highest_voxels
from gliofield.metrics.separation import distribution_gap, roc_area
from gliofield.metrics.surface import SurfaceAgreement, surface_agreement

__all__ = [
    "MaskAgreement",
    "SurfaceAgreement",
    "best_first",
    "dice",
    "dice_from_counts",
    "distribution_gap",
    "highest_voxels",
    "mask_agreement",
    "roc_area",
    "surface_agreement",
]
