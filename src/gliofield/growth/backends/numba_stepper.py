"""The solver on Numba kernels, restricted to the rows the tumor can have reached.

A stage moves cells by at most one voxel, so before each step the rows are widened by its number of stages around the
cells present. Rows only ever grow, and outside them every box holds zeros: the restricted run equals the run on the
full box bit for bit.

The stages of a step are computed in groups that sweep through the planes together, so that most of what a stage reads
is still in the processor's own cache. Several threads share a group by ranges of planes: each does what needs nothing
of the other ranges, then the gaps between the ranges are filled in. That changes no bit either.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.backends import numba_kernels as kernels
from gliofield.growth.backends.numba_kernels import ActiveRows, Layout
from gliofield.growth.backends.vectors import NUM_LANES
from gliofield.growth.diffusivity import EMPTY_START, EMPTY_STOP, FaceCoefficients
from gliofield.growth.seed import DENSITY_FLOOR
from gliofield.growth.super_time_stepping import SuperTimeStep

_CACHE_LINE_BYTES = 64
# What the planes of a sweep may take: a core's own cache and its share of the common one. *Chosen* by timing; with
# less, stages of a 1 mm grid would each read the whole tumor from memory.
_SWEEP_BYTES = 1536 * 1024
# Seven float32 a voxel: state and faces.
_BYTES_PER_VOXEL = 28

_kept_faces: WeakKeyDictionary[FaceCoefficients, NDArray[np.float32]] = WeakKeyDictionary()
_lock = threading.Lock()


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
        num_x, num_y, self._num_z = padded_density.shape
        rows = (num_x, num_y)
        row_length = whole_vectors(self._num_z)
        self._layout = Layout(num_x * num_y * row_length, num_y * row_length, row_length)
        self._faces = packed_faces(faces)
        self._state = aligned_zeros((4, num_x, num_y, row_length))
        self._state[0, :, :, : self._num_z] = padded_density
        self._executor = executor
        self._num_threads = num_threads
        self._floor = np.float32(density_floor)
        self._num_voxel_steps = 0
        self._found_start, self._found_stop = np.empty((2, *rows), np.int32)
        kernels.find_extents(self._flat_state, self._layout, *self._found())
        self._start, self._stop = np.full(rows, EMPTY_START, np.int32), np.full(rows, EMPTY_STOP, np.int32)
        self._limit_start, self._limit_stop = faces.row_start, faces.row_stop
        if whole_box:
            self._start[1:-1, 1:-1], self._stop[1:-1, 1:-1] = 1, self._num_z - 1
            self._limit_start, self._limit_stop = self._start, self._stop
        self._is_complete = False
        self._widen(0)

    @property
    def num_voxel_steps(self) -> int:
        return self._num_voxel_steps

    def react(self, survival: float) -> None:
        arrays = (self._flat_state, self._layout, self._rows)
        self._together(kernels.react, self._row_ranges(), *arrays, np.float32(survival), self._floor, *self._found())

    def diffuse_then_react(self, step: SuperTimeStep, diffusion_number: float, survival: float) -> None:
        self._widen(step.num_stages)
        weights = (step.weights * (1.0, 1.0, diffusion_number, diffusion_number)).astype(np.float32)
        arrays = (self._flat_state, self._faces, self._layout, self._rows, weights)
        growth = (np.float32(survival), self._floor, *self._found())
        depth, cuts = self._sweep_depth(step.num_stages), self._cuts
        for first in range(0, step.num_stages, depth):
            stages = (first, min(first + depth, step.num_stages))
            self._together(kernels.sweep_stages, _apart(cuts), *arrays, *stages, *growth)
            if depth > 1:
                self._together(kernels.sweep_stages, _gaps(cuts), *arrays, *stages, *growth)
        self._num_voxel_steps += step.num_stages * self._num_active

    def published_step(self, diffusion_number: float, growth: float) -> None:
        self._widen(1)
        numbers = (np.float32(diffusion_number), np.float32(growth))
        ranges, arrays = self._row_ranges(), (self._layout, self._rows)
        self._together(kernels.published_step, ranges, self._flat_state, self._faces, *arrays, *numbers)
        self._together(kernels.adopt_result, ranges, self._flat_state, *arrays, *self._found())
        self._num_voxel_steps += self._num_active

    def cell_density(self) -> NDArray[np.float32]:
        return self._state[0, :, :, : self._num_z].copy()

    @property
    def num_active_voxels(self) -> int:
        return self._num_active

    def count_above(self, threshold: float) -> int:
        return int(kernels.count_above(self._flat_state, self._rows, np.float32(threshold)))

    @property
    def _flat_state(self) -> NDArray[np.float32]:
        return self._state.reshape(-1)

    def _found(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        return self._found_start.reshape(-1), self._found_stop.reshape(-1)

    def _widen(self, num_voxels: int) -> None:
        """Grow the active rows to all that cells can reach in `num_voxels` stages."""
        if self._is_complete:
            return
        found, limits = (self._found_start, self._found_stop), (self._limit_start, self._limit_stop)
        self._is_complete = kernels.widen_rows(num_voxels, *found, *limits, self._start, self._stop)
        self._rows, self._num_active, planes = list_active_rows(self._start, self._stop, self._layout.y)
        self._cuts = planes if self._num_threads == 1 else _balanced_cuts(self._rows, planes, self._num_threads)

    def _sweep_depth(self, num_stages: int) -> int:
        """Stages computed in one sweep: as many as the cache holds planes for and the ranges are wide enough for."""
        cuts = self._cuts
        num_planes = max(1, cuts[-1] - cuts[0])
        bytes_per_plane = _BYTES_PER_VOXEL * max(1, self._num_active) / num_planes
        depth = int(_SWEEP_BYTES / bytes_per_plane) - 2
        if len(cuts) > 2:
            depth = min(depth, 1 + min(b - a for a, b in pairwise(cuts)) // 2)
        return -(-num_stages // -(-num_stages // min(max(1, depth), num_stages)))

    def _row_ranges(self) -> list[tuple[int, int]]:
        edges = [round(len(self._rows.row) * part / self._num_threads) for part in range(self._num_threads + 1)]
        return list(pairwise(edges))

    def _together(self, kernel: Callable[..., Any], ranges: Sequence[tuple[int, ...]], *arguments: Any) -> None:
        """Call a kernel once per range, the first in this thread and the others beside it, and wait for all."""
        waiting = []
        if self._executor is not None:
            waiting = [self._executor.submit(kernel, *one, *arguments) for one in ranges[1:]]
            ranges = ranges[:1]
        for one in ranges:
            kernel(*one, *arguments)
        for future in waiting:
            future.result()


def aligned_zeros(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Float32 zeros that begin at a cache line: vectors across two lines would cost a third more time."""
    size = math.prod(shape)
    per_line = _CACHE_LINE_BYTES // 4
    values = np.zeros(size + per_line, np.float32)
    offset = -(values.ctypes.data // 4) % per_line
    return values[offset : offset + size].reshape(shape)


def packed_faces(faces: FaceCoefficients) -> NDArray[np.float32]:
    """Coefficients as the kernels read them, flat; kept as long as `faces` lives."""
    with _lock:
        if faces in _kept_faces:
            return _kept_faces[faces]
    num_x, num_y, num_z = faces.x.shape
    packed = aligned_zeros((3, num_x, num_y, whole_vectors(num_z)))
    packed[..., :num_z] = faces.x, faces.y, faces.z
    flat = packed.reshape(-1)
    with _lock:
        return _kept_faces.setdefault(faces, flat)


def whole_vectors(length: int) -> int:
    """Length rounded up to whole vectors."""
    return -(-length // NUM_LANES) * NUM_LANES


def list_active_rows(
    start: NDArray[np.int32], stop: NDArray[np.int32], row_length: int
) -> tuple[ActiveRows, int, list[int]]:
    """Rows of the extents (X', Y'), the number of voxels within the extents, and the range of planes they lie in."""
    begin, end, row = np.empty((3, start.size), np.int64)
    plane_begin = np.empty(start.shape[0] + 1, np.int64)
    num_rows, num_voxels, *planes = kernels.list_rows(start, stop, row_length, begin, end, row, plane_begin)
    return ActiveRows(begin[:num_rows], end[:num_rows], row[:num_rows], plane_begin), num_voxels, planes


def _balanced_cuts(rows: ActiveRows, planes: Sequence[int], num_ranges: int) -> list[int]:
    """First active plane, cuts into ranges of nearly equal work, and the plane past the last active one."""
    done = np.concatenate([[0], np.cumsum(rows.end - rows.begin)])[rows.plane_begin]
    shares = np.arange(1, num_ranges) * (done[-1] / num_ranges)
    return sorted({*planes, *(int(cut) for cut in np.searchsorted(done, shares))})


def _apart(cuts: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Planes and slopes of sweeps that need nothing of each other: they draw back from the cuts between them."""
    inner = cuts[1:-1]
    return [(low, int(low in inner), high, -int(high in inner)) for low, high in pairwise(cuts)]


def _gaps(cuts: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Planes and slopes of the sweeps that fill in what `_apart` leaves out."""
    return [(cut, -1, cut, 1) for cut in cuts[1:-1]]
