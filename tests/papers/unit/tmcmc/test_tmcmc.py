from dataclasses import replace

import numpy as np
import pytest
from known_posteriors import bimodal, correlated

from gliofield.bayes import BoxPrior, ParameterRange, PosteriorTarget
from gliofield.errors import NumericalError, ParameterError
from gliofield_papers.tmcmc import TmcmcSettings, sample_posterior
from gliofield_papers.tmcmc.stage_moves import next_exponent
from gliofield_papers.tmcmc.tmcmc import advance, result, start

SETTINGS = TmcmcSettings(seed=3, num_samples=200, num_steps=2)
UNIT = BoxPrior(ranges=[ParameterRange(name="x", unit="1", low=0.0, high=1.0)])


def target_of(log_likelihood):
    return PosteriorTarget(prior=UNIT, log_likelihood_of=log_likelihood)


def weight_cv(log_likelihood, increment):
    weights = np.exp(increment * (log_likelihood - log_likelihood.max()))
    return weights.std() / weights.mean()


@pytest.mark.parametrize("spread", [5.0, 1e3, 1e8])
def test_the_next_exponent_gives_the_weights_the_wanted_variation(rng, spread):
    """To six digits, over eight orders of magnitude of the likelihood."""
    log_likelihood = -spread * rng.random(500) - 1e6

    reached = next_exponent(log_likelihood, 0.0, 1.0)

    assert 0 < reached < 1
    assert weight_cv(log_likelihood, reached) == pytest.approx(1.0, rel=1e-6)


def test_the_last_exponent_is_exactly_one():
    """Where the weights vary less than wanted even there, equal likelihoods included."""
    assert next_exponent(np.linspace(-0.1, 0, 50), 0.3, 1.0) == 1.0
    assert next_exponent(np.zeros(50), 0.3, 1.0) == 1.0


def test_impossible_samples_do_not_hold_the_exponent_back(rng):
    """−∞ drops out at any exponent."""
    possible = -20 * rng.random(100)

    assert next_exponent(np.append(possible, [-np.inf] * 300), 0.0, 1.0) == next_exponent(possible, 0.0, 1.0)


def test_likelihoods_too_far_apart_are_an_error():
    """No step of a float64 is small enough."""
    with pytest.raises(NumericalError, match="span 1e\\+20 nats"):
        next_exponent(np.array([0.0, -1e20, -1e20, -1e20]), 0.5, 1.0)


def test_a_stage_says_what_happened():
    """Exponent, weights, duplicates, acceptance and cost agree with each other."""
    target = bimodal().target
    state, info = advance(target, start(target, SETTINGS))

    assert state.stages == (info,)
    assert info.stage == 1
    assert 0 < info.tempering_exponent == state.tempering_exponent < 1
    assert info.weight_cv == pytest.approx(1.0, rel=1e-6)
    # N/(1 + CoV²)
    assert info.effective_sample_size == pytest.approx(100, rel=1e-6)
    assert info.num_distinct == len(np.unique(state.coordinates, axis=0))
    assert info.num_distinct_leaders <= info.num_distinct <= 200
    assert info.num_evaluations == 400
    assert 0 < info.acceptance_rate < 1


@pytest.mark.parametrize("resampling", ["multinomial", "systematic"])
def test_the_log_likelihood_belongs_to_the_sample(resampling):
    """After resampling and moves, values kept are those of the coordinates kept."""
    target = correlated().target
    state, _ = advance(target, start(target, replace(SETTINGS, resampling=resampling)))

    np.testing.assert_array_equal(state.log_likelihood, target.log_likelihood(state.coordinates))
    np.testing.assert_array_equal(state.log_prior, target.log_prior(state.coordinates))


def test_states_are_not_changed():
    """A stage makes a new one; arrays are read-only."""
    target = correlated().target
    first = start(target, SETTINGS)
    before = first.coordinates.copy()
    advance(target, first)

    np.testing.assert_array_equal(first.coordinates, before)
    with pytest.raises(ValueError, match="read-only"):
        first.coordinates[0] = 0.0


def test_the_same_seed_gives_the_same_samples():
    """And another one others."""
    target = correlated().target
    once, again = (sample_posterior(target, SETTINGS) for _ in range(2))

    np.testing.assert_array_equal(once.coordinates, again.coordinates)
    assert once.log_evidence == again.log_evidence
    assert sample_posterior(target, replace(SETTINGS, seed=4)).log_evidence != once.log_evidence


def test_a_sample_of_the_prior_does_not_depend_on_how_many_there_are():
    """Randomness is a function of seed, stage and sample."""
    target = correlated().target
    few, many = (start(target, replace(SETTINGS, num_samples=n)).coordinates for n in (50, 200))

    np.testing.assert_array_equal(few, many[:50])


