"""What the forward models cost and how exact they are, on this machine: the tables of ``gliofield papers solver``.

One call measures error against cost (`solver_accuracy`), the backends (`solver_backends`), the cost over grids and
threads (`solver_scaling`) and the speed of fronts (`front_speed`), on tumors that follow from a seed (`solver_tumors`).
Everything is computed; nothing is printed.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from gliofield.anatomy.atlas import DEFAULT_SPACING_MM, Atlas
from gliofield.anatomy.growth_domain import Anatomy
from gliofield.cores import available_cores
from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorov, MassEffect
from gliofield.progress import Reporter, ignore_progress
from gliofield_papers.measuring import MeasuredUnderLoad, peak_memory_gib
from gliofield_papers.solver.accuracy import (
    DEFAULT_COUPLING_STEPS,
    DEFAULT_REFERENCE_COUPLING_STEPS,
    CouplingRow,
    TimeStepRow,
    coupling_accuracy,
    time_step_accuracy,
)
from gliofield_papers.solver.backends import BackendRow, backend_comparison
from gliofield_papers.solver.front_speed import FrontSpeedRow, front_speeds
from gliofield_papers.solver.scaling import (
    MODEL_NAMES,
    GridExponents,
    GridRow,
    ThreadRow,
    grid_exponents,
    grid_scaling,
    thread_scaling,
)
from gliofield_papers.solver.tumors import EvaluationTumor, random_tumors, spread_volumes_ml, tumors_of_volumes

# Spacings of the grids compared, relative to that of the other tables: by default 3.75, 2.5, 1.875 and 1.25 mm.
_GRID_FACTORS = (2.0, 4.0 / 3.0, 1.0, 2.0 / 3.0)
# A seed lies in tissue on grids up to here [mm]; finer than the second there is no simulation grid.
_COARSEST_MM, _FINEST_MM = 10.0, 0.5


@dataclass(frozen=True, kw_only=True)
class SolverEvaluationSettings:
    """How much is measured.

    Parameters
    ----------
    spacing_mm : float
        Voxel spacing of all tables but that over grids, which spans 2/3 to 2 times as much [mm].
    num_tumors : int
        Random tumors of the tables about reaction-diffusion, ≥ 1.
    num_mass_effect_tumors : int
        Tumors of the table about mass effect; 0 leaves mass effect out everywhere.
    num_repeats : int
        Timed repeats of reaction-diffusion runs, ≥ 1; with mass effect, where a run takes seconds, there are none.
    max_threads : int
        Most threads of one run, ≥ 1; with mass effect all tables use so many.
    coupling_steps : tuple of int
        Numbers of coupling steps of the table about mass effect, ≥ 1 each.
    reference_coupling_steps : int
        What they are compared with, ≥ 1.
    with_finest_grid : bool
        Whether the grids compared include the one of 2/3 of the spacing, most of the time and memory of that table.
    seed : int
        Root seed of the tumors, ≥ 0.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    spacing_mm: float = DEFAULT_SPACING_MM
    num_tumors: int = 8
    num_mass_effect_tumors: int = 2
    num_repeats: int = 3
    max_threads: int = 2
    coupling_steps: tuple[int, ...] = DEFAULT_COUPLING_STEPS
    reference_coupling_steps: int = DEFAULT_REFERENCE_COUPLING_STEPS
    with_finest_grid: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("num_tumors", 1), ("num_repeats", 1), ("max_threads", 1)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        for name in ("num_mass_effect_tumors", "seed"):
            if getattr(self, name) < 0:
                raise ParameterError(f"{name} must be ≥ 0, got {getattr(self, name)}.")

    @classmethod
    def quick(cls) -> SolverEvaluationSettings:
        """Fewer of everything: a first look."""
        return cls(
            num_tumors=3, num_mass_effect_tumors=1, num_repeats=1, coupling_steps=(4, 8, 16), with_finest_grid=False
        )

    @property
    def grid_spacings_mm(self) -> tuple[float, ...]:
        """Spacings of the grids that are compared, coarsest first [mm]."""
        factors = _GRID_FACTORS if self.with_finest_grid else _GRID_FACTORS[:-1]
        spacings = (round(factor * self.spacing_mm, 6) for factor in factors)
        return tuple(spacing for spacing in spacings if _FINEST_MM <= spacing <= _COARSEST_MM)


@dataclass(frozen=True, kw_only=True)
class Conditions(MeasuredUnderLoad):
    """What was measured on.

    Parameters
    ----------
    atlas, domain_rule, grid : str
        Name of the atlas, rule of its domain, description of the grid.
    num_domain_voxels : int
        Voxels in which cells may live.
    domain_ml : float
        Their volume [ml].
    architecture : str
        Of the processor.
    num_cores : int
        Cores this process may use.
    load_average_before, load_average_after : float
        Processes that were running or waiting on the machine in the minute before and in the last minute.
    versions : dict of str to str
        Of Python and of what computes.
    """

    busy_advice: ClassVar[str] = "Compare them within a table at most."
    atlas: str
    domain_rule: str
    grid: str
    num_domain_voxels: int
    domain_ml: float
    architecture: str
    num_cores: int
    load_average_before: float
    load_average_after: float
    versions: dict[str, str] = field(hash=False)


@dataclass(frozen=True, kw_only=True)
class MemoryRow:
    """Most memory the process had had resident after a part of the evaluation [GiB]."""

    after: str
    peak_gib: float


