"""The time loop: from an initial density to the densities at the requested times.

`evolve` is the converged scheme ``strang-rkl2``: Strang splitting of exact logistic growth and RKL2 diffusion.
`evolve_published` is the scheme of the published solver. Both work on any initial density, which is what the
tests of their order need; `FisherKolmogorov` starts them from the seed.

References
----------
.. [1] Strang (1968), On the construction and comparison of difference schemes, SIAM J. Numer. Anal. 5, 506-517.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.growth.diffusivity import FaceCoefficients
from gliofield.growth.stepper import Stepper, survival_of
from gliofield.growth.super_time_stepping import super_time_step
from gliofield.growth.time_step import TimeStep, plan_steps, require_affordable
from gliofield.growth.volume_limit import VoxelLimit
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

# Part of the largest stable Euler step the published solver takes, and of the end time it is content with.
_PUBLISHED_SAFETY = 0.99
_PUBLISHED_END = 0.9999


@dataclass(frozen=True, kw_only=True, eq=False)
class Evolution:
    """Densities (num_times, X, Y, Z), the times they belong to [day], steps taken and voxel updates done.

    `stopped_at_days` is the time at which the tumor was found too large [day]; None for a complete run.
    """

    cell_density: NDArray[np.float32]
    times_days: tuple[float, ...]
    num_steps: int
    num_voxel_steps: int
    stopped_at_days: float | None


def evolve(
    stepper: Stepper,
    faces: FaceCoefficients,
    *,
    spacing_mm: float,
    white_matter_diffusivity_mm2_per_day: float,
    proliferation_rate_per_day: float,
    initial_variance_mm2: float,
    times_days: Sequence[float],
    time_step_scale: float = 1.0,
    limit: VoxelLimit | None = None,
    report: Reporter = ignore_progress,
) -> Evolution:
    """Densities at `times_days` by Strang splitting and RKL2, of second order in time.

    Parameters
    ----------
    stepper : Stepper
        Holds the initial density; used up by the call.
    faces : FaceCoefficients
        Coefficients of the anatomy.
    spacing_mm : float
        Voxel spacing h [mm].
    white_matter_diffusivity_mm2_per_day, proliferation_rate_per_day : float
        D_w [mm²/day] and ρ [1/day], ≥ 0.
    initial_variance_mm2 : float
        Second moment σ² of the initial density along one axis [mm²], > 0: how sharp it is, for the first steps.
    times_days : sequence of float
        Times [day], strictly increasing, > 0; each is met exactly.
    time_step_scale : float
        Factor on every time step.
    limit : VoxelLimit or None
        The run ends after the first step, but for the last one, at whose end more voxels exceed the threshold.
    report : Reporter
        Told of every step.

    Raises
    ------
    ParameterError
        If the run would need too many steps.
    """
    diffusivity, rate = white_matter_diffusivity_mm2_per_day, proliferation_rate_per_day
    # Gershgorin: the largest eigenvalue of the diffusion operator is at most twice its largest diagonal entry.
    fastest = diffusivity * faces.max_face_sum / spacing_mm**2
    steps = plan_steps(
        times_days,
        proliferation_rate_per_day=rate,
        seed_age_days=initial_variance_mm2 / (2.0 * diffusivity) if diffusivity > 0.0 else math.inf,
        euler_step_days=1.0 / fastest if fastest > 0.0 else math.inf,
        time_step_scale=time_step_scale,
    )
    densities = np.zeros((len(times_days), *faces.grid_shape), dtype=np.float32)
    num_steps = num_landed = 0
    stopped_at_days = None
    for step, ahead_days in advanced(stepper, steps, diffusivity / spacing_mm**2, rate):
        num_steps += 1
        if step.is_landing:
            faces.unpadded_into(densities[num_landed], stepper.cell_density())
            num_landed += 1
        report(ProgressEvent(task="growth", completed=step.end_days, total=float(times_days[-1])))
        is_last = step.is_landing and num_landed == len(times_days)
        if limit is not None and not is_last and _is_above(stepper, limit, survival_of(rate * ahead_days)):
            stopped_at_days = step.end_days
            break
    return Evolution(
        cell_density=densities[:num_landed],
        times_days=tuple(float(t) for t in times_days[:num_landed]),
        num_steps=num_steps,
        num_voxel_steps=stepper.num_voxel_steps,
        stopped_at_days=stopped_at_days,
    )


def evolve_published(
    stepper: Stepper,
    faces: FaceCoefficients,
    *,
    spacing_mm: float,
    white_matter_diffusivity_mm2_per_day: float,
    proliferation_rate_per_day: float,
    times_days: Sequence[float],
    limit: VoxelLimit | None = None,
    report: Reporter = ignore_progress,
) -> Evolution:
    """Densities by the scheme of the published solver: for comparison with published data only.

    Unsplit forward Euler with Δt = 0.99 h² / (6 D_w), whatever ρ; densities clipped to [0, 1]; a face opposite to a
    closed one counts twice. It stops at the first whole step with t ≥ 0.9999 T, and `times_days` of the result are the
    times of those steps. It is not converged in time: with ρ Δt > 0.2 its volumes are wrong by large factors.
    Its cut-off of coefficients below 1e-8 (in units of its cube) is left out; it acts only for D_w < 0.003 mm²/day.

    Raises
    ------
    ParameterError
        If the diffusivity is 0, which leaves the time step undefined, or the run would need too many steps.
    """
    diffusivity = white_matter_diffusivity_mm2_per_day
    if diffusivity <= 0.0:
        raise ParameterError(
            "white_matter_diffusivity_mm2_per_day must be > 0 with the scheme 'published', whose time step follows "
            f"from it, got {diffusivity:g}. Use the default scheme."
        )
    duration = _PUBLISHED_SAFETY * spacing_mm**2 / (6.0 * diffusivity)
    step_counts = [max(1, math.ceil(_PUBLISHED_END * time / duration)) for time in times_days]
    require_affordable(step_counts[-1], times_days[-1])
    densities = np.zeros((len(times_days), *faces.grid_shape), dtype=np.float32)
    num_landed, stopped_at_days = 0, None
    for num_steps in range(1, step_counts[-1] + 1):
        stepper.published_step(diffusivity * duration / spacing_mm**2, proliferation_rate_per_day * duration)
        for index in (i for i, count in enumerate(step_counts) if count == num_steps):
            faces.unpadded_into(densities[index], stepper.cell_density())
            num_landed += 1
        report(ProgressEvent(task="growth", completed=num_steps, total=step_counts[-1]))
        if limit is not None and num_steps < step_counts[-1] and _is_above(stepper, limit, 1.0):
            stopped_at_days = num_steps * duration
            break
    return Evolution(
        cell_density=densities[:num_landed],
        times_days=tuple(count * duration for count in step_counts[:num_landed]),
        num_steps=num_steps,
        num_voxel_steps=stepper.num_voxel_steps,
        stopped_at_days=stopped_at_days,
    )


def advanced(
    stepper: Stepper, steps: Iterable[TimeStep], diffusion_number_per_day: float, rate_per_day: float
) -> Iterator[tuple[TimeStep, float]]:
    """Advance a stepper by Strang splitting; yields each step when it is done, and how far growth is ahead of it [day].

    Parameters
    ----------
    stepper : Stepper
        State to advance.
    steps : iterable of TimeStep
        In order. Growth is even with diffusion at landings and at the end.
    diffusion_number_per_day : float
        D_w / h² [1/day].
    rate_per_day : float
        ρ [1/day].
    """
    is_growth_pending = True
    for step, following in pairwise(chain(steps, [None])):
        assert step is not None
        if is_growth_pending:
            stepper.react(survival_of(rate_per_day * step.duration_days / 2.0))
        # The half steps of growth at the end of this step and at the start of the next are one, except at a landing.
        is_growth_pending = step.is_landing
        ahead_days = following.duration_days / 2.0 if following is not None and not is_growth_pending else 0.0
        survival = survival_of(rate_per_day * (step.duration_days / 2.0 + ahead_days))
        if step.num_stages == 0:
            stepper.react(survival)
        else:
            number = diffusion_number_per_day * step.duration_days
            stepper.diffuse_then_react(super_time_step(step.num_stages), number, survival)
        yield step, ahead_days


def _is_above(stepper: Stepper, limit: VoxelLimit, survival: float) -> bool:
    """Whether the tumor is too large, before the growth of the next half step that is done already.

    Growth keeps the order of densities: c exceeds the threshold where the grown c exceeds the grown threshold.
    """
    if stepper.num_active_voxels <= limit.max_num_voxels:
        return False
    threshold = limit.threshold / (survival + limit.threshold * (1.0 - survival))
    return stepper.count_above(threshold) > limit.max_num_voxels
