import math

import numpy as np
import pytest

from gliofield.bayes.tabulated_density import drawn_from, finely, log_integral


@pytest.mark.parametrize("rate", [-50.0, -3.0, 0.0, 0.5, 8.0, 50.0])
def test_exponentials_are_integrated_exactly(rate):
    """However steep between two of few points."""
    values = np.linspace(0.0, 3.0, 4)
    expected = 3.0 if rate == 0.0 else math.expm1(3.0 * rate) / rate

    assert log_integral(values, rate * values) == pytest.approx(math.log(expected), abs=1e-9)


@pytest.mark.parametrize("rate", [0.0, 1.0, 10.0, 60.0])
def test_a_peak_at_an_end_is_integrated_between_the_points(rate):
    """The spline finds the mass within the last piece."""
    values = np.linspace(0.0, 1.0, 9)
    expected = 1.0 if rate == 0.0 else -math.expm1(-rate * 8.0) / (8.0 * rate)

    assert log_integral(*finely(values, 8.0 * rate * (values - 1.0))) == pytest.approx(math.log(expected), abs=1e-6)


@pytest.mark.parametrize("width", [0.2, 0.5, 2.0])
def test_a_normal_peak_narrower_than_the_points_has_its_mass(width):
    """A fifth of the distance between points is enough for a density whose logarithm is smooth."""
    values = np.arange(-20.0, 21.0)
    log_density = -0.5 * ((values - 0.3) / width) ** 2

    found = log_integral(*finely(values, log_density))

    assert found == pytest.approx(math.log(width * math.sqrt(2.0 * math.pi)), abs=1e-3)


def test_draws_follow_the_density(rng):
    """Mean and standard deviation of a normal density, by points of equal distance."""
    values = np.linspace(-6.0, 8.0, 15)
    fine, log_density = finely(values, -0.5 * ((values - 1.0) / 0.7) ** 2)
    drawn = [drawn_from(fine, log_density, point) for point in (np.arange(2000) + 0.5) / 2000]

    assert np.mean(drawn) == pytest.approx(1.0, abs=1e-3)
    assert np.std(drawn) == pytest.approx(0.7, abs=2e-3)
