"""When tumor and tissue move together: the plan of a run with mass effect, for any backend.

Coupling steps follow the size the tumor would have without mass effect: equal increments of the cube root of its number
of cells, which the displacement grows with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.parameters import MassEffectParameters
from gliofield.growth.seed import SEED_VARIANCE_MM2
from gliofield.growth.time_step import TimeStep, plan_steps

# Steps longer than the last one by more than this are not predicted from it in proportion. *Chosen*.
_LARGEST_STRETCH = 2.0


@dataclass(frozen=True, kw_only=True)
class CouplingStep:
    """End of a coupling step [day], and how much the radius of the tumor grows in it without push, in cells^⅓."""

    end_days: float
    growth: float


def coupling_plan(
    times_days: Sequence[float],
    step_ends_days: Sequence[float],
    radii: NDArray[np.float64],
    *,
    num_coupling_steps: int,
) -> list[CouplingStep]:
    """Coupling steps that end at equal increments of the tumor's radius in a run without mass effect.

    Parameters
    ----------
    times_days : sequence of float
        Requested times [day], each of which ends a coupling step.
    step_ends_days : sequence of float
        Ends of the time steps of the run without mass effect [day].
    radii : (1 + number of steps,) float64 array
        Cube root of the number of cells at the start and after each operation that ended a step, which has grown for
        the first half of the following step already.
    num_coupling_steps : int
        Steps up to the last time; several requested times need some more.
    """
    middles = [end + (later - end) / 2.0 for end, later in zip(step_ends_days[:-1], step_ends_days[1:], strict=True)]
    ends = np.array([0.0, *middles, step_ends_days[-1]])
    # Where a tumor does not grow, time itself divides the run.
    grown = np.maximum.accumulate(radii) + 1e-3 * radii[0] * ends / ends[-1]
    per_step = (grown[-1] - grown[0]) / num_coupling_steps
    plan: list[CouplingStep] = []
    last = 0.0
    for time in times_days:
        low, high = np.interp([last, time], ends, grown)
        number = max(1, math.ceil((high - low) / per_step - 1e-9))
        inner = np.interp(low + (high - low) * np.arange(1, number) / number, grown, ends)
        growth = float(high - low) / number
        plan += [CouplingStep(end_days=float(t), growth=growth) for t in (*inner, time)]
        last = time
    return plan


def half_step_ends(plan: Sequence[CouplingStep]) -> list[float]:
    """Middle and end of each coupling step [day], one behind the other."""
    ends = [step.end_days for step in plan]
    return [t for start, end in zip((0.0, *ends), ends, strict=False) for t in ((start + end) / 2.0, end)]


def stretch_between(last: CouplingStep, following: CouplingStep) -> float:
    """Increment of a coupling step over that of the one before, as predicted."""
    return min(following.growth / last.growth, _LARGEST_STRETCH)


def growth_steps(
    parameters: MassEffectParameters, landings_days: Sequence[float], *, spacing_mm: float, time_step_scale: float
) -> Iterator[TimeStep]:
    """Steps of reaction and diffusion that land on times [day]."""
    diffusivity = parameters.white_matter_diffusivity_mm2_per_day
    # Tissue may come to lie in any mixture, so the bound is that of its faster kind.
    fastest = 6.0 * max(diffusivity, parameters.gray_matter_diffusivity_mm2_per_day) / spacing_mm**2
    return plan_steps(
        landings_days,
        proliferation_rate_per_day=parameters.proliferation_rate_per_day,
        seed_age_days=SEED_VARIANCE_MM2 / (2.0 * diffusivity) if diffusivity > 0.0 else math.inf,
        euler_step_days=1.0 / fastest if fastest > 0.0 else math.inf,
        time_step_scale=time_step_scale,
    )
