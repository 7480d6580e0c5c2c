import numpy as np
import pytest
from growth_likelihoods import SEED_MM, narrow_prior

from gliofield.bayes import IdentifiableTumors, PosteriorTarget, reference_of_matches
from gliofield.errors import ParameterError

SEEDS = np.array(SEED_MM) + np.random.default_rng(1).uniform(-2.0, 2.0, (12, 3))


def target():
    return PosteriorTarget(prior=narrow_prior(), log_likelihood_of=lambda rows: np.zeros(len(rows)))


def matches(lengths=1.6, times=6.6, seeds=SEEDS):
    spread = np.linspace(0.95, 1.05, len(seeds))
    return IdentifiableTumors(infiltration_length_mm=lengths * spread, scaled_time=times * spread[::-1], seed_mm=seeds)


def reference(found, **changes):
    return reference_of_matches(target(), found, rng=np.random.default_rng(0), **changes)


def test_draws_of_a_narrow_reference_resemble_the_matches():
    """λ, τ and the seed of the draws lie around those of the matches; what no match tells is spread over the prior."""
    density = reference(matches(), widening=1.0, prior_share=1e-6)
    coordinates = density.from_unit_cube(np.random.default_rng(2).random((4000, 9)))
    rows = target().to_parameters(coordinates)
    tumors = IdentifiableTumors.of_parameters(rows, target().prior.names)

    assert np.median(tumors.infiltration_length_mm) == pytest.approx(1.6, rel=0.1)
    assert np.median(tumors.scaled_time) == pytest.approx(6.6, rel=0.15)
    np.testing.assert_allclose(np.median(tumors.seed_mm, axis=0), SEEDS.mean(axis=0), atol=0.5)
    low, high = np.quantile(rows[:, target().prior.names.index("t1gd_threshold")], (0.1, 0.9))
    assert (low, high) == pytest.approx((0.53, 0.77), abs=0.03)


def test_the_generator_reproduces_a_reference():
    """Same seed, same mean and covariance."""
    first, again = reference(matches()), reference(matches())

    np.testing.assert_array_equal(first.mean, again.mean)
    np.testing.assert_array_equal(first.root, again.root)


def test_matches_that_the_prior_excludes_are_refused():
    """Infiltration lengths that no D_w and ρ of the prior have."""
    with pytest.raises(ParameterError, match="mass on too few of the 12 matches"):
        reference(matches(lengths=30.0))


def test_a_prior_without_growth_is_refused():
    """Its missing parameters are named."""
    without = PosteriorTarget(
        prior=narrow_prior().without("growth_time_days"), log_likelihood_of=lambda rows: np.zeros(len(rows))
    )
    with pytest.raises(ParameterError, match="needs a prior of growth_time_days"):
        reference_of_matches(without, matches(), rng=np.random.default_rng(0))


def test_widening_must_be_positive():
    """By name."""
    with pytest.raises(ParameterError, match="widening must be finite and above 0"):
        reference(matches(), widening=0.0)
