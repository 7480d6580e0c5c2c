"""How many tumor cells a target volume covers: the question radiotherapy asks of a density map.

A fixed margin around the visible tumor and an isoline of a predicted density are compared at equal volume: both regions
contain the same number of voxels, so the one that holds more of the true cells is the better target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.metrics.ranking import highest_voxels


@dataclass(frozen=True, kw_only=True)
class CoverageAtEqualVolume:
    """Fractions of the true tumor cells inside two regions of the same volume.

    Parameters
    ----------
    margin_mm : float
        Width of the fixed margin [mm].
    volume_ml : float
        Volume of either region [ml].
    covered_by_margin, covered_by_density : float
        Fraction of all true cells inside, in [0, 1].
    """

    margin_mm: float
    volume_ml: float
    covered_by_margin: float
    covered_by_density: float


def cells_covered_at_equal_volume(
    true_density: NDArray[np.float32],
    predicted_density: NDArray[np.float32],
    visible_tumor: NDArray[np.bool_],
    brain: NDArray[np.bool_],
    grid: Grid,
    *,
    margin_mm: float = 15.0,
) -> CoverageAtEqualVolume:
    """Cells inside visible tumor + margin, and inside the densest predicted voxels of the same volume.

    Both regions are cut to the brain. Where the prediction has fewer non-zero voxels than the margin's volume, its
    region is filled up with the voxels nearest to the visible tumor.

    Parameters
    ----------
    true_density, predicted_density : (X, Y, Z) arrays
        Cell density in [0, 1].
    visible_tumor, brain : (X, Y, Z) bool arrays
        What the margin is drawn around, and where it is cut.
    grid : Grid
        Grid of all four.
    margin_mm : float
        Margin [mm], ≥ 0.

    Raises
    ------
    ParameterError
        If the visible tumor is empty or no true cells lie in the brain, where the fractions are undefined, or if the
        margin is negative.
    """
    total = float(true_density[brain].sum(dtype=np.float64))
    if not visible_tumor.any() or total <= 0:
        raise ParameterError("coverage is undefined without a visible tumor and true cells: got an empty one.")
    if not margin_mm >= 0:  # NaN fails too
        raise ParameterError(f"margin_mm must be ≥ 0, got {margin_mm}.")
    distance_mm = ndimage.distance_transform_edt(~visible_tumor, sampling=grid.spacing_mm)
    margin_region = brain & (distance_mm <= margin_mm)
    num_voxels = int(np.count_nonzero(margin_region))
    chosen = highest_voxels(predicted_density, num_voxels, within=brain, distance_mm=distance_mm)
    return CoverageAtEqualVolume(
        margin_mm=margin_mm,
        volume_ml=num_voxels * grid.voxel_volume_ml,
        covered_by_margin=float(true_density[margin_region].sum(dtype=np.float64)) / total,
        covered_by_density=float(true_density[chosen].sum(dtype=np.float64)) / total,
    )
