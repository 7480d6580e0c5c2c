"""Values of a volume at the voxels of another grid, through world space.

No registration happens here: both grids live in the same world. (`registration.transform` moves volumes
between worlds and uses the same interpolation.) Masks follow one rule everywhere: linear interpolation of the
indicator, then strictly > 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gliofield.grid import Grid
from gliofield.volume import Volume

Interpolation = Literal["linear", "nearest"]
_SPLINE_ORDER: dict[Interpolation, int] = {"linear": 1, "nearest": 0}


def resample(volume: Volume, onto: Grid, *, interpolation: Interpolation = "linear") -> Volume:
    """Values of `volume` at the voxel centers of `onto`, as float32; 0 outside its field of view.

    Parameters
    ----------
    volume : Volume
        Values to read, any numeric type.
    onto : Grid
        Where to read them.
    interpolation : {"linear", "nearest"}
        Linear, or the value of the nearest voxel.
    """
    if volume.grid.is_same_as(onto):
        return Volume(volume.data.astype(np.float32), onto)
    source_from_target = volume.grid.voxel_from_world @ onto.world_from_voxel
    # Coordinates of aligned grids are often halves up to rounding; removing 1e-10 voxels of noise makes the
    # result independent of how the affines were stored.
    source_from_target = np.round(source_from_target, 10)
    matrix, offset = source_from_target[:3, :3], source_from_target[:3, 3]
    data = volume.data.astype(np.float32, copy=False)
    if np.count_nonzero(matrix - np.diag(np.diag(matrix))) == 0:
        for axis in range(3):
            coordinates = matrix[axis, axis] * np.arange(onto.shape[axis]) + offset[axis]
            data = _along_axis(data, axis, coordinates, interpolation)
    else:
        from scipy import ndimage  # takes longer to import than a refusal in all

        order = _SPLINE_ORDER[interpolation]
        data = ndimage.affine_transform(
            data, matrix, offset=offset, output_shape=onto.shape, output=np.float32, order=order, mode="constant"
        )
    return Volume(data, onto)


def _along_axis(
    data: NDArray[np.float32], axis: int, coordinates: NDArray[np.float64], interpolation: Interpolation
) -> NDArray[np.float32]:
    """Values at fractional indices along one axis; 0 outside [0, n - 1] (linear) or [-½, n - ½) (nearest).

    Interpolation between aligned grids is separable, which is an order of magnitude faster than the general case.
    """
    last = data.shape[axis] - 1
    shape = tuple(-1 if a == axis else 1 for a in range(3))
    if interpolation == "nearest":
        nearest = np.floor(coordinates + 0.5).astype(np.intp)
        inside = ((nearest >= 0) & (nearest <= last)).astype(np.float32).reshape(shape)
        return np.take(data, np.clip(nearest, 0, last), axis=axis) * inside
    inside = ((coordinates >= 0) & (coordinates <= last)).astype(np.float32)
    lower = np.clip(np.floor(coordinates).astype(np.intp), 0, max(last - 1, 0))
    weight = (coordinates - lower).astype(np.float32) * inside
    upper = np.take(data, np.minimum(lower + 1, last), axis=axis)
    result = np.take(data, lower, axis=axis) * (inside - weight).reshape(shape)
    result += upper * weight.reshape(shape)
    return result


def resample_mask(mask: Volume, onto: Grid) -> Volume:
    """Boolean mask on another grid: linear interpolation of the indicator, strictly > 0.5."""
    if mask.grid.is_same_as(onto):
        return Volume(mask.data.astype(bool), onto)
    return Volume(resample(Volume(mask.data.astype(np.float32), mask.grid), onto).data > 0.5, onto)


def interpolate_at(values: NDArray[np.float32], coordinates: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Interpolate linearly on the lattice of one list of voxel coordinates per axis, >= 0.

    Behind an axis's last voxel its value goes on.
    """
    for axis, along in enumerate(coordinates):
        last = values.shape[axis] - 1
        lower = np.minimum(np.floor(along).astype(int), last)
        upper = np.minimum(lower + 1, last)
        part = (along - lower).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
        values = np.take(values, lower, axis=axis) * (1 - part) + np.take(values, upper, axis=axis) * part
    return np.ascontiguousarray(values, dtype=np.float32)
