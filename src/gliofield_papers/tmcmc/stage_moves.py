"""What a stage of TMCMC is made of, shared by `tmcmc` and `multilevel`: exponent, weights, leaders, proposals.

All randomness is a function of (seed, stage, step, purpose, sample). Nothing here knows what state a sampler keeps.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.target import Target
from gliofield.errors import NumericalError

if TYPE_CHECKING:
    from gliofield_papers.tmcmc.settings import TmcmcSettings

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
_Bools = NDArray[np.bool_]
_SCALE_LIMITS = (1e-5, 4.0)
# Exponents closer than this to 1 are 1.
_LAST = 1.0 - 1e-12


class Purpose(IntEnum):
    """What a random number is for; part of its source, so a changed number is another run."""

    PRIOR = 0
    LEADER = 1
    MOVE = 2
    ACCEPT = 3
    CORRECT = 4
    PROBE = 5


def uniform_numbers(
    settings: TmcmcSettings, *, stage: int, step: int, purpose: Purpose, columns: int, rows: int | None = None
) -> _Matrix:
    """Uniform random numbers in (0, 1), one row per sample: a function of seed, stage, step, purpose and the row.

    Rows do not depend on how many there are; normal ones are made of them by inversion, which takes one each.
    """
    num_rows = settings.num_samples if rows is None else rows
    source = np.random.SeedSequence(settings.seed, spawn_key=(stage, step, int(purpose)))
    generator = np.random.Generator(np.random.Philox(source))
    points = generator.random((num_rows, columns))
    return np.maximum(points, 2.0**-54)


def first_coordinates(target: Target, settings: TmcmcSettings) -> _Matrix:
    """Independent samples of the prior with which a run begins, (N₀, P)."""
    points = uniform_numbers(
        settings,
        stage=0,
        step=0,
        purpose=Purpose.PRIOR,
        columns=target.num_parameters,
        rows=settings.num_first,
    )
    return target.from_unit_cube(points)


def evaluated(target: Target, coordinates: _Matrix) -> tuple[_Vector, _Vector]:
    """Log prior and log-likelihood of rows (N, P); the latter −∞ where the former is.

    Raises
    ------
    NumericalError
        If one of them is NaN or +∞.
    """
    log_prior = target.log_prior(coordinates)
    has_mass = np.isfinite(log_prior)
    log_likelihood = np.full(len(coordinates), -np.inf)
    if has_mass.any():
        log_likelihood[has_mass] = target.log_likelihood(coordinates[has_mass])
    is_wrong = np.isnan(log_prior) | (log_prior == np.inf) | np.isnan(log_likelihood) | (log_likelihood == np.inf)
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong)[0])
        raise NumericalError(
            f"log prior and log-likelihood must be numbers below +inf, got {log_prior[row]} and {log_likelihood[row]} "
            f"at coordinates {coordinates[row].tolist()}."
        )
    return log_prior, log_likelihood


def next_exponent(log_likelihood: _Vector, exponent: float, target_weight_cv: float) -> float:
    """Exponent at which the weights' coefficient of variation reaches the target, at most 1.

    The coefficient grows with the exponent, so it is found by bisection (geometric, for exponents span many orders of
    magnitude). Samples for which the data are impossible are left aside: they drop out at any exponent.

    Raises
    ------
    NumericalError
        If log-likelihoods differ so much that no larger exponent can be told from the present one.
    """
    possible = log_likelihood[np.isfinite(log_likelihood)]
    shifted = possible - possible.max()

    def weight_cv(increment: float) -> float:
        weights = np.exp(increment * shifted)
        return float(weights.std() / weights.mean())

    high = 1.0 - exponent
    if weight_cv(high) <= target_weight_cv:
        return 1.0
    # Weights between exp(−δ range) and 1 vary by no more than exp(δ range) − 1.
    low = math.log1p(target_weight_cv) / -float(shifted.min())
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if weight_cv(middle) <= target_weight_cv else (low, middle)
    reached = exponent + low
    if reached <= exponent:
        raise NumericalError(
            f"log-likelihoods of the samples span {-float(shifted.min()):.3g} nats: no exponent above {exponent:.3g} "
            "is small enough. Weight the likelihood, or use fewer voxels."
        )
    return 1.0 if reached > _LAST else reached


def target_cv_of(settings: TmcmcSettings, log_likelihood: _Vector) -> float:
    """Coefficient of variation at which the weights of possible samples are worth as much as those of a usual stage.

    The effective sample size is their number over 1 + CV², so a larger first population goes further.
    """
    cv = settings.target_weight_cv
    num_possible = np.count_nonzero(np.isfinite(log_likelihood))
    return math.sqrt(max(num_possible / settings.num_samples, 1.0) * (1.0 + cv**2) - 1.0)


def weights_of(log_likelihood: _Vector, increment: float) -> tuple[_Vector, float]:
    """Weights L^increment relative to the largest, and the log of the mean weight."""
    log_weights = increment * log_likelihood
    largest = float(log_weights.max())
    weights = np.exp(log_weights - largest)
    return weights, largest + math.log(float(weights.mean()))


def leaders_of(weights: _Vector, settings: TmcmcSettings, stage: int) -> NDArray[np.int64]:
    """Resampling: index of the leader of each new sample, (N,)."""
    cumulative = np.cumsum(weights)
    cumulative /= cumulative[-1]
    points = uniform_numbers(settings, stage=stage, step=0, purpose=Purpose.LEADER, columns=1)[:, 0]
    if settings.resampling == "systematic":
        points = (np.arange(settings.num_samples) + points[0]) / settings.num_samples
    return np.searchsorted(cumulative, np.minimum(points, np.nextafter(1.0, 0.0)), side="right")


def covariance_root(coordinates: _Matrix, weights: _Vector, stage: int) -> _Matrix:
    """Cholesky factor of the weighted covariance, (P, P).

    Raises
    ------
    NumericalError
        If the samples collapsed to a point.
    """
    shares = weights / weights.sum()
    centered = coordinates - shares @ coordinates
    covariance = (centered * shares[:, None]).T @ centered
    variances = np.diag(covariance)
    if not (np.isfinite(covariance).all() and variances.min() > 0.0):
        raise NumericalError(
            f"the samples collapsed to a point in stage {stage} (variances {variances.min():.3g} to "
            f"{variances.max():.3g}). Use more samples, or a smaller target_weight_cv.",
            step=stage,
        )
    # Fewer distinct samples than dimensions leave the matrix singular.
    return np.linalg.cholesky(covariance + np.diag(1e-10 * variances))


def proposals(
    coordinates: _Matrix, proposal_scale: float, root: _Matrix, settings: TmcmcSettings, *, stage: int, step: int
) -> _Matrix:
    """Gaussian proposals (N, P) around samples, covariance β² R Rᵀ with β² the proposal scale and R the root."""
    from scipy.special import ndtri

    points = uniform_numbers(settings, stage=stage, step=step, purpose=Purpose.MOVE, columns=root.shape[0])
    return coordinates + math.sqrt(proposal_scale) * ndtri(points) @ root.T


def is_below(log_ratio: _Vector, settings: TmcmcSettings, *, stage: int, step: int, purpose: Purpose) -> _Bools:
    """Decision of every sample, (N,): whether a uniform number is below the ratio."""
    chance = uniform_numbers(settings, stage=stage, step=step, purpose=purpose, columns=1)[:, 0]
    return np.log(chance) < log_ratio


def adapted_scale(proposal_scale: float, acceptance_rate: float, wanted_rate: float | None) -> float:
    """β² of the next step: larger where more than the wanted share was accepted; unchanged if none is wanted."""
    if wanted_rate is None:
        return proposal_scale
    low, high = _SCALE_LIMITS
    return min(max(proposal_scale * math.exp(2.0 * (acceptance_rate - wanted_rate)), low), high)
