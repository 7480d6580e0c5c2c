"""An established nested sampler (dynesty; Speagle 2020) finds the same posterior."""

import numpy as np
import pytest
from known_posteriors import Known, sample_known

from gliofield.bayes import BoxPrior, ImportanceSettings, ParameterRange, PosteriorTarget
from gliofield_papers.tmcmc import TmcmcSettings, sample_posterior

CENTER = np.array([1.0, np.log(3.0), -2.0])
WIDTHS = np.array([0.4, 0.2, 0.7])
CORRELATION = np.array([[1.0, 0.9, 0.5], [0.9, 1.0, 0.6], [0.5, 0.6, 1.0]])
PRECISION = np.linalg.inv(CORRELATION * np.outer(WIDTHS, WIDTHS))
PRIOR = BoxPrior(
    ranges=[
        ParameterRange(name="a", unit="1", low=-4.0, high=6.0),
        ParameterRange(name="b", unit="1", low=0.1, high=50.0, scale="log-uniform"),
        ParameterRange(name="c", unit="1", low=-3.0, high=3.0),  # cuts the posterior
    ]
)


def log_likelihood(parameters):
    offsets = parameters.copy()
    offsets[:, 1] = np.log(offsets[:, 1])
    offsets -= CENTER
    return -0.5 * np.einsum("ni,ij,nj->n", offsets, PRECISION, offsets)


@pytest.fixture(scope="module")
def nested():
    """Log evidence with its error, mean and standard deviation by nested sampling."""
    dynesty = pytest.importorskip("dynesty")
    with np.errstate(all="ignore"):
        nested = dynesty.NestedSampler(
            lambda row: float(log_likelihood(row[None])[0]),
            lambda point: PRIOR.from_unit_cube(point[None])[0],
            3,
            nlive=200,
            rstate=np.random.default_rng(3),
        )
        nested.run_nested(print_progress=False, dlogz=0.05)
    theirs = nested.results
    weights = theirs.importance_weights()
    their_mean = weights @ theirs.samples
    their_std = np.sqrt(weights @ (theirs.samples - their_mean) ** 2)
    return theirs.logz[-1], theirs.logzerr[-1], their_mean, their_std


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sampler", ["tmcmc", "importance"])
def test_evidence_and_moments_agree_with_nested_sampling(nested, sampler):
    """A correlated posterior, one parameter log-uniform, one cut by its bound."""
    log_evidence, error, their_mean, their_std = nested
    target = PosteriorTarget(prior=PRIOR, log_likelihood_of=log_likelihood)
    if sampler == "tmcmc":
        ours = sample_posterior(target, TmcmcSettings.thorough(num_samples=4000))
        our_weights = np.full(len(ours.coordinates), 1.0 / len(ours.coordinates))
    else:
        known = Known(target=target, log_evidence=log_evidence, mean=their_mean, variance=their_std**2)
        ours = sample_known(known, ImportanceSettings(num_effective=4000, max_simulations=20_000))
        our_weights = np.exp(ours.log_weights)
    parameters = target.to_parameters(ours.coordinates)
    our_mean = our_weights @ parameters
    our_std = np.sqrt(our_weights @ (parameters - our_mean) ** 2)

    # Errors: theirs as reported, some 0.13; moments of a few thousand effective samples each, 4 standard errors.
    assert abs(ours.log_evidence - log_evidence) < 4 * np.hypot(error, ours.log_evidence_error)
    assert np.abs((our_mean - their_mean) / their_std).max() < 0.1
    assert np.abs(our_std / their_std - 1.0).max() < 0.08
