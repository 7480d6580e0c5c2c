import numpy as np
import pytest

from gliofield.growth.super_time_stepping import num_stages_for, super_time_step


def amplification(num_stages, z):
    """d_s + 1 of dc/dt = λ c with c = 1 and z = τ λ."""
    step = super_time_step(num_stages)
    older, newer = np.zeros_like(z), step.first * z
    for stage in step.stages:
        older, newer = (
            newer,
            stage.newer * newer + stage.older * older + (stage.operator * newer + stage.initial_rate) * z,
        )
    return 1.0 + newer


@pytest.mark.parametrize("num_stages", [2, 3, 4, 9, 33, 200])
def test_a_step_is_second_order_and_stable_to_its_claimed_length(num_stages):
    """R(z) = 1 + z + z²/2 + O(z³), and |R| ≤ 1 for z from 0 to −2 (s² + s − 2) / 4."""
    small = np.array([-1e-3])
    assert amplification(num_stages, small) == pytest.approx(1 + small + small**2 / 2, abs=1e-9)
    length = (num_stages**2 + num_stages - 2) / 4
    stable = amplification(num_stages, np.linspace(-2 * length, 0, 2001))
    assert np.abs(stable).max() <= 1 + 1e-9


@pytest.mark.parametrize("euler_steps", [1e-3, 1.0, 2.5, 2.51, 7.0, 9_999.0])
def test_the_number_of_stages_is_the_smallest_stable_one(euler_steps):
    """(s² + s − 2) / 4 reaches the step, one stage fewer does not (2 is the least)."""
    s = num_stages_for(euler_steps)

    assert (s * s + s - 2) / 4 >= euler_steps * (1 - 1e-6)
    assert s == 2 or ((s - 1) ** 2 + (s - 1) - 2) / 4 < euler_steps
