"""A run may begin with more draws of the prior than it goes on with."""

from dataclasses import replace

import numpy as np
import pytest
from known_posteriors import correlated

from gliofield.bayes import BoxPrior, ParameterRange, PosteriorTarget
from gliofield.errors import ParameterError
from gliofield_papers.tmcmc import TmcmcSettings, sample_posterior
from gliofield_papers.tmcmc.stage_moves import first_coordinates, next_exponent, target_cv_of, weights_of
from gliofield_papers.tmcmc.state import StageInfo, evidence_error
from gliofield_papers.tmcmc.tmcmc import advance, start

SETTINGS = TmcmcSettings(
    seed=5, num_samples=100, num_first_samples=700, num_steps=3, proposal_scale=0.2, resampling="systematic"
)


@pytest.fixture
def target():
    return correlated().target


def counting(target):
    """Numbers of rows asked for, appended to a list call by call."""
    asked, likelihood = [], target.log_likelihood

    def counted(rows):
        asked.append(len(rows))
        return likelihood(rows)

    target.log_likelihood = counted
    return asked


def test_a_run_begins_with_many_draws_and_goes_on_with_few(target):
    """700 draws of the prior, then 100 rows in each of three steps."""
    asked = counting(target)
    first = start(target, SETTINGS)
    second, info = advance(target, first)

    assert first.coordinates.shape == (700, 3)
    assert first.log_likelihood.shape == first.log_prior.shape == (700,)
    assert second.coordinates.shape == (100, 3)
    assert second.log_likelihood.shape == second.log_prior.shape == (100,)
    assert asked == [700, 100, 100, 100]
    assert info.num_evaluations == 300


def test_the_result_has_the_usual_number_of_samples(target):
    """All stages but the first are of that size."""
    found = sample_posterior(target, SETTINGS)

    assert found.coordinates.shape == (100, 3)
    assert len(found.stages) > 1


@pytest.mark.parametrize("num_first_samples", [None, 100])
def test_without_more_draws_nothing_changes(target, num_first_samples):
    """As many first draws as samples, said or not, are the same run."""
    given = replace(SETTINGS, num_first_samples=num_first_samples)

    assert given.num_first == 100
    assert target_cv_of(given, np.zeros(100)) == given.target_weight_cv
    expected = sample_posterior(target, replace(SETTINGS, num_first_samples=None))
    np.testing.assert_array_equal(sample_posterior(target, given).coordinates, expected.coordinates)


def test_more_draws_begin_with_those_of_fewer(target):
    """A draw is a function of seed and place."""
    few = first_coordinates(target, replace(SETTINGS, num_first_samples=None))

    np.testing.assert_array_equal(first_coordinates(target, SETTINGS)[:100], few)


@pytest.mark.parametrize("num_first_samples", [0, 1, 99])
def test_fewer_draws_than_samples_are_refused(num_first_samples):
    """By name, with both numbers."""
    with pytest.raises(
        ParameterError, match=rf"num_first_samples must be at least .* \(100\), got {num_first_samples}"
    ):
        replace(SETTINGS, num_first_samples=num_first_samples)


def test_thorough_settings_begin_with_eight_times_as_many():
    """The paper's own begin with as many."""
    assert TmcmcSettings.thorough(num_samples=128).num_first == 1024
    assert TmcmcSettings(num_samples=128).num_first == 128


