"""Where the time steps end: small while the seed is sharp, a fixed part of the doubling time later on.

Two lengths of time limit a step: the growth time 1/ρ (splitting error, front speed) and the age of the tumor plus
that of its seed, t + σ²/(2 D_w), during which diffusion changes its shape. The longest step at time t is

    limit(t) = scale · min(GROWTH_STEP / ρ, AGE_STEP · (t + t_seed))

N(t) = ∫ dt / limit(t) counts steps; it is known in closed form. An interval between two requested times is cut at equal
increments of N, so steps vary smoothly, land exactly, and halving `scale` halves every one of them: the order of the
scheme shows undisturbed. Everything scales with D_w T and ρ T, as the equation does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gliofield.errors import ParameterError
from gliofield.growth.super_time_stepping import num_stages_for

#: Longest step as a part of the growth time 1/ρ. *Chosen*, docs/design/0002-time-stepping.md.
GROWTH_STEP = 0.4
#: Longest step as a part of the tumor's age. *Chosen*, docs/design/0002-time-stepping.md.
AGE_STEP = 0.15
#: Largest factor on all steps. *Chosen*: at 2 the worst of 64 tumors has a Dice of 0.991, beyond 8 none is right.
MAX_TIME_STEP_SCALE = 8.0
#: Longest step in stable Euler steps, 200 stages: more stages lose digits in float32. *Chosen*; reached only far
#: outside the published ranges, or below 0.4 mm spacing.
MAX_NUM_EULER_STEPS = 10_000.0
#: Longest run accepted, in steps. *Chosen*: hours at 128³; more is a unit mistake.
MAX_NUM_STEPS = 200_000


@dataclass(frozen=True, kw_only=True)
class TimeStep:
    """One time step.

    Parameters
    ----------
    duration_days : float
        Its length [day].
    end_days : float
        Where it ends [day after the seed].
    num_stages : int
        Stages of its diffusion part; 0 without diffusion.
    is_landing : bool
        Whether it ends on a requested time.
    """

    duration_days: float
    end_days: float
    num_stages: int
    is_landing: bool


@dataclass(frozen=True, kw_only=True)
class StepCount:
    """N(t), the number of longest admissible steps up to time t, and its inverse.

    Parameters
    ----------
    longest_step_days : float
        Longest step late in the run [day]; may be infinite.
    relative_step : float
        Longest step per age [1].
    seed_age_days : float
        Age of the seed, σ²/(2 D_w) [day]; infinite without diffusion.
    """

    longest_step_days: float
    relative_step: float
    seed_age_days: float

    @property
    def _crossover_days(self) -> float:
        """Time at which both limits agree; steps are limited by age before, by the longest step after."""
        return max(0.0, self.longest_step_days / self.relative_step - self.seed_age_days)

    def at(self, time_days: float) -> float:
        """N at a time ≥ 0 [day]."""
        if math.isinf(self.seed_age_days):
            # Pure growth is integrated exactly by any step.
            return 0.0
        early = min(time_days, self._crossover_days)
        late = time_days - early
        return math.log1p(early / self.seed_age_days) / self.relative_step + late / self.longest_step_days

    def time_of(self, count: float) -> float:
        """Time [day] at which N reaches `count`."""
        count_at_crossover = math.log1p(self._crossover_days / self.seed_age_days) / self.relative_step
        if count <= count_at_crossover:
            return self.seed_age_days * math.expm1(count * self.relative_step)
        return self._crossover_days + (count - count_at_crossover) * self.longest_step_days


def require_time_step_scale(scale: float) -> None:
    """Refuse factors on the time step that no tumor bears.

    Raises
    ------
    ParameterError
        If it is not > 0 and at most `MAX_TIME_STEP_SCALE`.
    """
    if not 0.0 < scale <= MAX_TIME_STEP_SCALE:
        raise ParameterError(
            f"time_step_scale must be > 0 and at most {MAX_TIME_STEP_SCALE:g}, got {scale}. Larger steps would be "
            "stable, for they get more stages, but their tumors wrong."
        )


def plan_steps(
    times_days: Sequence[float],
    *,
    proliferation_rate_per_day: float,
    seed_age_days: float,
    euler_step_days: float,
    time_step_scale: float,
) -> Iterator[TimeStep]:
    """Time steps that land on each of `times_days`.

    Parameters
    ----------
    times_days : sequence of float
        Checked times [day], strictly increasing, > 0.
    proliferation_rate_per_day : float
        ρ [1/day].
    seed_age_days : float
        σ²/(2 D_w) of the initial state [day]; infinite without diffusion.
    euler_step_days : float
        Longest stable forward Euler step of the diffusion [day]; infinite without diffusion.
    time_step_scale : float
        Factor on every step.

    Raises
    ------
    ParameterError
        If the run needs more than `MAX_NUM_STEPS` steps.
    """
    rate = proliferation_rate_per_day
    stable = MAX_NUM_EULER_STEPS * euler_step_days
    steps = StepCount(
        longest_step_days=min(time_step_scale * GROWTH_STEP / rate if rate > 0.0 else math.inf, stable),
        relative_step=time_step_scale * AGE_STEP,
        seed_age_days=seed_age_days,
    )
    require_affordable(steps.at(times_days[-1]), times_days[-1])
    return _steps(times_days, steps, euler_step_days)


def require_affordable(num_steps: float, last_time_days: float) -> None:
    """Refuse runs of more than `MAX_NUM_STEPS` steps.

    Raises
    ------
    ParameterError
        If `num_steps` is larger.
    """
    if num_steps > MAX_NUM_STEPS:
        raise ParameterError(
            f"times_days up to {last_time_days:g} days need {num_steps:.3g} time steps with these parameters: expected "
            f"at most {MAX_NUM_STEPS}. Check the units: days, 1/day, mm²/day."
        )


def _steps(times_days: Sequence[float], steps: StepCount, euler_step_days: float) -> Iterator[TimeStep]:
    now = 0.0
    for target in times_days:
        first, last = steps.at(now), steps.at(target)
        num_steps = max(1, math.ceil(last - first - 1e-9))
        for index in range(1, num_steps + 1):
            is_landing = index == num_steps
            end = target if is_landing else steps.time_of(first + (last - first) * index / num_steps)
            duration = end - now
            stages = 0 if math.isinf(euler_step_days) else num_stages_for(duration / euler_step_days)
            yield TimeStep(duration_days=duration, end_days=end, num_stages=stages, is_landing=is_landing)
            now = end
