"""Is a posterior calibrated: ranks of known truths, coverage of intervals, errors of its densities.

Simulation-based calibration (Talts et al. 2018, arXiv:1804.06788): over many truths drawn from the prior, the rank of
the truth among as many posterior draws is uniform, for every parameter and every function of them. Ranks at both ends
say too narrow, in the middle too wide, at one end biased. Two tests, because few cases say little by any one of them:
Pearson's χ² of the histogram, with a band that all of its bins leave by chance in one of twenty evaluations, and the
mean place of the truth.

Coverage asks how often intervals hold the truth. An interval between two of N samples holds it less often than its
level says, (k₂ − k₁)/(N + 1), even if everything is right; that is what coverage is compared with.

What this module does not do: draw cases (`bayes_cases`), or sample (`bayes_sampling`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes import IdentifiableTumors, PosteriorSamples, rank_uniformity, truth_ranks
from gliofield.errors import ParameterError
from gliofield.growth.parameters import TUMOR_NAMES

COVERAGE_LEVELS = (0.5, 0.8, 0.9, 0.95)
_DERIVED = {"diffusion_length_mm": "mm", "proliferation_number": "1"}
_NUM_BINS = (16, 8, 4, 2)
# Pearson's test needs that many expected per bin.
_LEAST_PER_BIN = 5
_BAND_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class PlacedTruth:
    """Where the truth of one parameter lies in its posterior.

    Parameters
    ----------
    truth, mean, std : float
        True value, mean and standard deviation of the posterior, in the parameter's unit.
    rank : int
        Posterior draws below the truth, among the thinned ones.
    is_covered : tuple of bool
        Whether the interval of each of `COVERAGE_LEVELS` holds it.
    """

    truth: float
    mean: float
    std: float
    rank: int
    is_covered: tuple[bool, ...]


def placed_truths(
    samples: PosteriorSamples, truth: Mapping[str, float], *, num_draws: int, rng: np.random.Generator
) -> dict[str, PlacedTruth]:
    """Places of all parameters, and of μ1 = √(D_w T) and μ2 = √(ρ T) where growth parameters and seed are among them.

    Parameters
    ----------
    samples : PosteriorSamples
        Samples of equal weight.
    truth : mapping of str to float
        True values by name; more than the samples have are left aside.
    num_draws : int
        Draws the truth is ranked among, ≥ 1, at most the number of samples.
    rng : Generator
        Chooses them, without replacement.

    Raises
    ------
    ParameterError
        If samples are weighted, too few, or a true value is missing.
    """
    if np.ptp(samples.log_weights) > 0.0:
        raise ParameterError("ranks need samples of equal weight: draw them first, with resampled(...).")
    if not 1 <= num_draws <= len(samples.parameters):
        raise ParameterError(f"num_draws must lie in 1 … {len(samples.parameters)} (the samples), got {num_draws}.")
    missing = [name for name in samples.names if name not in truth]
    if missing:
        raise ParameterError(f"the truth lacks {', '.join(missing)}.")
    extended, values = _with_derived(samples, np.array([[truth[name] for name in samples.names]]))
    thinned = rng.choice(len(extended.parameters), num_draws, replace=False)
    ranks = truth_ranks(values, extended.parameters[thinned])
    intervals = [extended.credible_intervals(level) for level in COVERAGE_LEVELS]
    mean, std = extended.mean, extended.std
    return {
        name: PlacedTruth(
            truth=float(value),
            mean=mean[name],
            std=std[name],
            rank=int(rank),
            is_covered=tuple(bool(each[name].low <= value <= each[name].high) for each in intervals),
        )
        for name, value, rank in zip(extended.names, values, ranks, strict=True)
    }


def places_of_times(growth: NDArray[np.float64], bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where true growth times lie between the ends that D_w T and ρ T leave of a uniform prior, (N,), in (0, 1).

    A scan tells D_w T and ρ T; given both, T has the density T⁻² between known ends, whatever is seen. So these places
    are uniform over many draws, and in few of them say how far the truths themselves are from their prior by chance.

    Parameters
    ----------
    growth : (N, 3) float64 array
        True D_w [mm²/day], ρ [1/day] and T [days].
    bounds : (3, 2) float64 array
        Ends of their uniform priors.
    """
    products, time = growth[:, :2] * growth[:, 2:], growth[:, 2]
    low = np.maximum(bounds[2, 0], (products / bounds[:2, 1]).max(axis=1))
    high = np.minimum(bounds[2, 1], (products / bounds[:2, 0]).min(axis=1))
    return (1.0 / low - 1.0 / time) / (1.0 / low - 1.0 / high)


