"""A start around matches changes how many stages a run takes, not its posterior or evidence."""

import numpy as np
import pytest
from known_posteriors import conjugate_gaussian, correlated, moving, skewed, worst

from gliofield.bayes import sample_posterior
from gliofield.bayes.database_start import ReferenceDensity, StartedTarget
from gliofield.errors import ParameterError

NUM_SEEDS = 20


def started(known, *, offset, scale, prior_share=0.2):
    """The target from a reference that is off by `offset` and `scale` times the posterior's width."""
    width = scale * np.sqrt(known.variance)
    reference = ReferenceDensity(
        target=known.target, mean=known.mean + offset * width, root=np.diag(width), prior_share=prior_share
    )
    return StartedTarget(target=known.target, reference=reference)


def started_deviations(known, target):
    """As `known_posteriors.deviations`, of a target of one's own."""
    found = {"evidence": [], "mean": [], "variance": []}
    for seed in range(NUM_SEEDS):
        sampled = sample_posterior(target, moving(num_steps=8, num_samples=500)(seed))
        observed = known.observe(sampled.coordinates)
        found["evidence"].append([np.exp(sampled.log_evidence - known.log_evidence) - 1.0])
        found["mean"].append((observed - known.mean).mean(axis=0))
        found["variance"].append(((observed - known.mean) ** 2).mean(axis=0) / known.variance - 1.0)
    return {
        name: np.mean(values, axis=0) / (np.std(values, axis=0, ddof=1) / np.sqrt(NUM_SEEDS))
        for name, values in found.items()
    }


@pytest.mark.parametrize("offset", [0.5, 3.0])
def test_posterior_and_evidence_stay(offset):
    """Within 4.5 standard errors over 20 seeds, from a good start and from a wrong one."""
    known = correlated()

    found = started_deviations(known, started(known, offset=offset, scale=2.0))

    assert worst(found) < 4.5, found


def test_posterior_and_evidence_stay_with_a_bounded_prior():
    """The same where parameters are not coordinates, and the normal part lies where it will."""
    known = skewed()
    reference = ReferenceDensity(target=known.target, mean=np.array([-1.0, 0.5, 1.0]), root=0.8 * np.eye(3))

    found = started_deviations(known, StartedTarget(target=known.target, reference=reference))

    assert worst(found) < 4.5, found


def test_forgetting_the_reference_is_seen(monkeypatch):
    """Negative control: the likelihood alone, tempered from the reference, is another posterior."""
    known = correlated()
    target = started(known, offset=1.0, scale=1.5)
    monkeypatch.setattr(
        StartedTarget, "log_likelihood", lambda self, coordinates: self.target.log_likelihood(coordinates)
    )

    assert worst(started_deviations(known, target)) > 3 * 4.5


def test_a_good_start_saves_stages():
    """Eleven parameters: less than half of the stages from the prior."""
    known = conjugate_gaussian(11, narrowest=0.05, widest=0.3)
    settings = moving(num_steps=10, num_samples=500)(0)

    near = sample_posterior(started(known, offset=0.2, scale=2.0), settings)

    assert len(near.stages) < 0.5 * len(sample_posterior(known.target, settings).stages)
    assert abs(near.log_evidence - known.log_evidence) < 0.5


def test_the_reference_is_a_density_and_its_draws_follow_it():
    """It integrates to 1 against a wide normal density, and draws have its moments."""
    known = correlated()
    reference = started(known, offset=1.0, scale=1.5, prior_share=0.3).reference
    rng = np.random.default_rng(0)
    draws = reference.from_unit_cube(rng.random((200_000, 3)))
    wide = rng.normal(scale=2.0, size=(200_000, 3))
    log_wide = -0.5 * (wide**2 / 4.0).sum(axis=1) - 1.5 * np.log(2 * np.pi * 4.0)

    weights = np.exp(reference.log_density(wide) - log_wide)

    assert weights.mean() == pytest.approx(1.0, abs=5 * weights.std() / np.sqrt(len(weights)))
    # The prior is standard normal.
    np.testing.assert_allclose(draws.mean(axis=0), 0.7 * reference.mean, atol=0.01)


def test_the_likelihoods_of_a_result_are_restored():
    """A result of the started target carries the original log-likelihoods again."""
    known = correlated()
    target = started(known, offset=0.5, scale=2.0)
    sampled = sample_posterior(target, moving(num_steps=2, num_samples=100)(0))

    restored = target.restored(sampled)

    np.testing.assert_allclose(restored.log_likelihood, known.target.log_likelihood(restored.coordinates), atol=1e-9)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_reference_without_prior_is_refused(share):
    """Nothing would bound the weights, or there would be no reference."""
    with pytest.raises(ParameterError, match="prior_share must lie strictly between"):
        started(correlated(), offset=0.0, scale=1.0, prior_share=share)
