"""A volume and the grid it lies on, as one value.

Arrays are (X, Y, Z). Everything that reads, writes or moves image data passes `Volume` objects, so an array
cannot be separated from its affine by accident. Objects that hold several arrays on one grid (`TissueMaps`,
`Segmentation`, `Anatomy`, `Solution`) keep the grid once and check it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ImageError
from gliofield.grid import Grid, reoriented_to_ras


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxel values and their grid.

    Parameters
    ----------
    data : (X, Y, Z) array
        Voxel values; the shape must be the grid's.
    grid : Grid
        Where they lie.

    Raises
    ------
    ImageError
        If the array is not three-dimensional with the grid's shape.
    """

    data: NDArray[Any]
    grid: Grid

    def __post_init__(self) -> None:
        if tuple(self.data.shape) != self.grid.shape:
            raise ImageError(
                f"Volume: data must have the shape of its grid {self.grid.shape}, got {tuple(self.data.shape)}."
            )

    def __repr__(self) -> str:
        return f"Volume({self.data.dtype}, {self.grid.describe()})"

    def to_ras(self) -> Volume:
        """The same voxels in RAS+ axis order (transposed and flipped, never interpolated)."""
        grid, order, flips = reoriented_to_ras(self.grid)
        data = np.flip(np.transpose(self.data, order), [axis for axis in range(3) if flips[axis]])
        return Volume(np.ascontiguousarray(data), grid)

    def reordered_as(self, stored: Grid) -> Volume:
        """The same voxels in the axis order of `stored`, the inverse of `to_ras`.

        Raises
        ------
        GridMismatchError
            If `stored` does not hold the same voxel centers.
        """
        ras_of_stored, order, flips = reoriented_to_ras(stored)
        own = self.to_ras()
        own.grid.require_same_as(ras_of_stored, self_name="volume", other_name="target grid (as RAS)")
        data = np.flip(own.data, [axis for axis in range(3) if flips[axis]])
        return Volume(np.ascontiguousarray(np.transpose(data, np.argsort(order))), stored)
