"""Between the levels of a multilevel run: what a stage of the bridge holds, where it can be said in closed form."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, ndtri

from gliofield.bayes import TmcmcSettings
from gliofield.bayes.multilevel import advance, start
from gliofield.bayes.multilevel_state import Levels, MultilevelSettings
from gliofield.bayes.tmcmc_state import evidence_error

#: What the fine level holds against one half of the line [nats].
GAP = 6.0
NUM_SAMPLES = 4000


class HalfLineTarget:
    """One number with a standard normal prior, of which the data favor the positive half by a factor."""

    num_parameters = 1

    def __init__(self, gap):
        self.gap = gap

    def from_unit_cube(self, points):
        return ndtri(points)

    def log_prior(self, coordinates):
        return -0.5 * coordinates[:, 0] ** 2 - 0.5 * np.log(2.0 * np.pi)

    def log_likelihood(self, coordinates):
        return np.where(coordinates[:, 0] > 0.0, 0.0, -self.gap)


@pytest.fixture(scope="module")
def stages():
    """States of the bridge from a coarse level that knows nothing to the fine one, in short steps of the share."""
    settings = MultilevelSettings(
        sampler=replace(TmcmcSettings.thorough(seed=2, num_samples=NUM_SAMPLES), target_weight_cv=0.3),
        num_coarse_steps=5,
        num_fine_steps=8,
        num_probes=0,
    )
    levels = Levels(coarse=HalfLineTarget(0.0), fine=HalfLineTarget(GAP))
    state, found = start(levels, settings), []
    while not state.is_finished:
        state, _ = advance(levels, state)
        if state.fine_share > 0.0:
            found.append(state)
    return found


def test_a_stage_of_the_bridge_holds_the_share_of_the_fine_level_it_says(stages):
    """At share s of log F = −6 on the negative half, the positive half has the part 1/(1 + exp(−6 s)) of the samples.

    The difference of the levels is a step, which no quadratic correction can take over: the decisions must see to it.
    """
    shares = [state.fine_share for state in stages]
    parts = np.array([np.mean(state.coordinates > 0.0) for state in stages])
    expected = expit(GAP * np.array(shares))

    assert len(shares) > 3
    assert shares[0] < 0.2
    # Four standard errors of independent samples.
    bounds = 4.0 * np.sqrt(expected * (1.0 - expected) / NUM_SAMPLES)
    assert np.all(np.abs(parts - expected) < bounds), (shares, parts, expected)


def test_within_each_half_the_samples_are_those_of_the_prior(stages):
    """Levels differ by a constant there, so |x| stays half-normal: mean √(2/π), mean square 1; 4 standard errors."""
    for state in stages:
        sizes, mean = np.abs(state.coordinates), np.sqrt(2.0 / np.pi)
        assert sizes.mean() == pytest.approx(mean, abs=4.0 * np.sqrt((1.0 - mean**2) / NUM_SAMPLES))
        assert np.mean(sizes**2) == pytest.approx(1.0, abs=4.0 * np.sqrt(2.0 / NUM_SAMPLES))


def test_the_evidence_of_the_bridge_is_that_of_the_share(stages):
    """Mean weights multiply to ∫ π F^s = (1 + exp(−6 s))/2."""
    for state in stages:
        log_evidence = sum(info.log_mean_weight for info in state.stages)
        error = evidence_error(state.settings.sampler, state.stages)
        expected = np.log(0.5 * (1.0 + np.exp(-GAP * state.fine_share)))
        assert log_evidence == pytest.approx(expected, abs=4.0 * error)
