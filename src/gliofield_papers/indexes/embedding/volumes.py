"""Masks as the embedding networks see them: cropped, pooled by averaging, padded, and back again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from gliofield.box import Box, slices_of
from gliofield.database.store import SimulationDatabase
from gliofield.retrieval.tumor_overlap import DecodedLevels
from gliofield_papers.indexes.embedding.settings import NetworkSettings


class VolumeLayout:
    """How masks on a grid become volumes of a network.

    Parameters
    ----------
    settings : NetworkSettings
        Pooling, and how often the resolution is halved.
    grid_shape : (int, int, int)
        Shape of the masks.
    box : Box
        The part of the grid that the network sees.
    """

    def __init__(self, settings: NetworkSettings, grid_shape: tuple[int, int, int], box: Box) -> None:
        self.grid_shape = grid_shape
        self.pooling = settings.pooling
        x, y, z = (stop - start for start, stop in box)
        self.shape = settings.volume_shape((x, y, z))
        self._inside = slices_of(box)

    def volume(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Share of each pooled voxel that a mask (X, Y, Z) covers; what is beyond the box is empty."""
        edge, mask = self.pooling, mask[self._inside]
        if edge == 1 and mask.shape == self.shape:
            return mask.astype(np.float32)
        # Counts of up to edge³ voxels, one axis after the other.
        counts = np.zeros([length * edge for length in self.shape], dtype=np.min_scalar_type(edge**3))
        counts[tuple(slice(length) for length in mask.shape)] = mask
        for axis in range(3):
            leading = (slice(None),) * axis
            counts = reduce(np.add, [counts[(*leading, slice(offset, None, edge))] for offset in range(edge)])
        return counts.astype(np.float32) / np.float32(edge**3)

    def mask(self, volume: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Voxels (X, Y, Z) of pooled voxels that are more than half full."""
        fine = volume > 0.5
        for axis in range(3):
            fine = fine.repeat(self.pooling, axis=axis)
        mask = np.zeros(self.grid_shape, dtype=np.bool_)
        inside = mask[self._inside]
        inside[...] = fine[tuple(slice(length) for length in inside.shape)]
        return mask


class TumorVolumes:
    """Volumes of a database's tumors in both modalities; may be used by several threads.

    Parameters
    ----------
    database : SimulationDatabase
        Where the tumors are.
    layout : VolumeLayout
        Of the database's grid.
    levels : (int, int)
        Stored levels above which a tumor shows in FLAIR and in T1Gd.
    """

    def __init__(self, database: SimulationDatabase, layout: VolumeLayout, levels: tuple[int, int]) -> None:
        self.layout = layout
        self.levels = levels
        self._decoded = DecodedLevels(database)

    def read(self, tumors: Sequence[int], *, modalities: Sequence[int] = (0, 1)) -> NDArray[np.float32]:
        """Volumes of some tumors, (n, modalities, X, Y, Z); modality 0 is FLAIR, 1 is T1Gd.

        Raises
        ------
        DatabaseError
            If a tumor cannot be read.
        """
        volumes = np.empty((len(tumors), len(modalities), *self.layout.shape), dtype=np.float32)
        for row, tumor in enumerate(tumors):
            stored = self._decoded.of(int(tumor))
            for column, modality in enumerate(modalities):
                volumes[row, column] = self.layout.volume(stored > self.levels[modality])
        return volumes
