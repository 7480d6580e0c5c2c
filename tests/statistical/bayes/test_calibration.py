"""Simulation-based calibration: the rank of the truth among posterior samples is uniform (Talts et al. 2018).

The nightly test goes through the imaging likelihoods with a tumor that is a sphere; its negative control counts every
voxel four times, as correlated residuals do that are taken for independent.
"""

import numpy as np
import pytest
from known_posteriors import Known, sample_known

from gliofield.bayes import (
    BoxPrior,
    ImportanceSettings,
    ParameterRange,
    PosteriorTarget,
    find_mode,
    rank_uniformity,
    truth_ranks,
)
from gliofield.bayes.growth_importance import mixture_of_modes
from gliofield.imaging import log_visibility, mask_log_likelihood, pet_log_likelihood
from gliofield_papers.tmcmc import TmcmcSettings, sample_posterior

NUM_DRAWS = 31
IMAGING = BoxPrior(
    ranges=[
        ParameterRange(name="radius_mm", unit="mm", low=4.0, high=9.0),
        ParameterRange(name="t1gd_threshold", unit="1", low=0.6, high=0.8),
        ParameterRange(name="flair_threshold", unit="1", low=0.05, high=0.6),
        ParameterRange(name="visibility_width", unit="1", low=0.05, high=0.08),
        ParameterRange(name="pet_scale", unit="1", low=0.2, high=1.02),
        ParameterRange(name="pet_background", unit="1", low=0.0, high=0.6),
        ParameterRange(name="pet_noise_std", unit="1", low=0.01, high=0.25, scale="log-uniform"),
    ]
)
_AXIS = np.arange(-10.0, 11.0, 2.5)
DISTANCE_MM = np.linalg.norm(np.stack(np.meshgrid(_AXIS, _AXIS, _AXIS)), axis=0)


def sphere(radius_mm):
    return 1.0 / (1.0 + np.exp((DISTANCE_MM - radius_mm) / 1.5))


def simulated(truth, rng):
    """Masks and PET of one truth, drawn from the observation model."""
    radius, t1gd, flair, width, scale, background, noise = truth
    density = sphere(radius)
    masks = [
        rng.random(density.shape) < np.exp(log_visibility(density, threshold=u, visibility_width=width)[0])
        for u in (t1gd, flair)
    ]
    return *masks, background + scale * density + noise * rng.normal(size=density.shape)


def imaging_log_likelihood(core, whole, pet, weight):
    def of_row(row):
        radius, t1gd, flair, width, scale, background, noise = row
        density = sphere(radius)
        return weight * (
            mask_log_likelihood(core, density, threshold=t1gd, visibility_width=width)
            + mask_log_likelihood(whole, density, threshold=flair, visibility_width=width)
            + pet_log_likelihood(pet, density, pet_scale=scale, pet_background=background, pet_noise_std=noise)
        )

    return lambda rows: np.array([of_row(row) for row in rows])


def by_tmcmc(target, seed, rng):
    """Equally weighted samples."""
    settings = TmcmcSettings.thorough(seed=seed, num_samples=256, num_steps=8)
    return target.to_parameters(sample_posterior(target, settings).coordinates)


def by_importance(target, seed, rng):
    """Samples drawn by weight, from a start at the mode that the best of 200 draws of the prior leads to."""
    draws = target.prior.sample(200, rng)
    best = draws[np.argmax(target.log_likelihood_of(draws))][None]
    begin = target.prior.transform.to_coordinates(best)[0]
    mode = find_mode(lambda rows: target.log_prior(rows) + target.log_likelihood(rows), begin, np.full(len(begin), 0.5))
    found = sample_known(
        Known(target=target, log_evidence=0.0, mean=begin, variance=begin),
        ImportanceSettings(seed=seed, num_effective=150, max_simulations=4000),
        start=mixture_of_modes([mode]),
    )
    chosen = rng.choice(len(found.coordinates), size=256, p=np.exp(found.log_weights))
    return target.to_parameters(found.coordinates[chosen])


def calibration(prior, make_log_likelihood, *, num_repetitions, sample=by_tmcmc):
    """Ranks (R, P) of so many truths drawn from the prior, and the share that 80 % intervals hold, (P,)."""
    rng = np.random.default_rng(11)
    ranks, truths, lows, highs = [], [], [], []
    for repetition in range(num_repetitions):
        truth = prior.sample(1, rng)[0]
        target = PosteriorTarget(prior=prior, log_likelihood_of=make_log_likelihood(truth, rng))
        samples = sample(target, repetition, rng)
        ranks.append(truth_ranks(truth, samples[rng.permutation(len(samples))[:NUM_DRAWS]]))
        truths.append(truth)
        lows.append(np.quantile(samples, 0.1, axis=0))
        highs.append(np.quantile(samples, 0.9, axis=0))
    covered = (np.array(lows) <= truths) & (truths <= np.array(highs))
    return np.array(ranks), covered.mean(axis=0)


def smallest_p_value(ranks, num_bins):
    """Over the parameters, times their number (Bonferroni)."""
    values = [rank_uniformity(column, num_samples=NUM_DRAWS, num_bins=num_bins) for column in ranks.T]
    return min(values) * len(values)


def exponential_of(claimed_number):
    """Five waiting times of an unknown rate, of which the likelihood claims to have seen so many."""

    def make(truth, rng):
        mean_time = rng.exponential(1.0 / truth[0], size=5).mean()
        return lambda rows: claimed_number * (np.log(rows[:, 0]) - rows[:, 0] * mean_time)

    return make


RATE = BoxPrior(ranges=[ParameterRange(name="rate", unit="1/day", low=0.1, high=10.0, scale="log-uniform")])


@pytest.mark.parametrize("sample", [by_tmcmc, by_importance])
def test_ranks_of_a_rate_are_uniform_and_intervals_hold_the_truth(sample):
    """A skewed posterior of one parameter; 80 % intervals within four standard errors."""
    ranks, coverage = calibration(RATE, exponential_of(5), num_repetitions=100, sample=sample)

    assert smallest_p_value(ranks, num_bins=8) > 0.01
    assert abs(coverage[0] - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 100)


@pytest.mark.parametrize("sample", [by_tmcmc, by_importance])
def test_data_counted_four_times_are_seen(sample):
    """Negative control: an overconfident likelihood has ranks at the ends and intervals that miss."""
    ranks, coverage = calibration(RATE, exponential_of(20), num_repetitions=100, sample=sample)

    assert smallest_p_value(ranks, num_bins=8) < 1e-4
    assert coverage[0] < 0.8 - 4 * np.sqrt(0.8 * 0.2 / 100)


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("weight", "is_calibrated"), [(1.0, True), (4.0, False)])
def test_ranks_through_the_imaging_likelihoods_are_uniform(weight, is_calibrated):
    """Radius, thresholds, width, scale, background and noise, from masks and PET, by importance sampling."""
    ranks, coverage = calibration(
        IMAGING,
        lambda truth, rng: imaging_log_likelihood(*simulated(truth, rng), weight),
        num_repetitions=112,
        sample=by_importance,
    )

    if is_calibrated:
        assert smallest_p_value(ranks, num_bins=16) > 0.01
        assert np.abs(coverage - 0.8).max() < 4 * np.sqrt(0.8 * 0.2 / 112)
    else:
        assert smallest_p_value(ranks, num_bins=16) < 1e-4
