import math

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.growth.time_step import (
    AGE_STEP,
    GROWTH_STEP,
    MAX_NUM_EULER_STEPS,
    StepCount,
    plan_steps,
    require_affordable,
)


def plan(times, *, rho=0.05, seed_age=3.0, euler=1.0, scale=1.0):
    """The plan as a list."""
    return list(
        plan_steps(
            times,
            proliferation_rate_per_day=rho,
            seed_age_days=seed_age,
            euler_step_days=euler,
            time_step_scale=scale,
        )
    )


def test_steps_land_exactly_on_every_time_and_add_up():
    """Landings are the requested floats themselves."""
    times = [0.1, 37.123456789, 200.0]
    steps = plan(times)

    assert [step.end_days for step in steps if step.is_landing] == times
    assert sum(step.duration_days for step in steps) == pytest.approx(200.0)
    assert all(step.duration_days > 0 for step in steps)


def test_no_step_exceeds_the_limits_of_growth_and_age():
    """dt ≤ 0.4/ρ, and dt is at most the age-limited step grown over its own length."""
    for step in plan([300.0]):
        assert step.duration_days <= GROWTH_STEP / 0.05 * (1 + 1e-9)
        begin = step.end_days - step.duration_days
        assert step.duration_days <= math.expm1(AGE_STEP) * (begin + 3.0) * (1 + 1e-9)


def test_a_scale_divides_every_step():
    """A quarter of the scale takes four times the steps."""
    assert len(plan([300.0], scale=0.25)) == pytest.approx(4 * len(plan([300.0])), abs=4)


def test_stages_keep_the_diffusion_stable():
    """(s² + s − 2) / 4 Euler steps cover each step."""
    for step in plan([300.0], euler=0.2):
        s = step.num_stages
        assert (s * s + s - 2) / 4 * 0.2 >= step.duration_days * (1 - 1e-6)


def test_pure_growth_is_one_exact_step_without_diffusion_stages():
    """Without diffusion nothing limits the step."""
    steps = plan([1000.0], seed_age=math.inf, euler=math.inf)

    assert [(step.duration_days, step.num_stages) for step in steps] == [(1000.0, 0)]


def test_steps_stay_within_the_number_of_stages_float32_bears():
    """With hardly any growth and a stiff grid the stage limit rules."""
    steps = plan([1e4], rho=0.0, seed_age=1e3, euler=1e-3)

    assert max(step.num_stages for step in steps) <= 201
    assert max(step.duration_days for step in steps) <= MAX_NUM_EULER_STEPS * 1e-3 * (1 + 1e-9)


def test_the_step_count_and_its_inverse_agree():
    """time_of(at(t)) = t on both sides of the crossover."""
    count = StepCount(longest_step_days=6.0, relative_step=0.15, seed_age_days=3.0)

    for time in (0.0, 1.0, 30.0, 37.0, 38.0, 500.0):
        assert count.time_of(count.at(time)) == pytest.approx(time, abs=1e-9)
    assert np.all(np.diff([count.at(t) for t in np.linspace(0, 100, 50)]) > 0)


def test_a_run_far_too_long_is_refused():
    """A time in seconds instead of days would keep a core busy for weeks."""
    with pytest.raises(ParameterError, match="need 1.25e\\+07 time steps"):
        plan([1e8])
    with pytest.raises(ParameterError, match="expected at most"):
        require_affordable(1e9, 10.0)
