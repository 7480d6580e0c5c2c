"""The sphere that has a tumor's volume: a measure of where it is and how far it reaches.

The published code builds the region of comparison and the patient-specific prior from it: voxels within twice its
radius are compared, the seed lies within 1.25 radii of the center (`PAPERS_IN_PRACTICE` lists both; see
docs/design/0008-bayes-decisions.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import GridMismatchError, ImageError, ParameterError
from gliofield.grid import Grid


@dataclass(frozen=True, kw_only=True)
class EqualVolumeSphere:
    """Center of mass of a mask and the radius of the sphere of its volume.

    Parameters
    ----------
    center_mm : (float, float, float)
        Center of mass in the world [mm, RAS+].
    radius_mm : float
        (3 V / (4 π))^(1/3) [mm].
    """

    center_mm: tuple[float, float, float]
    radius_mm: float

    def region(self, grid: Grid, *, radius_factor: float = 2.0) -> NDArray[np.bool_]:
        """Voxels whose center is within `radius_factor` radii of the center, (X, Y, Z).

        Raises
        ------
        ParameterError
            If the factor is not positive.
        """
        if not (math.isfinite(radius_factor) and radius_factor > 0.0):
            raise ParameterError(f"radius_factor must be positive, got {radius_factor}.")
        axes = [np.arange(n) for n in grid.shape]
        world = grid.world_of(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
        offset = world - np.asarray(self.center_mm)
        return np.einsum("xyzi,xyzi->xyz", offset, offset) <= (radius_factor * self.radius_mm) ** 2


def equal_volume_sphere(mask: NDArray[np.bool_], grid: Grid) -> EqualVolumeSphere:
    """Sphere with the volume and the center of mass of a mask.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Not empty.
    grid : Grid
        Its grid.

    Raises
    ------
    GridMismatchError
        If the mask has another shape than the grid.
    ImageError
        If the mask is empty.
    """
    if mask.shape != grid.shape:
        raise GridMismatchError(f"mask must have the grid's shape {grid.shape}, got {mask.shape}. Resample it first.")
    voxels = np.argwhere(mask)
    if len(voxels) == 0:
        raise ImageError("mask is empty: it has no center. Use another mask of the tumor, such as the whole tumor.")
    volume_mm3 = len(voxels) * abs(float(np.linalg.det(grid.world_from_voxel[:3, :3])))
    x, y, z = grid.world_of(voxels.mean(axis=0))
    radius = (3.0 * volume_mm3 / (4.0 * math.pi)) ** (1.0 / 3.0)
    return EqualVolumeSphere(center_mm=(float(x), float(y), float(z)), radius_mm=radius)
