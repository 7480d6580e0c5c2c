"""Multilevel TMCMC samples the fine posterior, whatever the coarse level is; a wrong decision does not."""

from dataclasses import replace

import numpy as np
import pytest
from known_posteriors import GaussianMixtureTarget, bimodal, conjugate_gaussian, worst

from gliofield.bayes import TmcmcSettings, multilevel
from gliofield.bayes.multilevel_sampling import sample_multilevel
from gliofield.bayes.multilevel_state import Levels, MultilevelSettings

NUM_SEEDS = 20


def shifted(target, shift, widening):
    """A coarse level that puts the likelihood somewhere else and makes it wider."""
    return GaussianMixtureTarget(target.centers + shift, widening * target.covariances, np.exp(target.log_shares))


def settings_of(seed, **changes):
    sampler = TmcmcSettings.thorough(seed=seed, num_samples=500, num_steps=10)
    return replace(MultilevelSettings(sampler=sampler, num_coarse_steps=6, num_fine_steps=3), **changes)


def multilevel_deviations(known, coarse, **changes):
    """As `known_posteriors.deviations`, of multilevel runs."""
    found = {"evidence": [], "mean": [], "variance": []}
    for seed in range(NUM_SEEDS):
        sampled = sample_multilevel(Levels(coarse=coarse, fine=known.target), settings_of(seed, **changes))
        with np.errstate(over="ignore"):
            found["evidence"].append([np.exp(sampled.log_evidence - known.log_evidence) - 1.0])
        found["mean"].append((sampled.coordinates - known.mean).mean(axis=0))
        squares = ((sampled.coordinates - known.mean) ** 2).mean(axis=0)
        found["variance"].append(squares / known.variance - 1.0)
    return {
        name: np.mean(values, axis=0) / (np.std(values, axis=0, ddof=1) / np.sqrt(NUM_SEEDS))
        for name, values in found.items()
    }


CASES = {
    "three correlated parameters": (lambda: conjugate_gaussian(3, narrowest=0.1, widest=0.4), 0.15, 1.5),
    "two modes": (bimodal, 0.2, 1.3),
}


@pytest.mark.parametrize("num_probes", [0, 16])
@pytest.mark.parametrize("case", CASES)
def test_the_posterior_is_that_of_the_fine_level(case, num_probes):
    """Evidence, means and variances within 4.5 standard errors over 20 seeds, though the coarse level is off."""
    make, shift, widening = CASES[case]
    known = make()

    found = multilevel_deviations(known, shifted(known.target, shift, widening), num_probes=num_probes)

    assert worst(found) < 4.5, found


def test_a_wrong_decision_is_seen(monkeypatch):
    """Negative control: walks that are always kept leave the samples near the surrogate of a coarse level."""
    make, shift, widening = CASES["two modes"]
    known = make()
    monkeypatch.setattr(multilevel, "log_decision", lambda ends, starts: np.zeros_like(ends))
    monkeypatch.setattr(multilevel.LevelCorrection, "fitted", lambda *_: multilevel.LevelCorrection.none())

    found = multilevel_deviations(known, shifted(known.target, shift, widening))

    assert worst(found) > 3 * 4.5


def test_the_fine_level_is_asked_far_less_often_than_alone():
    """Eleven parameters and a close coarse level: a fifth of the fine likelihoods of the thorough sampler, or less."""
    known = conjugate_gaussian(11, narrowest=0.05, widest=0.3)
    levels = Levels(coarse=shifted(known.target, 0.01, 1.05), fine=known.target)

    sampled = sample_multilevel(levels, settings_of(0))

    num_fine = sum(info.num_fine_evaluations for info in sampled.stages)
    assert num_fine < 0.2 * 500 * 10 * len(sampled.stages)
    assert abs(sampled.log_evidence - known.log_evidence) < 1.0
