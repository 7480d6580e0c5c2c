"""Runs kernels over the rows of a brain, on one thread or several.

Every kernel of `mechanics` takes a range of x and the extents along z of the rows to visit; ranges can run at once, and
no result depends on how they are cut.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.diffusivity import EMPTY_START, EMPTY_STOP

# Ranges of fewer planes are not worth a thread.
_FEWEST_PLANES = 8


class PlaneRunner:
    """The rows of a brain (X', Y', Z'), and the threads that share them.

    Parameters
    ----------
    brain : (X', Y', Z') bool array
        Cells to visit; whole rows from the first to the last are visited.
    executor : Executor or None
        Threads; None runs in the calling thread.
    num_threads : int
        Ranges the planes are cut into, at most.
    """

    def __init__(self, brain: NDArray[np.bool_], executor: Executor | None = None, num_threads: int = 1) -> None:
        occupied = brain.any(axis=2)
        start = np.where(occupied, brain.argmax(axis=2), EMPTY_START)
        stop = np.where(occupied, brain.shape[2] - brain[:, :, ::-1].argmax(axis=2), EMPTY_STOP)
        self.start, self.stop = start.astype(np.int32), stop.astype(np.int32)
        self._executor = executor
        self._ranges = _ranges(np.maximum(self.stop - self.start, 0).sum(axis=1), num_threads)
        self.sums = np.zeros(brain.shape[0])

    def run(self, kernel: Callable[..., Any], *arguments: Any) -> None:
        """Run kernel(x0, x1, start, stop, *arguments) over all planes."""
        self.map(kernel, *arguments)

    def total(self, kernel: Callable[..., Any], *arguments: Any) -> float:
        """Sum of what a kernel writes for each plane into the array it is given last."""
        self.map(kernel, *arguments, self.sums)
        return float(self.sums.sum())

    def map(self, kernel: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What the kernel returned for each range."""
        rows = (self.start, self.stop)
        if self._executor is None or len(self._ranges) == 1:
            return [kernel(first, last, *rows, *arguments) for first, last in self._ranges]
        waiting = [self._executor.submit(kernel, first, last, *rows, *arguments) for first, last in self._ranges]
        return [future.result() for future in waiting]


def _ranges(work: NDArray[np.int64], num_ranges: int) -> list[tuple[int, int]]:
    """Consecutive ranges of x of nearly equal work that cover all inner planes."""
    last = len(work) - 1
    num_ranges = max(1, min(num_ranges, (last - 1) // _FEWEST_PLANES))
    done = np.cumsum(work[1:last])
    cuts = [int(np.searchsorted(done, done[-1] * part / num_ranges)) + 1 for part in range(1, num_ranges)]
    edges = sorted({1, *(1 + cut for cut in cuts), last})
    return list(zip(edges[:-1], edges[1:], strict=True))
