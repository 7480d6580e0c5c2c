"""Exact search with free thresholds: the tumor and the cell densities at which it looks most like the query.

Which density T1Gd and FLAIR show is not known for a patient; Lipkova et al. 2019 infer it with a prior of 0.5-0.85 for
T1Gd and 0.05-0.5 for FLAIR. Here every pair of levels in given ranges is tried, T1Gd's never below FLAIR's, and the
distance of a tumor is that of its best pair. Nothing is approximated.

**Ties.** Equal distances go to the lower index. Of a tumor's pairs of equal distance, the one nearest to the usual
thresholds (0.2 and 0.6) counts, by the sum of both differences of levels; then the one of lower FLAIR, then of lower
T1Gd threshold. Without a core, T1Gd is not compared and its threshold not reported.

**Bound.** The index holds, for each tumor and block of 8×8×8 voxels, the voxels above 16 coarse levels, and for the
whole tumor above every level: some 5 KB at 128³. Coarse levels bound the overlap at every level (`shared_bound_at`),
and the best similarity over the ranges bounds the distance. The few tumors of best bound are decoded from the database
and counted at every level.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import require_threads
from gliofield.database.quantization import NUM_LEVELS, level_of_threshold, levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval.best_first import SearchThreads, best_first, require_bounded
from gliofield.retrieval.block_kernels import (
    NUM_COARSE_LEVELS,
    add_level_bounds,
    best_similarities,
    shared_bounds_at,
    shared_voxels_per_level,
)
from gliofield.retrieval.index_cache import (
    PreparedSegments,
    Segment,
    open_segments,
)
from gliofield.retrieval.level_counts import LevelPreparation
from gliofield.retrieval.mask_blocks import QueryBlocks
from gliofield.retrieval.overlap_metric import OverlapMetric, dice_similarity
from gliofield.retrieval.query import Hit, Hits, require_count

_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class ThresholdRanges:
    """Thresholds to choose from, ends included and rounded to multiples of 1/255.

    Parameters
    ----------
    t1gd, flair : (float, float)
        Smallest and largest threshold, in (0, 1). Defaults: the priors of Lipkova et al. 2019.

    Raises
    ------
    ParameterError
        If an end lies outside (0, 1), a range is upside down, or all of T1Gd's lies below all of FLAIR's.
    """

    t1gd: tuple[float, float] = (0.5, 0.85)
    flair: tuple[float, float] = (0.05, 0.5)

    def __post_init__(self) -> None:
        for name in ("t1gd", "flair"):
            low, high = getattr(self, name)
            if not 0.0 < low <= high < 1.0:
                raise ParameterError(
                    f"the range of {name} thresholds must be (low, high) with 0 < low ≤ high < 1, got ({low}, {high})."
                )
        if self.t1gd_levels[-1] < self.flair_levels[0]:
            raise ParameterError(
                f"no pair of thresholds is possible: all T1Gd thresholds {self.t1gd} lie below all FLAIR thresholds "
                f"{self.flair}, but the core lies inside the whole tumor. Were the two ranges swapped?"
            )

    @property
    def t1gd_levels(self) -> range:
        """Levels of T1Gd's thresholds."""
        return _levels(self.t1gd)

    @property
    def flair_levels(self) -> range:
        """Levels of FLAIR's thresholds."""
        return _levels(self.flair)


@dataclass(frozen=True, kw_only=True)
class FreeThresholdHits:
    """Answer to a query, with the thresholds at which each tumor was found.

    Parameters
    ----------
    hits : Hits
        Nearest first; distance and Dice at the thresholds of each.
    t1gd_thresholds : tuple of (float or None)
        Threshold of T1Gd of each hit; None for a query without core.
    flair_thresholds : tuple of float
        Threshold of FLAIR of each hit.
    """

    hits: Hits
    t1gd_thresholds: tuple[float | None, ...]
    flair_thresholds: tuple[float, ...]


