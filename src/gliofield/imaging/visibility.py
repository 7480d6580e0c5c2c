"""Which cell densities T1Gd and FLAIR show.

The visible outlines are taken as isolines of the cell density u: FLAIR shows u > 0.2, T1Gd u > 0.6 (Ezhov et al.
2022, "Casting the inverse problem as a database query", section 2.3). Comparison is strict everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class VisibilityThresholds:
    """Cell densities above which tumor is visible.

    Parameters
    ----------
    t1gd_threshold, flair_threshold : float
        Relative cell density in (0, 1); T1Gd shows the denser part, so its threshold may not be the lower one.

    Raises
    ------
    ParameterError
        If a threshold lies outside (0, 1) or T1Gd's is below FLAIR's.
    """

    t1gd_threshold: float = 0.6
    flair_threshold: float = 0.2

    def __post_init__(self) -> None:
        for name in ("t1gd_threshold", "flair_threshold"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 < value < 1.0):
                raise ParameterError(f"{name} must lie strictly between 0 and 1 (relative cell density), got {value}.")
        if self.t1gd_threshold < self.flair_threshold:
            raise ParameterError(
                f"t1gd_threshold must be at least flair_threshold, got {self.t1gd_threshold} < {self.flair_threshold}: "
                "the core lies inside the whole tumor. Were the two swapped?"
            )

    def tumor_core(self, cell_density: NDArray[np.floating]) -> NDArray[np.bool_]:
        """What T1Gd shows: cell_density > t1gd_threshold, same shape."""
        return cell_density > self.t1gd_threshold

    def whole_tumor(self, cell_density: NDArray[np.floating]) -> NDArray[np.bool_]:
        """What FLAIR shows: cell_density > flair_threshold, same shape."""
        return cell_density > self.flair_threshold


#: Those of the papers: 0.6 in T1Gd, 0.2 in FLAIR.
USUAL_THRESHOLDS = VisibilityThresholds()
