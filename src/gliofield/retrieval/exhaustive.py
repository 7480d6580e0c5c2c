"""The direct query of the papers: the overlap with every tumor of the database, in full resolution.

Every tumor is decoded and compared; nothing is approximated, so this is also the yardstick for every other index. The
cost is decoding: about a millisecond per tumor at 128³ and core. Threads share the work, since decompression and
counting release the interpreter lock.

`tests/support/plain_search.py` is the same search as one plain loop over masks; tests hold the two equal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import map_blocks, require_threads
from gliofield.database.quantization import levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import USUAL_THRESHOLDS, VisibilityThresholds
from gliofield.metrics.overlap import dice_from_counts
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval.query import AtThresholds, Hit, Hits, distance_from_dice, on_database_grid, require_count
from gliofield.retrieval.tumor_overlap import DecodedLevels, count_overlap

TASK_NAME = "search database"
_BLOCK = 32


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """Voxels of each tumor and in common with the query, (N,) int64 each; columns: FLAIR, T1Gd."""

    size: NDArray[np.int64]
    intersection: NDArray[np.int64]


class ExhaustiveIndex(AtThresholds):
    """Index ``direct`` over an open database; needs no preparation.

    Parameters
    ----------
    database : SimulationDatabase
        What is searched.
    thresholds : VisibilityThresholds
        Cell densities above which a tumor shows. The database stores levels of 1/255, so other thresholds than
        multiples of it are rounded; `effective_thresholds` says to what.
    num_threads : int or None
        Threads of a search; None: all cores this process may use.

    Raises
    ------
    ParameterError
        If a threshold or the number of threads is out of range.
    """

    def __init__(
        self,
        database: SimulationDatabase,
        *,
        thresholds: VisibilityThresholds = USUAL_THRESHOLDS,
        num_threads: int | None = None,
    ) -> None:
        self.database = database
        self.thresholds = thresholds
        self._num_threads = require_threads(num_threads)

    @property
    def name(self) -> str:
        """``direct``."""
        return "direct"

    def search(self, query: Observation, k: int, *, report: Reporter = ignore_progress) -> Hits:
        """The k nearest tumors, nearest first, ties by lower index; all of them if the database holds fewer.

        Parameters
        ----------
        query : Observation
            Masks on any grid in atlas space; brought to the database's grid by the mask rule.
        k : int
            Hits wanted, ≥ 1.
        report : Reporter
            Receives the number of tumors compared.

        Raises
        ------
        ParameterError
            If k is below 1, or nothing of the query is left on the database's grid.
        DatabaseError
            If a tumor cannot be read.
        """
        require_count(k)
        start_s = time.perf_counter()
        on_grid = on_database_grid(query, self.database.header.grid)
        counts = self._counts(on_grid, report)
        query_sizes = (np.count_nonzero(on_grid.whole_tumor), np.count_nonzero(on_grid.tumor_core))
        overlap = dice_from_counts(counts.intersection, counts.size, query_sizes, if_both_empty=0.0)
        dice_flair, dice_t1gd = overlap[:, 0], overlap[:, 1] if on_grid.has_core else None
        hits = nearest_hits(self.database, dice_t1gd, dice_flair, k)
        return Hits(
            hits=hits,
            num_candidates_evaluated=self.database.num_tumors,
            seconds=time.perf_counter() - start_s,
        )

    def _counts(self, query: Observation, report: Reporter) -> _Counts:
        num_tumors = self.database.num_tumors
        size, intersection = np.empty((num_tumors, 2), dtype=np.int64), np.empty((num_tumors, 2), dtype=np.int64)
        levels, decoded = levels_of(self.thresholds), DecodedLevels(self.database)

        def compare(tumors: range) -> None:
            for tumor in tumors:
                size[tumor], intersection[tumor] = count_overlap(decoded, query, tumor, levels=levels)

        map_blocks(compare, num_tumors, block=_BLOCK, num_threads=self._num_threads, task=TASK_NAME, report=report)
        return _Counts(size=size, intersection=intersection)


def nearest_hits(
    database: SimulationDatabase,
    dice_t1gd: NDArray[np.float64] | None,
    dice_flair: NDArray[np.float64],
    k: int,
) -> tuple[Hit, ...]:
    """The k hits of smallest distance from the Dice values of all tumors, (N,) each; ties by lower index."""
    distance = distance_from_dice(dice_t1gd, dice_flair)
    order = np.argsort(distance, kind="stable")[:k]
    return tuple(
        Hit(
            index=int(index),
            distance=float(distance[index]),
            dice_t1gd=None if dice_t1gd is None else float(dice_t1gd[index]),
            dice_flair=float(dice_flair[index]),
            parameters=database.parameters_of(int(index)),
        )
        for index in order
    )
