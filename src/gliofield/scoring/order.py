"""Which voxel comes first: one rule for every ranking that is scored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_first(values: NDArray[np.floating], distance_mm: NDArray[np.floating]) -> NDArray[np.intp]:
    """Order of some voxels: larger values first, of equal ones the nearer, then as they stand.

    Parameters
    ----------
    values : (N,) array
        What they are ranked by.
    distance_mm : (N,) array
        Distance to the core, or to the whole tumor where there is no core [mm].

    Examples
    --------
    >>> best_first(np.array([0.1, 0.5, 0.1, 0.1]), np.array([3.0, 9.0, 2.0, 2.0])).tolist()
    [1, 2, 3, 0]
    """
    return np.lexsort((distance_mm, -values))
