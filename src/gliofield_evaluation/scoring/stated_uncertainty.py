"""Whether what a method says of its own uncertainty holds: the interval of the cells, and probabilities of density.

    interval score   (h − l) + 2/α (l − y)₊ + 2/α (y − h)₊,   α = 0.05: smaller is better
    reliability      voxels with a stated P(u > 0.2) near p: in which part of them is the truth above 0.2?

References
----------
.. [1] Gneiting, Raftery (2007), Strictly proper scoring rules, prediction, and estimation, doi
   10.1198/016214506000001437, section 6.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.scoring.volume_scores import KnownTumor

#: Share of truths that a stated interval is to hold.
LEVEL = 0.95
#: Bins of equal width of a probability.
NUM_BINS = 10
#: The density that probabilities are about, and how far from the whole tumor they are looked at [mm].
_DENSITY, _REACH_MM = 0.2, 30.0
# Half-widths among which the best constant one is looked for, relative to the mean.
_RELATIVE_ERRORS = np.round(np.arange(0.01, 3.0, 0.01), 2)


@dataclass(frozen=True, kw_only=True)
class ReliabilityBins:
    """Voxels by stated probability, in `NUM_BINS` bins.

    Parameters
    ----------
    num_voxels : tuple of int
        Voxels of each bin.
    stated : tuple of float
        Sum of their probabilities.
    true : tuple of int
        Those in which the truth is above the density.
    """

    num_voxels: tuple[int, ...]
    stated: tuple[float, ...]
    true: tuple[int, ...]

    def gaps(self) -> list[float]:
        """Stated less true part of each bin; NaN for an empty one."""
        rows = zip(self.num_voxels, self.stated, self.true, strict=True)
        return [(stated - true) / number if number else float("nan") for number, stated, true in rows]


def reliability_bins(probability: NDArray[np.float32], tumor: KnownTumor) -> ReliabilityBins:
    """Stated P(u > 0.2) against the truth, outside the core within 30 mm of the whole tumor.

    Parameters
    ----------
    probability : (X, Y, Z) float32 array
        In [0, 1]; 1 belongs to the last bin.
    tumor : KnownTumor
        The truth.
    """
    where = tumor.treatable & ~tumor.tumor_core & (tumor.from_whole_mm <= _REACH_MM)
    stated, is_true = probability[where].astype(np.float64), tumor.cell_density[where] > _DENSITY
    bins = np.minimum((stated * NUM_BINS).astype(int), NUM_BINS - 1)

    def sums(weights: NDArray[np.float64]) -> list[float]:
        return [float(value) for value in np.bincount(bins, weights=weights, minlength=NUM_BINS)]

    return ReliabilityBins(
        num_voxels=tuple(int(value) for value in np.bincount(bins, minlength=NUM_BINS)),
        stated=tuple(sums(stated)),
        true=tuple(int(value) for value in sums(is_true.astype(np.float64))),
    )


def pooled_bins(bins: Sequence[ReliabilityBins]) -> ReliabilityBins:
    """Bins of many cases together, voxel by voxel."""

    def total(name: str) -> tuple[float, ...]:
        return tuple(np.sum([getattr(one, name) for one in bins], axis=0).tolist()) if bins else (0,) * NUM_BINS

    return ReliabilityBins(
        num_voxels=tuple(int(value) for value in total("num_voxels")),
        stated=total("stated"),
        true=tuple(int(value) for value in total("true")),
    )


def interval_score(low: float, high: float, truth: float) -> float:
    """Score of a stated 95 % interval; smaller is better.

    Examples
    --------
    >>> interval_score(1.0, 3.0, 2.0), round(interval_score(1.0, 3.0, 3.5), 6)
    (2.0, 22.0)
    """
    factor = 2.0 / (1.0 - LEVEL)
    return high - low + factor * max(low - truth, 0.0) + factor * max(truth - high, 0.0)


def constant_interval(mean: float, relative_error: float) -> tuple[float, float]:
    """Interval of the same relative error for everybody, around a mean that is not negative."""
    return mean * max(1.0 - relative_error, 0.0), mean * (1.0 + relative_error)


def best_relative_error(means: Sequence[float], truths: Sequence[float]) -> float:
    """The relative error, in steps of 0.01, whose intervals have the best mean score; NaN without a case."""
    if not means:
        return float("nan")
    scores = [
        np.mean(
            [
                interval_score(*constant_interval(mean, float(error)), truth)
                for mean, truth in zip(means, truths, strict=True)
            ]
        )
        for error in _RELATIVE_ERRORS
    ]
    return float(_RELATIVE_ERRORS[int(np.argmin(scores))])