@dataclass(frozen=True, kw_only=True, eq=False)
class ParameterCalibration:
    """Ranks and coverage of one parameter over all cases.

    Parameters
    ----------
    name : str
        Of the parameter.
    ranks : (R,) int array
        Rank of the truth in each case.
    num_draws : int
        Draws it was ranked among.
    bin_counts : (B,) int array
        Histogram of the ranks; a single bin if there are too few cases for more.
    p_value : float
        Of χ², that ranks are uniform; NaN with a single bin.
    mean_place : float
        Mean of (rank + 1/2)/(draws + 1): 1/2 where nothing is biased.
    mean_place_error : float
        Its standard error if ranks are uniform.
    coverage : tuple of float
        Share of cases whose interval holds the truth, by `COVERAGE_LEVELS`.
    """

    name: str
    ranks: NDArray[np.int64]
    num_draws: int
    bin_counts: NDArray[np.int64]
    p_value: float
    mean_place: float
    mean_place_error: float
    coverage: tuple[float, ...]

    @property
    def place_p_value(self) -> float:
        """Two-sided p-value of the mean place, by the normal distribution."""
        return math.erfc(abs(self.mean_place - 0.5) / self.mean_place_error / math.sqrt(2.0))

    @property
    def band(self) -> tuple[int, int]:
        """Counts between which all bins together stay in 95 of 100 evaluations of a calibrated posterior."""
        from scipy.stats import binom

        num_bins = len(self.bin_counts)
        tail = (1.0 - _BAND_LEVEL) / (2.0 * num_bins)
        low, high = binom.ppf([tail, 1.0 - tail], len(self.ranks), 1.0 / num_bins)
        return int(low), int(high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Calibration of posteriors over many cases.

    Parameters
    ----------
    parameters : tuple of ParameterCalibration
        One per parameter.
    num_cases : int
        R.
    expected_coverage : tuple of float
        By `COVERAGE_LEVELS`, of intervals between samples of a calibrated posterior.
    """

    parameters: tuple[ParameterCalibration, ...]
    num_cases: int
    expected_coverage: tuple[float, ...]

    @property
    def smallest_p_value(self) -> float:
        """Smallest p-value of χ² and of mean places, times the number of tests (Bonferroni), at most 1."""
        values = [value for each in self.parameters for value in (each.p_value, each.place_p_value)]
        defined = [value for value in values if not math.isnan(value)]
        return min(1.0, min(defined) * len(defined))

    @property
    def coverage_errors(self) -> tuple[float, ...]:
        """Standard error of the coverage of one parameter, by `COVERAGE_LEVELS`: √(c (1 − c)/R)."""
        return tuple(math.sqrt(c * (1.0 - c) / self.num_cases) for c in self.expected_coverage)

    @property
    def mean_coverage(self) -> tuple[float, ...]:
        """Mean over parameters, by `COVERAGE_LEVELS`; parameters of one case are not independent."""
        return tuple(float(value) for value in np.mean([each.coverage for each in self.parameters], axis=0))


def calibration_of(cases: Sequence[Mapping[str, PlacedTruth]], *, num_draws: int, num_samples: int) -> Calibration:
    """Calibration over cases of the same parameters, at least one.

    Parameters
    ----------
    cases : sequence of mapping of str to PlacedTruth
        Places of the truth by name, per case.
    num_draws : int
        Draws each truth was ranked among.
    num_samples : int
        Samples each posterior had.

    Raises
    ------
    ParameterError
        If there is no case, or cases have different parameters.
    """
    if not cases or any(list(case) != list(cases[0]) for case in cases):
        raise ParameterError("a calibration needs at least one case, and the same parameters in all of them.")
    return Calibration(
        parameters=tuple(_calibrated(name, [case[name] for case in cases], num_draws) for name in cases[0]),
        num_cases=len(cases),
        expected_coverage=tuple(expected_coverage(level, num_samples) for level in COVERAGE_LEVELS),
    )


def expected_coverage(level: float, num_samples: int) -> float:
    """How often a calibrated interval between order statistics of N samples holds the truth: (k₂ − k₁)/(N + 1).

    The interval is that of `PosteriorSamples.credible_intervals`.

    Examples
    --------
    >>> round(expected_coverage(0.95, 128), 3), round(expected_coverage(0.95, 10_000), 3)
    (0.938, 0.95)
    """
    first, last = (max(1, math.ceil(round(0.5 * (1.0 + side * level) * num_samples, 9))) for side in (-1.0, 1.0))
    return (last - first) / (num_samples + 1)


def _calibrated(name: str, places: Sequence[PlacedTruth], num_draws: int) -> ParameterCalibration:
    ranks = np.array([place.rank for place in places], dtype=np.int64)
    num_bins = _num_bins(len(ranks), num_draws)
    counts = np.bincount(ranks * num_bins // (num_draws + 1), minlength=num_bins)
    p_value = rank_uniformity(ranks, num_samples=num_draws, num_bins=num_bins) if num_bins > 1 else float("nan")
    # Variance of a uniform rank over 0 … L, in units of L + 1.
    error = math.sqrt((1.0 - 1.0 / (num_draws + 1) ** 2) / 12.0 / len(ranks))
    return ParameterCalibration(
        name=name,
        ranks=ranks,
        num_draws=num_draws,
        bin_counts=counts,
        p_value=p_value,
        mean_place=float(np.mean((ranks + 0.5) / (num_draws + 1))),
        mean_place_error=error,
        coverage=tuple(float(value) for value in np.mean([place.is_covered for place in places], axis=0)),
    )


def _num_bins(num_cases: int, num_draws: int) -> int:
    """Most bins of equal size with five cases expected in each; 1 if there are too few cases for two."""
    fitting = [bins for bins in _NUM_BINS if num_cases >= _LEAST_PER_BIN * bins and (num_draws + 1) % bins == 0]
    return max(fitting, default=1)


def _with_derived(
    samples: PosteriorSamples, truth: NDArray[np.float64]
) -> tuple[PosteriorSamples, NDArray[np.float64]]:
    """Samples and one row of truth, (1, P), with μ1 and μ2 appended where they can be computed."""
    names = tuple(samples.names)
    if any(name not in names for name in TUMOR_NAMES):
        return samples, truth[0]

    def extended(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        tumors = IdentifiableTumors.of_parameters(rows, names)
        return np.column_stack([rows, tumors.diffusion_length_mm, tumors.proliferation_number])

    with_derived = replace(
        samples,
        names=(*names, *_DERIVED),
        units=(*samples.units, *_DERIVED.values()),
        parameters=extended(samples.parameters),
    )
    return with_derived, extended(truth)[0]