def test_the_scale_of_proposals_follows_the_acceptance():
    """Adapted, a quarter is accepted in the last stage; fixed, the scale stays."""
    target = correlated().target
    adapted = sample_posterior(target, TmcmcSettings.thorough(num_samples=500)).stages
    fixed = sample_posterior(target, SETTINGS).stages

    assert adapted[-1].acceptance_rate == pytest.approx(0.25, abs=0.04)
    assert adapted[-1].proposal_scale > 0.4
    assert {info.proposal_scale for info in fixed} == {0.04}


def test_rows_without_prior_mass_are_never_simulated(rng):
    """The likelihood is asked about rows inside only, and the count says so."""

    class HalfLine(PosteriorTarget):
        def from_unit_cube(self, points):
            return super().from_unit_cube(0.5 + 0.5 * points)

        def log_prior(self, coordinates):
            return np.where(coordinates[:, 0] > 0, super().log_prior(coordinates), -np.inf)

    asked = []
    target = HalfLine(prior=UNIT, log_likelihood_of=lambda rows: asked.append(rows[:, 0]) or -50 * (rows[:, 0] - 0.5))
    state = start(target, replace(SETTINGS, proposal_scale=1.0))
    state, info = advance(target, state)

    assert min(values.min() for values in asked) > 0.5
    assert info.num_evaluations == sum(map(len, asked[1:])) < 400


def test_a_likelihood_that_is_no_number_ends_the_run():
    """NaN is an error of model or data, not a small likelihood."""
    with pytest.raises(NumericalError, match="log-likelihood is nan in 200 of 200 samples, first at x = "):
        start(target_of(lambda rows: np.full(len(rows), np.nan)), SETTINGS)


def test_a_target_of_ones_own_is_checked_too():
    """NaN of a target that does not check itself."""
    target = correlated().target
    target.log_likelihood = lambda rows: np.full(len(rows), np.nan)
    with pytest.raises(NumericalError, match="must be numbers below"):
        start(target, SETTINGS)


def test_impossible_data_end_the_run():
    """Likelihood 0 everywhere: prior and data do not belong together."""
    with pytest.raises(NumericalError, match="impossible .* for all 200 samples"):
        start(target_of(lambda rows: np.full(len(rows), -np.inf)), SETTINGS)


def test_partly_impossible_data_count_in_the_evidence():
    """Likelihood 1 in a quarter of the prior, 0 elsewhere: log evidence log 1/4."""
    found = sample_posterior(
        target_of(lambda rows: np.where(rows[:, 0] < 0.25, 0.0, -np.inf)), TmcmcSettings.thorough(num_samples=4000)
    )

    assert found.log_evidence == pytest.approx(np.log(0.25), abs=0.1)


def test_a_prior_whose_samples_have_no_density_is_an_error():
    """from_unit_cube and log_prior must be one distribution."""
    target = correlated().target
    target.log_prior = lambda rows: np.full(len(rows), -np.inf)
    with pytest.raises(NumericalError, match="200 samples of the prior have no prior density"):
        start(target, SETTINGS)


def test_samples_in_one_point_are_an_error():
    """A single possible sample leaves no covariance."""
    target = target_of(lambda rows: np.where(np.arange(len(rows)) == 0, 0.0, -np.inf))
    with pytest.raises(NumericalError, match="collapsed to a point in stage 1") as caught:
        advance(target, start(target, SETTINGS))
    assert caught.value.step == 1


def test_a_run_ends_after_its_stages():
    """max_stages is a limit, and the error says how far it came."""
    with pytest.raises(NumericalError, match="not reached within 1 stages"):
        sample_posterior(bimodal().target, replace(SETTINGS, max_stages=1))


def test_only_a_finished_state_has_a_result():
    """And a finished one no next stage."""
    target = correlated().target
    state = start(target, SETTINGS)
    with pytest.raises(ParameterError, match="not finished: p = 0 of 1"):
        result(state)
    while not state.is_finished:
        state, _ = advance(target, state)
    assert result(state).stages == state.stages
    with pytest.raises(ParameterError, match="take its result"):
        advance(target, state)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"num_samples": 1}, "num_samples must be at least 2"),
        ({"num_steps": 0}, "num_steps must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"proposal_scale": 0.0}, "proposal_scale must be finite and above 0"),
        ({"target_weight_cv": np.nan}, "target_weight_cv must be finite and above 0"),
        ({"target_acceptance": 1.0}, r"target_acceptance must lie in \(0, 1\)"),
        ({"resampling": "stratified"}, "resampling 'stratified' is unknown"),
    ],
)
def test_settings_outside_their_range_are_refused(change, complaint):
    """Each by name."""
    with pytest.raises(ParameterError, match=complaint):
        TmcmcSettings(**change)