@dataclass(frozen=True, kw_only=True)
class SolverEvaluation:
    """All tables; those about mass effect are empty if it was left out."""

    settings: SolverEvaluationSettings
    conditions: Conditions
    tumors: tuple[EvaluationTumor, ...]
    mass_effect_tumors: tuple[EvaluationTumor, ...]
    time_steps: tuple[TimeStepRow, ...]
    couplings: tuple[CouplingRow, ...]
    backends: tuple[BackendRow, ...]
    grids: tuple[GridRow, ...]
    exponents: tuple[GridExponents, ...]
    threads: tuple[ThreadRow, ...]
    fronts: tuple[FrontSpeedRow, ...]
    memory: tuple[MemoryRow, ...]


def evaluate_solver(
    atlas: Atlas, settings: SolverEvaluationSettings, *, report: Reporter = ignore_progress
) -> SolverEvaluation:
    """Measure the forward models in an atlas, on this machine.

    Parameters
    ----------
    atlas : Atlas
        Brain to grow in.
    settings : SolverEvaluationSettings
        How much is measured.
    report : Reporter
        Told of every run.

    Raises
    ------
    ParameterError
        If a spacing is out of range, or the atlas has no place for the tumors.
    """
    load_before = os.getloadavg()[0]
    anatomy = _anatomy(atlas, settings.spacing_mm)
    grids = [_anatomy(atlas, spacing_mm) for spacing_mm in settings.grid_spacings_mm]
    repeats = {MODEL_NAMES[0]: settings.num_repeats}
    if settings.num_mass_effect_tumors:
        repeats[MODEL_NAMES[1]] = 1
    tumors = random_tumors(anatomy, settings.num_tumors, seed=settings.seed)
    # The first of them goes through the grids and threads too, so there is one even without mass effect.
    volumes_ml = spread_volumes_ml(max(1, settings.num_mass_effect_tumors))
    of_volumes = tumors_of_volumes(anatomy, volumes_ml, seed=settings.seed, also_on=grids)
    pushing = of_volumes[: settings.num_mass_effect_tumors]
    memory = [MemoryRow(after="loading the atlas on all grids", peak_gib=peak_memory_gib())]

    _warm_up(grids, of_volumes[0], settings.max_threads, with_mass_effect=bool(pushing))
    time_steps = time_step_accuracy(anatomy, tumors, num_repeats=settings.num_repeats, report=report)
    memory.append(MemoryRow(after="reaction-diffusion", peak_gib=peak_memory_gib()))
    couplings: tuple[CouplingRow, ...] = ()
    if pushing:
        couplings = coupling_accuracy(
            anatomy,
            pushing,
            coupling_steps=settings.coupling_steps,
            reference_coupling_steps=settings.reference_coupling_steps,
            num_threads=settings.max_threads,
            report=report,
        )
        memory.append(MemoryRow(after="mass effect", peak_gib=peak_memory_gib()))
    grid_rows = grid_scaling(grids, of_volumes[0], repeats, num_threads=settings.max_threads, report=report)
    memory.append(MemoryRow(after=f"grids down to {grids[-1].spacing_mm:.4g} mm", peak_gib=peak_memory_gib()))
    # A run of reaction-diffusion is too short to be shared, except on a fine grid.
    shared = {MODEL_NAMES[0]: grids[-1], MODEL_NAMES[1]: anatomy}
    threads = thread_scaling(shared, of_volumes[0], repeats, max_threads=settings.max_threads, report=report)
    backends = backend_comparison(anatomy, tumors, num_repeats=settings.num_repeats, report=report)
    return SolverEvaluation(
        settings=settings,
        conditions=_conditions(atlas, anatomy, load_before),
        tumors=tuple(tumors),
        mass_effect_tumors=tuple(pushing),
        time_steps=time_steps,
        couplings=couplings,
        backends=backends,
        grids=grid_rows,
        exponents=grid_exponents(grid_rows),
        threads=threads,
        fronts=front_speeds(report=report),
        memory=tuple(memory),
    )


def _anatomy(atlas: Atlas, spacing_mm: float) -> Anatomy:
    return atlas.anatomy(atlas.simulation_grid(spacing_mm=spacing_mm))


def _warm_up(anatomies: Sequence[Anatomy], tumor: EvaluationTumor, num_threads: int, *, with_mass_effect: bool) -> None:
    """Run everything once where it is cheap, so that no table pays for compilation or kept coefficients."""
    times = [tumor.time_days]
    for anatomy in anatomies:
        FisherKolmogorov(num_threads=num_threads).simulate(anatomy, tumor.parameters, times)
    if with_mass_effect:
        pushing = MassEffect(num_coupling_steps=2, num_threads=num_threads)
        pushing.simulate(anatomies[0], tumor.pushing_parameters, times)


def _conditions(atlas: Atlas, anatomy: Anatomy, load_before: float) -> Conditions:
    return Conditions(
        atlas=atlas.name,
        domain_rule=anatomy.domain_rule,
        grid=anatomy.grid.describe(),
        num_domain_voxels=int(np.count_nonzero(anatomy.domain)),
        domain_ml=anatomy.volume_ml,
        architecture=platform.machine(),
        num_cores=available_cores(),
        load_average_before=load_before,
        load_average_after=os.getloadavg()[0],
        versions={"python": platform.python_version()}
        | {name: version(name) for name in ("gliofield", "numpy", "scipy", "numba")},
    )
