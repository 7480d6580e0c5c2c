"""The solver on Numba kernels, restricted to the rows the tumor can have reached.

A stage moves cells by at most one voxel, so before each step the rows are widened by its number of stages around the
cells present. Rows only ever grow, and outside them every buffer holds zeros: the restricted run equals the run on the
full box bit for bit. Several threads share a step by ranges of x, which changes no bit either.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliomap.growth.backends import numba_kernels as kernels
from gliomap.growth.diffusivity import EMPTY_START, EMPTY_STOP, FaceCoefficients
from gliomap.growth.seed import DENSITY_FLOOR
from gliomap.growth.super_time_stepping import SuperTimeStep


class NumbaStepper:
    """`Stepper` of one run.

    Parameters
    ----------
    faces : FaceCoefficients
        Coefficients of the anatomy.
    padded_density : (X', Y', Z') float32 array
        Initial state on the padded box.
    executor : Executor or None
        Threads that share each step; None computes in the calling thread.
    num_threads : int
        Number of ranges a step is cut into.
    density_floor : float
        Densities below it are cleared; not used by `published_step`.
    whole_box : bool
        Update every row instead of those the tumor can have reached; for tests.
    """

    def __init__(
        self,
        faces: FaceCoefficients,
        padded_density: NDArray[np.float32],
        *,
        executor: Executor | None = None,
        num_threads: int = 1,
        density_floor: float = DENSITY_FLOOR,
        whole_box: bool = False,
    ) -> None:
        self._faces = faces
        self._executor = executor
        self._num_threads = num_threads
        self._floor = np.float32(density_floor)
        # One block of memory, so that large boxes get large pages: the kernels are bound by memory.
        self._density, self._rate, self._newer, self._older = np.zeros((4, *padded_density.shape), np.float32)
        self._density[...] = padded_density
        self._num_voxel_steps = 0
        rows = padded_density.shape[:2]
        if whole_box:
            self._limit_start = np.full(rows, 1, np.int32)
            self._limit_stop = np.full(rows, padded_density.shape[2] - 1, np.int32)
        else:
            self._limit_start, self._limit_stop = faces.row_start, faces.row_stop
        self._found_start, self._found_stop = _extents(padded_density)
        self._start, self._stop = np.full(rows, EMPTY_START, np.int32), np.full(rows, EMPTY_STOP, np.int32)
        self._is_complete = False
        self._ranges: list[tuple[int, int]] = []
        self._num_active = 0
        if whole_box:
            self._set_rows(self._limit_start, self._limit_stop)
        else:
            self._widen(0)

    @property
    def num_voxel_steps(self) -> int:
        return self._num_voxel_steps

    def react(self, survival: float) -> None:
        q = np.float32(survival)
        self._run(kernels.react, self._density, q, self._floor, self._found_start, self._found_stop)

    def diffuse_then_react(self, step: SuperTimeStep, diffusion_number: float, survival: float) -> None:
        self._widen(step.num_stages)
        q = np.float32(survival)
        f = (self._faces.x, self._faces.y, self._faces.z)
        weight = np.float32(step.first * diffusion_number)
        self._run(kernels.first_stage, self._density, *f, self._rate, self._newer, weight)
        for index, stage in enumerate(step.stages):
            weights = (
                np.float32(stage.newer),
                np.float32(stage.older),
                np.float32(stage.operator * diffusion_number),
                np.float32(stage.initial_rate * diffusion_number),
            )
            if index < len(step.stages) - 1:
                self._run(kernels.middle_stage, self._newer, self._older, *f, self._rate, *weights)
                self._newer, self._older = self._older, self._newer
            else:
                growth = (self._density, q, self._floor, self._found_start, self._found_stop)
                self._run(kernels.last_stage, self._newer, self._older, *f, self._rate, *weights, *growth)
        self._num_voxel_steps += step.num_stages * self._num_active

    def published_step(self, diffusion_number: float, growth: float) -> None:
        self._widen(1)
        f = (self._faces.x, self._faces.y, self._faces.z)
        numbers = (np.float32(diffusion_number), np.float32(growth))
        found = (self._found_start, self._found_stop)
        self._run(kernels.published_step, self._density, *f, self._newer, *numbers, *found)
        self._density, self._newer = self._newer, self._density
        self._num_voxel_steps += self._num_active

    def cell_density(self) -> NDArray[np.float32]:
        return self._density.copy()

    def _widen(self, num_voxels: int) -> None:
        """Grow the active rows to all that cells can reach in `num_voxels` stages."""
        if self._is_complete:
            return
        start, stop = self._found_start, self._found_stop
        targets = [(np.full_like(start, EMPTY_START), np.full_like(stop, EMPTY_STOP)) for _ in range(2)]
        for index in range(num_voxels):
            target = targets[index % 2]
            kernels.spread_rows(start, stop, self._limit_start, self._limit_stop, *target)
            start, stop = target
        self._set_rows(np.minimum(self._start, start), np.maximum(self._stop, stop))

    def _set_rows(self, start: NDArray[np.int32], stop: NDArray[np.int32]) -> None:
        self._start, self._stop = start, stop
        lengths = np.maximum(stop[1:-1, 1:-1] - start[1:-1, 1:-1], 0).sum(axis=1)
        self._num_active = int(lengths.sum())
        self._ranges = _balanced_ranges(lengths, self._num_threads)
        self._is_complete = bool(np.all(start <= self._limit_start) and np.all(stop >= self._limit_stop))

    def _run(self, kernel: Callable[..., Any], *arguments: Any) -> None:
        if self._executor is None or len(self._ranges) == 1:
            for first, last in self._ranges:
                kernel(first, last, self._start, self._stop, *arguments)
            return
        waiting = [
            self._executor.submit(kernel, first, last, self._start, self._stop, *arguments)
            for first, last in self._ranges
        ]
        for future in waiting:
            future.result()


def _extents(padded: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Extent along z of the non-zero cells of each row."""
    cells = padded != 0.0
    occupied = cells.any(axis=2)
    start = np.where(occupied, cells.argmax(axis=2), EMPTY_START)
    stop = np.where(occupied, cells.shape[2] - cells[:, :, ::-1].argmax(axis=2), EMPTY_STOP)
    return start.astype(np.int32), stop.astype(np.int32)


def _balanced_ranges(work: NDArray[np.int64], num_ranges: int) -> list[tuple[int, int]]:
    """Consecutive ranges of padded x with nearly equal work; `work[i]` belongs to padded index i + 1."""
    occupied = np.flatnonzero(work)
    if occupied.size == 0:
        return [(1, 1)]
    first, last = int(occupied[0]), int(occupied[-1]) + 1
    done = np.cumsum(work[first:last])
    cuts = [int(np.searchsorted(done, done[-1] * part / num_ranges)) + 1 for part in range(1, num_ranges)]
    edges = sorted({0, *cuts, last - first})
    return [(1 + first + a, 1 + first + b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
