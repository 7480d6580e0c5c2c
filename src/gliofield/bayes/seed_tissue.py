"""The uniform distribution of seeds over the tissue voxels of an anatomy inside a box.

A seed outside the tissue grows nothing, so such seeds have no prior mass. The density is 1/V, with V the exact volume
of the tissue voxels' part inside the box; a point belongs to the voxel it lies in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.errors import ParameterError

_Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class TissueSeeds:
    """Seeds uniform over tissue inside a box.

    Parameters
    ----------
    anatomy : Anatomy
        Its domain is the tissue. Array axes must run along world axes (in any order or direction).
    low_mm, high_mm : (float, float, float)
        Box in the world [mm, RAS+].

    Raises
    ------
    ParameterError
        If the grid is rotated against the world, or the box holds no tissue.
    """

    anatomy: Anatomy
    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]

    def __post_init__(self) -> None:
        spacing = np.abs(self.anatomy.grid.world_from_voxel[:3, :3])
        if np.count_nonzero(spacing > 1e-6 * spacing.max()) != 3:
            raise ParameterError(
                f"seed prior: the anatomy's grid is rotated against the world ({self.anatomy.grid.describe()}). "
                "Resample the anatomy to an axis-aligned grid first."
            )
        if not self._cumulative_mm3.size or self.volume_mm3 <= 0.0:
            raise ParameterError(
                f"seed prior has no mass: no tissue voxel lies in the box from {self.low_mm} to {self.high_mm} mm. "
                "Check that the box and the anatomy share their world coordinates, or widen the box."
            )

    @property
    def volume_mm3(self) -> float:
        """Volume of the tissue inside the box [mm³]."""
        return float(self._cumulative_mm3[-1])

    def log_density(self, seeds_mm: _Vector) -> _Vector:
        """log(1/V) [log mm⁻³] of seeds in the tissue and the box, −∞ of others, (N, 3) -> (N,)."""
        grid = self.anatomy.grid
        in_box = ((seeds_mm >= np.array(self.low_mm)) & (seeds_mm <= np.array(self.high_mm))).all(axis=1)
        voxels = np.floor(grid.voxel_of(seeds_mm) + 0.5).astype(np.int64)
        in_grid = np.all((voxels >= 0) & (voxels < np.array(grid.shape)), axis=1)
        x, y, z = np.where(in_grid[:, None], voxels, 0).T
        return np.where(in_box & in_grid & self.anatomy.domain[x, y, z], -np.log(self.volume_mm3), -np.inf)

    def from_unit_cube(self, points: _Vector) -> _Vector:
        """Seeds [mm] from points in the unit cube, both (N, 3): uniform if the points are.

        The first coordinate chooses the voxel, and what it leaves the place in it along x.
        """
        starts = np.concatenate([[0.0], self._cumulative_mm3[:-1]])
        volumes = self._cumulative_mm3 - starts
        aims = points[:, 0] * self.volume_mm3
        chosen = np.minimum(np.searchsorted(self._cumulative_mm3, aims, side="right"), len(starts) - 1)
        fractions = points.copy()
        fractions[:, 0] = np.clip((aims - starts[chosen]) / volumes[chosen], 0.0, 1.0)
        low, high = (bound[chosen] for bound in self._voxel_bounds_mm)
        # A face of a voxel is a face of its neighbor too, which may be no tissue.
        return low + (high - low) * np.clip(fractions, 1e-9, 1.0 - 1e-9)

    @cached_property
    def _voxel_bounds_mm(self) -> tuple[_Vector, _Vector]:
        """Lower and upper corners of the tissue voxels' parts inside the box, each (M, 3); only parts with volume."""
        grid = self.anatomy.grid
        centers = grid.world_of(np.argwhere(self.anatomy.domain))
        half = 0.5 * np.abs(grid.world_from_voxel[:3, :3]).sum(axis=1)
        low = np.maximum(centers - half, np.array(self.low_mm))
        high = np.minimum(centers + half, np.array(self.high_mm))
        is_inside = (low < high).all(axis=1)
        return low[is_inside], high[is_inside]

    @cached_property
    def _cumulative_mm3(self) -> _Vector:
        low, high = self._voxel_bounds_mm
        return np.cumsum((high - low).prod(axis=1))
