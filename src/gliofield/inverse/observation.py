"""What an inverse network sees of a tumor: two masks merged into one volume, with or without errors of theirs.

The merged volume is 0.666 · T1Gd + 0.333 · FLAIR, where FLAIR includes the core, so its values are 0, 0.333 and 0.999
(authors' code; the paper adds the masks). It may be cropped and averaged over blocks of voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.box import Box, slices_of
from gliofield.inverse.config import InverseNetworkSettings

FLAIR_WEIGHT = 0.333


@dataclass(frozen=True, kw_only=True)
class InputLayout:
    """How masks on a grid become the input of a network.

    Parameters
    ----------
    box : Box
        Part of the grid that is seen.
    pooling : int
        Voxels per axis that are averaged.
    """

    box: Box
    pooling: int

    @classmethod
    def of(cls, settings: InverseNetworkSettings, shape: tuple[int, int, int], occupied: Box) -> InputLayout:
        """Layout on a grid of some shape, whose tumors grow in `occupied`."""
        x, y, z = shape
        box = occupied if settings.is_cropped else ((0, x), (0, y), (0, z))
        return cls(box=box, pooling=settings.pooling)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the input; blocks at the end may reach beyond the box, where nothing is."""
        x, y, z = (-(-(stop - start) // self.pooling) for start, stop in self.box)
        return x, y, z

    def share_outside(self, mask: NDArray[np.bool_]) -> float:
        """Part of a mask (X, Y, Z) that lies where the network does not look, 0 … 1; 0 for an empty mask."""
        number = int(np.count_nonzero(mask))
        return 1.0 - int(np.count_nonzero(mask[slices_of(self.box)])) / number if number else 0.0

    def volume(self, tumor_core: NDArray[np.bool_], whole_tumor: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Merged masks (X, Y, Z) of the grid as the network sees them, of shape `shape`."""
        inside = slices_of(self.box)
        # T1Gd weighs twice as much as FLAIR, so a voxel is worth 0, 1 or 3 of FLAIR's weight.
        worth = whole_tumor[inside].astype(np.float32) + np.float32(2.0) * tumor_core[inside]
        if self.pooling > 1:
            worth = np.pad(worth, [(0, -length % self.pooling) for length in worth.shape])
        for axis in range(worth.ndim):
            planes = np.moveaxis(worth, axis, 0)
            blocks = np.sum([planes[place :: self.pooling] for place in range(self.pooling)], axis=0)
            worth = np.moveaxis(blocks, 0, axis)
        return np.ascontiguousarray(worth * np.float32(FLAIR_WEIGHT / self.pooling**3))