class FreeThresholdIndex:
    """Index over all thresholds in given ranges; made by `open`.

    Parameters
    ----------
    database : SimulationDatabase
        What is searched; read for the candidates of each query.
    prepared : PreparedSegments
        Counts of its tumors.
    ranges : ThresholdRanges
        Thresholds to choose from.
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
        ranges: ThresholdRanges,
        metric: OverlapMetric,
        num_threads: int,
    ) -> None:
        self.database = database
        self.prepared = prepared
        self.ranges = ranges
        self.metric = metric
        self._threads = SearchThreads(num_threads)
        self._buffers = threading.local()

    @classmethod
    def open(
        cls,
        database: SimulationDatabase,
        *,
        ranges: ThresholdRanges | None = None,
        metric: OverlapMetric | None = None,
        num_threads: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        report: Reporter = ignore_progress,
    ) -> FreeThresholdIndex:
        """Index of a database, one for all ranges, from the cache or made; arguments as `BlockIndex.open`.

        Raises
        ------
        ParameterError
            If the number of threads is out of range.
        DatabaseError
            If a tumor cannot be read.
        """
        threads = require_threads(num_threads)
        prepared = open_segments(
            database,
            LevelPreparation(grid=database.header.grid),
            parent=None if folder is None else Path(folder),
            num_threads=threads,
            report=report,
        )
        return cls(
            database,
            prepared,
            ranges=ranges if ranges is not None else ThresholdRanges(),
            metric=metric if metric is not None else OverlapMetric.dice(),
            num_threads=threads,
        )

    @property
    def name(self) -> str:
        """``exact-free-thresholds``."""
        return "exact-free-thresholds"

    def search(self, query: Observation, k: int, *, ranges: ThresholdRanges | None = None) -> FreeThresholdHits:
        """The k nearest tumors, each at its best thresholds, nearest first; all if the database holds fewer.

        Parameters
        ----------
        query : Observation
            Masks on any grid in atlas space; brought to the database's grid by the mask rule.
        k : int
            Hits wanted, ≥ 1.
        ranges : ThresholdRanges or None
            Thresholds to choose from; None: those of the index.

        Raises
        ------
        ParameterError
            If k is below 1, or nothing of the query is left on the database's grid, or the metric's similarity is not
            finite or falls while the overlap grows.
        DatabaseError
            If a tumor cannot be read.
        """
        require_count(k)
        begin_s = time.perf_counter()
        chosen = ranges if ranges is not None else self.ranges
        blocks = QueryBlocks.of(query, self.database.header.grid)
        bounds = self._bounds(blocks, chosen)
        levels = (chosen.flair_levels, chosen.t1gd_levels)[: blocks.num_modalities]
        compared: dict[int, _Compared] = {}

        def evaluate(tumors: NDArray[np.intp]) -> NDArray[np.float64]:
            found = self._threads.map(lambda tumor: self._compared(blocks, tumor, levels), tumors.tolist())
            compared.update(zip(tumors.tolist(), found, strict=True))
            distance = np.array([_smallest_distance(self.metric, one.similarity, levels) for one in found])
            require_bounded(self.metric, distance, bounds[tumors])
            return distance

        best = best_first(bounds - self.metric.rounding, k, evaluate, batch=_BATCH)
        found = [self._match(blocks, compared[tumor], levels) for tumor in best.tumors.tolist()]
        hits = Hits(
            hits=tuple(
                Hit(
                    index=int(tumor),
                    distance=match.distance,
                    dice_t1gd=match.dice_t1gd,
                    dice_flair=match.dice_flair,
                    parameters=self.database.parameters_of(int(tumor)),
                )
                for tumor, match in zip(best.tumors, found, strict=True)
            ),
            num_candidates_evaluated=best.num_evaluated,
            seconds=time.perf_counter() - begin_s,
        )
        return FreeThresholdHits(
            hits=hits,
            t1gd_thresholds=tuple(None if m.t1gd_level is None else m.t1gd_level / NUM_LEVELS for m in found),
            flair_thresholds=tuple(m.flair_level / NUM_LEVELS for m in found),
        )

    def _bounds(self, query: QueryBlocks, ranges: ThresholdRanges) -> NDArray[np.float64]:
        """Lower bound of the distance of every tumor at its best thresholds, (N,)."""
        parts = self._threads.map(lambda segment: self._segment_bounds(segment, query, ranges), self.prepared.segments)
        return np.concatenate(parts)[: self.database.num_tumors]

    def _segment_bounds(self, segment: Segment, query: QueryBlocks, ranges: ThresholdRanges) -> NDArray[np.float64]:
        best = []
        for column, levels in enumerate((ranges.flair_levels, ranges.t1gd_levels)[: query.num_modalities]):
            shared = np.zeros((len(segment["sizes"]), NUM_COARSE_LEVELS), dtype=np.int32)
            add_level_bounds(
                segment["list_begins"],
                segment["list_tumors"],
                segment["list_counts"],
                query.blocks[column],
                query.counts[column],
                shared,
            )
            best.append(self._best_similarities(segment["sizes"], query.sizes[column], shared, levels))
        return self.metric.distance(best[0], best[1] if query.num_modalities == 2 else None)

    def _best_similarities(
        self, sizes: NDArray[np.int32], query_size: int, shared: NDArray[np.int32], levels: range
    ) -> NDArray[np.float64]:
        """Bound of each tumor's best similarity over some levels, (n,)."""
        best = np.full(len(sizes), -np.inf)
        if self.metric.compiled_kind >= 0:
            best_similarities(self.metric.compiled_kind, sizes, query_size, shared, levels[0], levels[-1], best)
            return best
        bound = np.empty(len(sizes), dtype=np.int64)
        for level in levels:
            shared_bounds_at(sizes, shared, level, bound)
            np.maximum(best, self.metric.similarities(sizes[:, level], query_size, bound), out=best)
        return best

    def _compared(self, query: QueryBlocks, tumor: int, levels: tuple[range, ...]) -> _Compared:
        """A tumor and the query at all levels."""
        grid = self.database.header.grid
        if not hasattr(self._buffers, "levels"):
            self._buffers.levels = np.empty(grid.shape, dtype=np.uint8)
        tumor_levels = self.database.density_levels(tumor, out=self._buffers.levels)
        bounds = self.database.bounding_box[tumor].astype(np.int64)
        bounds[::2] = np.maximum(bounds[::2], query.bounds[::2])
        bounds[1::2] = np.minimum(bounds[1::2], query.bounds[1::2])
        shared = np.empty((2, NUM_LEVELS), dtype=np.int64)
        shared_voxels_per_level(tumor_levels, bounds, query.query.whole_tumor, query.query.tumor_core, shared)
        number, row = divmod(tumor, self.prepared.segment_tumors)
        sizes = self.prepared.segments[number]["sizes"][row]
        similarity = tuple(
            self.metric.similarities(
                sizes[chosen.start : chosen.stop], query.sizes[column], shared[column, chosen.start : chosen.stop]
            )
            for column, chosen in enumerate(levels)
        )
        return _Compared(sizes=sizes, shared=shared, similarity=similarity)

    def _match(self, query: QueryBlocks, compared: _Compared, levels: tuple[range, ...]) -> _Match:
        """A tumor at its best pair of thresholds."""
        pair = _best_pair(self.metric, compared.similarity, levels)
        dice = [
            float(dice_similarity(compared.sizes[level], query.sizes[column], compared.shared[column, level]))
            for column, level in enumerate(pair)
        ]
        return _Match(
            distance=_smallest_distance(self.metric, compared.similarity, levels),
            flair_level=pair[0],
            t1gd_level=pair[1] if len(pair) == 2 else None,
            dice_flair=dice[0],
            dice_t1gd=dice[1] if len(pair) == 2 else None,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Compared:
    """Voxels of a tumor (255,) and shared with the query (2, 255) above each level; similarities at those allowed."""

    sizes: NDArray[np.int32]
    shared: NDArray[np.int64]
    similarity: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, kw_only=True)
