"""Where the voxels of a volume lie in the world.

A `Grid` is a shape and an affine `world_from_voxel` (mm, RAS+: x to the right, y to the front, z up), nothing
else. It is a value: comparable, hashable by content, serialisable as the dictionary stored in databases
(`{"shape": …, "world_from_voxel": …}`). Voxel index (i, j, k) refers to the voxel center.

What this module does not do: read files (`nifti`) or move data between grids (`resample`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gliofield.errors import GridMismatchError, ParameterError
from gliofield.units import ml_from_mm3

# Columns of an affine are called orthogonal when their cosines are below this; header rounding
# (float32 quaternions) stays two orders below it, a shear of half a degree two orders above.
_SHEAR_TOLERANCE = 1e-3
# Two grids are the same when no voxel center differs by more than this part of the smallest spacing, …
_SAME_GRID_TOLERANCE = 0.02
# … or by less than this part, where a NIfTI header would store both rotations alike: it keeps three float32 numbers of
# a quaternion, and near a half turn (an axial scan, slightly tilted) the fourth is what rounding has left of it.
_ROUNDED_GRID_TOLERANCE = 0.25
_QUATERNION_ROUNDING = 4e-7


@dataclass(frozen=True, eq=False)
class Grid:
    """Shape and position of a volume.

    Parameters
    ----------
    shape : tuple of 3 int
        Number of voxels along the array axes, each ≥ 1.
    world_from_voxel : (4, 4) array
        Affine from voxel index to world position [mm, RAS+]. Its axes may be permuted, flipped and rotated,
        but not sheared.

    Raises
    ------
    ParameterError
        If the shape is not three positive integers, or the affine is not finite, singular or sheared.

    Examples
    --------
    >>> grid = Grid(shape=(4, 4, 4), world_from_voxel=np.diag([2.0, 2.0, 2.0, 1.0]))
    >>> grid.spacing_mm, grid.orientation
    ((2.0, 2.0, 2.0), 'RAS')
    """

    shape: tuple[int, int, int]
    world_from_voxel: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise ParameterError(f"Grid: shape must be three positive integers (X, Y, Z), got {tuple(self.shape)}.")
        # Adding 0 turns -0 into 0: equal grids must have equal bytes, for their hashes.
        affine = np.array(self.world_from_voxel, dtype=np.float64) + 0.0
        _check_affine(affine)
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "world_from_voxel", affine)

    @classmethod
    def axis_aligned(
        cls, shape: Sequence[int] | NDArray[np.integer], spacing_mm: ArrayLike, origin_mm: ArrayLike
    ) -> Grid:
        """RAS+ grid with the given spacing [mm] whose voxel (0, 0, 0) is centered at `origin_mm`."""
        spacing = np.broadcast_to(np.asarray(spacing_mm, dtype=np.float64), 3)
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = origin_mm
        return cls(shape=tuple(shape), world_from_voxel=affine)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Grid:
        """Grid from its stored form, the inverse of `to_dict`."""
        return cls(shape=tuple(stored["shape"]), world_from_voxel=np.array(stored["world_from_voxel"]))

    def to_dict(self) -> dict[str, Any]:
        """Stored form: `{"shape": [X, Y, Z], "world_from_voxel": 4 x 4 nested list}`."""
        return {"shape": list(self.shape), "world_from_voxel": self.world_from_voxel.tolist()}

    @cached_property
    def voxel_from_world(self) -> NDArray[np.float64]:
        """Affine from world position [mm] to (fractional) voxel index."""
        return np.asarray(np.linalg.inv(self.world_from_voxel), dtype=np.float64)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighboring voxel centers along each array axis [mm]."""
        x, y, z = np.linalg.norm(self.world_from_voxel[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def is_isotropic(self) -> bool:
        """Whether the three spacings agree to 0.1 %."""
        return max(self.spacing_mm) <= 1.001 * min(self.spacing_mm)

    @property
    def num_voxels(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape))

    @cached_property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel [ml]."""
        return ml_from_mm3(float(abs(np.linalg.det(self.world_from_voxel[:3, :3]))))

    @cached_property
    def orientation(self) -> str:
        """World direction of each array axis, such as ``"RAS"`` or ``"LPS"``."""
        axes, flips = _closest_axes(self.world_from_voxel)
        letters = ("LR", "PA", "IS")
        return "".join(letters[axis][0 if flip else 1] for axis, flip in zip(axes, flips, strict=True))

    @property
    def center_mm(self) -> NDArray[np.float64]:
        """World position of the center of the field of view, shape (3,) [mm]."""
        return self.world_of((np.array(self.shape) - 1) / 2)

    def world_of(self, voxels: ArrayLike) -> NDArray[np.float64]:
        """World positions [mm] of (fractional) voxel indices, both of shape (..., 3)."""
        points = np.asarray(voxels, dtype=np.float64)
        return points @ self.world_from_voxel[:3, :3].T + self.world_from_voxel[:3, 3]

    def voxel_of(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Fractional voxel indices of world positions [mm], both of shape (..., 3)."""
        points = np.asarray(points_mm, dtype=np.float64)
        return points @ self.voxel_from_world[:3, :3].T + self.voxel_from_world[:3, 3]

    def contains(self, point_mm: ArrayLike) -> bool:
        """Whether a world position [mm] lies in the field of view (voxel edges included)."""
        voxel = self.voxel_of(point_mm)
        return bool(np.all(voxel >= -0.5) and np.all(voxel <= np.array(self.shape) - 0.5))

    def is_same_as(self, other: Grid) -> bool:
        """Whether both grids have the same shape and differ by what rounding in headers does, no more.

        No voxel center may differ by more than 2 % of the smallest spacing; by up to 25 % where the two are one
        rotation to the precision of the quaternion in a NIfTI header, as are the sform and qform of one file.
        """
        if self.shape != other.shape:
            return False
        gap, spacing = self.largest_gap_mm(other), min(*self.spacing_mm, *other.spacing_mm)
        if gap <= _SAME_GRID_TOLERANCE * spacing:
            return True
        if gap > _ROUNDED_GRID_TOLERANCE * spacing:
            return False
        lengths = np.subtract(self.spacing_mm, other.spacing_mm) * (np.array(self.shape) - 1)
        origins = self.world_from_voxel[:3, 3] - other.world_from_voxel[:3, 3]
        has_equal_frame = max(np.abs(lengths).max(), np.linalg.norm(origins)) <= _SAME_GRID_TOLERANCE * spacing
        return bool(has_equal_frame) and _is_same_quaternion(self.world_from_voxel, other.world_from_voxel)

    def largest_gap_mm(self, other: Grid) -> float:
        """Largest distance between the centers of a voxel of this grid and of the same one of another [mm]."""
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T
        return float(np.linalg.norm(self.world_of(corners) - other.world_of(corners), axis=-1).max())

    def require_same_as(self, other: Grid, *, self_name: str, other_name: str) -> None:
        """Raise `GridMismatchError`, naming both grids, unless they are the same.

        Raises
        ------
        GridMismatchError
            With shape, spacing, orientation and origin of both grids, and how far they are apart.
        """
        if not self.is_same_as(other):
            gap = (
                f"The same voxel lies up to {self.largest_gap_mm(other):.2g} mm apart in them. "
                if self.shape == other.shape
                else ""
            )
            width = max(len(self_name), len(other_name))
            raise GridMismatchError(
                f"{self_name} and {other_name} lie on different grids:\n"
                f"  {self_name:<{width}}  {self.describe()}\n"
                f"  {other_name:<{width}}  {other.describe()}\n"
                f"{gap}Resample one of them onto the grid of the other first."
            )

    def describe(self) -> str:
        """One line: shape, spacing, orientation, origin."""
        spacing = ", ".join(f"{s:g}" for s in np.round(self.spacing_mm, 4))
        origin = ", ".join(f"{o:g}" for o in np.round(self.world_from_voxel[:3, 3], 3))
        return f"shape {self.shape}  spacing ({spacing}) mm  {self.orientation}  origin ({origin}) mm"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return self.shape == other.shape and np.array_equal(self.world_from_voxel, other.world_from_voxel)

    def __hash__(self) -> int:
        return hash((self.shape, self.world_from_voxel.tobytes()))


def reoriented_to_ras(grid: Grid) -> tuple[Grid, tuple[int, int, int], tuple[bool, bool, bool]]:
    """Grid with the same voxels whose array axes run most nearly to R, A and S.

    Returns
    -------
    ras_grid : Grid
        The reoriented grid.
    order : tuple of 3 int
        `order[w]` is the array axis of `grid` that becomes axis w of `ras_grid` (argument of `np.transpose`).
    flips : tuple of 3 bool
        Whether axis w is reversed after the transposition.
    """
    axes, flipped = _closest_axes(grid.world_from_voxel)
    order = tuple(int(np.flatnonzero(np.array(axes) == world)[0]) for world in range(3))
    flips = tuple(bool(flipped[axis]) for axis in order)
    old_from_new = np.zeros((4, 4))
    old_from_new[3, 3] = 1.0
    for new_axis, (old_axis, flip) in enumerate(zip(order, flips, strict=True)):
        old_from_new[old_axis, new_axis] = -1.0 if flip else 1.0
        old_from_new[old_axis, 3] = grid.shape[old_axis] - 1 if flip else 0.0
    shape = tuple(grid.shape[axis] for axis in order)
    return Grid(shape, grid.world_from_voxel @ old_from_new), order, flips  # type: ignore[arg-type,return-value]


def _closest_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """World axis nearest to each array axis, and whether it runs against it.

    Taken greedily by the largest cosine, so that every world axis is used once even for oblique grids.
    """
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    axes, flips = [0, 0, 0], [False, False, False]
    remaining = np.abs(cosines)
    for _ in range(3):
        world, axis = np.unravel_index(np.argmax(remaining), (3, 3))
        axes[axis], flips[axis] = int(world), bool(cosines[world, axis] < 0)
        remaining[world, :] = -1.0
        remaining[:, axis] = -1.0
    return tuple(axes), tuple(flips)


def _is_same_quaternion(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Whether the rotations of two affines agree in the three numbers of their quaternions that NIfTI stores."""
    from scipy.spatial.transform import Rotation

    parts = []
    for affine in (first, second):
        axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(axes))])
        parts.append(Rotation.from_matrix(axes @ mirror).as_quat()[:3])
    # A quaternion and its negative are one rotation.
    gap = min(np.abs(parts[0] - parts[1]).max(), np.abs(parts[0] + parts[1]).max())
    return bool(gap <= _QUATERNION_ROUNDING)


def _check_affine(affine: NDArray[np.float64]) -> None:
    if affine.shape != (4, 4) or not np.all(np.isfinite(affine)):
        raise ParameterError(
            f"Grid: world_from_voxel must be a finite 4 x 4 affine, got shape {affine.shape}:\n{affine}"
        )
    if not np.array_equal(affine[3], [0.0, 0.0, 0.0, 1.0]):
        raise ParameterError(f"Grid: the last row of world_from_voxel must be 0 0 0 1, got {affine[3]}.")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if np.any(lengths < 1e-6):
        raise ParameterError(f"Grid: world_from_voxel is singular: voxel spacings {lengths} mm.")
    cosines = affine[:3, :3] / lengths
    shear = np.abs(cosines.T @ cosines - np.eye(3)).max()
    if shear > _SHEAR_TOLERANCE:
        raise ParameterError(
            f"Grid: world_from_voxel is sheared: array axes must be orthogonal (cosine ≤ {_SHEAR_TOLERANCE:g}), "
            f"got a cosine of {shear:.3g}. The image was probably saved with an affine registration in its "
            "header. Resample it to an orthogonal grid first."
        )
