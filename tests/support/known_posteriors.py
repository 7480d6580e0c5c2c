"""Posteriors whose evidence and moments are known, and the check of a sampler against them.

`deviations` runs a sampler once per seed and says, for the evidence and every first and second moment, by how many
standard errors the mean over seeds misses the truth. A right sampler stays within a few; a wrong one does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtri

from gliofield.bayes import (
    BoxPrior,
    ImportanceSettings,
    ParameterRange,
    PosteriorTarget,
    TMixture,
    sample_by_importance,
)
from gliofield_papers.tmcmc import TmcmcSettings, sample_posterior

_LOG_2_PI = np.log(2.0 * np.pi)


@dataclass(frozen=True, kw_only=True)
class Known:
    """A target with its evidence and the mean and variance of what `observe` makes of its coordinates."""

    target: object
    log_evidence: float
    mean: np.ndarray
    variance: np.ndarray

    def observe(self, coordinates):
        """The coordinates themselves, or the parameters where the target has some."""
        to_parameters = getattr(self.target, "to_parameters", None)
        return coordinates if to_parameters is None else to_parameters(coordinates)


class GaussianMixtureTarget:
    """Standard normal prior; the likelihood a weighted sum of normal densities, which keeps all integrals closed."""

    def __init__(self, centers, covariances, shares):
        self.centers, self.covariances = np.array(centers, dtype=float), np.array(covariances, dtype=float)
        self.log_shares = np.log(shares)
        self.num_parameters = self.centers.shape[1]
        self._precisions = np.linalg.inv(self.covariances)
        self._norms = -0.5 * (self.num_parameters * _LOG_2_PI + np.linalg.slogdet(self.covariances)[1])

    def from_unit_cube(self, points):
        return ndtri(points)

    def log_prior(self, coordinates):
        return -0.5 * ((coordinates**2).sum(axis=1) + self.num_parameters * _LOG_2_PI)

    def log_likelihood(self, coordinates):
        offsets = coordinates[:, None, :] - self.centers
        squares = np.einsum("nki,kij,nkj->nk", offsets, self._precisions, offsets)
        return np.logaddexp.reduce(self.log_shares + self._norms - 0.5 * squares, axis=1)

    def known(self) -> Known:
        """Product of normals is normal: shares, means and covariances of the posterior's components."""
        identity = np.eye(self.num_parameters)
        marginals = self.covariances + identity
        squares = np.einsum("ki,kij,kj->k", self.centers, np.linalg.inv(marginals), self.centers)
        log_parts = self.log_shares - 0.5 * (
            self.num_parameters * _LOG_2_PI + np.linalg.slogdet(marginals)[1] + squares
        )
        log_evidence = float(np.logaddexp.reduce(log_parts))
        shares = np.exp(log_parts - log_evidence)
        covariances = np.linalg.inv(self._precisions + identity)
        means = np.einsum("kij,kjl,kl->ki", covariances, self._precisions, self.centers)
        mean = shares @ means
        second = shares @ (np.diagonal(covariances, axis1=1, axis2=2) + means**2)
        return Known(target=self, log_evidence=log_evidence, mean=mean, variance=second - mean**2)


def conjugate_gaussian(num_parameters: int, *, narrowest: float, widest: float) -> Known:
    """One Gaussian in a random orientation, so all parameters are correlated."""
    rng = np.random.default_rng(7)
    axes, _ = np.linalg.qr(rng.normal(size=(num_parameters, num_parameters)))
    covariance = axes @ np.diag(np.geomspace(narrowest, widest, num_parameters) ** 2) @ axes.T
    return GaussianMixtureTarget([rng.normal(size=num_parameters)], [covariance], [1.0]).known()


def correlated() -> Known:
    """Three parameters, neighbors correlated by 0.95."""
    places = np.arange(3)
    covariance = 0.3**2 * 0.95 ** np.abs(places[:, None] - places)
    return GaussianMixtureTarget([[1.0, 0.5, -0.5]], [covariance], [1.0]).known()


