"""Fewer voxels: arrays brought to size³ voxels, whatever their shape.

The rule is that of the published query, order 0: scipy.ndimage.zoom(order=0), which aligns the centers of the corner
voxels and takes the voxel nearest to each sample, one of 8 where 128³ becomes 64³ and one of 64 where it becomes 32³.
Voxels are only picked, so a mask of the picked densities is the picked mask.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled


def sample_positions(num_voxels: int, size: int) -> NDArray[np.intp]:
    """Voxels that order 0 picks along an axis, (size,).

    Sample i of `size` is voxel ⌊i (n − 1) / (size − 1) + ½⌋ of n; `size` ≥ 2.

    Examples
    --------
    >>> sample_positions(9, 4)
    array([0, 3, 5, 8])
    """
    step = (num_voxels - 1) / (size - 1)
    return np.floor(np.arange(size) * step + 0.5).astype(np.intp)


def sample(values: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The voxels of an array (X, Y, Z) that order 0 picks, (size, size, size)."""
    picked = np.empty((size, size, size), dtype=np.uint8)
    x, y, z = (sample_positions(length, size) for length in values.shape)
    _pick(values, x, y, z, picked)
    return picked


@compiled
def _pick(
    values: NDArray[np.uint8],
    x: NDArray[np.intp],
    y: NDArray[np.intp],
    z: NDArray[np.intp],
    picked: NDArray[np.uint8],
) -> None:
    """Fill with values[x[i], y[j], z[k]], without the copies of numpy's way."""
    for i in range(len(x)):
        for j in range(len(y)):
            for k in range(len(z)):
                picked[i, j, k] = values[x[i], y[j], z[k]]
