"""Which voxels a ranking treats first: the highest scores, ties by a distance, then by their place in the array."""

from __future__ import annotations

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
