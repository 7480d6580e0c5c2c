"""Which voxels a ranking treats first, and what it needs to hold a share of something.

The highest scores come first, ties go by a distance, then by their place in the array. Coverage at one volume tells
rankings apart as long as it does not saturate; the curve of coverage over volume, and the volume at which it passes a
share such as 95 %, do so where it does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def highest_voxels(
    score: NDArray[np.floating], count: int, *, within: NDArray[np.bool_], distance_mm: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """The voxels with the highest scores, as a mask (X, Y, Z).

    Equal scores go by the smaller distance, equal distances by the place in the array.

    Parameters
    ----------
    score : (X, Y, Z) array
        Higher comes first.
    count : int
        How many; all of `within` if it has fewer.
    within : (X, Y, Z) bool array
        What can be chosen.
    distance_mm : (X, Y, Z) array
        Breaks ties, most of all among zeros [mm].

    Examples
    --------
    >>> score, distance = np.array([[[1.0, 0.0, 0.0]]]), np.array([[[5.0, 2.0, 1.0]]])
    >>> highest_voxels(score, 2, within=np.ones((1, 1, 3), bool), distance_mm=distance)[0, 0].tolist()
    [True, False, True]
    """
    chosen = np.zeros(score.shape, dtype=bool)
    inside = np.flatnonzero(within)
    if count < len(inside):
        scores = score.reshape(-1)[inside]
        last = np.partition(scores, len(scores) - count)[len(scores) - count] if count else np.inf
        above, equal = inside[scores > last], inside[scores == last]
        order = np.argsort(distance_mm.reshape(-1)[equal], kind="stable")
        inside = np.concatenate([above, equal[order[: count - len(above)]]])
    chosen.reshape(-1)[inside] = True
    return chosen


def best_first(score: NDArray[np.floating], distance_mm: NDArray[np.floating]) -> NDArray[np.intp]:
    """The whole order of some voxels, by the same rule: places in the arrays, the first to treat first.

    Parameters
    ----------
    score, distance_mm : (N,) array
        As in `highest_voxels`.

    Examples
    --------
    >>> best_first(np.array([0.1, 0.5, 0.1, 0.1]), np.array([3.0, 9.0, 2.0, 2.0])).tolist()
    [1, 2, 3, 0]
    """
    return np.lexsort((distance_mm, -score))


@dataclass(frozen=True, kw_only=True)
class CoverageCurve:
    """What the first voxels of a ranking hold of something, over their number.

    Parameters
    ----------
    held : (N,) float64 array
        Share of the total in the first 1, 2, …, N voxels; NaN where the total is 0.
    """

    held: NDArray[np.float64]

    @classmethod
    def of(cls, amounts: NDArray[np.generic]) -> CoverageCurve:
        """Curve of amounts ≥ 0 (N,) that are in the order of a ranking, the first to treat first."""
        sums = np.cumsum(amounts, dtype=np.float64)
        total = float(sums[-1]) if len(sums) else 0.0
        return cls(held=sums / total if total > 0.0 else np.full(len(sums), np.nan))

    def at(self, count: int) -> float:
        """Share in the first `count` voxels; NaN without a count, or where there is nothing to hold."""
        if count <= 0 or not len(self.held):
            return math.nan
        return float(self.held[min(count, len(self.held)) - 1])

    def count_for(self, share: float) -> float:
        """Fewest first voxels that hold a share; NaN where there is nothing to hold.

        Examples
        --------
        >>> curve = CoverageCurve.of(np.array([6.0, 3.0, 1.0]))
        >>> curve.at(1), curve.count_for(0.9), curve.count_for(0.95)
        (0.6, 2.0, 3.0)
        """
        if not len(self.held) or math.isnan(self.held[-1]):
            return math.nan
        return float(min(int(np.searchsorted(self.held, share)) + 1, len(self.held)))
