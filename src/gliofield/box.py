"""Boxes of voxels: the part of a grid that holds a mask, or several of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: First voxel and the one after the last along each axis.
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def make_box(bounds: Iterable[Iterable[Any]]) -> Box:
    """Box of three pairs (start, stop), whatever holds them: lists of JSON, rows of an array."""
    x, y, z = ((int(start), int(stop)) for start, stop in bounds)
    return x, y, z


def box_of(mask: NDArray[np.bool_] | NDArray[np.integer]) -> Box:
    """Smallest box that holds all voxels of a mask (X, Y, Z) that are not 0; 0 to 0 along each axis if there are none.

    Examples
    --------
    >>> mask = np.zeros((4, 4, 4), dtype=bool)
    >>> box_of(mask)
    ((0, 0), (0, 0), (0, 0))
    >>> mask[1:3, 0, 2] = True
    >>> box_of(mask)
    ((1, 3), (0, 1), (2, 3))
    """
    in_plane = np.any(mask, axis=0)
    lines = (np.any(mask, axis=(1, 2)), np.any(in_plane, axis=1), np.any(in_plane, axis=0))
    places = [np.flatnonzero(line) for line in lines]
    return make_box((ends[0], ends[-1] + 1) if len(ends) else (0, 0) for ends in places)


def enclosing_box(bounds: NDArray[np.integer]) -> Box:
    """Smallest box that holds some boxes (n, 6), n ≥ 1, as databases store them: x_start, x_stop, y_start and so on."""
    return make_box(np.stack([bounds[:, ::2].min(axis=0), bounds[:, 1::2].max(axis=0)], axis=1))


def widened(box: Box, margin_voxels: int, shape: tuple[int, ...]) -> Box:
    """Box with a margin on every side, as far as a grid of some shape goes."""
    return make_box(
        (max(start - margin_voxels, 0), min(stop + margin_voxels, length))
        for (start, stop), length in zip(box, shape, strict=True)
    )


def slices_of(box: Box) -> tuple[slice, slice, slice]:
    """Index of the box in an array (X, Y, Z)."""
    x, y, z = (slice(start, stop) for start, stop in box)
    return x, y, z
