import numpy as np
import pytest

from gliofield.bayes import BoxPrior, ParameterRange, PosteriorTarget
from gliofield.errors import NumericalError

PRIOR = BoxPrior(ranges=[ParameterRange(name="size_mm", unit="mm", low=1.0, high=9.0, scale="log-uniform")])


def target_of(log_likelihood):
    return PosteriorTarget(prior=PRIOR, log_likelihood_of=log_likelihood)


def test_the_likelihood_sees_parameters_in_their_units(rng):
    """Rows in mm, whatever the coordinates."""
    seen = []
    target = target_of(lambda rows: seen.append(rows) or np.zeros(len(rows)))
    points = rng.random((20, 1))

    target.log_likelihood(target.from_unit_cube(points))

    np.testing.assert_allclose(seen[0], PRIOR.from_unit_cube(points), rtol=1e-9)


def test_the_prior_per_coordinate_integrates_to_one():
    """The Jacobian makes a density of it."""
    coordinates = np.arange(-40.0, 40.0, 0.01)[:, None]

    assert np.exp(target_of(None).log_prior(coordinates)).sum() * 0.01 == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_likelihood_that_is_no_number_is_named_with_its_parameters(value):
    """NaN and +∞ are errors."""
    target = target_of(lambda rows: np.where(np.arange(len(rows)) == 1, value, 0.0))
    with pytest.raises(NumericalError, match=r"in 1 of 3 samples, first at size_mm = 3"):
        target.log_likelihood(np.zeros((3, 1)))


def test_a_likelihood_of_another_shape_is_refused():
    """One value per row."""
    with pytest.raises(NumericalError, match=r"expected shape \(3,\), got \(3, 1\)"):
        target_of(lambda rows: rows).log_likelihood(np.zeros((3, 1)))
