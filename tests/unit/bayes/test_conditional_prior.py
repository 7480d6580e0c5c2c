import numpy as np
import pytest
from scipy.special import expit

from gliofield.bayes import BoxPrior, GrowthTimePrior, ParameterRange, PosteriorTarget
from gliofield.bayes.conditional_prior import ConditionalPrior

GROWTH = [
    ParameterRange(name="white_matter_diffusivity_mm2_per_day", unit="mm²/day", low=0.01, high=1.0),
    ParameterRange(name="proliferation_rate_per_day", unit="1/day", low=0.01, high=0.1),
]
PRIORS = {
    "time": BoxPrior(ranges=[*GROWTH, ParameterRange(name="growth_time_days", unit="day", low=30.0, high=1000.0)]),
    "squared time": GrowthTimePrior(
        box=BoxPrior(
            ranges=[
                *GROWTH,
                ParameterRange(name="proliferation_rate_times_squared_time_days", unit="day", low=100.0, high=5e3),
            ]
        )
    ),
}
EACH = pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)


def time_given_others(prior):
    target = PosteriorTarget(prior=prior, log_likelihood_of=lambda rows: np.zeros(len(rows)))
    return ConditionalPrior(column=2, log_prior=target.log_prior)


def along(number=4001):
    """Places of T strictly within its range, and coordinates of them."""
    places = (np.arange(number) + 0.5) / number
    return places, np.log(places / (1.0 - places))


@EACH
def test_the_growth_time_follows_the_prior_given_the_others(prior):
    """Per unit of T's place, 95 % of the density are the prior's along T, normalized; 5 % are spread."""
    conditional = time_given_others(prior)
    places, coordinates = along()
    others = np.array([0.3, -0.2])
    rows = np.column_stack([np.tile(others, (len(places), 1)), coordinates])
    slope = places * (1.0 - places)

    found = np.exp(conditional.log_density(rows)) / slope
    prior_density = np.exp(conditional.log_prior(rows)) / slope

    expected = 0.95 * prior_density / prior_density.mean() + 0.05
    # Cells of 1/48 of the range: their step is what is left.
    assert np.abs(found - expected).mean() < 0.05
    assert found.mean() == pytest.approx(1.0, abs=0.01)


@EACH
def test_the_prior_of_the_others_is_its_integral_over_the_time(prior):
    """By 4,001 places instead of 48."""
    conditional = time_given_others(prior)
    places, coordinates = along()
    others = np.array([[0.3, -0.2], [-1.0, -1.1]])

    found = conditional.log_prior_of_others(others)

    for row, value in zip(others, found, strict=True):
        rows = np.column_stack([np.tile(row, (len(places), 1)), coordinates])
        density = np.exp(conditional.log_prior(rows)) / (places * (1.0 - places))
        assert value == pytest.approx(np.log(density.mean()), abs=0.02)


@EACH
def test_no_time_is_left_out(prior, rng):
    """A twentieth of all draws is spread, also where the prior has no mass at all."""
    conditional = time_given_others(prior)
    impossible = np.array([[12.0, -12.0]])
    assert np.isneginf(conditional.log_prior(np.insert(impossible, 2, 0.0, axis=1))).all()
    far = np.column_stack([np.tile(impossible, (3, 1)), [-3.0, 0.0, 3.0]])
    rows = np.column_stack([np.zeros((2, 2)), [-20.0, 20.0]])

    # The twentieth, whose density per unit of the coordinate is logistic.
    for each in (far, rows):
        least = np.log(0.05) - np.logaddexp(0.0, each[:, 2]) - np.logaddexp(0.0, -each[:, 2])
        assert np.all(conditional.log_density(each) >= least - 1e-6)
    drawn, _ = conditional.completed(np.zeros((4000, 2)), rng)
    assert np.histogram(expit(drawn[:, 2]), bins=10, range=(0.0, 1.0))[0].min() > 0


@EACH
def test_draws_have_the_density_that_comes_with_them(prior, rng):
    """1/q averages to the length of an interval over those draws that fall into it; the others stay as they were."""
    conditional = time_given_others(prior)
    others = np.tile([0.3, -0.2], (5000, 1))
    drawn, log_density = conditional.completed(others, rng)
    low, high = -1.0, 1.5
    values = np.where((drawn[:, 2] > low) & (drawn[:, 2] < high), np.exp(-log_density), 0.0)

    np.testing.assert_array_equal(drawn[:, :2], others)
    np.testing.assert_allclose(log_density, conditional.log_density(drawn))
    assert values.mean() == pytest.approx(high - low, abs=4.0 * values.std() / np.sqrt(len(values)))
