"""Full-resolution overlap of the few tumors an approximate index has found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gliomap.database.store import SimulationDatabase
from gliomap.dice import dice_from_counts
from gliomap.retrieval.query import Query


def dice_of_tumors(
    database: SimulationDatabase, query: Query, tumors: Sequence[int] | NDArray[np.integer], *, levels: tuple[int, int]
) -> NDArray[np.float64]:
    """Dice of some tumors with a query, (n, 2); columns FLAIR, T1Gd.

    Parameters
    ----------
    database : SimulationDatabase
        Where the tumors are.
    query : Query
        On the database's grid.
    tumors : (n,) ints
        Which tumors.
    levels : (int, int)
        Stored levels above which a tumor shows in FLAIR and in T1Gd.

    Raises
    ------
    DatabaseError
        If a tumor cannot be read.
    """
    decoded = np.empty(database.header.grid.shape, dtype=np.uint8)
    masks = (query.whole_tumor, query.tumor_core)
    counts = np.empty((len(tumors), 2, 2), dtype=np.int64)
    for row, tumor in enumerate(tumors):
        database.density_levels(int(tumor), out=decoded)
        start, stop = (int(bound) for bound in database.bounding_box[int(tumor), :2])
        for column, (level, mask) in enumerate(zip(levels, masks, strict=True)):
            shows = decoded[start:stop] > level
            counts[row, column] = np.count_nonzero(shows & mask[start:stop]), np.count_nonzero(shows)
    query_sizes = [np.count_nonzero(mask) for mask in masks]
    return dice_from_counts(counts[..., 0], counts[..., 1], query_sizes, if_both_empty=0.0)
