"""Importance sampling: when it adapts, how it ends, and what it says when it cannot be believed."""

import numpy as np
import pytest
from known_posteriors import bimodal, correlated, sample_known

from gliofield.bayes import ImportanceSettings, TMixture, sample_by_importance
from gliofield.errors import NumericalError, ParameterError

SETTINGS = ImportanceSettings(num_effective=200, max_simulations=3000)


def test_draws_are_as_many_as_asked_for():
    """Effective samples reach the number wanted, weights are normalized, and every batch is told."""
    found = sample_known(correlated(), SETTINGS)

    assert found.effective_samples >= 200
    assert np.exp(found.log_weights).sum() == pytest.approx(1.0)
    assert found.is_reliable
    assert found.num_simulations == sum(stage.num_simulations for stage in found.stages)
    assert [stage.kind for stage in found.stages][0] == "adapting"
    assert found.stages[-1].kind == "sampling"
    assert found.stages[-1].tempering_exponent == 1.0


def test_a_start_that_is_far_off_moves_to_the_posterior():
    """Twelve widths away: exponents below 1 first, then 1."""
    known = correlated()
    start = TMixture.around(np.array([-2.5, -2.5, -2.5]), np.full(3, 0.4), degrees=4.0)

    found = sample_known(known, SETTINGS, start=start)

    exponents = [stage.tempering_exponent for stage in found.stages]
    assert exponents[0] < 0.5
    assert exponents[-1] == 1.0
    mean = np.exp(found.log_weights) @ found.coordinates
    assert np.abs((mean - known.mean) / np.sqrt(known.variance)).max() < 0.35


def test_a_mode_that_no_draw_sees_cannot_be_known():
    """A limit of the method: of two modes, one proposal that reaches one finds that one, and says nothing."""
    known = bimodal()
    start = TMixture.around(np.array([1.4, 0.5]), np.full(2, 0.1), degrees=50.0)

    found = sample_known(known, SETTINGS, start=start)

    assert found.log_evidence < known.log_evidence - 0.2
    assert found.is_reliable


def test_draws_without_prior_mass_cost_nothing():
    """Half of a start lies where the prior has none: those rows are never asked for, and count in the evidence."""
    asked = []

    def log_prior(rows):
        """Half of a standard normal distribution."""
        whole = -0.5 * (rows**2).sum(axis=1) - 1.5 * np.log(2.0 * np.pi)
        return np.where(rows[:, 0] > 0.0, whole + np.log(2.0), -np.inf)

    def evaluate(rows, rng):
        asked.append(rows)
        return np.zeros(len(rows)), np.full((len(rows), 1), 5.0)

    start = TMixture.around(np.zeros(3), np.ones(3), degrees=4.0)
    found = sample_known(correlated(), SETTINGS, evaluate=evaluate, log_prior=log_prior, start=start)

    assert all((rows[:, 0] > 0.0).all() for rows in asked)
    assert sum(len(rows) for rows in asked) == found.num_simulations
    assert found.log_evidence == pytest.approx(0.0, abs=5.0 * found.log_evidence_error)
    assert (found.extras == 5.0).all()


def test_what_fails_has_no_weight_and_no_extras():
    """Rows of likelihood 0 come with NaN, and do not come back."""
    known = correlated()

    def evaluate(rows, rng):
        values = np.where(rows[:, 0] > 1.0, known.target.log_likelihood(rows), -np.inf)
        return values, np.where(np.isfinite(values)[:, None], rows[:, :1], np.nan)

    found = sample_known(known, SETTINGS, evaluate=evaluate)

    assert (found.coordinates[:, 0] > 1.0).all()
    np.testing.assert_array_equal(found.extras, found.coordinates[:, :1])
    assert np.isfinite(found.log_weights).all()


def test_a_start_that_hits_next_to_nothing_is_drawn_from_again():
    """Too few possible draws to fit to: the proposal is not fitted to them, and p is 0."""
    known = correlated()

    def evaluate(rows, rng):
        is_possible = np.abs(rows - np.array([1.0, 0.0, 0.0])).max(axis=1) < 0.4
        return np.where(is_possible, 0.0, -np.inf), np.zeros((len(rows), 0))

    found = sample_known(
        known, SETTINGS, evaluate=evaluate, start=TMixture.around(np.zeros(3), np.ones(3), degrees=4.0)
    )

    assert found.stages[0].tempering_exponent == 0.0
    assert found.stages[1].num_components == 0
    assert len(found.coordinates) > 0


