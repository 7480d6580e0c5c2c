"""Exact search in milliseconds: the answer of `ExhaustiveIndex`, from counts per block and a few full comparisons.

Ezhov et al. 2022 compare a patient with every tumor of the database, voxel by voxel, and then trade accuracy for time.
Nothing has to be traded: with a_b and q_b voxels of a tumor and of the query in block b of 8×8×8 voxels, the shared
voxels are at most Σ_b min(a_b, q_b), which bounds Dice from above and is tight. A search

1. computes the bound of every tumor, reading only the lists of the blocks in which the query has voxels,
2. compares the k tumors of best bound bit by bit, which gives a k-th best distance to beat,
3. goes on in the order of the bounds, equal ones by index, until the next bound cannot enter: it is worse than the k-th
   best, or equal to it with a higher index.

Bounds and values come from integer counts by one expression, so the hits are those of a comparison with every tumor:
same indices, same order, same floats, ties by lower index.

The index holds the bits of the non-empty blocks as well, about 6 KB per tumor at 128³, and never opens the database
while it searches. It is made once, in a pass over the database, kept in the user's cache, mapped into memory, and
completed when the database has grown (`index_cache`). Other thresholds make another index; other metrics
(`overlap_metric`) use the same. For thresholds that are to be found as well, see `free_thresholds`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import require_threads
from gliofield.database.quantization import levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import USUAL_THRESHOLDS, VisibilityThresholds
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.retrieval.best_first import SearchThreads, best_first, require_bounded
from gliofield.retrieval.block_kernels import add_shared_bounds, overlap_similarities, shared_voxels
from gliofield.retrieval.index_cache import PreparedSegments, Segment, open_segments
from gliofield.retrieval.mask_blocks import MODALITIES, BlockPreparation, QueryBlocks
from gliofield.retrieval.overlap_metric import OverlapMetric, dice_similarity
from gliofield.retrieval.query import AtThresholds, Hit, Hits, require_count

TASK_NAME = "search index"
_BATCH = 32
_QUERIES_AT_ONCE = 32


class BlockIndex(AtThresholds):
    """Index ``exact`` that answers in milliseconds; made by `open`.

    Parameters
    ----------
    database : SimulationDatabase
        What is searched.
    prepared : PreparedSegments
        Counts and bits of its tumors.
    thresholds : VisibilityThresholds
        Those asked for.
    metric : OverlapMetric
        How tumors are compared.
    num_threads : int
        Threads of a search.
    """

    def __init__(
        self,
        database: SimulationDatabase,
        prepared: PreparedSegments,
        *,
        thresholds: VisibilityThresholds,
        metric: OverlapMetric,
        num_threads: int,
    ) -> None:
        self.database = database
        self.prepared = prepared
        self.notices = prepared.notices
        self.thresholds = thresholds
        self.metric = metric
        self._threads = SearchThreads(num_threads)
        self._starts = range(0, database.num_tumors, self.prepared.segment_tumors)

    @classmethod
    def open(
        cls,
        database: SimulationDatabase,
        *,
        thresholds: VisibilityThresholds = USUAL_THRESHOLDS,
        metric: OverlapMetric | None = None,
        num_threads: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        report: Reporter = ignore_progress,
    ) -> BlockIndex:
        """Index of a database, from the cache where it is there and true; made or completed where it is not.

        Parameters
        ----------
        database : SimulationDatabase
            What is searched.
        thresholds : VisibilityThresholds
            Cell densities above which a tumor shows, rounded to multiples of 1/255 as by `ExhaustiveIndex`.
        metric : OverlapMetric or None
            How tumors are compared; None: the sum of Dice.
        num_threads : int or None
            Threads; None: all cores this process may use.
        folder : path or None
            Where indexes are kept; None: in the user's cache.
        report : Reporter
            Receives the tumors read, and what was found damaged or outdated.

        Raises
        ------
        ParameterError
            If a threshold or the number of threads is out of range.
        DatabaseError
            If a tumor cannot be read.
        """
        threads = require_threads(num_threads)
        prepared = open_segments(
            database,
            BlockPreparation(grid=database.header.grid, levels=levels_of(thresholds)),
            parent=None if folder is None else Path(folder),
            num_threads=threads,
            report=report,
        )
        metric = metric if metric is not None else OverlapMetric.dice()
        return cls(database, prepared, thresholds=thresholds, metric=metric, num_threads=threads)

    @property
    def name(self) -> str:
        """``exact``."""
        return "exact"

    def search(self, query: Observation, k: int, *, report: Reporter = ignore_progress) -> Hits:
        """The k nearest tumors, nearest first, ties by lower index; all of them if the database holds fewer.

        Parameters
        ----------
        query : Observation
            Masks on any grid in atlas space; brought to the database's grid by the mask rule.
        k : int
            Hits wanted, ≥ 1.
        report : Reporter
            Receives the number of queries answered.

        Raises
        ------
        ParameterError
            If k is below 1, or nothing of the query is left on the database's grid, or the metric's similarity is not
            finite or falls while the overlap grows.
        """
        return self.search_many([query], k, report=report)[0]

    def search_many(
        self, queries: Sequence[Observation], k: int, *, report: Reporter = ignore_progress
    ) -> tuple[Hits, ...]:
        """Answers to several queries, each as `search` gives it, from one scan over the lists.

        Errors as `search`. Of each answer, `seconds` is its share of the time.
        """
        require_count(k)
        answers: list[Hits] = []
        for first in range(0, len(queries), _QUERIES_AT_ONCE):
            begin_s = time.perf_counter()
            group = queries[first : first + _QUERIES_AT_ONCE]
            blocks = self._threads.map(lambda query: QueryBlocks.of(query, self.database.header.grid), group)
            bounds = self._bounds(blocks)
            found = self._threads.map(lambda pair: self._nearest(*pair, k), list(zip(blocks, bounds, strict=True)))
            share_s = (time.perf_counter() - begin_s) / len(group)
            answers.extend(Hits(hits=hits, num_candidates_evaluated=count, seconds=share_s) for hits, count in found)
            report(ProgressEvent(task=TASK_NAME, completed=len(answers), total=len(queries)))
        return tuple(answers)

    def _bounds(self, queries: Sequence[QueryBlocks]) -> NDArray[np.float64]:
        """Lower bounds of the distance of every tumor to every query, (Q, N)."""
        bounds = np.empty((len(queries), self.database.num_tumors))

        def scan(number: int) -> None:
            start = self._starts[number]
            for row, query in enumerate(queries):
                target = bounds[row, start : start + self.prepared.segment_tumors]
                target[...] = self._segment_bounds(self.prepared.segments[number], query)[: len(target)]

        self._threads.map(scan, range(len(self.prepared.segments)))
        return bounds

    def _segment_bounds(self, segment: Segment, query: QueryBlocks) -> NDArray[np.float64]:
        shared = np.zeros((2, len(segment["sizes"])), dtype=np.int32)
        for column, modality in enumerate(MODALITIES[: query.num_modalities]):
            add_shared_bounds(
                segment[f"{modality}_list_begins"],
                segment[f"{modality}_list_tumors"],
                segment[f"{modality}_list_counts"],
                query.blocks[column],
                query.counts[column],
                shared[column],
            )
        return self._distance(segment["sizes"], query, shared)

    def _distance(self, sizes: NDArray[np.int32], query: QueryBlocks, shared: NDArray[Any]) -> NDArray[np.float64]:
        """Distance by the metric from sizes (n, 2) and shared voxels, or bounds of them, (2, n)."""
        if self.metric.compiled_kind < 0:
            # The lists may promise more than a tumor has.
            capped = np.minimum(shared, sizes.T)
            values = [
                self.metric.similarities(sizes[:, column], query.sizes[column], capped[column])
                for column in range(query.num_modalities)
            ]
        else:
            values = list(np.empty((query.num_modalities, len(sizes))))
            for column, out in enumerate(values):
                kind = self.metric.compiled_kind
                overlap_similarities(kind, sizes[:, column], query.sizes[column], shared[column], out)
        return self.metric.distance(values[0], values[1] if query.num_modalities == 2 else None)

    def _nearest(self, query: QueryBlocks, bounds: NDArray[np.float64], k: int) -> tuple[tuple[Hit, ...], int]:
        """Hits, and the number of tumors compared in full."""
        best = best_first(
            bounds - self.metric.rounding if self.metric.rounding else bounds,
            k,
            lambda tumors: self._checked_distance(query, tumors, bounds[tumors]),
            batch=_BATCH,
        )
        shared, sizes = self._shared(query, best.tumors)
        dice = [dice_similarity(sizes[:, column], query.sizes[column], shared[column]) for column in range(2)]
        hits = tuple(
            Hit(
                index=int(tumor),
                distance=float(best.distance[rank]),
                dice_t1gd=float(dice[1][rank]) if query.num_modalities == 2 else None,
                dice_flair=float(dice[0][rank]),
                parameters=self.database.parameters_of(int(tumor)),
            )
            for rank, tumor in enumerate(best.tumors)
        )
        return hits, best.num_evaluated

    def _checked_distance(
        self, query: QueryBlocks, tumors: NDArray[np.intp], bounds: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        shared, sizes = self._shared(query, tumors)
        distance = self._distance(sizes, query, shared)
        require_bounded(self.metric, distance, bounds)
        return distance

    def _shared(self, query: QueryBlocks, tumors: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Voxels shared with the query (2, m), and sizes (m, 2), of some tumors."""
        shared = np.zeros((2, len(tumors)), dtype=np.int64)
        sizes = np.empty((len(tumors), 2), dtype=np.int32)
        numbers = tumors // self.prepared.segment_tumors
        for number in np.unique(numbers):
            segment, here = self.prepared.segments[number], np.flatnonzero(numbers == number)
            local = tumors[here] - number * self.prepared.segment_tumors
            sizes[here] = segment["sizes"][local]
            for column, modality in enumerate(MODALITIES[: query.num_modalities]):
                counts = np.empty(len(here), dtype=np.int64)
                shared_voxels(
                    local,
                    segment[f"{modality}_begins"],
                    segment[f"{modality}_blocks"],
                    segment[f"{modality}_bits"],
                    query.rows[column],
                    query.bits[column],
                    counts,
                )
                shared[column, here] = counts
        return shared, sizes
