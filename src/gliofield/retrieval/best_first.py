"""Best-first search: the k smallest distances, computing as few as lower bounds allow.

Shared by the exact indexes. Ties go to the lower index, also against the bounds, so the answer is that of sorting all
distances.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.retrieval.overlap_metric import OverlapMetric

_LARGEST_GROWTH = 64

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, eq=False)
class Best:
    """Result of `best_first`.

    Parameters
    ----------
    tumors : (k,) int array
        Nearest first, ties by lower index.
    distance : (k,) float64 array
        Their distances.
    num_evaluated : int
        Tumors whose distance was computed.
    """

    tumors: NDArray[np.intp]
    distance: NDArray[np.float64]
    num_evaluated: int


def best_first(
    bounds: NDArray[np.float64],
    k: int,
    evaluate: Callable[[NDArray[np.intp]], NDArray[np.float64]],
    *,
    batch: int,
) -> Best:
    """The k tumors of smallest distance, ties by lower index, evaluating as few as the bounds allow.

    Parameters
    ----------
    bounds : (N,) float64 array
        Lower bound of each distance.
    k : int
        How many; all if there are fewer.
    evaluate : callable
        Distances of some tumors.
    batch : int
        How many are evaluated at once, more from time to time when many remain; the last ones may be without need.
    """
    k = min(k, len(bounds))
    # Nobody can avoid these k, but for ties: the k-th best distance is no better than the k-th best bound.
    first = np.sort(np.argpartition(bounds, k - 1)[:k])
    tumors, distance = _sorted_best(first, evaluate(first), k)
    may_enter = bounds <= distance[-1]
    may_enter[first] = False
    rest = np.flatnonzero(may_enter)
    rest = rest[np.argsort(bounds[rest], kind="stable")]
    done, most = 0, batch * _LARGEST_GROWTH
    while done < len(rest) and (bounds[rest[done]], rest[done]) < (distance[-1], tumors[-1]):
        more = rest[done : done + batch]
        done, batch = done + len(more), min(2 * batch, most)
        tumors, distance = _sorted_best(np.concatenate([tumors, more]), np.concatenate([distance, evaluate(more)]), k)
    return Best(tumors=tumors, distance=distance, num_evaluated=k + done)


def require_bounded(metric: OverlapMetric, distance: NDArray[np.float64], bounds: NDArray[np.float64]) -> None:
    """Raise `ParameterError` if a distance lies below its bound: the metric is not monotone."""
    if np.any(distance < bounds - metric.rounding):
        raise ParameterError(
            f"metric {metric.name!r}: the similarity falls while the shared voxels grow, so it has no bound. Expected "
            "f(|A|, |B|, s) ≤ f(|A|, |B|, t) wherever s ≤ t."
        )


class SearchThreads:
    """Threads that are started by the first search and kept for the next ones."""

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        self._executor: ThreadPoolExecutor | None = None

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The function of each item, in order; in the calling thread if there is one item or one thread."""
        if self.num_threads == 1 or len(items) < 2:
            return [function(item) for item in items]
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.num_threads, thread_name_prefix="gliofield-search")
        return list(self._executor.map(function, items))


def _sorted_best(
    tumors: NDArray[np.intp], distance: NDArray[np.float64], k: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    order = np.lexsort((tumors, distance))[:k]
    return tumors[order], distance[order]
