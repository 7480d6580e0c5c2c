"""Pareto-smoothed importance weights, and k̂, which says whether they can be believed.

The largest weights decide an importance sampling estimate. They are replaced by quantiles of a generalized Pareto
distribution fitted to the tail; its shape k̂ tells how heavy the tail is. Below 0.7 estimates converge as expected;
above, the proposal misses part of the posterior.

References
----------
.. [1] Vehtari, Simpson, Gelman, Yao, Gabry (2024), Pareto smoothed importance sampling, JMLR 25(72), Sec. 2-3.
.. [2] Zhang, Stephens (2009), A new and efficient estimation method for the generalized Pareto distribution,
   doi:10.1198/tech.2009.08017.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]
#: k̂ above which an estimate is not to be believed [1].
LARGEST_RELIABLE_SHAPE = 0.7
# A fit to fewer values says nothing.
_LEAST_TAIL = 5
# Smaller ones, of a largest weight of 1, count as none: their inverse must be a number.
_LEAST_EXCESS = 1e-290


def smoothed_log_weights(log_weights: _Vector) -> tuple[_Vector, float]:
    """Log weights with a smoothed tail, and k̂.

    Parameters
    ----------
    log_weights : (N,) float64 array
        Unnormalized; −∞ is no weight.

    Returns
    -------
    log_weights : (N,) float64 array
        The largest M = min(N/5, 3√N) smoothed, none above the largest that came.
    shape : float
        k̂; +∞ where fewer than five weights stand above the others, −∞ where all of the tail are equal.
    """
    smoothed, number = log_weights.copy(), len(log_weights)
    tail_size = math.ceil(min(0.2 * number, 3.0 * math.sqrt(number)))
    order = np.argsort(log_weights, kind="stable")
    if tail_size < _LEAST_TAIL or not np.isfinite(log_weights[order[-tail_size - 1]]):
        return smoothed, math.inf
    tail, largest = order[-tail_size:], log_weights[order[-1]]
    cutoff = math.exp(log_weights[order[-tail_size - 1]] - largest)
    excess = np.exp(log_weights[tail] - largest) - cutoff
    if excess[-1] <= 0.0:
        return smoothed, -math.inf
    above = excess[excess > _LEAST_EXCESS]
    if len(above) < _LEAST_TAIL:
        return smoothed, math.inf
    shape, scale = fit_generalized_pareto(above)
    if math.isfinite(shape):
        quantiles = (np.arange(tail_size) + 0.5) / tail_size
        values = _pareto_quantiles(quantiles, shape, scale) + cutoff
        smoothed[tail] = np.minimum(np.log(values), 0.0) + largest
    return smoothed, shape


def fit_generalized_pareto(excess: _Vector) -> tuple[float, float]:
    """Shape k and scale σ of a generalized Pareto distribution, by the quasi-Bayesian estimate of [2].

    Parameters
    ----------
    excess : (M,) float64 array
        Values above a threshold, > 0, in ascending order.

    Notes
    -----
    k is drawn toward 0.5 by a prior worth ten values [1].
    """
    number = len(excess)
    grid_size = 30 + int(math.sqrt(number))
    quartile = excess[int(number / 4 + 0.5) - 1]
    steps = 1.0 - np.sqrt(grid_size / (np.arange(1, grid_size + 1) - 0.5))
    thetas = steps / (3.0 * quartile) + 1.0 / excess[-1]
    shapes = np.log1p(-thetas[:, None] * excess).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = number * (np.log(-thetas / shapes) - shapes - 1.0)
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    weights = np.exp(scores - scores.max())
    theta = float(weights @ thetas / weights.sum())
    shape = float(np.log1p(-theta * excess).mean())
    scale = -shape / theta
    return (number * shape + 10.0 * 0.5) / (number + 10.0), scale


def _pareto_quantiles(probabilities: _Vector, shape: float, scale: float) -> _Vector:
    if abs(shape) < 1e-12:
        return -scale * np.log1p(-probabilities)
    return np.asarray(scale * np.expm1(-shape * np.log1p(-probabilities)) / shape)
