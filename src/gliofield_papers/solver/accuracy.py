"""Error against cost of the solvers: how much of the answer is lost by what saves time.

Each tumor is computed once with much finer steps; runs with the steps in question are compared with that, in Dice of
what scanners show and, with mass effect, in the displacement. Cases take turns, so that all of them meet the same
background; each tumor's results are dropped before the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import NumericalError
from gliofield.growth import FisherKolmogorov, MassEffect, MassEffectSolution, Solution
from gliofield.imaging import VisibilityThresholds
from gliofield.metrics.overlap import dice
from gliofield.progress import Reporter, ignore_progress
from gliofield_papers.measuring import RunCounter
from gliofield_papers.solver.tumors import EvaluationTumor

TIME_STEP_SCALES = (2.0, 1.0, 0.5)
REFERENCE_TIME_STEP_SCALE = 0.125
DEFAULT_COUPLING_STEPS = (4, 8, 16, 32)
DEFAULT_REFERENCE_COUPLING_STEPS = 64
REFERENCE_FORCE_TOLERANCE = 1e-3

_THRESHOLDS = VisibilityThresholds()


@dataclass(frozen=True, kw_only=True)
class TimeStepRow:
    """Reaction-diffusion with time steps of one size, over all tumors.

    Parameters
    ----------
    time_step_scale : float
        Factor on the default steps.
    dice_flair_min, dice_flair_median, dice_t1gd_min, dice_t1gd_median : float
        Least and median Dice with the reference at the thresholds of FLAIR and T1Gd; NaN for the reference itself.
    num_steps, seconds, ns_per_voxel_step : float
        Medians over tumors of a run on one thread; of each tumor the median over repeats.
    """

    time_step_scale: float
    dice_flair_min: float
    dice_flair_median: float
    dice_t1gd_min: float
    dice_t1gd_median: float
    num_steps: float
    seconds: float
    ns_per_voxel_step: float


@dataclass(frozen=True, kw_only=True)
class CouplingRow:
    """Mass effect with one number of coupling steps, over all tumors.

    Parameters
    ----------
    num_coupling_steps : int
        Steps in which tumor and tissue move together.
    force_tolerance : float
        Part of the push left unbalanced.
    num_failed : int
        Tumors that came to no equilibrium; they do not count below.
    displacement_error : float
        Largest difference of displacements over the largest displacement; of the worst tumor. NaN for the reference.
    dice_flair_min : float
        Least Dice with the reference at the FLAIR threshold; NaN for the reference.
    largest_displacement_mm : float
        Largest displacement of all tumors [mm].
    seconds, num_solver_iterations : float
        Medians over tumors of one run.
    min_jacobian_determinant : float
        Smallest det J of all tumors.
    """

    num_coupling_steps: int
    force_tolerance: float
    num_failed: int
    displacement_error: float
    dice_flair_min: float
    largest_displacement_mm: float
    seconds: float
    num_solver_iterations: float
    min_jacobian_determinant: float


def time_step_accuracy(
    anatomy: Anatomy, tumors: Sequence[EvaluationTumor], *, num_repeats: int, report: Reporter = ignore_progress
) -> tuple[TimeStepRow, ...]:
    """A row for each of `TIME_STEP_SCALES`, and the reference last."""
    scales = (*TIME_STEP_SCALES, REFERENCE_TIME_STEP_SCALE)
    counter = RunCounter("reaction-diffusion: time steps", len(tumors) * num_repeats * len(scales), report)
    # Per case and tumor: Dice at both thresholds, steps, seconds, voxel-steps.
    found = np.empty((len(scales), len(tumors), 5))
    for column, tumor in enumerate(tumors):
        seconds = np.empty((num_repeats, len(scales)))
        for repeat in range(num_repeats):
            reference: NDArray[np.float32] | None = None
            for case in reversed(range(len(scales))):
                model = FisherKolmogorov(time_step_scale=scales[case])
                seconds[repeat, case], solution = counter.timed(partial(_grown, model, anatomy, tumor))
                density = solution.cell_density[0]
                reference = density if reference is None else reference
                found[case, column, :3] = *_dice_of_both(density, reference), solution.num_steps
                found[case, column, 4] = solution.num_voxel_steps
        found[:, column, 3] = np.median(seconds, axis=0)
    return tuple(_time_step_row(scale, values) for scale, values in zip(scales, found, strict=True))


def coupling_accuracy(
    anatomy: Anatomy,
    tumors: Sequence[EvaluationTumor],
    *,
    coupling_steps: Sequence[int] = DEFAULT_COUPLING_STEPS,
    reference_coupling_steps: int = DEFAULT_REFERENCE_COUPLING_STEPS,
    num_threads: int = 1,
    report: Reporter = ignore_progress,
) -> tuple[CouplingRow, ...]:
    """A row for each of `coupling_steps`, and the reference last; runs of several seconds are not repeated."""
    models = [MassEffect(num_coupling_steps=number, num_threads=num_threads) for number in coupling_steps]
    finest = MassEffect(
        num_coupling_steps=reference_coupling_steps, force_tolerance=REFERENCE_FORCE_TOLERANCE, num_threads=num_threads
    )
    counter = RunCounter("mass effect: coupling steps", len(tumors) * (len(models) + 1), report)
    runs: list[list[_PushedRun]] = [[] for _ in (*models, finest)]
    for tumor in tumors:
        seconds, reference = counter.timed(partial(_pushed, finest, anatomy, tumor))
        runs[-1].append(_PushedRun.of(seconds, reference, None))
        for model, own_runs in zip(models, runs, strict=False):
            seconds, solution = counter.timed(partial(_pushed, model, anatomy, tumor))
            own_runs.append(_PushedRun.of(seconds, solution, reference))
    return tuple(_coupling_row(model, own_runs) for model, own_runs in zip([*models, finest], runs, strict=True))


def _grown(model: FisherKolmogorov, anatomy: Anatomy, tumor: EvaluationTumor) -> Solution:
    return model.simulate(anatomy, tumor.parameters, [tumor.time_days])


def _pushed(model: MassEffect, anatomy: Anatomy, tumor: EvaluationTumor) -> MassEffectSolution | None:
    """The solution, or None where push and tissue come to no equilibrium."""
    try:
        return model.simulate(anatomy, tumor.pushing_parameters, [tumor.time_days])
    except NumericalError:
        return None


def _dice_of_both(density: NDArray[np.float32], reference: NDArray[np.float32]) -> tuple[float, float]:
    """Dice at the FLAIR and the T1Gd threshold."""
    flair, t1gd = (
        dice(density > threshold, reference > threshold, if_both_empty=np.nan)
        for threshold in (_THRESHOLDS.flair_threshold, _THRESHOLDS.t1gd_threshold)
    )
    return flair, t1gd


def _time_step_row(scale: float, found: NDArray[np.float64]) -> TimeStepRow:
    flair, t1gd, num_steps, seconds, voxel_steps = found.T
    if scale == REFERENCE_TIME_STEP_SCALE:
        flair, t1gd = np.full_like(flair, np.nan), np.full_like(t1gd, np.nan)
    return TimeStepRow(
        time_step_scale=scale,
        dice_flair_min=float(flair.min()),
        dice_flair_median=float(np.median(flair)),
        dice_t1gd_min=float(t1gd.min()),
        dice_t1gd_median=float(np.median(t1gd)),
        num_steps=float(np.median(num_steps)),
        seconds=float(np.median(seconds)),
        ns_per_voxel_step=float(np.median(1e9 * seconds / voxel_steps)),
    )


@dataclass(frozen=True, kw_only=True)
class _PushedRun:
    """One run of one tumor; the errors are NaN without a reference, and all is NaN for a run that failed."""

    seconds: float = np.nan
    displacement_error: float = np.nan
    dice_flair: float = np.nan
    largest_displacement_mm: float = np.nan
    num_solver_iterations: float = np.nan
    min_jacobian_determinant: float = np.nan

    @classmethod
    def of(
        cls, seconds: float, solution: MassEffectSolution | None, reference: MassEffectSolution | None
    ) -> _PushedRun:
        if solution is None:
            return cls()
        errors: dict[str, float] = {}
        if reference is not None:
            difference = np.linalg.norm(solution.displacement_mm[0] - reference.displacement_mm[0], axis=-1)
            flair, _ = _dice_of_both(solution.cell_density[0], reference.cell_density[0])
            largest_mm = reference.largest_displacement_mm(0)
            errors = {"displacement_error": float(difference.max()) / largest_mm, "dice_flair": flair}
        return cls(
            seconds=seconds,
            largest_displacement_mm=solution.largest_displacement_mm(0),
            num_solver_iterations=solution.num_solver_iterations,
            min_jacobian_determinant=solution.min_jacobian_determinant[0],
            **errors,
        )


def _coupling_row(model: MassEffect, runs: Sequence[_PushedRun]) -> CouplingRow:
    done = [run for run in runs if np.isfinite(run.seconds)]
    compared = [run for run in done if np.isfinite(run.displacement_error)]
    return CouplingRow(
        num_coupling_steps=model.num_coupling_steps,
        force_tolerance=model.force_tolerance,
        num_failed=len(runs) - len(done),
        displacement_error=max((run.displacement_error for run in compared), default=np.nan),
        dice_flair_min=min((run.dice_flair for run in compared), default=np.nan),
        largest_displacement_mm=max((run.largest_displacement_mm for run in done), default=np.nan),
        seconds=float(np.median([run.seconds for run in done])) if done else np.nan,
        num_solver_iterations=float(np.median([run.num_solver_iterations for run in done])) if done else np.nan,
        min_jacobian_determinant=min((run.min_jacobian_determinant for run in done), default=np.nan),
    )
