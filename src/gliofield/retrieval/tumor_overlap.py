"""Full-resolution overlap of single tumors of a database with a query."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gliofield.database.store import SimulationDatabase
from gliofield.imaging.observation import Observation
from gliofield.metrics.overlap import dice_from_counts
from gliofield.retrieval.query import Hit


class DecodedLevels:
    """Stored levels of one tumor after the other, in one array per thread.

    Parameters
    ----------
    database : SimulationDatabase
        Where the tumors are.
    """

    def __init__(self, database: SimulationDatabase) -> None:
        self.database = database
        self._buffers = threading.local()

    def of(self, tumor: int) -> NDArray[np.uint8]:
        """Levels of a tumor, (X, Y, Z); overwritten by this thread's next one.

        Raises
        ------
        DatabaseError
            If it cannot be read.
        """
        if not hasattr(self._buffers, "levels"):
            self._buffers.levels = np.empty(self.database.header.grid.shape, dtype=np.uint8)
        return self.database.density_levels(tumor, out=self._buffers.levels)


def count_overlap(
    decoded: DecodedLevels, query: Observation, tumor: int, *, levels: tuple[int, int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Voxels of one tumor, and in common with a query on the database's grid; each (FLAIR, T1Gd).

    Counted within the tumor's extent along x: a slab is contiguous, which counts faster than the smaller bounding box.

    Parameters
    ----------
    decoded : DecodedLevels
        Where the tumor is read.
    query : Observation
        On the database's grid.
    tumor : int
        Which tumor.
    levels : (int, int)
        Stored levels above which it shows in FLAIR and in T1Gd.

    Raises
    ------
    DatabaseError
        If the tumor cannot be read.
    """
    start, stop = (int(bound) for bound in decoded.database.bounding_box[tumor, :2])
    slab = decoded.of(tumor)[start:stop]
    sizes, shared = [], []
    for level, mask in zip(levels, (query.whole_tumor, query.tumor_core), strict=True):
        shows = slab > level
        sizes.append(int(np.count_nonzero(shows)))
        shows &= mask[start:stop]
        shared.append(int(np.count_nonzero(shows)))
    return tuple(sizes), tuple(shared)


def dice_of_tumors(
    database: SimulationDatabase,
    query: Observation,
    tumors: Sequence[int] | NDArray[np.integer],
    *,
    levels: tuple[int, int],
) -> NDArray[np.float64]:
    """Dice of some tumors with a query on the database's grid, (n, 2); columns FLAIR, T1Gd. As `count_overlap`."""
    decoded = DecodedLevels(database)
    counts = np.array([count_overlap(decoded, query, int(tumor), levels=levels) for tumor in tumors], dtype=np.int64)
    sizes, shared = counts.reshape(-1, 2, 2).swapaxes(0, 1)
    query_sizes = [np.count_nonzero(mask) for mask in (query.whole_tumor, query.tumor_core)]
    return dice_from_counts(shared, sizes, query_sizes, if_both_empty=0.0)


def hits_at(
    database: SimulationDatabase,
    query: Observation,
    tumors: NDArray[np.integer],
    distances: NDArray[np.float64],
    *,
    levels: tuple[int, int],
) -> tuple[Hit, ...]:
    """Hits found by another measure than overlap: their distances by it, and their Dice. As `dice_of_tumors`."""
    overlap = dice_of_tumors(database, query, tumors, levels=levels)
    return tuple(
        Hit(
            index=int(tumor),
            distance=float(distance),
            dice_t1gd=float(t1gd) if query.has_core else None,
            dice_flair=float(flair),
            parameters=database.parameters_of(int(tumor)),
        )
        for tumor, distance, (flair, t1gd) in zip(tumors, distances, overlap, strict=True)
    )
