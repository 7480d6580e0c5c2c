"""Fewer voxels: arrays brought to size³ voxels, whatever their shape.

Two rules. *Order 0* is that of the published query: scipy.ndimage.zoom(order=0), which aligns the centers of the corner
voxels and takes the voxel nearest to each sample, one of 8 where 128³ becomes 64³ and one of 64 where it becomes 32³.
Voxels are only picked, so a mask of the picked densities is the picked mask. *Anti-aliased* looks at all voxels:
the new voxels divide the same field of view, and one is set where the mask covers more than half of it.

What is covered is counted in whole numbers, so no rounding decides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.box import box_of
from gliofield.compiled import compiled

Table = NDArray[np.int64]


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


def majority(mask: NDArray[np.bool_], size: int, *, box: NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
    """Whether a mask covers more than half of each new voxel, (size, size, size), 0 or 1.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        The mask.
    size : int
        New voxels along each axis.
    box : (6,) int array, optional
        Bounds x_start, x_stop, y_start, … outside which nothing is set; found where left out.
    """
    x, y, z = mask.shape
    bounds = np.array(box_of(mask), dtype=np.int64).ravel() if box is None else box
    covered = np.zeros((size, size, size), dtype=np.int64)
    _add_covered(
        mask,
        bounds.astype(np.int64),
        (_overlaps(x, size), _overlaps(y, size), _overlaps(z, size)),
        (_reach(x, size), _reach(y, size), _reach(z, size)),
        covered,
    )
    # A new voxel is X Y Z units large.
    return (2 * covered > mask.size).astype(np.uint8)


def _overlaps(num_voxels: int, size: int) -> Table:
    """Length that each new voxel shares with each old one, (size, n), in units of 1/size of an old voxel."""
    new, old = np.arange(size)[:, None] * num_voxels, np.arange(num_voxels) * size
    return np.maximum(np.minimum(new + num_voxels, old + size) - np.maximum(new, old), 0)


def _reach(num_voxels: int, size: int) -> Table:
    """New voxels that each old one overlaps, (n, 2): first, and one past the last."""
    old = np.arange(num_voxels) * size
    return np.stack([old // num_voxels, (old + size - 1) // num_voxels + 1], axis=1)


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


@compiled
def _add_covered(
    mask: NDArray[np.bool_],
    bounds: NDArray[np.int64],
    overlaps: tuple[Table, Table, Table],
    reaches: tuple[Table, Table, Table],
    covered: NDArray[np.int64],
) -> None:
    """Add to each new voxel what the mask covers of it; `overlaps` and `reaches` by axis."""
    for x in range(bounds[0], bounds[1]):
        for y in range(bounds[2], bounds[3]):
            for z in range(bounds[4], bounds[5]):
                if not mask[x, y, z]:
                    continue
                for new_x in range(reaches[0][x, 0], reaches[0][x, 1]):
                    for new_y in range(reaches[1][y, 0], reaches[1][y, 1]):
                        area = overlaps[0][new_x, x] * overlaps[1][new_y, y]
                        for new_z in range(reaches[2][z, 0], reaches[2][z, 1]):
                            covered[new_x, new_y, new_z] += area * overlaps[2][new_z, z]
