"""Smooth random fields: what differs from place to place by an unknown amount, and alike at nearby places.

A lattice of independent normal numbers, one correlation length apart, is interpolated by cubic B-splines and divided by
the standard deviation that this leaves at each place: the mean is 0 and the standard deviation 1 everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Lattice points that a cubic B-spline reaches at either side of an interval.
_SUPPORT = 4


def smooth_noise(
    rng: np.random.Generator, shape: Sequence[int], spacing_mm: Sequence[float], correlation_mm: float
) -> NDArray[np.float32]:
    """A field (X, Y, Z) of normal numbers, mean 0 and standard deviation 1, alike within about a correlation length.

    Parameters
    ----------
    rng : Generator
        Draws the lattice.
    shape : 3 int
        Of the field.
    spacing_mm : 3 float
        Distance of voxels along each axis [mm].
    correlation_mm : float
        Distance of the lattice's points [mm], > 0.
    """
    places = [np.arange(length) * (step / correlation_mm) for length, step in zip(shape, spacing_mm, strict=True)]
    offsets = rng.random(3)
    values = rng.standard_normal([int(along[-1]) + _SUPPORT + 1 for along in places], dtype=np.float32)
    for axis, along in enumerate(places):
        values = _interpolated(values, axis, along + offsets[axis])
    return values


def _interpolated(values: NDArray[np.float32], axis: int, places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Cubic B-spline at places along one axis; scaled so that independent normal numbers keep their variance."""
    first = np.floor(places).astype(np.intp)
    part = places - first
    weights = np.stack(
        [(1 - part) ** 3, 3 * part**3 - 6 * part**2 + 4, 1 + 3 * part + 3 * part**2 - 3 * part**3, part**3]
    )
    weights /= np.sqrt((weights**2).sum(axis=0))
    shape = tuple(-1 if each == axis else 1 for each in range(values.ndim))
    total = np.zeros(1, dtype=np.float32)
    for neighbor in range(_SUPPORT):
        weight = weights[neighbor].astype(np.float32).reshape(shape)
        total = total + weight * np.take(values, first + neighbor, axis=axis)
    return np.asarray(total, dtype=np.float32)
