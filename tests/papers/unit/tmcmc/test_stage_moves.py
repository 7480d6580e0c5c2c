"""Proposals of a stage: how far they lie from the samples."""

from dataclasses import replace

import numpy as np
import pytest

from gliofield_papers.tmcmc import TmcmcSettings
from gliofield_papers.tmcmc.stage_moves import proposals

COVARIANCE = np.array([[4.0, 1.2], [1.2, 1.0]])
NUM_SAMPLES = 20_000
SETTINGS = TmcmcSettings(num_samples=NUM_SAMPLES)


def steps_at(proposal_scale):
    """Ways from samples at (3, −2) to their proposals, (N, 2)."""
    samples = np.tile([3.0, -2.0], (NUM_SAMPLES, 1))
    root = np.linalg.cholesky(COVARIANCE)
    return proposals(samples, proposal_scale, root, SETTINGS, stage=1, step=0) - samples


@pytest.mark.parametrize("proposal_scale", [0.04, 0.2, 4.0])
def test_the_scale_multiplies_the_covariance_of_the_samples(proposal_scale):
    """Steps have covariance β² C and mean 0: `proposal_scale` is β² itself, as in Ching and Chen (2007) and its code.

    The published code multiplies the covariance by 0.2 (pi4u_lite, `bbeta`), so lengths by √0.2 = 0.447.
    """
    steps = steps_at(proposal_scale)

    expected = proposal_scale * COVARIANCE
    # Five standard errors of a sample covariance and mean of normal numbers.
    variances = np.diag(expected)
    tolerance = 5.0 * np.sqrt((np.outer(variances, variances) + expected**2) / NUM_SAMPLES)
    assert np.all(np.abs(np.cov(steps.T) - expected) < tolerance)
    assert np.all(np.abs(steps.mean(axis=0)) < 5.0 * np.sqrt(variances / NUM_SAMPLES))


def test_four_times_the_scale_doubles_the_steps():
    """The same random numbers at β² and 4 β²: every step is twice as long, in the same direction."""
    np.testing.assert_allclose(steps_at(0.16), 2.0 * steps_at(0.04), rtol=1e-9)


def test_steps_differ_between_stages_steps_and_seeds():
    """All randomness is a function of seed, stage and step: change one of them, and every proposal is another."""
    samples, root = np.zeros((NUM_SAMPLES, 2)), np.eye(2)
    first = proposals(samples, 0.04, root, SETTINGS, stage=1, step=0)

    np.testing.assert_array_equal(proposals(samples, 0.04, root, SETTINGS, stage=1, step=0), first)
    for settings, stage, step in ((SETTINGS, 2, 0), (SETTINGS, 1, 1), (replace(SETTINGS, seed=1), 1, 0)):
        assert not np.any(proposals(samples, 0.04, root, settings, stage=stage, step=step) == first)
