"""Whether a sampler, and the uncertainty it reports, can be believed.

Effective sample size says how many independent samples a weighted or duplicated set is worth. Simulation-based
calibration (Talts et al. 2018, arXiv:1804.06788) draws a truth from the prior, simulates data, samples the posterior
and notes the rank of the truth among the samples: over many repetitions ranks are uniform if, and only if, sampler and
likelihood agree on average.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError


def effective_sample_size(log_weights: NDArray[np.floating]) -> float:
    """Kish's effective sample size (Σw)²/Σw² of weights given by logarithms, (N,).

    Raises
    ------
    ParameterError
        If a log weight is NaN or +∞, or all are −∞.

    Examples
    --------
    >>> effective_sample_size(np.log([0.5, 0.5])), effective_sample_size(np.array([0.0, -1000.0]))
    (2.0, 1.0)
    """
    largest = float(np.max(log_weights))
    if not math.isfinite(largest):
        raise ParameterError(f"log weights must be numbers below +inf and not all −inf, got a maximum of {largest}.")
    weights = np.exp(np.asarray(log_weights, dtype=np.float64) - largest)
    return float(weights.sum() ** 2 / (weights**2).sum())


def effective_number_of_distinct(samples: NDArray[np.float64]) -> float:
    """Effective sample size of equally weighted rows (N, P) of which some are duplicates: N²/Σ (multiplicity)².

    It counts duplicates only; distinct rows may still be correlated.
    """
    _, multiplicity = np.unique(samples, axis=0, return_counts=True)
    return float(len(samples) ** 2 / (multiplicity.astype(np.float64) ** 2).sum())


def truth_ranks(truth: NDArray[np.float64], samples: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank of the true value among posterior samples, per parameter: how many samples lie below, 0 … S.

    Parameters
    ----------
    truth : (P,) array
        Parameters the data were simulated with.
    samples : (S, P) array
        Independent posterior samples (thinned, or drawn at random from many).
    """
    return np.count_nonzero(samples < truth, axis=0)


def rank_uniformity(ranks: NDArray[np.integer], *, num_samples: int, num_bins: int) -> float:
    """p-value of Pearson's χ² test that ranks are uniform over 0 … num_samples.

    Parameters
    ----------
    ranks : (R,) int array
        Ranks of one parameter over R repetitions.
    num_samples : int
        S, posterior samples per repetition.
    num_bins : int
        Bins of equal size: divides S + 1; R should be at least 5 per bin.

    Raises
    ------
    ParameterError
        If bins are not of equal size, or a rank lies outside 0 … S.
    """
    if num_bins < 2 or (num_samples + 1) % num_bins:
        raise ParameterError(
            f"num_bins must be at least 2 and divide num_samples + 1 = {num_samples + 1}, got {num_bins}."
        )
    if ranks.size == 0 or ranks.min() < 0 or ranks.max() > num_samples:
        raise ParameterError(f"ranks must lie in 0 … {num_samples}, got {ranks.size} of them outside, or none.")
    from scipy.stats import chi2

    counts = np.bincount(ranks * num_bins // (num_samples + 1), minlength=num_bins)
    expected = ranks.size / num_bins
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), num_bins - 1))
