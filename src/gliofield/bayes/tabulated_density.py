"""Integrals and random values of densities whose logarithm is known at some points and smooth in between."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]
# Nats below the top at which a density is left aside: a millionth of it.
_LEFT_ASIDE = 16.0
_NUM_POINTS = 400
# Logarithms closer than this at both ends of a piece are taken for equal.
_FLAT = 1e-9


def drawn_from(values: _Vector, log_density: _Vector, point: float) -> float:
    """Value below which a share `point` of the mass lies, of log densities at increasing values, linear in between.

    Uniform points in (0, 1) give values of that density, which need not be normalized.

    Examples
    --------
    >>> drawn_from(np.array([0.0, 1.0, 2.0]), np.zeros(3), 0.25)
    0.5
    """
    mass = np.concatenate([[0.0], np.cumsum(_masses(values, log_density))])
    return float(np.interp(point * mass[-1], mass, values))


def log_integral(values: _Vector, log_density: _Vector) -> float:
    """log of the integral between the first and the last of increasing values, the logarithm linear in between.

    Examples
    --------
    >>> round(log_integral(np.array([0.0, 2.0]), np.array([0.0, -4.0])), 4)
    -0.7116
    """
    return float(log_density.max() + math.log(_masses(values, log_density).sum()))


def finely(values: _Vector, log_density: _Vector) -> tuple[_Vector, _Vector]:
    """The same density at many more points, by a cubic spline of its logarithm, where there is any mass.

    Parameters
    ----------
    values, log_density : (K,) arrays
        Increasing values, at least two, and log densities there.
    """
    from scipy.interpolate import CubicSpline

    matters = np.flatnonzero(log_density > log_density.max() - _LEFT_ASIDE)
    first, last = max(matters[0] - 1, 0), min(matters[-1] + 1, len(values) - 1)
    fine = np.linspace(values[first], values[last], _NUM_POINTS)
    return fine, CubicSpline(values, log_density)(fine)


def _masses(values: _Vector, log_density: _Vector) -> _Vector:
    """Mass of each piece relative to the largest density, exact for exponentials."""
    scaled = log_density - log_density.max()
    heights, drop = np.exp(scaled), np.diff(scaled)
    is_flat = np.abs(drop) < _FLAT
    means = np.where(is_flat, 0.5 * (heights[1:] + heights[:-1]), np.diff(heights) / np.where(is_flat, 1.0, drop))
    return means * np.diff(values)
