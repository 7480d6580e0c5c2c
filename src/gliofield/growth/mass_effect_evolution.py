"""The time loop of the mass-effect model: cells react, diffuse and push; tissue gives way and carries them along.

One coupling step over Δt, of second order (Strang):

1. reaction and diffusion over Δt/2, in the tissue as it lies, with the finer steps of `time_step`;
2. transport of cells and tissue by the increment of the displacement over the whole step;
3. reaction and diffusion over Δt/2, in the moved tissue.

The increment is the unknown: after the step the displacement must be in equilibrium with the cells and the stiffness it
led to, A(c, m) u = −γ ∇c. Parts 2 and 3 are repeated with a better increment until that holds. The better increment
comes from a solve with λ + γ c in the place of λ: where the tissue expands by ∇·w the density falls by c ∇·w, and
with it the push. Without that term the iteration fails once γ approaches λ + 2μ.

The steps follow the size the tumor would have without mass effect: equal increments of the cube root of its number
of cells, which the displacement grows with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import TRACE_OF_TISSUE
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.errors import NumericalError
from gliofield.growth.coupling_plan import CouplingStep, coupling_plan, growth_steps, half_step_ends, stretch_between
from gliofield.growth.diffusivity import FaceCoefficients, faces_on
from gliofield.growth.evolution import advanced
from gliofield.growth.mechanics import tissue_kernels as kernels
from gliofield.growth.mechanics.brain_box import BrainBox
from gliofield.growth.mechanics.moving_tissue import num_transport_parts, transported
from gliofield.growth.mechanics.multigrid import ElasticitySolver
from gliofield.growth.mechanics.planes import PlaneRunner
from gliofield.growth.mechanics.stiffness import TissueElasticity
from gliofield.growth.parameters import MassEffectParameters
from gliofield.growth.reaction_diffusion import make_stepper
from gliofield.growth.stepper import Stepper
from gliofield.growth.time_step import TimeStep
from gliofield.growth.volume_limit import VoxelLimit
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

# A correction of the increment is solved to this part of the error it starts with; about half as much is left because
# the problem is not linear. *Chosen*.
_CORRECTION_TOLERANCE = 0.1
# One that can be the last is solved to this part of the tolerance of the push instead. *Chosen*.
_LAST_TOLERANCE = 0.4
# Increments of the first steps grow too unevenly to be carried on in a straight line. *Chosen*.
_FEWEST_INCREMENTS = 4
# A step that does not reach equilibrium in so many corrections never does.
_MAX_CORRECTIONS = 25
# A voxel opens to cells as the domain comes to fill it: from this part of it on, and wholly when it is full. *Chosen*:
# without the transition, voxels of CSF that open a step earlier or later would decide on the error.
CLOSED_BELOW = np.float32(0.1)
# Transport of one step through so many voxels is no displacement of tissue any more. *Chosen*.
_MAX_TRANSPORT_PARTS = 200
# Bounds of the factor on a correction. *Chosen*.
_SMALLEST_FACTOR, _LARGEST_FACTOR = 0.2, 1.5


@dataclass(frozen=True, kw_only=True)
class CouplingSettings:
    """How finely cells and tissue are coupled; the fields of `MassEffect` of the same names."""

    num_coupling_steps: int
    force_tolerance: float
    time_step_scale: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """State of a run at a requested time, on the padded brain box.

    Parameters
    ----------
    time_days : float
        Time [day].
    cell_density : (X', Y', Z') float32 array
        c.
    tissue : (5, X', Y', Z') float32 array
        Amounts of white matter, gray matter and CSF, the volume at rest of what is in each cell, and the part of that
        volume which belongs to the domain.
    displacement : (3, X', Y', Z') float32 array
        u on faces [mm].
    """

    time_days: float
    cell_density: NDArray[np.float32]
    tissue: NDArray[np.float32]
    displacement: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Medium:
    """Where cells may live in the inner box, and how they pass from cell to cell there."""

    domain: NDArray[np.bool_]
    faces: FaceCoefficients


@dataclass(kw_only=True)
class CouplingCost:
    """What a run cost so far: coupling steps, corrections, solver iterations, reaction-diffusion steps and updates."""

    num_coupling_steps: int = 0
    num_corrections: int = 0
    num_solver_iterations: int = 0
    num_steps: int = 0
    num_voxel_steps: int = 0


class MassEffectRun:
    """One tumor that grows and pushes.

    Parameters
    ----------
    maps : TissueMaps
        The brain before the tumor.
    domain : (X, Y, Z) bool array
        Where cells may live before the tumor moves it.
    initial_density : (X, Y, Z) float32 array
        Cells at time 0.
    parameters : MassEffectParameters
        Growth and push.
    elasticity : TissueElasticity
        Elastic constants.
    settings : CouplingSettings
        Numerics.
    executor : Executor or None
        Threads that share each operation.
    num_threads : int
        How many.
    """

    def __init__(
        self,
        maps: TissueMaps,
        domain: NDArray[np.bool_],
        initial_density: NDArray[np.float32],
        parameters: MassEffectParameters,
        *,
        elasticity: TissueElasticity,
        settings: CouplingSettings,
        executor: Executor | None = None,
        num_threads: int = 1,
    ) -> None:
        self._parameters, self._elasticity, self._settings = parameters, elasticity, settings
        self._executor, self._num_threads = executor, num_threads
        self.box = BrainBox.around(maps.brain)
        self.brain = self.box.padded(maps.brain)
        self._spacing_mm = float(np.mean(maps.grid.spacing_mm))
        self.planes = PlaneRunner(self.brain, executor, num_threads)
        self._density = self.box.padded(initial_density)
        tissue = (maps.white_matter, maps.gray_matter, maps.csf, maps.brain, domain)
        self._tissue = np.stack([self.box.padded(amount.astype(np.float32)) for amount in tissue])
        self._medium = self._medium_of(self._tissue)
        self._displacement = np.zeros((3, *self.box.shape), np.float32)
        self._increments = _Increments(self._displacement)
        self._force = np.zeros_like(self._displacement)
        self._solver = ElasticitySolver(
            self.brain, num_levels=self.box.num_levels, executor=executor, num_threads=num_threads
        )
        self.cost = CouplingCost()
        self.stopped_at_days: float | None = None

    def snapshots(
        self,
        times_days: Sequence[float],
        *,
        limit: VoxelLimit | None = None,
        report: Reporter = ignore_progress,
    ) -> Iterator[Snapshot]:
        """The state at each of the checked `times_days` [day], until the tumor exceeds the limit.

        Raises
        ------
        NumericalError
            If a step does not reach equilibrium.
        """
        plan = self._coupling_plan(times_days)
        end_days = plan[-1].end_days
        segments = self._segments(half_step_ends(plan))
        requested = iter([*times_days, math.inf])
        wanted, last = next(requested), CouplingStep(end_days=0.0, growth=math.inf)
        # The seed pushes from the start: without a step for it alone, the first one would be a jump of finite size.
        self._couple([], [], 0.0)
        self._increments = _Increments(self._displacement)
        for step in plan:
            now = step.end_days
            self._couple(next(segments), next(segments), stretch_between(last, step))
            last = step
            report(ProgressEvent(task="growth with mass effect", completed=now, total=end_days))
            if now == wanted:
                wanted = next(requested)
                yield Snapshot(
                    time_days=now,
                    cell_density=self._density,
                    tissue=self._tissue,
                    displacement=self._displacement,
                )
            if limit is not None and now < end_days and self._count_above(limit.threshold) > limit.max_num_voxels:
                self.stopped_at_days = now
                return

    def min_jacobian_determinant(self, displacement: NDArray[np.float32]) -> float:
        """Smallest det J in the brain, J = (I − ∇u)⁻¹; where I − ∇u is turned inside out, its own determinant."""
        inverse = np.ones(self.box.shape, np.float32)
        per_mm = np.float32(-1.0 / self._spacing_mm)
        self.planes.run(kernels.jacobian_determinant, displacement, per_mm, inverse)
        smallest, largest = float(inverse[self.brain].min()), float(inverse[self.brain].max())
        return 1.0 / largest if smallest > 0.0 else smallest

    def _count_above(self, threshold: float) -> int:
        return int(np.count_nonzero(self._density > np.float32(threshold)))

    def _couple(self, first: list[TimeStep], second: list[TimeStep], stretch: float) -> None:
        """One coupling step in which the radius grows by `stretch` times that of the last one."""
        half = self._reacted(self._density, self._medium, first)
        increment = self._increments.next(stretch)
        # The prediction decides on domain and stiffness of this step: voxels that turn from CSF to tissue and back with
        # every correction would keep the corrections from converging.
        num_parts = self._num_parts(increment)
        predicted = self._moved(self._tissue, increment, num_parts)
        medium = self._medium_of(predicted)
        relaxation = _Relaxation()
        for _ in range(_MAX_CORRECTIONS):
            num_parts = max(num_parts, self._num_parts(increment))
            moved = self._moved(half[np.newaxis], increment, num_parts)[0]
            density = self._reacted(moved, medium, second)
            correction = self._correction(increment, density, predicted)
            if correction is None:
                break
            increment += relaxation.next_factor(correction) * correction
        else:
            raise self._failure(f"no equilibrium of push and tissue after {_MAX_CORRECTIONS} corrections of one step")
        self._displacement = self._displacement + increment
        self._increments.add(increment)
        self._tissue = self._moved(self._tissue, increment, num_parts)
        self._density, self._medium = density, self._medium_of(self._tissue)
        self.cost.num_coupling_steps += 1

    def _num_parts(self, increment: NDArray[np.float32]) -> int:
        number = num_transport_parts(increment, self._spacing_mm, self.planes)
        if number > _MAX_TRANSPORT_PARTS:
            raise self._failure("tissue would move through its own surroundings in one step")
        return number

    def _failure(self, symptom: str) -> NumericalError:
        number = self.cost.num_coupling_steps
        return NumericalError(
            f"mass effect: {symptom} (coupling step {number}, push_pa = {self._parameters.push_pa:g}). "
            "Use a smaller push_pa or a larger num_coupling_steps.",
            step=number,
        )

    def _moved(
        self, amounts: NDArray[np.float32], increment: NDArray[np.float32], num_parts: int
    ) -> NDArray[np.float32]:
        return transported(amounts, increment, self._spacing_mm, self.planes, num_parts=num_parts)

    def _correction(
        self, increment: NDArray[np.float32], density: NDArray[np.float32], tissue: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """What `increment` lacks for equilibrium in the state it led to, nearly; None where that is little enough."""
        push_pa = self._parameters.push_pa
        bounded = np.minimum(density, np.float32(1.0))
        lame, shear = self._elasticity.lame_coefficients(tissue[:3], bounded)
        self._solver.set_stiffness(lame, shear)
        self.planes.run(kernels.push_force, density, np.float32(push_pa * self._spacing_mm), self._force)
        missing = self._solver.residual(self._displacement + increment, self._force)
        error, size = self._solver.norm(missing), self._solver.norm(self._force)
        if not math.isfinite(error):
            raise self._failure("the forces left the range of numbers")
        if error <= self._settings.force_tolerance * size:
            return None
        lame += np.float32(push_pa) * bounded
        self._solver.set_lame(lame)
        correction = np.zeros_like(increment)
        allowed = self._settings.force_tolerance * size
        left = _CORRECTION_TOLERANCE * error
        if left < allowed:
            left = _LAST_TOLERANCE * allowed
        solved = self._solver.solve(missing, correction, absolute_tolerance=left)
        self.cost.num_corrections += 1
        self.cost.num_solver_iterations += solved.num_iterations
        return correction

    def _reacted(self, density: NDArray[np.float32], medium: _Medium, steps: Sequence[TimeStep]) -> NDArray[np.float32]:
        """Density after reaction and diffusion; cells that tissue has left behind wait where they are."""
        if not steps:
            return density
        inner = density[1:-1, 1:-1, 1:-1]
        stepper = self._stepper(inner, medium)
        for _ in self._steps(stepper, steps):
            pass
        result = np.zeros_like(density)
        target = result[1:-1, 1:-1, 1:-1]
        medium.faces.unpadded_into(target, stepper.cell_density())
        np.copyto(target, inner, where=~medium.domain)
        self.cost.num_steps += len(steps)
        self.cost.num_voxel_steps += stepper.num_voxel_steps
        return result

    def _stepper(self, inner_density: NDArray[np.float32], medium: _Medium) -> Stepper:
        inside = np.where(medium.domain, inner_density, np.float32(0.0))
        return make_stepper("numba", medium.faces, inside, executor=self._executor, num_threads=self._num_threads)

    def _steps(self, stepper: Stepper, steps: Sequence[TimeStep]) -> Iterator[TimeStep]:
        """Advance a stepper; yields each step when it is done."""
        number_per_day = self._parameters.white_matter_diffusivity_mm2_per_day / self._spacing_mm**2
        for step, _ in advanced(stepper, steps, number_per_day, self._parameters.proliferation_rate_per_day):
            yield step

    def _segments(self, landings_days: Sequence[float]) -> Iterator[list[TimeStep]]:
        """Reaction-diffusion steps up to each landing."""
        segment = []
        for step in growth_steps(
            self._parameters,
            landings_days,
            spacing_mm=self._spacing_mm,
            time_step_scale=self._settings.time_step_scale,
        ):
            segment.append(step)
            if step.is_landing:
                yield segment
                segment = []

    def _coupling_plan(self, times_days: Sequence[float]) -> list[CouplingStep]:
        """Coupling steps from a run without mass effect."""
        stepper = self._stepper(self._density[1:-1, 1:-1, 1:-1], self._medium)
        steps = next(self._segments([times_days[-1]]))
        radii = [_radius(stepper), *(_radius(stepper) for _ in self._steps(stepper, steps))]
        self.cost.num_steps += len(steps)
        self.cost.num_voxel_steps += stepper.num_voxel_steps
        return coupling_plan(
            times_days,
            [step.end_days for step in steps],
            np.array(radii),
            num_coupling_steps=self._settings.num_coupling_steps,
        )

    def _medium_of(self, tissue: NDArray[np.float32]) -> _Medium:
        """Where cells may live in moved tissue, and how they pass there: at rest the anatomy's own."""
        diffusivity, faces = np.zeros(self.box.shape, np.float32), np.zeros((3, *self.box.shape), np.float32)
        slower = np.float32(1.0 / self._parameters.diffusivity_ratio)
        limits = (CLOSED_BELOW, np.float32(TRACE_OF_TISSUE), slower)
        self.planes.run(kernels.open_diffusivity, tissue, self.brain, *limits, diffusivity)
        stretch = np.array(self._parameters.axis_stretch, np.float32)
        self.planes.run(kernels.open_faces, diffusivity, stretch, faces)
        is_open = diffusivity > 0.0
        return _Medium(domain=is_open[1:-1, 1:-1, 1:-1], faces=faces_on(is_open, faces))


class _Increments:
    """Increments of the displacement in the coupling steps, to predict the next one from.

    Parameters
    ----------
    at_rest : (3, X', Y', Z') float32 array
        Zeros.
    """

    def __init__(self, at_rest: NDArray[np.float32]) -> None:
        self._last, self._before_last = at_rest, at_rest
        self._stretch, self._number = 0.0, 0

    def next(self, stretch: float) -> NDArray[np.float32]:
        """The increment of a step in which the radius grows by `stretch` times that of the last one.

        In proportion to that, and later on in a straight line through the last two.
        """
        before, self._stretch = self._stretch, stretch
        if self._number < _FEWEST_INCREMENTS or before == 0.0:
            return self._last * np.float32(stretch)
        # Increments over growth belong to the middles of their steps.
        ahead = (1.0 + stretch) / (1.0 + 1.0 / before)
        predicted = self._last * np.float32(stretch * (1.0 + ahead))
        predicted -= self._before_last * np.float32(stretch * ahead * before)
        return predicted

    def add(self, increment: NDArray[np.float32]) -> None:
        """Note the increment of the step whose stretch was given last."""
        self._last, self._before_last = increment, self._last
        self._number += 1


class _Relaxation:
    """Aitken's factor on corrections: it lengthens those that always fall short and shortens those that overshoot."""

    def __init__(self) -> None:
        self._factor = 1.0
        self._last: NDArray[np.float32] | None = None

    def next_factor(self, correction: NDArray[np.float32]) -> np.float32:
        """Factor for a correction, from the one before."""
        if self._last is not None:
            change = (correction - self._last).ravel()
            length = float(np.vdot(change, change))
            along = float(np.vdot(self._last.ravel(), change)) / length if length > 0.0 else -1.0
            self._factor = min(max(-self._factor * along, _SMALLEST_FACTOR), _LARGEST_FACTOR)
        self._last = correction
        return np.float32(self._factor)


def _radius(stepper: Stepper) -> float:
    """Cube root of the number of cells."""
    return float(np.cbrt(stepper.cell_density().sum(dtype=np.float64)))