def bimodal() -> Known:
    """Two modes, 12 standard deviations apart, of which one has more mass."""
    width = 0.25**2 * np.eye(2)
    return GaussianMixtureTarget([[-1.5, 0.0], [1.5, 0.5]], [width, width], [0.35, 0.65]).known()


def skewed(target_type=PosteriorTarget) -> Known:
    """Three probabilities with uniform prior after 1, 6 and 11 successes in 12 trials: beta distributions."""
    successes, trials = np.array([1.0, 6.0, 11.0]), 12.0

    def log_likelihood(parameters):
        return (successes * np.log(parameters) + (trials - successes) * np.log1p(-parameters)).sum(axis=1)

    ranges = [ParameterRange(name=f"share_{i}", unit="1", low=0.0, high=1.0) for i in range(3)]
    target = target_type(prior=BoxPrior(ranges=ranges), log_likelihood_of=log_likelihood)
    a, b = successes + 1.0, trials - successes + 1.0
    mean = a / (a + b)
    log_evidence = float((gammaln(a) + gammaln(b) - gammaln(a + b)).sum())
    return Known(target=target, log_evidence=log_evidence, mean=mean, variance=mean * (1 - mean) / (a + b + 1))


def broad(known: Known) -> TMixture:
    """A start as wide as the prior, which knows nothing of the posterior."""
    number = known.target.num_parameters
    return TMixture.around(np.zeros(number), np.full(number, 1.5), degrees=4.0)


def sample_known(known: Known, settings: ImportanceSettings, *, start=None, evaluate=None, log_prior=None):
    """Importance sampling of a target from a mixture over its coordinates; the broad one without."""
    target = known.target
    prior = target.log_prior if log_prior is None else log_prior

    def of_target(rows, rng):
        return target.log_likelihood(rows), np.zeros((len(rows), 0))

    return sample_by_importance(
        prior, of_target if evaluate is None else evaluate, broad(known) if start is None else start, settings
    )


def deviations(known: Known, settings, *, num_seeds: int = 20, start=None) -> dict[str, np.ndarray]:
    """Standard errors by which evidence, means and variances miss the truth, from runs with seeds 0 … num_seeds − 1.

    `settings` makes `TmcmcSettings` or `ImportanceSettings` of a seed. The evidence itself is averaged, not its
    logarithm: it is what the algorithms estimate without bias.
    """
    ratios, means, variances = [], [], []
    for seed in range(num_seeds):
        chosen = settings(seed)
        if isinstance(chosen, ImportanceSettings):
            sampled = sample_known(known, chosen, start=start)
            weights = np.exp(sampled.log_weights)
        else:
            sampled = sample_posterior(known.target, chosen)
            weights = np.full(len(sampled.coordinates), 1.0 / len(sampled.coordinates))
        observed = known.observe(sampled.coordinates)
        with np.errstate(over="ignore"):
            ratios.append(np.exp(sampled.log_evidence - known.log_evidence))
        means.append(weights @ (observed - known.mean))
        variances.append(weights @ ((observed - known.mean) ** 2) / known.variance)
    return {
        "evidence": _standard_errors(np.array(ratios)[:, None], 1.0),
        "mean": _standard_errors(np.array(means), 0.0),
        "variance": _standard_errors(np.array(variances), 1.0),
    }


def worst(found: dict[str, np.ndarray]) -> float:
    """The largest deviation of all, in standard errors."""
    return max(float(np.abs(values).max()) for values in found.values())


def moving(num_steps: int = 10, num_samples: int = 1000):
    """Settings of a seed, with samples that move."""
    return lambda seed: TmcmcSettings.thorough(seed=seed, num_samples=num_samples, num_steps=num_steps)


def _standard_errors(values: np.ndarray, truth: float) -> np.ndarray:
    spread = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return (values.mean(axis=0) - truth) / np.maximum(spread, 1e-300)
