"""Means over patients with their errors, paired differences and tests. What is undefined is left out and counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Differences up to this count neither as won nor as lost; in the unit of shares, a tenth of a point.
LEAST_DIFFERENCE = 0.001


@dataclass(frozen=True, kw_only=True)
class Mean:
    """Mean of the values there are.

    Parameters
    ----------
    mean : float
        NaN without a value.
    standard_error : float
        Standard deviation (n − 1) over √n; NaN below two values.
    number : int
        Values n.
    num_undefined : int
        Values that were NaN, left out.
    """

    mean: float
    standard_error: float
    number: int
    num_undefined: int


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """A method against a control on the same cases.

    Parameters
    ----------
    mean : Mean
        Of the differences, method minus control; undefined where either is.
    wins, losses : int
        Cases in which they differ by more than `LEAST_DIFFERENCE`, for and against the method.
    worst : float
        The smallest difference; NaN without one.
    """

    mean: Mean
    wins: int
    losses: int
    worst: float


def mean_of(values: Sequence[float]) -> Mean:
    """Mean and standard error of the values that are not NaN.

    Examples
    --------
    >>> mean_of([1.0, 3.0, float("nan")])
    Mean(mean=2.0, standard_error=1.0, number=2, num_undefined=1)
    """
    every = np.asarray(values, dtype=np.float64)
    defined = every[~np.isnan(every)]
    number = len(defined)
    return Mean(
        mean=float(defined.mean()) if number else math.nan,
        standard_error=float(defined.std(ddof=1) / math.sqrt(number)) if number > 1 else math.nan,
        number=number,
        num_undefined=len(every) - number,
    )


def paired_difference(
    method: Sequence[float], control: Sequence[float], *, least: float = LEAST_DIFFERENCE
) -> PairedDifference:
    """Differences of two rows of values of the same cases, in the same order.

    Examples
    --------
    >>> found = paired_difference([0.8, 0.7, 0.6], [0.7, 0.7, 0.9])
    >>> found.wins, found.losses, round(found.worst, 3), round(found.mean.mean, 3)
    (1, 1, -0.3, -0.067)
    """
    gaps = np.asarray(method, dtype=np.float64) - np.asarray(control, dtype=np.float64)
    defined = gaps[~np.isnan(gaps)]
    return PairedDifference(
        mean=mean_of([float(gap) for gap in gaps]),
        wins=int(np.count_nonzero(defined > least)),
        losses=int(np.count_nonzero(defined < -least)),
        worst=float(defined.min()) if len(defined) else math.nan,
    )


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Whether two methods differ on the same patients.

    Parameters
    ----------
    mean : float
        Mean difference, method minus control; NaN without a pair.
    low, high : float
        Its interval by the bootstrap over patients; NaN below two pairs.
    level : float
        Of the interval.
    p_value : float
        Of Wilcoxon's signed-rank test, two-sided, without the pairs that are equal; 1 where all are, NaN without a
        pair.
    number, num_undefined : int
        Pairs, and those of which one is NaN, left out.
    """

    mean: float
    low: float
    high: float
    level: float
    p_value: float
    number: int
    num_undefined: int


def paired_test(
    method: Sequence[float],
    control: Sequence[float],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    num_resamples: int = 4000,
) -> PairedTest:
    """Mean difference of two rows of values of the same patients, with a bootstrap interval and Wilcoxon's test.

    The interval is that of the percentiles of the mean over patients drawn with replacement.

    Parameters
    ----------
    method, control : sequence of float
        One value a patient, in the same order.
    rng : Generator
        Draws the patients.
    level : float
        Of the interval, in (0, 1).
    num_resamples : int
        Bootstrap draws.

    References
    ----------
    .. [1] Efron, Tibshirani (1993), An introduction to the bootstrap, chapter 13.

    Examples
    --------
    >>> found = paired_test([3.0, 4.0, 5.0], [1.0, 2.0, 3.0], rng=np.random.default_rng(0))
    >>> found.mean, found.low, found.high, found.p_value
    (2.0, 2.0, 2.0, 0.25)
    """
    from scipy.stats import wilcoxon

    gaps = np.asarray(method, dtype=np.float64) - np.asarray(control, dtype=np.float64)
    defined: NDArray[np.float64] = gaps[~np.isnan(gaps)]
    number = len(defined)
    low = high = p_value = math.nan
    if number > 1:
        draws = defined[rng.integers(0, number, size=(num_resamples, number))].mean(axis=1)
        low, high = (float(value) for value in np.quantile(draws, [0.5 * (1.0 - level), 0.5 * (1.0 + level)]))
    if number:
        p_value = float(wilcoxon(defined).pvalue) if np.any(defined) else 1.0
    return PairedTest(
        mean=float(defined.mean()) if number else math.nan,
        low=low,
        high=high,
        level=level,
        p_value=p_value,
        number=number,
        num_undefined=len(gaps) - number,
    )
