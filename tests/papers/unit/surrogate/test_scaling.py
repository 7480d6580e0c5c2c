"""Parameters outside the trained ranges: replaced by equivalent ones, or refused."""

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters
from hypothesis import given
from hypothesis import strategies as st

from gliofield.errors import ParameterError
from gliofield_papers.surrogate import ParameterRanges
from gliofield_papers.surrogate.scaling import growth_in_ranges, scaled_growth

RANGES = ParameterRanges()
ANATOMY = mixed_anatomy((8, 8, 8), 5.0)


def parameters(d, rho, **changes):
    return tumor_parameters(ANATOMY, d=d, rho=rho, **changes)


def test_ranges_become_minus_one_to_one():
    """As in the paper."""
    ends = np.array(list(RANGES.by_name().values())).T
    np.testing.assert_allclose(scaled_growth(ends, RANGES), [[-1.0] * 3, [1.0] * 3])


def test_parameters_inside_stay_as_they_are():
    """Two times, one row each."""
    np.testing.assert_allclose(
        growth_in_ranges(parameters(0.05, 0.02), (100.0, 900.0), RANGES), [[0.05, 0.02, 100.0], [0.05, 0.02, 900.0]]
    )


@given(
    d=st.floats(0.001, 0.08),
    rho=st.floats(0.001, 0.03),
    time_days=st.floats(50.0, 1000.0),
    factor=st.floats(0.01, 100.0),
)
def test_a_tumor_within_the_ranges_is_found_whatever_its_speed(d, rho, time_days, factor):
    """(k D, k ρ, T / k) leads back into the ranges, with the same D T and ρ T."""
    ((found_d, found_rho, found_time),) = growth_in_ranges(
        parameters(d * factor, rho * factor), (time_days / factor,), RANGES
    )
    for value, (low, high) in zip((found_d, found_rho, found_time), RANGES.by_name().values(), strict=True):
        assert low * (1 - 1e-6) <= value <= high * (1 + 1e-6)
    assert found_d * found_time == pytest.approx(d * time_days)
    assert found_rho * found_time == pytest.approx(rho * time_days)


@pytest.mark.parametrize(("d", "rho", "time_days"), [(5.0, 0.01, 1000.0), (0.05, 1.0, 1000.0), (0.0, 0.01, 100.0)])
def test_a_tumor_nobody_trained_on_is_refused(d, rho, time_days):
    """The message names the tumor, the ranges and the way out."""
    with pytest.raises(ParameterError, match="not trained on this tumor.*Trained ranges.*FisherKolmogorov"):
        growth_in_ranges(parameters(d, rho), (time_days,), RANGES)


def test_another_ratio_is_refused():
    """Gray matter was always ten times slower."""
    with pytest.raises(ParameterError, match="trained with 10"):
        growth_in_ranges(parameters(0.05, 0.02, diffusivity_ratio=5.0), (100.0,), RANGES)
