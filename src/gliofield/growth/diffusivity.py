"""Face coefficients: how easily cells pass from each voxel to its six neighbors.

Between two voxels of the domain the coefficient is the harmonic mean of their diffusivities (two-point flux, exact for
a one-dimensional interface between two media); a face to a voxel outside the domain has coefficient 0, which is the
zero-flux condition. Each face is stored once and used by both its voxels, so no cells are lost on the way.

Coefficients are proportional to D_w. They are stored for D_w = 1 mm²/day, on the bounding box of the domain with one
voxel of zeros around it, and kept as long as the anatomy lives: thousands of tumors in one brain share them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.box import box_of, slices_of
from gliofield.growth.parameters import ISOTROPIC

# Row extents of a row without voxels: a start beyond every index and a stop of 0.
EMPTY_START, EMPTY_STOP = 1 << 20, 0
# Ratios kept per anatomy; a study uses one or two.
_MAX_KEPT_RATIOS = 4
#: Factors of the diffusivity along x, y and z.
Stretch = tuple[float, float, float]
_lock = threading.Lock()
_kept: WeakKeyDictionary[Anatomy, OrderedDict[tuple[float, Stretch], FaceCoefficients]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceCoefficients:
    """Coefficients at D_w = 1 mm²/day on the padded bounding box of the domain.

    Parameters
    ----------
    x, y, z : float32 arrays of shape (X', Y', Z')
        Coefficient of the face between a voxel and its predecessor along the axis [1]. X' is the extent of the
        domain plus 2; likewise Y', Z'. All read-only.
    box : tuple of 3 slice
        Where the box without its padding lies in the arrays of the anatomy.
    grid_shape : tuple of 3 int
        Shape of those arrays.
    row_start, row_stop : int32 arrays of shape (X', Y')
        Extent of the domain along z in each row, as indices into the padded box.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    z: NDArray[np.float32]
    box: tuple[slice, slice, slice]
    grid_shape: tuple[int, int, int]
    row_start: NDArray[np.int32]
    row_stop: NDArray[np.int32]

    @cached_property
    def max_face_sum(self) -> float:
        """Largest sum of the six coefficients of a voxel; 6 inside uniform white matter."""
        face_sum = self.x + self.y + self.z
        face_sum[:-1] += self.x[1:]
        face_sum[:, :-1] += self.y[:, 1:]
        face_sum[:, :, :-1] += self.z[:, :, 1:]
        return float(face_sum.max())

    def padded(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Part of an (X, Y, Z) array inside the box, with one voxel of zeros around it."""
        return np.pad(volume[self.box].astype(np.float32, copy=False), 1)

    def unpadded_into(self, target: NDArray[np.float32], padded: NDArray[np.float32]) -> None:
        """Write a padded box into its place in an (X, Y, Z) array."""
        target[self.box] = padded[1:-1, 1:-1, 1:-1]


def face_coefficients(
    anatomy: Anatomy, diffusivity_ratio: float, axis_stretch: Stretch = ISOTROPIC
) -> FaceCoefficients:
    """Coefficients of an anatomy at a ratio D_w / D_g, computed once per anatomy object, ratio and stretch.

    The arrays of the anatomy must not be changed afterwards; make a new `Anatomy` instead.
    """
    key = (diffusivity_ratio, axis_stretch)
    with _lock:
        of_anatomy = _kept.setdefault(anatomy, OrderedDict())
        if key in of_anatomy:
            of_anatomy.move_to_end(key)
            return of_anatomy[key]
    made = make_face_coefficients(anatomy, diffusivity_ratio, axis_stretch)
    with _lock:
        of_anatomy[key] = made
        while len(of_anatomy) > _MAX_KEPT_RATIOS:
            of_anatomy.popitem(last=False)
    return made


def make_face_coefficients(
    anatomy: Anatomy, diffusivity_ratio: float, axis_stretch: Stretch = ISOTROPIC
) -> FaceCoefficients:
    """As `face_coefficients`, computed anew and not kept."""
    diffusivity = anatomy.white_matter + anatomy.gray_matter * np.float32(1.0 / diffusivity_ratio)
    return faces_between(diffusivity, anatomy.domain, axis_stretch)


def faces_between(
    diffusivity: NDArray[np.float32], domain: NDArray[np.bool_], axis_stretch: Stretch = ISOTROPIC
) -> FaceCoefficients:
    """Coefficients of a `diffusivity` relative to D_w in a `domain` that is not empty, both (X, Y, Z).

    A stretch multiplies the faces across each axis: every face keeps one coefficient for both its voxels, so no cells
    are lost, and all coefficients stay ≥ 0.
    """
    box = slices_of(box_of(domain))
    cells = np.pad(np.where(domain, diffusivity, 0.0)[box].astype(np.float32), 1)
    x, y, z = (
        np.float32(factor) * _harmonic_mean_with_predecessor(cells, axis) for axis, factor in enumerate(axis_stretch)
    )
    return _coefficients(np.pad(domain[box], 1), (x, y, z), box, domain.shape)


def faces_on(padded_domain: NDArray[np.bool_], faces: NDArray[np.float32]) -> FaceCoefficients:
    """Coefficients (3, X', Y', Z') that were found elsewhere, on a whole array and its padding (X', Y', Z')."""
    num_x, num_y, num_z = (extent - 2 for extent in padded_domain.shape)
    box = (slice(0, num_x), slice(0, num_y), slice(0, num_z))
    return _coefficients(padded_domain, (faces[0], faces[1], faces[2]), box, (num_x, num_y, num_z))


def _coefficients(
    inside: NDArray[np.bool_],
    faces: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
    box: tuple[slice, slice, slice],
    grid_shape: tuple[int, int, int],
) -> FaceCoefficients:
    x, y, z = faces
    occupied = inside.any(axis=2)
    row_start = np.where(occupied, inside.argmax(axis=2), EMPTY_START).astype(np.int32)
    row_stop = np.where(occupied, inside.shape[2] - inside[:, :, ::-1].argmax(axis=2), EMPTY_STOP).astype(np.int32)
    for array in (x, y, z, row_start, row_stop):
        array.setflags(write=False)
    return FaceCoefficients(
        x=x,
        y=y,
        z=z,
        box=box,
        grid_shape=grid_shape,
        row_start=row_start,
        row_stop=row_stop,
    )


def _harmonic_mean_with_predecessor(cells: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """2 a b / (a + b) of each voxel and its predecessor along the axis; 0 where either is 0."""
    own = np.moveaxis(cells, axis, 0)[1:]
    previous = np.moveaxis(cells, axis, 0)[:-1]
    both = (own > 0.0) & (previous > 0.0)
    faces = np.zeros_like(cells)
    np.moveaxis(faces, axis, 0)[1:] = np.where(both, 2.0 * own * previous / np.where(both, own + previous, 1.0), 0.0)
    return faces
