"""How well a value tells two groups of voxels apart, without a threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def roc_area(inside: ArrayLike, outside: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a value of the one group exceeds one of the other, ties counted half.

    0.5 where the groups do not differ, 1 where all values inside are larger; NaN if a group is empty.

    Examples
    --------
    >>> roc_area([2.0, 3.0], [1.0, 2.0])
    0.875
    """
    values, others = np.ravel(inside), np.sort(np.ravel(outside))
    if not values.size or not others.size:
        return float("nan")
    below = np.searchsorted(others, values, side="left").mean()
    not_above = np.searchsorted(others, values, side="right").mean()
    return float((below + not_above) / 2.0 / others.size)


def distribution_gap(one: ArrayLike, other: ArrayLike) -> float:
    """Largest difference of the two cumulative distributions (Kolmogorov-Smirnov), in [0, 1]; NaN if a group is empty.

    Unlike `roc_area` it also sees a group that is both darker and brighter than the other.

    Examples
    --------
    >>> distribution_gap([1.0, 4.0], [2.0, 3.0])
    0.5
    """
    first, second = np.sort(np.ravel(one)), np.sort(np.ravel(other))
    if not first.size or not second.size:
        return float("nan")
    places = np.concatenate([first, second])
    of_first = np.searchsorted(first, places, side="right") / first.size
    of_second = np.searchsorted(second, places, side="right") / second.size
    return float(np.abs(of_first - of_second).max())
