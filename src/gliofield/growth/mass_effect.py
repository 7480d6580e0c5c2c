"""The mass-effect model: tumor cells spread, divide, and push the tissue they grow in.

    ∂c/∂t + ∇·(c v) = ∇·(D ∇c) + ρ c (1 − c)                            cells           (Eq. 3)
    ∂m/∂t + ∇·(m v) = 0,   m = white matter, gray matter, CSF           tissue          (Eq. 4)
    ∇·(λ (∇·u) I + μ (∇u + ∇uᵀ)) = γ ∇c                                 displacement    (Eq. 5)
    v = ∂u/∂t,   u = 0 at the skull                                     velocity        (Eqs. 6, 9, 10)

of Learn-Morph-Infer [1]_, the skull being the edge of the brain mask. What the paper leaves open, prints differently or
codes differently is decided here:

- Eq. 5 is linear elasticity with the stress tensor's second term λ (∇·u) I, and coefficients that vary in space; the
  published code exchanges λ and μ and drops the gradients of both.
- The domain, where cells may live, is carried along with the tissue: a voxel opens to cells as the domain comes to fill
  it. How fast they move there follows from the white and gray matter in it.
- The amounts m need not sum to 1: the volume at rest of what is in a voxel is carried along like them, is above 1 where
  tissue is pressed, and m over it are the fractions.
- Stiffness is shared by tissue fractions and tumor cells so that the shares sum to 1 (`mechanics.stiffness`).
- Cells that CSF takes the place of neither move nor divide until tissue comes back. Where full tissue is pressed, cells
  above the carrying capacity are cut, as in the reaction-diffusion model.
- Eq. 6 is taken as it is: u is the time integral of v at a place, which is the displacement of what is there to first
  order in ∇u.

At γ = 0 the model is `FisherKolmogorov`.

References
----------
.. [1] Ezhov et al. (2023), Learn-Morph-Infer: a new way of solving the inverse problem for brain tumor modeling, Med.
   Image Anal. 83, 102672, doi 10.1016/j.media.2022.102672, Eqs. 3-10.
.. [2] Subramanian, Gholami, Biros (2019), Simulation of glioblastoma growth using a 3D multispecies tumor model with
   mass effect, J. Math. Biol. 79, 941-967, doi 10.1007/s00285-019-01383-y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.cores import shared_threads
from gliofield.errors import NumericalError, ParameterError, unknown_name
from gliofield.grid import Grid
from gliofield.growth.mechanics.stiffness import TissueElasticity
from gliofield.growth.parameters import PUSH_NAME, FisherKolmogorovParameters, MassEffectParameters
from gliofield.growth.reaction_diffusion import FisherKolmogorov
from gliofield.growth.run_inputs import check_run
from gliofield.growth.seed import seed_density
from gliofield.growth.solution import MassEffectSolution
from gliofield.growth.tissue_at_rest import NO_PUSH_PA, required_maps, solution_at_rest
from gliofield.growth.volume_limit import VolumeLimit
from gliofield.progress import Reporter, ignore_progress

if TYPE_CHECKING:
    from gliofield.growth.mass_effect_evolution import MassEffectRun, Snapshot


#: What `MassEffect` computes on.
MASS_EFFECT_BACKENDS = ("numba",)


@dataclass(frozen=True, kw_only=True)
class MassEffect:
    """Growth model with mass effect.

    Parameters
    ----------
    num_coupling_steps : int
        Steps in which tumor and tissue move together, ≥ 1; a run that lands on several times takes some more.
    force_tolerance : float
        Largest part of the push that is left unbalanced after a step, in the Euclidean norm, in (0, 0.1].
    elasticity : TissueElasticity
        Elastic constants.
    num_threads : int
        Threads that share one run, ≥ 1. The result does not depend on it.
    backend : {"numba"}
        Compiled kernels; databases record it. A GPU takes many tumors at once: `simulate_many`.
    time_step_scale : float
        Factor on the steps of reaction and diffusion within a coupling step, as in `FisherKolmogorov`.
    report : Reporter
        Told of every coupling step.

    Raises
    ------
    ParameterError
        If a number is out of range.

    Examples
    --------
    >>> MassEffect(num_coupling_steps=32).name
    'mass-effect'
    """

    needs: ClassVar[frozenset[str]] = frozenset({PUSH_NAME})

    num_coupling_steps: int = 16
    force_tolerance: float = 5e-3
    elasticity: TissueElasticity = TissueElasticity()
    backend: str = "numba"
    num_threads: int = 1
    time_step_scale: float = 1.0
    report: Reporter = field(default=ignore_progress, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.num_coupling_steps, int) or self.num_coupling_steps < 1:
            raise ParameterError(f"num_coupling_steps must be an integer ≥ 1, got {self.num_coupling_steps}.")
        if not 0.0 < self.force_tolerance <= 0.1:
            raise ParameterError(f"force_tolerance must lie above 0 and at most 0.1, got {self.force_tolerance}.")
        if not isinstance(self.elasticity, TissueElasticity):
            raise ParameterError(f"elasticity must be a TissueElasticity, got {self.elasticity!r}.")
        if self.backend not in MASS_EFFECT_BACKENDS:
            raise ParameterError(unknown_name("backend of mass effect", self.backend, MASS_EFFECT_BACKENDS))
        self._without_push()  # checks what both models share

    @property
    def name(self) -> str:
        """``"mass-effect"``."""
        return "mass-effect"

    def _without_push(self) -> FisherKolmogorov:
        return FisherKolmogorov(num_threads=self.num_threads, time_step_scale=self.time_step_scale, report=self.report)

    def simulate(
        self,
        anatomy: Anatomy,
        parameters: MassEffectParameters,
        times_days: float | Sequence[float],
        *,
        volume_limit: VolumeLimit | None = None,
    ) -> MassEffectSolution:
        """Cell density, displacement and moved tissue at each requested time.

        Parameters
        ----------
        anatomy : Anatomy
            Brain to grow in, with its tissue maps (`growth_domain` keeps them).
        parameters : MassEffectParameters
            Growth, push and seed.
        times_days : float or sequence of float
            Time or times after the seed [day], strictly increasing, > 0.
        volume_limit : VolumeLimit or None
            The run ends after the first coupling step before the last time at whose end the tumor is larger.

        Raises
        ------
        ParameterError
            If an argument is of another type, times are invalid, the seed is off the grid or outside the tissue, the
            anatomy has no tissue maps, or the run is far too long.
        NumericalError
            If push and tissue do not come to equilibrium, or tissue is turned inside out (det J ≤ 0): γ is too large
            for linear elasticity.
        """
        times = check_run(anatomy, parameters, times_days, needs_push=True)
        maps = required_maps(anatomy)
        if parameters.push_pa <= NO_PUSH_PA:
            return self._at_rest(anatomy, maps, parameters, times, volume_limit)
        run, states = self._grow(anatomy, maps, parameters, times, volume_limit)
        return MassEffectSolution(
            cell_density=_stacked([s.cell_density for s in states], anatomy.grid.shape),
            white_matter=_stacked([s.tissue[0] for s in states], anatomy.grid.shape),
            gray_matter=_stacked([s.tissue[1] for s in states], anatomy.grid.shape),
            csf=_stacked([s.tissue[2] for s in states], anatomy.grid.shape),
            compression=_stacked([s.tissue[3] for s in states], anatomy.grid.shape),
            displacement_mm=_stacked([s.displacement_mm for s in states], (*anatomy.grid.shape, 3)),
            min_jacobian_determinant=tuple(s.min_jacobian_determinant for s in states),
            brain=maps.brain,
            times_days=times[: len(states)],
            grid=anatomy.grid,
            num_steps=run.cost.num_steps,
            num_voxel_steps=run.cost.num_voxel_steps,
            num_coupling_steps=run.cost.num_coupling_steps,
            num_solver_iterations=run.cost.num_solver_iterations,
            scheme="strang-rkl2",
            backend="numba",
            front_resolution=parameters.infiltration_length_mm / anatomy.spacing_mm,
            stopped_at_days=run.stopped_at_days,
        )

    def _grow(
        self,
        anatomy: Anatomy,
        maps: TissueMaps,
        parameters: MassEffectParameters,
        times_days: Sequence[float],
        volume_limit: VolumeLimit | None,
    ) -> tuple[MassEffectRun, list[_State]]:
        """A finished run and its state at each time it reached."""
        # Numba takes a second to import.
        from gliofield.growth.mass_effect_evolution import CouplingSettings, MassEffectRun

        initial = seed_density(anatomy, parameters.seed_mm)
        settings = CouplingSettings(
            num_coupling_steps=self.num_coupling_steps,
            force_tolerance=self.force_tolerance,
            time_step_scale=self.time_step_scale,
        )
        with shared_threads(self.num_threads) as executor:
            run = MassEffectRun(
                maps,
                anatomy.domain,
                initial,
                parameters,
                elasticity=self.elasticity,
                settings=settings,
                executor=executor,
                num_threads=self.num_threads,
            )
            limit = volume_limit.on(anatomy.grid) if volume_limit is not None else None
            snapshots = run.snapshots(times_days, limit=limit, report=self.report)
            return run, [_State.of(snapshot, run, anatomy.grid) for snapshot in snapshots]

    def _at_rest(
        self,
        anatomy: Anatomy,
        maps: TissueMaps,
        parameters: FisherKolmogorovParameters,
        times_days: Sequence[float],
        volume_limit: VolumeLimit | None,
    ) -> MassEffectSolution:
        """Solution at γ = 0, where nothing moves."""
        growth = self._without_push().simulate(anatomy, parameters, times_days, volume_limit=volume_limit)
        return solution_at_rest(growth, maps)


@dataclass(frozen=True, kw_only=True, eq=False)
class _State:
    """A snapshot on the grid of the anatomy."""

    cell_density: NDArray[np.float32]
    tissue: tuple[NDArray[np.float32], ...]
    displacement_mm: NDArray[np.float32]
    min_jacobian_determinant: float

    @classmethod
    def of(cls, snapshot: Snapshot, run: MassEffectRun, grid: Grid) -> _State:
        determinant = run.min_jacobian_determinant(snapshot.displacement)
        if not determinant > 0.0:
            raise NumericalError(
                f"mass effect: tissue is turned inside out at day {snapshot.time_days:g}: det J of the displacement is "
                "not positive everywhere. Linear elasticity does not hold for so strong a push: use a smaller push_pa."
            )
        # From the faces to the cells, and from the axes of the array to those of the world.
        u = snapshot.displacement
        along_axes = [np.float32(0.5) * (u[axis] + np.roll(u[axis], -1, axis=axis)) for axis in range(3)]
        directions = (grid.world_from_voxel[:3, :3] / np.array(grid.spacing_mm)).astype(np.float32)
        in_world = [sum(directions[row, axis] * along_axes[axis] for axis in range(3)) for row in range(3)]
        return cls(
            cell_density=run.box.unpadded(np.minimum(snapshot.cell_density, np.float32(1.0))),
            tissue=tuple(run.box.unpadded(amount) for amount in snapshot.tissue),
            displacement_mm=np.stack([run.box.unpadded(component) for component in in_world], axis=-1),
            min_jacobian_determinant=determinant,
        )


def _stacked(fields: list[NDArray[np.float32]], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Fields of equal shape one behind the other; none give an empty array."""
    return np.stack(fields) if fields else np.zeros((0, *shape), np.float32)