@pytest.mark.parametrize("target_weight_cv", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("num_weighted", [100, 300, 5000])
def test_the_first_weights_are_worth_as_much_as_those_of_any_stage(rng, num_weighted, target_weight_cv):
    """The effective sample size is num_samples/(1 + CV²), however many weights there are."""
    settings = replace(SETTINGS, target_weight_cv=target_weight_cv)
    log_likelihood = -1e5 * rng.random(num_weighted)

    exponent = next_exponent(log_likelihood, 0.0, target_cv_of(settings, log_likelihood))

    weights, _ = weights_of(log_likelihood, exponent)
    effective = weights.sum() ** 2 / (weights**2).sum()
    assert effective == pytest.approx(100.0 / (1.0 + target_weight_cv**2), rel=1e-6)


@pytest.mark.parametrize("num_possible", [3, 100, 350])
def test_impossible_draws_do_not_count(num_possible):
    """The first exponent is that of the possible draws alone, and of a usual stage if they are fewer than one."""
    log_likelihood = np.full(700, -np.inf)
    log_likelihood[:num_possible] = 0.0
    wanted = np.sqrt(max(num_possible / 100, 1.0) * (1.0 + SETTINGS.target_weight_cv**2) - 1.0)

    assert target_cv_of(SETTINGS, log_likelihood) == pytest.approx(wanted)


def test_a_larger_first_population_goes_further(target):
    """The first exponent is larger at the same effective sample size."""
    (_, few), (_, many) = (
        advance(target, start(target, replace(SETTINGS, num_first_samples=number))) for number in (None, 700)
    )

    assert many.tempering_exponent > few.tempering_exponent
    assert many.effective_sample_size == pytest.approx(few.effective_sample_size, rel=1e-6)


def stage(weight_cv):
    return StageInfo(
        stage=1,
        tempering_exponent=1.0,
        log_mean_weight=0.0,
        weight_cv=weight_cv,
        effective_sample_size=1.0,
        num_distinct_leaders=1,
        num_distinct=1,
        acceptance_rate=0.5,
        proposal_scale=0.2,
        num_evaluations=1,
    )


def test_the_error_of_the_evidence_counts_the_first_stage_by_its_own_number():
    """√(CoV²/700 + CoV²/100 + CoV²/100) by hand; √(CoV²/700) of one stage."""
    stages = (stage(3.0), stage(1.0), stage(0.5))

    assert evidence_error(SETTINGS, stages) == pytest.approx(np.sqrt(9.0 / 700.0 + 1.0 / 100.0 + 0.25 / 100.0))
    assert evidence_error(SETTINGS, stages[:1]) == pytest.approx(3.0 / np.sqrt(700.0))
    assert evidence_error(replace(SETTINGS, num_first_samples=None), stages) == pytest.approx(
        np.sqrt((9.0 + 1.0 + 0.25) / 100.0)
    )


def test_a_result_reports_that_error(target):
    """Of all its stages."""
    found = sample_posterior(target, SETTINGS)

    assert found.log_evidence_error == evidence_error(SETTINGS, found.stages)


PEAK, WIDTH = np.array([0.31, 0.64]), 0.02
SQUARE = BoxPrior(ranges=[ParameterRange(name=name, unit="1", low=0.0, high=1.0) for name in ("x", "y")])
# A disk of radius 1.3 widths, beyond which the likelihood is flat, 300 nats below the peak.
FLOOR, REACH = -300.0, 1.3


def needle(parameters):
    """A narrow peak on a flat floor."""
    squares = ((parameters - PEAK) ** 2).sum(axis=1) / WIDTH**2
    return np.where(squares < REACH**2, -0.5 * squares, FLOOR)


def found_needle(seed, num_first_samples):
    """Whether a run ends in the peak."""
    settings = TmcmcSettings(
        seed=seed,
        num_samples=60,
        num_first_samples=num_first_samples,
        num_steps=5,
        proposal_scale=0.2,
        target_acceptance=0.25,
        resampling="systematic",
    )
    sampled = sample_posterior(PosteriorTarget(prior=SQUARE, log_likelihood_of=needle), settings)
    return bool((sampled.log_likelihood > FLOOR).mean() > 0.9)


def test_a_peak_that_few_draws_see_is_found_by_many():
    """One draw in some 470 lies in the peak: 60 draws mostly miss it, 4,000 do not."""
    assert np.pi * (REACH * WIDTH) ** 2 == pytest.approx(1.0 / 470.0, rel=0.01)

    by_few, by_many = (np.mean([found_needle(seed, number) for seed in range(12)]) for number in (None, 4000))

    assert by_few < 0.5
    assert by_many == 1.0
