"""Many tumors of one brain with mass effect on a GPU: the model of `MassEffect`, a batch at a time.

All tumors of a batch take their coupling steps together, each with its own parameters, times, time steps, corrections
and transport. Coupling times, time steps, tolerances and relaxation are those of `MassEffect`; sums are added up in
another order, so that a solver may stop an iteration earlier or later: displacements agree to the tolerance of the
coupling, not to the last bits. The next batch starts when the last tumor of one is finished.

PyTorch and Triton are imported on the first call.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.errors import DeviceError, GliofieldError, NumericalError, ParameterError
from gliofield.growth.coupling_plan import CouplingStep, coupling_plan, growth_steps, half_step_ends, stretch_between
from gliofield.growth.mass_effect import MassEffect
from gliofield.growth.mechanics.brain_box import BrainBox
from gliofield.growth.parameters import MassEffectParameters
from gliofield.growth.run_inputs import require_anatomy
from gliofield.growth.seed import seed_density
from gliofield.growth.solution import MassEffectSolution
from gliofield.growth.tissue_at_rest import NO_PUSH_PA, required_maps, solution_at_rest
from gliofield.growth.volume_limit import VolumeLimit, limits_of_each
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield_gpu.batch import require_max_batch, simulate_batch, times_of_each
from gliofield_gpu.stage_operations import Operations, write_out
from gliofield_gpu.triton_loading import load_backend

if TYPE_CHECKING:
    from gliofield_gpu.triton_mass_effect import PushingBatch, PushingState

#: Tumors at once if memory allows. *Chosen*: an iteration of the solver then takes the device longer than the host.
DEFAULT_BATCH = 32
# Part of the free memory a batch may take.
_MEMORY_SHARE = 0.85
_TASK = "growth with mass effect"


def simulate_mass_effect_batch(
    anatomy: Anatomy,
    parameters: Sequence[MassEffectParameters],
    times_days: Sequence[Sequence[float]],
    *,
    model: MassEffect | None = None,
    device: str = "cuda",
    max_batch: int | None = None,
    volume_limit: VolumeLimit | Sequence[VolumeLimit | None] | None = None,
    report: Reporter = ignore_progress,
) -> Iterator[MassEffectSolution]:
    """Solutions of many tumors with mass effect in one anatomy, in the order of `parameters`, batch by batch.

    Each agrees with ``model.simulate(…)``: displacements to twice the model's `force_tolerance` times their maximum.

    Parameters
    ----------
    anatomy : Anatomy
        Brain to grow in, with its tissue maps; its arrays must not be changed while tumors grow.
    parameters : sequence of MassEffectParameters
        One per tumor. Tumors that do not push are grown by `simulate_batch`, a batch of their own.
    times_days : sequence of sequences of float
        For each tumor its times after the seed [day], strictly increasing, > 0.
    model : MassEffect or None
        Numerics and elastic constants; threads and reporter are not used. None: the defaults.
    device : str
        CUDA device.
    max_batch : int or None
        Most tumors at once, 1 to 65,535; None: as many as are useful and fit into the free memory. A batch that does
        not fit is halved until it does, which `report` is told of.
    volume_limit : VolumeLimit, sequence of VolumeLimit or None, or None
        A tumor stops after the first coupling step before its last time at whose end it is larger. One limit for all
        tumors, or for each its own.
    report : Reporter
        Told of every coupling step, in tumors that push, and of every finished tumor that does not.

    Returns
    -------
    iterator of MassEffectSolution
        Lazy: tumors grow as the iterator is advanced.

    Raises
    ------
    ParameterError
        If lengths differ, times or a number are invalid, the anatomy has no tissue maps, or, while iterating, a seed is
        off the grid or outside the tissue, or a run is far too long.
    NumericalError
        While iterating, at the turn of a tumor whose push and tissue do not come to equilibrium, or whose tissue is
        turned inside out. The message names it.
    DeviceError
        If PyTorch, Triton or the device is missing, or not even one tumor fits into its memory.
    """
    outcomes = mass_effect_outcomes(
        anatomy,
        parameters,
        times_days,
        model=model,
        device=device,
        max_batch=max_batch,
        volume_limit=volume_limit,
        report=report,
    )
    return (_required(outcome) for outcome in outcomes)


def mass_effect_outcomes(
    anatomy: Anatomy,
    parameters: Sequence[MassEffectParameters],
    times_days: Sequence[Sequence[float]],
    *,
    model: MassEffect | None = None,
    device: str = "cuda",
    max_batch: int | None = None,
    volume_limit: VolumeLimit | Sequence[VolumeLimit | None] | None = None,
    report: Reporter = ignore_progress,
) -> Iterator[MassEffectSolution | NumericalError]:
    """As `simulate_mass_effect_batch`, with the error in the place of a solution where there is none.

    So one tumor without equilibrium does not cost the others of its batch.
    """
    require_anatomy(anatomy)
    tumors = _checked_tumors(parameters, times_days, limits_of_each(volume_limit, len(parameters)))
    require_max_batch(max_batch)
    maps = required_maps(anatomy)
    load_backend().require_device(device)
    brain = _Brain(
        anatomy=anatomy,
        maps=maps,
        box=BrainBox.around(maps.brain),
        model=model or MassEffect(),
    )
    at_rest = _grown_at_rest(
        brain,
        [tumor for tumor in tumors if not tumor.pushes],
        device=device,
        max_batch=max_batch,
        report=report,
    )
    moving = [tumor for tumor in tumors if tumor.pushes]
    batches = _Batches(brain=brain, device=device, max_batch=max_batch, report=report, num_tumors=len(moving))
    pushing = batches.outcomes(moving)
    return (next(pushing if tumor.pushes else at_rest) for tumor in tumors)


@dataclass(frozen=True)
class _Tumor:
    """One tumor to be grown."""

    index: int
    parameters: MassEffectParameters
    times_days: tuple[float, ...]
    volume_limit: VolumeLimit | None

    @property
    def pushes(self) -> bool:
        return self.parameters.push_pa > NO_PUSH_PA


@dataclass(frozen=True, kw_only=True, eq=False)
class _Brain:
    """What all tumors share."""

    anatomy: Anatomy
    maps: TissueMaps
    box: BrainBox
    model: MassEffect

    def initial_tissue(self) -> NDArray[np.float32]:
        maps = self.maps
        tissue = (maps.white_matter, maps.gray_matter, maps.csf, maps.brain, self.anatomy.domain)
        return np.stack([self.box.padded(amount.astype(np.float32)) for amount in tissue])

    def operations(self, tumor: _Tumor, landings_days: Sequence[float]) -> Operations:
        """Reaction and diffusion of a tumor, landing on times."""
        diffusivity = tumor.parameters.white_matter_diffusivity_mm2_per_day
        rate, spacing_mm = tumor.parameters.proliferation_rate_per_day, self.anatomy.spacing_mm
        steps = growth_steps(
            tumor.parameters, landings_days, spacing_mm=spacing_mm, time_step_scale=self.model.time_step_scale
        )
        return write_out(steps, diffusion_number_per_day=diffusivity / spacing_mm**2, proliferation_rate_per_day=rate)


@dataclass(eq=False)
class _Run:
    """One tumor on its way through coupling steps."""

    tumor: _Tumor
    # The first step is for the push of the seed alone and takes no time.
    plan: tuple[CouplingStep, ...]
    operations: Operations
    states: list[PushingState] = field(default_factory=list)
    num_done: int = 0
    stopped_at_days: float | None = None
    has_failed: bool = False
    num_steps: int = 0
    num_voxel_steps: int = 0
    num_solver_iterations: int = 0

    @property
    def is_under_way(self) -> bool:
        return self.num_done < len(self.plan) and self.stopped_at_days is None and not self.has_failed

    def operations_of(self, half_step: int) -> slice:
        """Operations of a half of a coupling step, counted from the first that takes time."""
        if not 0 <= half_step < len(self.operations.landings):
            return slice(0, 0)
        first = self.operations.landings[half_step - 1] + 1 if half_step > 0 else 0
        return slice(first, self.operations.landings[half_step] + 1)

    @property
    def now_days(self) -> float:
        """End of the last coupling step."""
        return self.plan[self.num_done - 1].end_days

    def stretch(self) -> float:
        """Increment of the next coupling step, predicted in proportion to that of the last one."""
        if not 0 < self.num_done < len(self.plan):
            return 0.0
        return stretch_between(self.plan[self.num_done - 1], self.plan[self.num_done])


@dataclass(kw_only=True)
class _Batches:
    """Grows tumors in batches as large as fit."""

    brain: _Brain
    device: str
    max_batch: int | None
    report: Reporter
    num_tumors: int
    num_finished: int = 0

    def outcomes(self, tumors: list[_Tumor]) -> Iterator[MassEffectSolution | NumericalError]:
        """Solutions of tumors that push, or why there is none, in order."""
        if not tumors:
            return
        num_slots, batch = self._num_slots(len(tumors)), None
        backend = load_backend()
        while tumors:
            try:
                batch = batch or self._make_batch(num_slots)
                runs = self._grow(batch, tumors[:num_slots])
            except backend.OutOfMemoryError as error:
                if num_slots == 1:
                    raise self._too_little_memory() from error
                # Its memory is free when nothing refers to it.
                num_slots, batch = num_slots // 2, None
                note = f"out of memory on {self.device!r}: going on with {num_slots} tumors at once"
                self.report(self._event(0.0, note))
                continue
            tumors = tumors[num_slots:]
            self.num_finished += len(runs)
            for run in runs:
                yield _outcome(self.brain, run)

    def _num_slots(self, num_tumors: int) -> int:
        from gliofield_gpu.triton_mass_effect import bytes_per_batch, bytes_per_tumor

        if self.max_batch is not None:
            return min(self.max_batch, num_tumors)
        share = _MEMORY_SHARE * load_backend().free_bytes(self.device) - bytes_per_batch(self.brain.box)
        return max(1, min(DEFAULT_BATCH, num_tumors, int(share / bytes_per_tumor(self.brain.box))))

    def _make_batch(self, num_slots: int) -> PushingBatch:
        from gliofield_gpu.triton_mass_effect import PushingBatch

        brain = self.brain
        return PushingBatch(
            brain.box,
            brain.box.padded(brain.maps.brain),
            brain.initial_tissue(),
            spacing_mm=brain.anatomy.spacing_mm,
            elasticity=brain.model.elasticity,
            force_tolerance=brain.model.force_tolerance,
            num_slots=num_slots,
            device=load_backend().require_device(self.device),
        )

    def _grow(self, batch: PushingBatch, tumors: Sequence[_Tumor]) -> list[_Run]:
        """Coupling steps of a batch until every tumor is finished."""
        runs = self._begun(batch, tumors)
        operations = [run.operations for run in runs]
        while any(run.is_under_way for run in runs):
            participates = [run.is_under_way for run in runs]
            first = [run.operations_of(2 * run.num_done - 2) for run in runs]
            second = [run.operations_of(2 * run.num_done - 1) for run in runs]
            failed = batch.couple(operations, first, second, [run.stretch() for run in runs], participates)
            taking_part = [slot for slot, takes_part in enumerate(participates) if takes_part]
            for slot in taking_part:
                runs[slot].num_done += 1
                runs[slot].has_failed = bool(failed[slot])
            self._look(batch, runs, taking_part)
            self.report(self._event(sum(run.num_done / len(run.plan) for run in runs)))
        iterations = batch.num_solver_iterations.cpu().numpy()
        for run, cost, number in zip(runs, batch.num_steps_and_updates(), iterations, strict=False):
            run.num_steps, run.num_voxel_steps, run.num_solver_iterations = int(cost[0]), int(cost[1]), int(number)
        return runs

    def _begun(self, batch: PushingBatch, tumors: Sequence[_Tumor]) -> list[_Run]:
        """Tumors in the slots of a batch, planned: equal increments of the radius of a run without mass effect."""
        brain = self.brain
        if any(not tumor.parameters.is_isotropic for tumor in tumors):
            raise ParameterError(
                "axis_stretch is not known to batches of tumors with mass effect: expected isotropic tumors. Grow "
                "these one by one, with MassEffect().simulate(...)."
            )
        try:
            densities = [brain.box.padded(seed_density(brain.anatomy, tumor.parameters.seed_mm)) for tumor in tumors]
            unpushed = [brain.operations(tumor, tumor.times_days[-1:]) for tumor in tumors]
        except GliofieldError as error:
            raise self._of_tumor(tumors, error) from error
        batch.start(
            densities,
            [tumor.parameters.diffusivity_ratio for tumor in tumors],
            [tumor.parameters.push_pa for tumor in tumors],
        )
        num_cells = batch.num_cells_without_push(unpushed)
        runs = []
        for tumor, plan, cells in zip(tumors, unpushed, num_cells, strict=True):
            coupling = coupling_plan(
                tumor.times_days,
                plan.step_ends_days,
                np.cbrt(cells),
                num_coupling_steps=brain.model.num_coupling_steps,
            )
            at_seed = CouplingStep(end_days=0.0, growth=math.inf)
            runs.append(_Run(tumor, (at_seed, *coupling), brain.operations(tumor, half_step_ends(coupling))))
        return runs

    def _of_tumor(self, tumors: Sequence[_Tumor], error: GliofieldError) -> ParameterError:
        """The error, naming the tumor it belongs to: the first that fails when tried alone."""
        for tumor in tumors:
            try:
                seed_density(self.brain.anatomy, tumor.parameters.seed_mm)
                self.brain.operations(tumor, tumor.times_days[-1:])
            except GliofieldError:
                return ParameterError(f"parameters[{tumor.index}]: {error}")
        return ParameterError(str(error))

    def _look(self, batch: PushingBatch, runs: Sequence[_Run], taking_part: Sequence[int]) -> None:
        """Keep the states of requested times; stop tumors that are too large."""
        landed = [
            slot
            for slot in taking_part
            if not runs[slot].has_failed and runs[slot].now_days in runs[slot].tumor.times_days
        ]
        if landed:
            for slot, state in zip(landed, batch.states(landed), strict=True):
                runs[slot].states.append(state)
        thresholds = np.full(batch.num_slots, np.inf, np.float32)
        for slot in taking_part:
            if (limit := runs[slot].tumor.volume_limit) is not None:
                thresholds[slot] = limit.threshold
        if np.all(np.isinf(thresholds)):
            return
        num_above = batch.num_above(thresholds)
        for slot in taking_part:
            run, limit = runs[slot], runs[slot].tumor.volume_limit
            if limit is None or not (run.is_under_way and run.now_days > 0.0):
                continue
            if num_above[slot] > limit.max_num_voxels(self.brain.anatomy.grid):
                run.stopped_at_days = run.now_days

    def _event(self, num_under_way: float, message: str = "") -> ProgressEvent:
        completed = self.num_finished + num_under_way
        return ProgressEvent(task=_TASK, completed=completed, total=self.num_tumors, message=message)

    def _too_little_memory(self) -> DeviceError:
        from gliofield_gpu.triton_mass_effect import bytes_per_batch, bytes_per_tumor

        free = load_backend().free_bytes(self.device)
        needed = bytes_per_tumor(self.brain.box) + bytes_per_batch(self.brain.box)
        return DeviceError(
            f"device {self.device!r} has too little free memory for a single tumor with mass effect on a grid of "
            f"{self.brain.anatomy.grid.describe()}: expected {needed / 2**30:.3g} GiB, got {free / 2**30:.3g} GiB. End "
            "other programs that use the device, take a coarser grid, or run MassEffect() on the processor."
        )


def _grown_at_rest(
    brain: _Brain,
    tumors: Sequence[_Tumor],
    *,
    device: str,
    max_batch: int | None,
    report: Reporter,
) -> Iterator[MassEffectSolution]:
    """Solutions of tumors that do not push."""
    if not tumors:
        return
    grown = simulate_batch(
        brain.anatomy,
        [tumor.parameters for tumor in tumors],
        [tumor.times_days for tumor in tumors],
        device=device,
        max_batch=max_batch,
        time_step_scale=brain.model.time_step_scale,
        volume_limit=[tumor.volume_limit for tumor in tumors],
        report=report,
    )
    for growth in grown:
        yield solution_at_rest(growth, brain.maps)


def _checked_tumors(
    parameters: Sequence[MassEffectParameters],
    times_days: Sequence[Sequence[float]],
    volume_limits: Sequence[VolumeLimit | None],
) -> list[_Tumor]:
    times = times_of_each(parameters, times_days)
    for index, one in enumerate(parameters):
        if not isinstance(one, MassEffectParameters):
            raise ParameterError(f"parameters[{index}] must be MassEffectParameters, got {type(one).__name__}.")
    return [
        _Tumor(index, *of_tumor) for index, of_tumor in enumerate(zip(parameters, times, volume_limits, strict=True))
    ]


def _required(outcome: MassEffectSolution | NumericalError) -> MassEffectSolution:
    if isinstance(outcome, NumericalError):
        raise outcome
    return outcome


def _outcome(brain: _Brain, run: _Run) -> MassEffectSolution | NumericalError:
    try:
        return _solution(brain, run)
    except NumericalError as error:
        return error


def _solution(brain: _Brain, run: _Run) -> MassEffectSolution:
    """A finished run on the grid of the anatomy."""
    anatomy, parameters, index = brain.anatomy, run.tumor.parameters, run.tumor.index
    if run.has_failed:
        raise NumericalError(
            f"parameters[{index}]: no equilibrium of push and tissue in coupling step {run.num_done - 1}, "
            f"with push_pa = {parameters.push_pa:g}. Use a smaller push_pa or a larger num_coupling_steps.",
            step=run.num_done - 1,
        )
    times = run.tumor.times_days[: len(run.states)]
    for time, state in zip(times, run.states, strict=True):
        if not state.min_jacobian_determinant > 0.0:
            raise NumericalError(
                f"parameters[{index}]: tissue is turned inside out at day {time:g} (det J of the displacement is not "
                "positive everywhere). Use a smaller push_pa: linear elasticity does not hold for large displacements."
            )
    number, shape = len(times), anatomy.grid.shape
    densities, displacements = np.zeros((number, *shape), np.float32), np.zeros((number, *shape, 3), np.float32)
    tissue = np.zeros((4, number, *shape), np.float32)
    # From the axes of the array to those of the world.
    directions = (anatomy.grid.world_from_voxel[:3, :3] / np.array(anatomy.grid.spacing_mm)).astype(np.float32)
    for at, state in enumerate(run.states):
        densities[at] = brain.box.unpadded(np.minimum(state.cell_density, np.float32(1.0)))
        for kind in range(4):
            tissue[kind, at] = brain.box.unpadded(state.tissue[kind])
        x, y, z = state.displacement_mm
        for axis in range(3):
            in_world = directions[axis, 0] * x + directions[axis, 1] * y + directions[axis, 2] * z
            displacements[at, ..., axis] = brain.box.unpadded(in_world)
    return MassEffectSolution(
        cell_density=densities,
        white_matter=tissue[0],
        gray_matter=tissue[1],
        csf=tissue[2],
        compression=tissue[3],
        displacement_mm=displacements,
        min_jacobian_determinant=tuple(state.min_jacobian_determinant for state in run.states),
        brain=brain.maps.brain,
        times_days=times,
        grid=anatomy.grid,
        num_steps=run.num_steps,
        num_voxel_steps=run.num_voxel_steps,
        num_coupling_steps=run.num_done,
        num_solver_iterations=run.num_solver_iterations,
        scheme="strang-rkl2",
        backend="cuda",
        front_resolution=parameters.infiltration_length_mm / anatomy.spacing_mm,
        stopped_at_days=run.stopped_at_days,
    )
