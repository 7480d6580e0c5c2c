"""The part of a grid a mass-effect run works on: the brain, a margin, and extents that halve.

Fields of a run are padded boxes as in `diffusivity.FaceCoefficients`: inner cells with one cell around. The inner part
holds the brain and at least one cell more on every side (transport looks two cells back), and its extents are
multiples of 2^(num_levels − 1) for multigrid. Where the grid ends earlier, the box goes on beyond it with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gliofield.box import box_of

ScalarT = TypeVar("ScalarT", bound=np.generic)

# Multigrid stops at grids with about this many cells along the shortest axis. *Chosen*.
_COARSEST_EXTENT = 4
_MARGIN = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class BrainBox:
    """Padded box around a brain.

    Parameters
    ----------
    first : tuple of 3 int
        Index in the grid of the first inner cell; negative where the box begins before the grid.
    inner_shape : tuple of 3 int
        Inner cells along each axis.
    grid_shape : tuple of 3 int
        Shape of the grid.
    num_levels : int
        Grids of multigrid, ≥ 1.
    """

    first: tuple[int, int, int]
    inner_shape: tuple[int, int, int]
    grid_shape: tuple[int, int, int]
    num_levels: int

    @classmethod
    def around(cls, brain: NDArray[np.bool_]) -> BrainBox:
        """Box around the True voxels of a mask (X, Y, Z) that has some."""
        bounds = box_of(brain)
        extents = [stop - start + 2 * _MARGIN for start, stop in bounds]
        num_levels = 1
        while min(extents) >= 2**num_levels * _COARSEST_EXTENT:
            num_levels += 1
        multiple = 2 ** (num_levels - 1)
        x, y, z = (-(-extent // multiple) * multiple for extent in extents)
        return cls(
            first=(bounds[0][0] - _MARGIN, bounds[1][0] - _MARGIN, bounds[2][0] - _MARGIN),
            inner_shape=(x, y, z),
            grid_shape=(brain.shape[0], brain.shape[1], brain.shape[2]),
            num_levels=num_levels,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(X', Y', Z') of the padded arrays."""
        x, y, z = self.inner_shape
        return x + 2, y + 2, z + 2

    def padded(self, volume: NDArray[ScalarT]) -> NDArray[ScalarT]:
        """Part of a (X, Y, Z) array inside the box; zeros around it and beyond the grid."""
        out = np.zeros(self.shape, volume.dtype)
        out[self._in_box] = volume[self._in_grid]
        return out

    def unpadded(self, padded: NDArray[ScalarT]) -> NDArray[ScalarT]:
        """(X, Y, Z) array from a box; zeros outside the box."""
        out = np.zeros(self.grid_shape, padded.dtype)
        out[self._in_grid] = padded[self._in_box]
        return out

    @cached_property
    def _in_grid(self) -> tuple[slice, ...]:
        return tuple(
            slice(max(first, 0), min(first + extent, size))
            for first, extent, size in zip(self.first, self.inner_shape, self.grid_shape, strict=True)
        )

    @cached_property
    def _in_box(self) -> tuple[slice, ...]:
        # Box index of a cell = its grid index − first + 1.
        return tuple(
            slice(part.start - first + 1, part.stop - first + 1)
            for part, first in zip(self._in_grid, self.first, strict=True)
        )