def test_weights_that_are_not_to_be_believed_are_said_to_be():
    """A posterior with tails no mixture has: the proposal is fitted twice more, and k̂ stays above 0.7."""

    def evaluate(rows, rng):
        return 0.5 * (rows**2).sum(axis=1) - 0.55 * np.log1p((rows**2).sum(axis=1)), np.zeros((len(rows), 0))

    found = sample_known(
        correlated(), ImportanceSettings(num_effective=100, max_simulations=6000), evaluate=evaluate,
        start=TMixture.around(np.zeros(3), np.full(3, 0.3), degrees=100.0),
    )  # fmt: skip

    assert found.pareto_shape > 0.7
    assert not found.is_reliable


def test_a_run_ends_after_so_many_simulations():
    """With fewer effective samples than were asked for."""
    found = sample_known(correlated(), ImportanceSettings(num_effective=100_000, max_simulations=1500))

    assert 1500 <= found.num_simulations < 1500 + 128
    assert found.effective_samples < 100_000


def test_impossible_data_are_an_error():
    """No draw has a likelihood above 0."""
    with pytest.raises(NumericalError, match="none of 256 draws has a likelihood above 0"):
        sample_known(
            correlated(), SETTINGS, evaluate=lambda rows, rng: (np.full(len(rows), -np.inf), np.zeros((len(rows), 0)))
        )


def test_a_posterior_that_vanishes_is_an_error():
    """Possible while adapting, impossible afterwards: the likelihood is no function of its rows."""
    calls = []

    def evaluate(rows, rng):
        calls.append(len(rows))
        return np.full(len(rows), 0.0 if len(calls) < 3 else -np.inf), np.zeros((len(rows), 0))

    with pytest.raises(NumericalError, match="the posterior was lost"):
        sample_known(
            correlated(), ImportanceSettings(max_adaptations=2, max_simulations=600), evaluate=evaluate,
            start=TMixture.around(np.zeros(3), np.ones(3), degrees=4.0),
        )  # fmt: skip


def test_the_seed_decides():
    """The same again, another for another."""
    one, again, other = (
        sample_known(correlated(), ImportanceSettings(seed=seed, num_effective=50)) for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(one.coordinates, again.coordinates)
    np.testing.assert_array_equal(one.log_weights, again.log_weights)
    assert not np.array_equal(one.coordinates[:5], other.coordinates[:5])


def test_more_samples_begin_with_those_of_fewer():
    """The draws of a longer run of one seed."""
    few, more = (sample_known(correlated(), ImportanceSettings(num_effective=number)) for number in (50, 600))

    assert len(more.coordinates) > len(few.coordinates)
    np.testing.assert_array_equal(more.coordinates[: len(few.coordinates)], few.coordinates)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed must be at least 0"),
        ({"num_effective": 9}, "num_effective must be at least 10"),
        ({"max_simulations": 511}, "max_simulations must be at least 512"),
        ({"max_adaptations": 0}, "max_adaptations must be at least 1"),
    ],
)
def test_settings_outside_their_range_are_refused(change, message):
    """By name."""
    with pytest.raises(ParameterError, match=message):
        ImportanceSettings(**change)


def test_coordinates_that_are_not_proposed_are_added_with_their_density():
    """The third from a distribution that is not the prior's: evidence and moments are the same within their errors."""
    known = correlated()

    def complete(rows, rng):
        added = rng.normal(0.5 * rows[:, 0] - 1.0, 0.6)
        offsets = (added - (0.5 * rows[:, 0] - 1.0)) / 0.6
        return np.column_stack([rows, added]), -0.5 * offsets**2 - np.log(0.6 * np.sqrt(2.0 * np.pi))

    found = sample_by_importance(
        known.target.log_prior,
        lambda rows, rng: (known.target.log_likelihood(rows), np.zeros((len(rows), 0))),
        TMixture.around(np.zeros(2), np.ones(2), degrees=4.0),
        ImportanceSettings(num_effective=500),
        complete=complete,
    )
    mean = np.exp(found.log_weights) @ found.coordinates

    assert found.log_evidence == pytest.approx(known.log_evidence, abs=5.0 * found.log_evidence_error)
    assert np.abs((mean - known.mean) / np.sqrt(known.variance)).max() < 0.25