class _Match:
    """A tumor at its best thresholds."""

    distance: float
    flair_level: int
    t1gd_level: int | None
    dice_flair: float
    dice_t1gd: float | None


def _smallest_distance(
    metric: OverlapMetric, similarity: tuple[NDArray[np.float64], ...], levels: tuple[range, ...]
) -> float:
    """Distance of the best pair of levels."""
    if len(levels) == 1 or levels[0][-1] <= levels[1][0]:
        # Every pair is allowed, and rounding keeps order: the best pair is that of the best of each.
        best = [values.max(keepdims=True) for values in similarity]
        return float(metric.distance(best[0], best[1] if len(best) == 2 else None)[0])
    return float(_distance_table(metric, similarity, levels).min())


def _distance_table(
    metric: OverlapMetric, similarity: tuple[NDArray[np.float64], ...], levels: tuple[range, ...]
) -> NDArray[np.float64]:
    """Distance of every pair of levels, FLAIR's along the first axis; infinite where T1Gd's is the lower one."""
    table = metric.distance(similarity[0][:, np.newaxis], similarity[1][np.newaxis, :])
    table[np.array(levels[1])[np.newaxis, :] < np.array(levels[0])[:, np.newaxis]] = np.inf
    return table


def _best_pair(
    metric: OverlapMetric, similarity: tuple[NDArray[np.float64], ...], levels: tuple[range, ...]
) -> tuple[int, ...]:
    """Levels of smallest distance by the rule of the module: FLAIR's, and T1Gd's if it is compared."""
    usual_flair, usual_t1gd = levels_of(VisibilityThresholds())
    flair = np.array(levels[0])
    if len(levels) == 1:
        distance = metric.distance(similarity[0], None)
        return (int(flair[np.lexsort((flair, np.abs(flair - usual_flair), distance))[0]]),)
    table = _distance_table(metric, similarity, levels)
    rows, columns = np.nonzero(table == table.min())
    flair, t1gd = flair[rows], np.array(levels[1])[columns]
    chosen = np.lexsort((t1gd, flair, np.abs(flair - usual_flair) + np.abs(t1gd - usual_t1gd)))[0]
    return int(flair[chosen]), int(t1gd[chosen])


def _levels(ends: tuple[float, float]) -> range:
    first, last = (level_of_threshold(end)[0] for end in ends)
    return range(first, last + 1)
