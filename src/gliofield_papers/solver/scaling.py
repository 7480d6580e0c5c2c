"""How the cost of the solvers grows with the grid and falls with threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.growth import FisherKolmogorov, MassEffect, Solution, moved_tissue
from gliofield.imaging import VisibilityThresholds
from gliofield.progress import Reporter, ignore_progress
from gliofield_papers.measuring import RunCounter
from gliofield_papers.solver.tumors import EvaluationTumor

#: Models in the order of the tables.
MODEL_NAMES = (FisherKolmogorov().name, MassEffect().name)


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """The same tumor on one grid.

    Parameters
    ----------
    model : str
        Of `MODEL_NAMES`.
    spacing_mm : float
        Voxel spacing [mm].
    num_domain_voxels : int
        Voxels in which cells may live.
    front_resolution, volume_ml : float
        Infiltration length over spacing; volume above the FLAIR threshold [ml].
    seconds : float
        Median over repeats.
    num_voxel_steps : int
        Stencil evaluations of reaction-diffusion.
    num_solver_iterations : int
        Of the elasticity solver; 0 without mass effect.
    """

    model: str
    spacing_mm: float
    num_domain_voxels: int
    front_resolution: float
    volume_ml: float
    seconds: float
    num_voxel_steps: int
    num_solver_iterations: int

    @property
    def ns_per_voxel_step(self) -> float:
        """Time per stencil evaluation on a voxel [ns]."""
        return 1e9 * self.seconds / self.num_voxel_steps


@dataclass(frozen=True, kw_only=True)
class GridExponents:
    """Exponents p of the least-squares fit cost ∝ (domain voxels)^p over the grids; NaN with a single grid.

    Parameters
    ----------
    model : str
        Of `MODEL_NAMES`.
    seconds : float
        Of a run's seconds.
    voxel_steps, seconds_per_voxel_step : float
        Of its stencil evaluations and of the time of one; NaN with mass effect, where other work takes the time.
    """

    model: str
    seconds: float
    voxel_steps: float
    seconds_per_voxel_step: float


@dataclass(frozen=True, kw_only=True)
class ThreadRow:
    """One run shared by threads.

    Parameters
    ----------
    model : str
        Of `MODEL_NAMES`.
    spacing_mm : float
        Voxel spacing [mm].
    num_threads : int
        Threads.
    seconds : float
        Wall time, median over repeats.
    gain : float
        Wall time on one thread over this one.
    """

    model: str
    spacing_mm: float
    num_threads: int
    seconds: float
    gain: float


def grid_scaling(
    anatomies: Sequence[Anatomy],
    tumor: EvaluationTumor,
    repeats: Mapping[str, int],
    *,
    num_threads: int,
    report: Reporter = ignore_progress,
) -> tuple[GridRow, ...]:
    """Rows of each model on each grid, models in the order of `repeats`, grids as given.

    Parameters
    ----------
    anatomies : sequence of Anatomy
        The same brain on different grids.
    tumor : EvaluationTumor
        What is grown in all of them.
    repeats : mapping of str to int
        How often a run of each model is repeated; grids take turns.
    num_threads : int
        Threads of a run with mass effect; reaction-diffusion is given one.
    report : Reporter
        Told of every run.
    """
    counter = RunCounter("grids", len(anatomies) * sum(repeats.values()), report)
    rows = []
    for model, num_repeats in repeats.items():
        threads = num_threads if model == MassEffect().name else 1
        seconds = np.empty((num_repeats, len(anatomies)))
        of_model: list[GridRow] = []
        for repeat in range(num_repeats):
            for index, anatomy in enumerate(anatomies):
                seconds[repeat, index], solution = counter.timed(partial(_solved, model, anatomy, tumor, threads))
                of_model += [_grid_row(model, anatomy, solution)] if repeat == 0 else []
        middle = np.median(seconds, axis=0)
        rows += [replace(row, seconds=float(wall)) for row, wall in zip(of_model, middle, strict=True)]
    return tuple(rows)


def grid_exponents(rows: Sequence[GridRow]) -> tuple[GridExponents, ...]:
    """How the cost of each model grows with the number of voxels of the domain."""
    fits = []
    for model in dict.fromkeys(row.model for row in rows):
        own = [row for row in rows if row.model == model]
        voxels = [row.num_domain_voxels for row in own]
        of_seconds = _exponent(voxels, [row.seconds for row in own])
        is_pushing = any(row.num_solver_iterations for row in own)
        of_voxel_steps = np.nan if is_pushing else _exponent(voxels, [row.num_voxel_steps for row in own])
        fits.append(
            GridExponents(
                model=model,
                seconds=of_seconds,
                voxel_steps=of_voxel_steps,
                seconds_per_voxel_step=of_seconds - of_voxel_steps,
            )
        )
    return tuple(fits)


def thread_scaling(
    anatomies: Mapping[str, Anatomy],
    tumor: EvaluationTumor,
    repeats: Mapping[str, int],
    *,
    max_threads: int,
    report: Reporter = ignore_progress,
) -> tuple[ThreadRow, ...]:
    """Rows of each model on 1 to `max_threads` threads, each in its own of `anatomies`; threads take turns."""
    counter = RunCounter("threads", max_threads * sum(repeats.values()), report)
    rows = []
    for model, num_repeats in repeats.items():
        seconds = np.empty((num_repeats, max_threads))
        for repeat in range(num_repeats):
            for index in range(max_threads):
                seconds[repeat, index], _ = counter.timed(partial(_solved, model, anatomies[model], tumor, index + 1))
        middle = np.median(seconds, axis=0)
        rows += [
            ThreadRow(
                model=model,
                spacing_mm=anatomies[model].spacing_mm,
                num_threads=index + 1,
                seconds=float(wall),
                gain=float(middle[0] / wall),
            )
            for index, wall in enumerate(middle)
        ]
    return tuple(rows)


def _solved(model: str, anatomy: Anatomy, tumor: EvaluationTumor, num_threads: int) -> Solution:
    if model == MassEffect().name:
        return MassEffect(num_threads=num_threads).simulate(anatomy, tumor.pushing_parameters, [tumor.time_days])
    return FisherKolmogorov(num_threads=num_threads).simulate(anatomy, tumor.parameters, [tumor.time_days])


def _grid_row(model: str, anatomy: Anatomy, solution: Solution) -> GridRow:
    moved = moved_tissue(solution)
    return GridRow(
        model=model,
        spacing_mm=anatomy.spacing_mm,
        num_domain_voxels=int(np.count_nonzero(anatomy.domain)),
        front_resolution=solution.front_resolution,
        volume_ml=float(solution.volume_ml(VisibilityThresholds().flair_threshold)[0]),
        seconds=np.nan,
        num_voxel_steps=solution.num_voxel_steps,
        num_solver_iterations=0 if moved is None else moved.num_solver_iterations,
    )


def _exponent(voxels: Sequence[int], costs: Sequence[float]) -> float:
    if len(set(voxels)) < 2:
        return np.nan
    return float(np.polyfit(np.log(voxels), np.log(costs), 1)[0])
