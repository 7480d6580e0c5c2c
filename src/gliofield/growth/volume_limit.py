"""When to give a tumor up because it is too large: early, instead of growing it to its end and throwing it away.

A design that keeps tumors up to some volume tells the model with a `VolumeLimit`. The model then ends the run at the
first time step after which the tumor is larger. That rejects no tumor which the finished run would have kept, since a
tumor of such a size only grows: the rate of change ∂c/∂t obeys a linear diffusion equation with growth, so once it is
nowhere negative it stays so (maximum principle), and negative it is only near the seed and soon after it, while the
seed spreads. `benchmarks/database/bench_papers_design.py` counts the exceptions: volumes that fell below a limit again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gliofield.errors import ParameterError
from gliofield.grid import Grid


@dataclass(frozen=True, kw_only=True)
class VolumeLimit:
    """Largest volume of interest.

    Parameters
    ----------
    threshold : float
        The volume is that where the cell density exceeds this (strictly), in (0, 1).
    max_volume_ml : float
        A run may end once its volume is larger [ml], > 0.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    threshold: float
    max_volume_ml: float

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 1.0:
            raise ParameterError(f"threshold must lie strictly between 0 and 1 (cell density), got {self.threshold}.")
        if not (math.isfinite(self.max_volume_ml) and self.max_volume_ml > 0.0):
            raise ParameterError(f"max_volume_ml must be finite and > 0 [ml], got {self.max_volume_ml}.")

    def max_num_voxels(self, grid: Grid) -> int:
        """Most voxels of a grid that stay within the limit."""
        num_voxels = int(self.max_volume_ml / grid.voxel_volume_ml)
        # By the product that a filter on the finished tumor would compare, not by the rounded quotient.
        while (num_voxels + 1) * grid.voxel_volume_ml <= self.max_volume_ml:
            num_voxels += 1
        while num_voxels * grid.voxel_volume_ml > self.max_volume_ml:
            num_voxels -= 1
        return num_voxels

    def on(self, grid: Grid) -> VoxelLimit:
        """The limit in voxels of a grid."""
        return VoxelLimit(threshold=self.threshold, max_num_voxels=self.max_num_voxels(grid))


@dataclass(frozen=True, kw_only=True)
class VoxelLimit:
    """Most voxels whose cell density may exceed `threshold`."""

    threshold: float
    max_num_voxels: int


def limits_of_each(
    volume_limit: VolumeLimit | Sequence[VolumeLimit | None] | None, num_tumors: int
) -> list[VolumeLimit | None]:
    """Limit of each tumor, from one for all or one for each."""
    if volume_limit is None or isinstance(volume_limit, VolumeLimit):
        return [volume_limit] * num_tumors
    if len(volume_limit) != num_tumors:
        raise ParameterError(
            "volume_limit must be one limit for all tumors or a limit for each: expected one for each of the "
            f"{num_tumors} parameters, got {len(volume_limit)}."
        )
    return list(volume_limit)
