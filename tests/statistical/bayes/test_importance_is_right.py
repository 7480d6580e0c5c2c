"""Importance sampling finds evidence and moments that are known, and the check sees samplers that are wrong.

Tolerance as in `test_sampler_is_right`: a right sampler exceeds it by chance once in some 150 such tests.
"""

import numpy as np
import pytest
from known_posteriors import bimodal, broad, conjugate_gaussian, correlated, deviations, skewed, worst

from gliofield.bayes import ImportanceSettings, PosteriorTarget, TMixture, importance

TOLERANCE = 4.5


def settings(seed):
    return ImportanceSettings(seed=seed, num_effective=300, max_simulations=3000)


def two_starts():
    """A narrow component near each mode of `bimodal`, and of wrong shares."""
    return TMixture(
        weights=np.array([0.5, 0.5]),
        means=np.array([[-1.3, 0.1], [1.6, 0.4]]),
        scales=np.repeat(0.3 * np.eye(2)[None], 2, axis=0),
        degrees=4.0,
    )


CASES = {
    "correlated": (correlated, None),
    "at a boundary": (skewed, None),
    "two modes, two starts": (bimodal, two_starts),
    "two modes, one broad start": (bimodal, lambda: broad(bimodal())),
    "six dimensions": (lambda: conjugate_gaussian(6, narrowest=0.05, widest=0.3), None),
}


@pytest.mark.parametrize(("make", "start"), CASES.values(), ids=CASES)
def test_evidence_and_moments_are_within_the_error_over_20_seeds(make, start):
    """From a broad start, or from a narrow one at each mode."""
    found = deviations(make(), settings, start=None if start is None else start())

    assert worst(found) < TOLERANCE, found


class WithoutJacobian(PosteriorTarget):
    """Takes the density of the parameters for that of the coordinates."""

    def log_prior(self, coordinates):
        return self.prior.log_density(self.to_parameters(coordinates))


def test_leaving_out_the_jacobian_is_seen():
    """Negative control."""
    assert worst(deviations(skewed(WithoutJacobian), settings)) > 3 * TOLERANCE


def test_a_forgotten_share_of_the_start_is_seen(monkeypatch):
    """Negative control: draws of the start, weighted as if they came from the fit."""

    def of_fit_alone(proposal, rows):
        return (proposal.fitted or proposal.start).log_density(rows)

    monkeypatch.setattr(importance._Proposal, "log_density", of_fit_alone)

    assert worst(deviations(correlated(), settings)) > 2 * TOLERANCE


def test_weights_left_out_are_seen(monkeypatch):
    """Negative control: draws of the proposal, which is wider than the posterior, taken for the posterior's."""
    right = importance._Run._result

    def unweighted(self, parts, log_weights, smoothed, shape, effective):
        flat = np.where(np.isfinite(smoothed), 0.0, -np.inf)
        return right(self, parts, log_weights, flat, shape, effective)

    monkeypatch.setattr(importance._Run, "_result", unweighted)

    assert worst(deviations(correlated(), settings)) > 2 * TOLERANCE
