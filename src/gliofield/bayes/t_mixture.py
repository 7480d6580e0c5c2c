"""Mixtures of multivariate Student t distributions, fitted to weighted samples: what importance sampling draws from.

    q(x) = Σ_k w_k t_ν(x; m_k, S_k)

Tails of t fall as a power, so weights of a posterior with Gaussian tails stay bounded even if the fit is off. Where
samples are several clusters, each gets a component of its own: means and covariances come from expectation
maximization (of Gaussians, whose moments are what weights tell), the number of components from the score on the
samples with its penalty (BIC).

What this module does not do: know what the samples are of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
# Rounds of expectation maximization; clusters that are apart need a few.
_NUM_ROUNDS = 40
# Of the covariance of all samples, what is added to each component's: no direction is ever lost.
_RIDGE = 1e-3
# Smallest weight of a component.
_LEAST_WEIGHT = 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class TMixture:
    """A mixture of K Student t distributions in D dimensions.

    Parameters
    ----------
    weights : (K,) float64 array
        Of sum 1.
    means : (K, D) float64 array
        Centers.
    scales : (K, D, D) float64 array
        Lower Cholesky factors of the scale matrices S_k.
    degrees : float
        ν > 0.
    """

    weights: _Vector
    means: _Matrix
    scales: NDArray[np.float64]
    degrees: float

    @classmethod
    def around(cls, center: _Vector, spread: _Vector, *, degrees: float) -> TMixture:
        """One component of independent coordinates, (D,) and (D,)."""
        return cls(weights=np.ones(1), means=center[None], scales=np.diag(spread)[None], degrees=degrees)

    @classmethod
    def fitted(
        cls, samples: _Matrix, log_weights: _Vector, *, degrees: float, max_components: int, rng: np.random.Generator
    ) -> TMixture:
        """The mixture of at most `max_components` that describes weighted samples, (N, D) and (N,), best.

        A component needs three times as many effective samples as it has dimensions; with fewer there is one.
        """
        weights = np.exp(log_weights - logsumexp(log_weights))
        effective, dimensions = 1.0 / float((weights**2).sum()), samples.shape[1]
        fits = [_Gaussians.fitted(samples, weights, 1, rng)]
        for number in range(2, max_components + 1):
            if effective >= 3.0 * dimensions * number:
                fits.append(_Gaussians.fitted(samples, weights, number, rng))
        best = min(fits, key=lambda fit: fit.information_criterion(samples, weights, effective))
        return cls(
            weights=best.weights,
            means=best.means,
            scales=np.linalg.cholesky(best.covariances).astype(np.float64),
            degrees=degrees,
        )

    def sample(self, number: int, rng: np.random.Generator) -> _Matrix:
        """Independent draws, (number, D)."""
        which = rng.choice(len(self.weights), size=number, p=self.weights)
        normal = rng.standard_normal((number, self.means.shape[1]))
        stretched = normal * np.sqrt(self.degrees / rng.chisquare(self.degrees, size=number))[:, None]
        return self.means[which] + np.einsum("nij,nj->ni", self.scales[which], stretched)

    def log_density(self, points: _Matrix) -> _Vector:
        """log q at points (N, D), (N,)."""
        dimensions, nu = points.shape[1], self.degrees
        constant = gammaln(0.5 * (nu + dimensions)) - gammaln(0.5 * nu) - 0.5 * dimensions * math.log(nu * math.pi)
        logs = [
            math.log(weight)
            + constant
            - np.log(np.diag(scale)).sum()
            - 0.5 * (nu + dimensions) * np.log1p(_squared_distances(points, mean, scale) / nu)
            for weight, mean, scale in zip(self.weights, self.means, self.scales, strict=True)
        ]
        return np.asarray(logsumexp(logs, axis=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Gaussians:
    """A mixture of Gaussians with full covariances."""

    weights: _Vector
    means: _Matrix
    covariances: NDArray[np.float64]

    @classmethod
    def fitted(cls, samples: _Matrix, weights: _Vector, number: int, rng: np.random.Generator) -> _Gaussians:
        mean = np.einsum("n,ni->i", weights, samples)
        total = _covariance(samples, weights, mean)
        ridge = _RIDGE * np.diag(np.diag(total)) + 1e-12 * np.eye(samples.shape[1])
        found = cls(weights=np.ones(1), means=mean[None], covariances=(total + ridge)[None])
        if number == 1:
            return found
        scale = np.asarray(np.linalg.cholesky(total + ridge), dtype=np.float64)
        starts = samples[_far_apart(samples, weights, scale, number, rng)]
        found = cls(
            weights=np.full(number, 1.0 / number),
            means=starts,
            covariances=np.repeat((total / number + ridge)[None], number, axis=0),
        )
        for _ in range(_NUM_ROUNDS):
            logs = found._log_parts(samples)
            parts = np.exp(logs - logsumexp(logs, axis=0)) * weights
            masses = parts.sum(axis=1)
            if masses.min() < _LEAST_WEIGHT:
                break
            means = np.einsum("kn,ni->ki", parts, samples) / masses[:, None]
            covariances = np.stack(
                [
                    _covariance(samples, part / mass, mean) + ridge
                    for part, mass, mean in zip(parts, masses, means, strict=True)
                ]
            )
            found = cls(weights=masses / masses.sum(), means=means, covariances=covariances)
        return found

    def _log_parts(self, samples: _Matrix) -> _Matrix:
        """log of each component's part of the density, (K, N)."""
        dimensions = samples.shape[1]
        logs = []
        for weight, mean, covariance in zip(self.weights, self.means, self.covariances, strict=True):
            scale = np.linalg.cholesky(covariance)
            constant = math.log(weight) - 0.5 * dimensions * math.log(2.0 * math.pi) - np.log(np.diag(scale)).sum()
            logs.append(constant - 0.5 * _squared_distances(samples, mean, scale))
        return np.array(logs)

    def information_criterion(self, samples: _Matrix, weights: _Vector, effective: float) -> float:
        """BIC, with the effective number of samples in the place of their number."""
        dimensions, number = samples.shape[1], len(self.weights)
        free = number * (1 + dimensions + dimensions * (dimensions + 1) // 2) - 1
        score = float(weights @ logsumexp(self._log_parts(samples), axis=0))
        return free * math.log(max(effective, 2.0)) - 2.0 * effective * score


def _far_apart(samples: _Matrix, weights: _Vector, scale: _Matrix, number: int, rng: np.random.Generator) -> list[int]:
    """Samples drawn by weight, each by its squared distance to the ones before, too (k-means++)."""
    chosen = [int(rng.choice(len(samples), p=weights))]
    nearest = np.full(len(samples), np.inf)
    for _ in range(number - 1):
        nearest = np.minimum(nearest, _squared_distances(samples, samples[chosen[-1]], scale))
        odds = weights * nearest
        chosen.append(int(rng.choice(len(samples), p=odds / odds.sum())) if odds.sum() > 0.0 else chosen[0])
    return chosen


def _squared_distances(points: _Matrix, mean: _Vector, scale: _Matrix) -> _Vector:
    """(x − m)ᵀ S⁻¹ (x − m) of points (N, D), S = L Lᵀ, (N,)."""
    # Not by a linear algebra library, whose threads cost more than so few dimensions, and sum in an order of theirs.
    return np.asarray((np.einsum("ij,nj->in", np.linalg.inv(scale), points - mean) ** 2).sum(axis=0))


def _covariance(samples: _Matrix, weights: _Vector, mean: _Vector) -> _Matrix:
    """Weighted mean of (x − m)(x − m)ᵀ, (D, D)."""
    offsets = samples - mean
    return np.einsum("ni,nj->ij", weights[:, None] * offsets, offsets)
