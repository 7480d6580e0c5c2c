"""The one Dice overlap of gliofield, and what it is when there is nothing to compare.

Dice = 2 |A ∩ B| / (|A| + |B|), without smoothing. Two empty masks have no overlap to speak of, and every caller has
to say what that means: rankings pass 0 (as the published query code does), evaluations pass NaN and count it. One
empty mask against a non-empty one is 0. Searches that hold counts instead of masks use `dice_from_counts`, the same
expression, so a ranking by counts equals a ranking by masks to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gliofield.errors import ParameterError


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_], *, if_both_empty: float) -> float:
    """Dice overlap of two masks, in [0, 1].

    Parameters
    ----------
    a, b : bool arrays of one shape
        The masks. The caller sees to it that they lie on one grid.
    if_both_empty : float
        Value when neither mask has a voxel set: 0 in rankings, NaN in evaluations.

    Raises
    ------
    ParameterError
        If the shapes differ or an array is not bool.

    Examples
    --------
    >>> dice(np.array([True, True]), np.array([True, False]), if_both_empty=0.0)
    0.6666666666666666
    """
    if a.dtype != bool or b.dtype != bool or a.shape != b.shape:
        raise ParameterError(
            f"dice: expected two bool masks of one shape, got {a.dtype} {a.shape} and {b.dtype} {b.shape}. "
            "Threshold densities and resample masks onto one grid first."
        )
    intersection = np.count_nonzero(a & b)
    overlap = dice_from_counts(intersection, np.count_nonzero(a), np.count_nonzero(b), if_both_empty=if_both_empty)
    return float(overlap)


def dice_from_counts(
    intersection: ArrayLike, size_a: ArrayLike, size_b: ArrayLike, *, if_both_empty: float
) -> NDArray[np.float64]:
    """Dice overlap from counts of voxels, elementwise with broadcasting.

    Parameters
    ----------
    intersection, size_a, size_b : array_like of int
        |A ∩ B|, |A| and |B|.
    if_both_empty : float
        Value where |A| + |B| = 0.

    Examples
    --------
    >>> dice_from_counts([1, 0], [2, 0], [1, 0], if_both_empty=0.0)
    array([0.66666667, 0.        ])
    """
    total = np.asarray(size_a, dtype=np.float64) + np.asarray(size_b, dtype=np.float64)
    twice = 2.0 * np.asarray(intersection, dtype=np.float64)
    twice, total = np.broadcast_arrays(twice, total)
    overlap = np.full(total.shape, if_both_empty, dtype=np.float64)
    np.divide(twice, total, out=overlap, where=total > 0.0)
    return overlap
