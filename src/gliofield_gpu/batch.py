"""Many tumors of one brain on a GPU: the reaction-diffusion model of `FisherKolmogorov`, a batch at a time.

One tumor is far too small for a GPU, so `simulate_batch` grows dozens side by side. Each has its own parameters, times,
time steps and stages: exactly those `FisherKolmogorov` would take, and the same densities to float32 rounding. A slot
whose tumor is finished takes the next one from the queue, so the batch stays full whatever the tumors differ in.

The plan of a run is known beforehand (`stage_operations`), so the host prepares stretches of launches, hands them to
the device and never waits for it inside a stretch; while a stretch runs, the results of the one before are handed out.
PyTorch and Triton are imported on the first call.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import DeviceError, GliofieldError, ParameterError
from gliofield.growth.diffusivity import FaceCoefficients, Stretch, face_coefficients
from gliofield.growth.parameters import FisherKolmogorovParameters
from gliofield.growth.run_inputs import check_times, require_anatomy
from gliofield.growth.seed import SEED_VARIANCE_MM2, seed_cells
from gliofield.growth.solution import Solution
from gliofield.growth.time_step import plan_steps, require_time_step_scale
from gliofield.growth.volume_limit import VolumeLimit, VoxelLimit, limits_of_each
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield_gpu.stage_operations import NUM_CODES, NUM_WEIGHTS, Operations, write_out
from gliofield_gpu.triton_loading import load_backend

if TYPE_CHECKING:
    from gliofield_gpu.triton_batch import Transfer, TumorBatch

#: Tumors at once if memory allows. *Chosen*: at 128³ a launch of these takes longer than the host needs to start it.
DEFAULT_BATCH = 128
# Most programs of a launch along its second axis.
_LARGEST_BATCH = 65_535
# Part of the free memory a batch may take: the rest is for PyTorch and for other users of the device.
_MEMORY_SHARE = 0.9
# Launches between two looks at the results. *Chosen*: a run has about 200.
_LAUNCHES_PER_STRETCH = 24
# Tumors begun before the oldest unfinished one is handed out, per slot: bounds the results held back for their order.
_BATCHES_AHEAD = 4


def simulate_batch(
    anatomy: Anatomy,
    parameters: Sequence[FisherKolmogorovParameters],
    times_days: Sequence[Sequence[float]],
    *,
    device: str = "cuda",
    max_batch: int | None = None,
    time_step_scale: float = 1.0,
    volume_limit: VolumeLimit | Sequence[VolumeLimit | None] | None = None,
    report: Reporter = ignore_progress,
) -> Iterator[Solution]:
    """Solutions of many tumors in one anatomy, in the order of `parameters`, as they become ready.

    Each agrees with ``FisherKolmogorov(time_step_scale=…).simulate(…)`` to 2e-5 in density, with equal steps.

    Parameters
    ----------
    anatomy : Anatomy
        Brain to grow in; its arrays must not be changed while tumors grow.
    parameters : sequence of FisherKolmogorovParameters
        One per tumor. Diffusivity ratios may differ; each distinct one takes 12 more bytes per voxel of the device.
    times_days : sequence of sequences of float
        For each tumor its times after the seed [day], strictly increasing, > 0.
    device : str
        CUDA device.
    max_batch : int or None
        Most tumors at once, 1 to 65,535; None: as many as are useful and fit into the free memory. A batch that does
        not fit is halved until it does, which `report` is told of.
    time_step_scale : float
        Factor on every time step, > 0 and ≤ 8.
    volume_limit : VolumeLimit, sequence of VolumeLimit or None, or None
        A tumor stops after the first time step before its last time at whose end it is larger, and the next one takes
        its place. One limit for all tumors, or for each its own.
    report : Reporter
        Told of every finished tumor.

    Returns
    -------
    iterator of Solution
        Lazy: tumors grow as the iterator is advanced.

    Raises
    ------
    ParameterError
        If lengths differ, times or a number are invalid, or, while iterating, a seed is off the grid or outside the
        tissue, or a run is far too long.
    DeviceError
        If PyTorch, Triton or the device is missing, or not even one tumor fits into its memory.
    """
    require_anatomy(anatomy)
    tumors = list(zip(parameters, times_of_each(parameters, times_days), strict=True))
    volume_limits = limits_of_each(volume_limit, len(tumors))
    limits = [None if limit is None else limit.on(anatomy.grid) for limit in volume_limits]
    require_max_batch(max_batch)
    require_time_step_scale(time_step_scale)
    backend = load_backend()
    backend.require_device(device)
    if not tumors:
        return iter(())
    queue = _Queue(anatomy=anatomy, tumors=tumors, time_step_scale=time_step_scale, limits=limits)
    batch = _make_batch(backend, queue, device, max_batch, report)
    return _Runner(queue=queue, batch=batch, report=report).solutions()


@dataclass(eq=False)
class _Run:
    """One tumor on its way."""

    index: int
    parameters: FisherKolmogorovParameters
    times_days: tuple[float, ...]
    faces: FaceCoefficients
    operations: Operations
    cells: NDArray[np.float32]
    corner: tuple[int, ...]
    num_done: int = 0
    # Padded boxes at the times reached: a quarter of the memory of the grid, for results that wait for their turn.
    densities: list[NDArray[np.float32]] = field(default_factory=list)
    is_finished: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class _Queue:
    """What is to be grown."""

    anatomy: Anatomy
    tumors: list[tuple[FisherKolmogorovParameters, tuple[float, ...]]]
    time_step_scale: float
    # One per tumor.
    limits: list[VoxelLimit | None]

    def faces_of(self, index: int) -> FaceCoefficients:
        parameters = self.tumors[index][0]
        return face_coefficients(self.anatomy, parameters.diffusivity_ratio, parameters.axis_stretch)

    def run(self, index: int) -> _Run:
        """Tumor `index`, planned."""
        parameters, times = self.tumors[index]
        faces, spacing_mm = self.faces_of(index), self.anatomy.spacing_mm
        diffusivity = parameters.white_matter_diffusivity_mm2_per_day
        fastest = diffusivity * faces.max_face_sum / spacing_mm**2
        try:
            cells, corner = _seed_in_box(self.anatomy, faces, parameters.seed_mm)
            steps = plan_steps(
                times,
                proliferation_rate_per_day=parameters.proliferation_rate_per_day,
                seed_age_days=SEED_VARIANCE_MM2 / (2.0 * diffusivity) if diffusivity > 0.0 else math.inf,
                euler_step_days=1.0 / fastest if fastest > 0.0 else math.inf,
                time_step_scale=self.time_step_scale,
            )
        except GliofieldError as error:
            raise ParameterError(f"parameters[{index}]: {error}") from error
        limit = self.limits[index]
        operations = write_out(
            steps,
            diffusion_number_per_day=diffusivity / spacing_mm**2,
            proliferation_rate_per_day=parameters.proliferation_rate_per_day,
            threshold=math.inf if limit is None else limit.threshold,
        )
        return _Run(index, parameters, times, faces, operations, cells, corner)


@dataclass(frozen=True)
class _Landing:
    """A requested time reached at a launch of a stretch."""

    launch: int
    slot: int
    run: _Run


@dataclass(frozen=True)
class _Stretch:
    """Launches the device has been given."""

    transfer: Transfer
    landings: list[_Landing]
    # Of each run its slot, and whether it got its last operations.
    runs: list[tuple[int, _Run, bool]]


class _Runner:
    """Keeps the slots of a batch busy until the queue is empty."""

    def __init__(self, *, queue: _Queue, batch: TumorBatch, report: Reporter) -> None:
        self._queue = queue
        self._batch = batch
        self._report = report
        self._slots: list[_Run | None] = [None] * batch.num_slots
        self._mobility_of_set: list[tuple[float, Stretch] | None] = [None] * batch.num_face_sets
        self._set_of_slot: list[int] = [0] * batch.num_slots
        self._num_begun = self._num_handed_out = self._num_finished = 0
        self._ready: dict[int, _Outcome] = {}

    def solutions(self) -> Iterator[Solution]:
        """All solutions, in order."""
        under_way: deque[_Stretch] = deque()
        while self._num_handed_out < len(self._queue.tumors):
            self._fill()
            if any(self._slots):
                under_way.append(self._begin_stretch())
            # One stretch stays with the device while the results before it are unpacked.
            while under_way and (len(under_way) > 1 or not any(self._slots)):
                self._collect(under_way.popleft())
            while self._num_handed_out in self._ready:
                outcome = self._ready.pop(self._num_handed_out)
                self._num_handed_out += 1
                yield outcome.solution(self._queue.anatomy)

    def _fill(self) -> None:
        last = min(len(self._queue.tumors), self._num_handed_out + _BATCHES_AHEAD * len(self._slots))
        for slot, occupant in enumerate(self._slots):
            if occupant is None and self._num_begun < last:
                run = self._queue.run(self._num_begun)
                self._set_of_slot[slot] = self._face_set(run)
                limit = self._queue.limits[run.index]
                self._batch.load(
                    slot,
                    run.cells,
                    run.corner,
                    face_set=self._set_of_slot[slot],
                    max_num_voxels=0 if limit is None else limit.max_num_voxels,
                )
                self._slots[slot] = run
                self._num_begun += 1

    def _face_set(self, run: _Run) -> int:
        """Set with the coefficients of a run; there are as many sets as slots, or as there are ratios and stretches."""
        mobility = (run.parameters.diffusivity_ratio, run.parameters.axis_stretch)
        if mobility in self._mobility_of_set:
            return self._mobility_of_set.index(mobility)
        used = {s for s, occupant in zip(self._set_of_slot, self._slots, strict=True) if occupant is not None}
        free = next(index for index in range(len(self._mobility_of_set)) if index not in used)
        self._batch.set_faces(free, run.faces)
        self._mobility_of_set[free] = mobility
        return free

    def _begin_stretch(self) -> _Stretch:
        """Give the device the next operations of every slot; slots whose tumor gets its last ones become free."""
        runs = [(slot, run) for slot, run in enumerate(self._slots) if run is not None]
        num_launches = min(_LAUNCHES_PER_STRETCH, max(len(run.operations) - run.num_done for _, run in runs))
        landings = [
            _Landing(operation - run.num_done, slot, run)
            for slot, run in runs
            for operation in run.operations.landings
            if run.num_done <= operation < run.num_done + num_launches
        ]
        landings.sort(key=lambda landing: landing.launch)
        # Tumors with many requested times: no more copies under way than there are slots, or a few more.
        if len(landings) > len(self._slots):
            num_launches = landings[len(self._slots)].launch + 1
            landings = [landing for landing in landings if landing.launch < num_launches]
        codes = np.zeros((num_launches, len(self._slots), NUM_CODES), np.int32)
        weights = np.zeros((num_launches, len(self._slots), NUM_WEIGHTS), np.float32)
        for slot, run in runs:
            part = slice(run.num_done, run.num_done + num_launches)
            rows = run.operations.codes[part]
            codes[: len(rows), slot], weights[: len(rows), slot] = rows, run.operations.weights[part]
            run.num_done += len(rows)
            if run.num_done == len(run.operations):
                self._slots[slot] = None
        copies = self._batch.launch(codes, weights, [(landing.launch, landing.slot) for landing in landings])
        transfer = self._batch.transfer(copies)
        return _Stretch(transfer, landings, [(slot, run, run.num_done == len(run.operations)) for slot, run in runs])

    def _collect(self, stretch: _Stretch) -> None:
        """Take what a stretch has computed."""
        densities, status = stretch.transfer.wait()
        for landing, padded in zip(stretch.landings, densities, strict=True):
            if not landing.run.is_finished:
                # A copy, for the memory the device writes to is rare.
                landing.run.densities.append(padded.copy())
        for slot, run, got_all in stretch.runs:
            num_counted, num_steps, num_voxel_steps = (int(value) for value in status[slot, :3])
            limit = self._queue.limits[run.index]
            is_stopped = limit is not None and num_counted > limit.max_num_voxels
            if run.is_finished or not (is_stopped or got_all):
                continue
            run.is_finished = True
            if self._slots[slot] is run:
                self._slots[slot] = None
            self._ready[run.index] = _Outcome(
                run=run,
                num_steps=num_steps,
                num_voxel_steps=num_voxel_steps,
                stopped_at_days=run.operations.step_ends_days[num_steps - 1] if is_stopped else None,
            )
            self._num_finished += 1
            self._report(ProgressEvent(task="growth", completed=self._num_finished, total=len(self._queue.tumors)))


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """A finished run."""

    run: _Run
    num_steps: int
    num_voxel_steps: int
    stopped_at_days: float | None

    def solution(self, anatomy: Anatomy) -> Solution:
        """Its densities on the grid."""
        run, times = self.run, self.run.times_days
        if self.stopped_at_days is not None:
            times = tuple(time for time in times if time <= self.stopped_at_days)
        densities = np.zeros((len(times), *anatomy.grid.shape), np.float32)
        # After a run has stopped its density may have been copied again, under later times.
        for target, padded in zip(densities, run.densities, strict=False):
            run.faces.unpadded_into(target, padded)
        return Solution(
            cell_density=densities,
            times_days=times,
            grid=anatomy.grid,
            num_steps=self.num_steps,
            num_voxel_steps=self.num_voxel_steps,
            scheme="strang-rkl2",
            backend="cuda",
            front_resolution=run.parameters.infiltration_length_mm / anatomy.spacing_mm,
            stopped_at_days=self.stopped_at_days,
        )


def _make_batch(
    backend: ModuleType,
    queue: _Queue,
    device: str,
    max_batch: int | None,
    report: Reporter,
) -> TumorBatch:
    """The largest batch of use that fits into the memory of the device."""
    box_shape = queue.faces_of(0).x.shape
    num_ratios = len({(parameters.diffusivity_ratio, parameters.axis_stretch) for parameters, _ in queue.tumors})
    layout = backend.FieldLayout(box_shape=box_shape, tile=backend.Tile())
    free = backend.free_bytes(device)
    num_slots = min(max_batch or DEFAULT_BATCH, len(queue.tumors))
    if max_batch is None:
        share = _MEMORY_SHARE * free - min(num_ratios, num_slots) * layout.bytes_per_face_set
        num_slots = max(1, min(num_slots, int(share / layout.bytes_per_tumor)))
    while True:
        try:
            return backend.TumorBatch(
                box_shape,
                num_slots=num_slots,
                num_face_sets=min(num_ratios, num_slots),
                device=device,
            )
        except backend.OutOfMemoryError as error:
            if num_slots == 1:
                needed = layout.bytes_per_tumor + layout.bytes_per_face_set
                raise DeviceError(
                    f"device {device!r} has too little free memory for a single tumor on a grid of "
                    f"{queue.anatomy.grid.describe()}: expected {_gib(needed)}, got {_gib(free)}. End other programs "
                    "that use the device, take a coarser grid, or run FisherKolmogorov() on the processor."
                ) from error
            num_slots //= 2
            note = f"out of memory on {device!r}: going on with {num_slots} tumors at once"
            report(ProgressEvent(task="growth", completed=0, total=len(queue.tumors), message=note))


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / 2**30:.3g} GiB"


def _seed_in_box(
    anatomy: Anatomy, faces: FaceCoefficients, seed_mm: Sequence[float]
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Cells of a seed, and where in the padded box they begin."""
    cells, window = seed_cells(anatomy, seed_mm)
    # Outside the box of the domain there are no cells.
    low = [max(at.start, bounds.start) for at, bounds in zip(window, faces.box, strict=True)]
    high = [min(at.stop, bounds.stop) for at, bounds in zip(window, faces.box, strict=True)]
    part = tuple(slice(a - at.start, b - at.start) for a, b, at in zip(low, high, window, strict=True))
    return cells[part], tuple(a - bounds.start + 1 for a, bounds in zip(low, faces.box, strict=True))


def require_max_batch(max_batch: int | None) -> None:
    """Refuse batch sizes a device cannot launch; None stands for as many as fit."""
    if max_batch is not None and not 1 <= max_batch <= _LARGEST_BATCH:
        raise ParameterError(f"max_batch must lie between 1 and {_LARGEST_BATCH}, got {max_batch}.")


def times_of_each(
    parameters: Sequence[FisherKolmogorovParameters], times_days: Sequence[Sequence[float]]
) -> list[tuple[float, ...]]:
    """Checked times [day] of each tumor; their number must be that of the parameters."""
    if len(parameters) != len(times_days):
        raise ParameterError(
            "times_days must hold the times of each tumor: expected one sequence for each of the "
            f"{len(parameters)} parameters, got {len(times_days)}."
        )
    return [check_times(times, name=f"times_days[{index}]") for index, times in enumerate(times_days)]
