"""Runs kernels over the planes of a brain, on one thread or several.

Every kernel of `mechanics` takes a range of x and the extents of what to visit; ranges can run at once, and no result
depends on how they are cut. Kernels that only look at neighbors see a plane as one long line of voxels, from the first
of the brain to the last: a loop over it is vectorized once, where rows of 50 voxels would cost more to enter than to
compute. Kernels that need to know where a voxel lies go by rows.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.diffusivity import EMPTY_START, EMPTY_STOP

# Ranges of fewer planes are not worth a thread.
_FEWEST_PLANES = 8


class PlaneRunner:
    """The planes of a brain (X', Y', Z'), and the threads that share them.

    Parameters
    ----------
    brain : (X', Y', Z') bool array
        Cells to visit.
    executor : Executor or None
        Threads; None runs in the calling thread.
    num_threads : int
        Ranges the planes are cut into, at most.
    extents : {"planes", "rows"}
        Whether kernels visit planes as lines or rows. With lines, arrays (…, X', Y', Z') are handed to kernels as
        (…, X', Y' · Z'), and what lies between the first and the last cell of a plane is visited too.
    """

    def __init__(
        self,
        brain: NDArray[np.bool_],
        executor: Executor | None = None,
        num_threads: int = 1,
        *,
        extents: Literal["planes", "rows"] = "planes",
    ) -> None:
        self._shape, self._is_flat = brain.shape, extents == "planes"
        lines = self._flat(brain) if self._is_flat else brain
        occupied = lines.any(axis=-1)
        start = np.where(occupied, lines.argmax(axis=-1), EMPTY_START)
        stop = np.where(occupied, lines.shape[-1] - lines[..., ::-1].argmax(axis=-1), EMPTY_STOP)
        self.start, self.stop = start.astype(np.int32), stop.astype(np.int32)
        self._executor = executor
        work = np.maximum(self.stop - self.start, 0).reshape(brain.shape[0], -1).sum(axis=1)
        self._ranges = _ranges(work, num_threads)
        self.sums = np.zeros(brain.shape[0])

    def run(self, kernel: Callable[..., Any], *arguments: Any) -> None:
        """Run kernel(x0, x1, start, stop, *arguments) over all planes; with lines, (…, start, stop, Z', *arguments)."""
        self.map(kernel, *arguments)

    def total(self, kernel: Callable[..., Any], *arguments: Any) -> float:
        """Sum of what a kernel writes for each plane into the array it is given last."""
        self.map(kernel, *arguments, self.sums)
        return float(self.sums.sum())

    def map(self, kernel: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What the kernel returned for each range."""
        rows: tuple[Any, ...] = (self.start, self.stop)
        if self._is_flat:
            rows, arguments = (*rows, self._shape[2]), tuple(self._flat(one) for one in arguments)
        if self._executor is None or len(self._ranges) == 1:
            return [kernel(first, last, *rows, *arguments) for first, last in self._ranges]
        waiting = [self._executor.submit(kernel, first, last, *rows, *arguments) for first, last in self._ranges]
        return [future.result() for future in waiting]

    def _flat(self, argument: Any) -> Any:
        """An array on the box with its planes as lines, without a copy; anything else as it is."""
        if not isinstance(argument, np.ndarray) or argument.shape[-3:] != self._shape:
            return argument
        # Kernels write into their arguments, which a copy would swallow.
        return argument.reshape((*argument.shape[:-2], -1), copy=False)


def _ranges(work: NDArray[np.int64], num_ranges: int) -> list[tuple[int, int]]:
    """Consecutive ranges of x of nearly equal work that cover all inner planes."""
    last = len(work) - 1
    num_ranges = max(1, min(num_ranges, (last - 1) // _FEWEST_PLANES))
    done = np.cumsum(work[1:last])
    cuts = [int(np.searchsorted(done, done[-1] * part / num_ranges)) + 1 for part in range(1, num_ranges)]
    edges = sorted({1, *(1 + cut for cut in cuts), last})
    return list(zip(edges[:-1], edges[1:], strict=True))
