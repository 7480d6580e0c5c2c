"""Where data of a brain image are missing: voxels of 0 inside the brain, missing slabs, a brain that ends in a plane.

Files that were cut off and filled up with zeros, blocks that were lost, NaN that were replaced by 0: all that is left
of the damage is a brain of another shape, which registration and growth take as it is. Three traces tell it from a
head:

- a *hole* is a region of zeros with tissue all around it, but for leaks of up to four voxels. Dark CSF that was clipped
  to 0 is no hole: its surroundings are dark, too.
- a *gap* is a flat face across the voxels' axes with tissue again behind the zeros.
- a *cut* is a flat face with nothing behind it; the border of the image is none.

Heads are round: the largest flat face of the brains of four patients, two atlases and virtual patients has 3.9 to
9.6 cm² in slices of 1 mm, and the zeros inside them 0.4 ml in all. A cap grows with the thickness of the slices,
so limits do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.box import box_of, slices_of, widened
from gliofield.grid import Grid
from gliofield.volume import Volume

# Largest hole that nobody need know of [ml], and smallest flat face across slices of 1 mm that no head has [mm²].
# *Chosen*, by the figures above.
_LEAST_HOLE_ML, _LEAST_FACE_MM2 = 2.0, 1500.0
# The tissue around missing data is of all kinds; around clipped CSF it is among the darkest tenth. *Chosen*.
_DARK_RANK = 0.15
_LEAK_VOXELS = 2

_Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class MissingData:
    """One place where data are missing.

    Parameters
    ----------
    kind : {"hole", "gap", "cut"}
        See the module's docstring.
    volume_ml : float or None
        Volume of the zeros [ml]; None for a cut, behind which nothing is known.
    area_cm2 : float or None
        Area of the flat face [cm²]; None for a hole.
    center_mm : (float, float, float)
        Middle of the hole or of the face [mm, RAS+].
    normal : str
        Where the zeros lie as seen from the face, such as ``"above"``; empty for a hole.
    """

    kind: Literal["hole", "gap", "cut"]
    volume_ml: float | None
    area_cm2: float | None
    center_mm: tuple[float, float, float]
    normal: str = ""


def find_missing_data(image: Volume) -> tuple[MissingData, ...]:
    """The largest hole, the largest gap and the largest cut of a skull-stripped image or of a brain mask, if there are.

    Parameters
    ----------
    image : Volume
        (X, Y, Z), 0 outside the brain; in RAS+ order, so that directions have their names.
    """
    inside = image.data != 0
    if not inside.any():
        return ()
    window = slices_of(widened(box_of(inside), 1, image.grid.shape))
    start = np.array([each.start for each in window])
    part, values, grid = inside[window], image.data[window], image.grid
    faces = list(_flat_faces(part, grid, start))
    hole = _largest_hole(part, values, grid, start)
    gap = max((face for face in faces if face.kind == "gap"), key=lambda face: face.volume_ml or 0.0, default=None)
    cut = max((face for face in faces if face.kind == "cut"), key=lambda face: face.area_cm2 or 0.0, default=None)
    if hole is not None and gap is not None and (gap.volume_ml or 0.0) <= 1.5 * (hole.volume_ml or 0.0):
        gap = None  # two sides of one hole
    return tuple(found for found in (hole, gap, cut) if found is not None)


def _largest_hole(inside: _Mask, values: NDArray[Any], grid: Grid, start: NDArray[np.intp]) -> MissingData | None:
    """Zeros that no way of more than four voxels' width leads to from outside, in tissue that is not dark."""
    enclosed = _enclosed(inside)
    if not enclosed.any():
        return None
    pieces, _ = ndimage.label(enclosed)
    sizes_ml = np.bincount(pieces.ravel())[1:] * grid.voxel_volume_ml
    if sizes_ml.max() < _LEAST_HOLE_ML:
        return None
    is_mask = values.dtype == bool
    levels = np.zeros(0) if is_mask else np.quantile(values[inside], [_DARK_RANK])
    for piece in np.argsort(-sizes_ml) + 1:
        if sizes_ml[piece - 1] < _LEAST_HOLE_ML:
            return None
        hole = pieces == piece
        rim = values[ndimage.binary_dilation(hole) & inside]
        if is_mask or np.median(rim) > levels[0]:
            center = start + np.argwhere(hole).mean(axis=0)
            return MissingData(
                kind="hole",
                volume_ml=float(sizes_ml[piece - 1]),
                area_cm2=None,
                center_mm=_point(grid, center),
            )
    return None


def _enclosed(inside: _Mask) -> _Mask:
    """Zeros that are cut off from the outside, or would be without leaks; those thinner than a leak are left out."""
    margin = _LEAK_VOXELS + 1
    zeros = np.pad(~inside, margin, constant_values=True)
    wide = zeros
    for _ in range(_LEAK_VOXELS):
        wide = _eroded(wide)
    pieces, _ = ndimage.label(wide)
    apart = wide & (pieces != pieces[0, 0, 0])
    if not apart.any():
        return np.zeros_like(inside)
    for _ in range(3 * _LEAK_VOXELS):  # back to the corners of a block; into a leak for as many voxels
        apart = ~_eroded(~apart) & zeros
    middle = slice(margin, -margin)
    return apart[middle, middle, middle]


def _eroded(mask: _Mask) -> _Mask:
    """Voxels of a mask whose six neighbors belong to it, too; beyond the array everything does."""
    kept = mask.copy()
    for axis in range(3):
        there, here = [slice(None)] * 3, [slice(None)] * 3
        there[axis], here[axis] = slice(1, None), slice(None, -1)
        kept[tuple(here)] &= mask[tuple(there)]
        kept[tuple(there)] &= mask[tuple(here)]
    return kept


def _flat_faces(inside: _Mask, grid: Grid, start: NDArray[np.intp]) -> Iterator[MissingData]:
    """Faces of the mask across an axis that are larger than those of heads, seen from their tissue outwards."""
    for axis in range(3):
        spacing_mm = grid.spacing_mm[axis]
        face_mm2 = 1000.0 * grid.voxel_volume_ml / spacing_mm
        least = _LEAST_FACE_MM2 * max(1.0, spacing_mm) / face_mm2
        for outwards, words in ((1, ("right of", "in front of", "above")), (-1, ("left of", "behind", "below"))):
            along = np.moveaxis(inside, axis, 0)[::outwards]
            ends = along[:-1] & ~along[1:]
            for place in np.flatnonzero(np.count_nonzero(ends, axis=(1, 2)) >= least):
                patches, _ = ndimage.label(ends[place])
                sizes = np.bincount(patches.ravel())[1:]
                patch = patches == np.argmax(sizes) + 1
                if sizes.max() < least:
                    continue
                behind = along[place + 1 :, patch]
                has_tissue = behind.any(axis=0)
                is_gap = np.count_nonzero(has_tissue) >= 0.5 * sizes.max()
                volume = float(behind.argmax(axis=0)[has_tissue].sum()) * grid.voxel_volume_ml
                index = place if outwards == 1 else len(along) - 1 - place
                center = np.insert(np.argwhere(patch).mean(axis=0), axis, index)
                yield MissingData(
                    kind="gap" if is_gap else "cut",
                    volume_ml=volume if is_gap else None,
                    area_cm2=float(sizes.max()) * face_mm2 / 100.0,
                    center_mm=_point(grid, start + center),
                    normal=words[axis],
                )


def _point(grid: Grid, voxel: NDArray[np.float64]) -> tuple[float, float, float]:
    x_mm, y_mm, z_mm = (float(each) for each in grid.world_of(voxel))
    return x_mm, y_mm, z_mm
