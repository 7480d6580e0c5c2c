import numpy as np
import pytest
from scipy.special import expit

from gliofield.bayes import BoxPrior, GrowthTimePrior, ParameterRange, PosteriorTarget, TMixture
from gliofield.bayes.conditional_prior import ConditionedMixture

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


def proposal_of(prior, **changes):
    """A mixture over D_w T and ρ T around the middle of their ranges."""
    target = PosteriorTarget(prior=prior, log_likelihood_of=lambda rows: np.zeros(len(rows)))
    mixture = TMixture.around(np.array([0.0, 0.0]), np.array([0.7, 0.7]), degrees=4.0)
    return ConditionedMixture(**{"mixture": mixture, "column": 2, "log_prior": target.log_prior, **changes})


def along(number=4001):
    """Places of T strictly within its range, and coordinates of them."""
    places = (np.arange(number) + 0.5) / number
    return places, np.log(places / (1.0 - places))


@EACH
def test_the_growth_time_follows_the_prior_given_the_others(prior):
    """Per unit of T's place, 95 % of the density are the prior's along T, normalized; 5 % are spread."""
    proposal = proposal_of(prior)
    places, coordinates = along()
    others = np.array([0.3, -0.2])
    rows = np.column_stack([np.tile(others, (len(places), 1)), coordinates])
    slope = places * (1.0 - places)

    found = np.exp(proposal.log_density(rows) - proposal.mixture.log_density(rows[:, :2])) / slope
    prior_density = np.exp(proposal.log_prior(rows)) / slope

    expected = 0.95 * prior_density / prior_density.mean() + 0.05
    # Cells of 1/48 of the range: their step is what is left.
    assert np.abs(found - expected).mean() < 0.05
    assert found.mean() == pytest.approx(1.0, abs=0.01)


@EACH
def test_the_prior_of_the_others_is_its_integral_over_the_time(prior):
    """By 4,001 places instead of 48."""
    proposal = proposal_of(prior)
    places, coordinates = along()
    others = np.array([[0.3, -0.2], [-1.0, -1.1]])

    found = proposal.log_prior_of_others(others)

    for row, value in zip(others, found, strict=True):
        rows = np.column_stack([np.tile(row, (len(places), 1)), coordinates])
        density = np.exp(proposal.log_prior(rows)) / (places * (1.0 - places))
        assert value == pytest.approx(np.log(density.mean()), abs=0.02)


@EACH
def test_draws_have_the_density(prior, rng):
    """1/q averages to the volume of a box over those draws that fall into it: bounds of T's place among them."""
    proposal = proposal_of(prior)
    drawn = proposal.sample(20_000, rng)
    low, high = np.array([-0.5, -0.5, -1.0]), np.array([0.5, 0.5, 1.5])
    inside = ((drawn > low) & (drawn < high)).all(axis=1)

    values = np.where(inside, np.exp(-proposal.log_density(drawn)), 0.0)

    assert values.mean() == pytest.approx(np.prod(high - low), abs=4.0 * values.std() / np.sqrt(len(values)))


@EACH
def test_no_time_is_left_out(prior, rng):
    """A twentieth of all draws is spread, also where the prior has no mass at all."""
    proposal = proposal_of(prior)
    impossible = np.array([[12.0, -12.0]])
    assert np.isneginf(proposal.log_prior(np.insert(impossible, 2, 0.0, axis=1))).all()
    far = np.column_stack([np.tile(impossible, (3, 1)), [-3.0, 0.0, 3.0]])
    rows = np.column_stack([np.zeros((2, 2)), [-20.0, 20.0]])

    for each in (far, rows):
        found = proposal.log_density(each)
        assert np.isfinite(found).all()
    least = proposal.mixture.log_density(rows[:, :2]) + np.log(0.05) - np.abs(rows[:, 2])
    assert np.all(proposal.log_density(rows) >= least - 1e-6)
    places = expit(proposal.sample(4000, rng)[:, 2])
    assert np.histogram(places, bins=10, range=(0.0, 1.0))[0].min() > 0


def test_without_a_column_it_is_the_mixture(rng):
    """All coordinates are the mixture's, and so is the prior of the others."""
    proposal = proposal_of(PRIORS["time"], column=None, log_prior=lambda rows: rows.sum(axis=1))
    drawn = proposal.sample(5, rng)

    assert drawn.shape == (5, 2)
    np.testing.assert_array_equal(proposal.log_density(drawn), proposal.mixture.log_density(drawn))
    np.testing.assert_array_equal(proposal.log_prior_of_others(drawn), drawn.sum(axis=1))
