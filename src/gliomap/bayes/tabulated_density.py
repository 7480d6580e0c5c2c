"""Random values of a density that is known at some points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]


def drawn_from(values: _Vector, log_density: _Vector, point: float) -> float:
    """Value below which a share `point` of the mass lies, of log densities at increasing values, linear in between.

    Uniform points in (0, 1) give values of that density, which need not be normalized.

    Examples
    --------
    >>> drawn_from(np.array([0.0, 1.0, 2.0]), np.zeros(3), 0.25)
    0.5
    """
    heights = np.exp(log_density - log_density.max())
    parts = 0.5 * (heights[1:] + heights[:-1]) * np.diff(values)
    mass = np.concatenate([[0.0], np.cumsum(parts)])
    return float(np.interp(point * mass[-1], mass, values))
