"""Masks as contours in planes, and contours as solids.

Tracing: per slice the lines on which a field, linear between voxel centers, crosses a level. A center is inside exactly
where the field is above the level, so whoever fills the contours at the centers gets the mask back.

Filling: even-odd (a contour inside another is a hole), at pixel centers.

Solids (the volume rule of everything that is read or measured): between two planes the signed distances to the contours
are interpolated linearly. Beyond its last plane a piece tapers as between the last two, and ends after half a plane
distance at most. Planes lie at
the smallest distance that occurs; where one of them has no contour, there is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.errors import DicomError
from gliofield.grid import Grid
from gliofield.volume import Volume

Loop = NDArray[np.float64]
# Points nearer than this to the line through their neighbors say nothing [pixels].
_STRAIGHT = 1e-9
# Contours of one plane differ by no more [mm]; coordinates have some six digits.
_IN_PLANE_MM = 0.05
# Values this near to the level, as a part of it, are moved away from it: by a fiftieth of a voxel at most.
_NEAR = 0.02
_NOWHERE_MM = -1e6
_FINEST_STEP_MM, _COARSEST_STEP_MM, _STEPS_ACROSS = 0.4, 1.5, 250


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """One connected part of a structure in one slice, (column, row) of its corners.

    Parameters
    ----------
    slice_index : int
        The slice.
    outer : (n, 2) array
        Its border, without the first point again at the end.
    holes : tuple of (m, 2) array
        Borders of its holes, run the other way round.
    """

    slice_index: int
    outer: Loop
    holes: tuple[Loop, ...]

    def with_keyholes(self) -> Loop:
        """One loop that reaches each hole by a channel of no width, and comes back by it."""
        loop, left = self.outer, list(self.holes)
        while left:
            gaps = [np.linalg.norm(loop[:, None] - hole[None], axis=2) for hole in left]
            number = int(np.argmin([gap.min() for gap in gaps]))
            at, there = np.unravel_index(int(np.argmin(gaps[number])), gaps[number].shape)
            hole = np.roll(left.pop(number), -int(there), axis=0)
            loop = np.concatenate([loop[: at + 1], hole, hole[:1], loop[at:]])
        return loop


def trace(field: NDArray[np.floating], level: float = 0.5) -> list[Piece]:
    """Contours of ``field > level`` in every slice.

    Parameters
    ----------
    field : (columns, rows, slices) array
        Values at voxel centers, such as an interpolated mask; 0 beyond the border.
    level : float
        Threshold, > 0.
    """
    import contourpy

    pieces = []
    for number in range(field.shape[2]):
        plane = field[:, :, number]
        if not (plane > level).any():
            continue
        padded = np.pad(plane.astype(np.float64), 1)
        # What is all but on the level is moved off it, to its own side, so that no loop is smaller than rounding.
        near = np.abs(padded - level) < _NEAR * level
        padded[near] = np.where(padded[near] > level, 1.0 + _NEAR, 1.0 - _NEAR) * level
        found = contourpy.contour_generator(z=padded.T, fill_type=contourpy.FillType.OuterOffset)
        for points, offsets in zip(*found.filled(level, np.inf), strict=True):
            loops = [_simplified(points[a:b] - 1.0) for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
            pieces.append(Piece(slice_index=number, outer=loops[0], holes=tuple(loops[1:])))
    return pieces


def filled(loops: Sequence[Loop], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixel centers inside loops by the even-odd rule, (columns, rows)."""
    columns, rows = shape
    crossings = np.zeros((columns + 1, rows), dtype=np.int64)
    for loop in loops:
        start, end = loop, np.roll(loop, -1, axis=0)
        low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
        first, stop = (np.clip(np.ceil(each), 0, rows).astype(np.int64) for each in (low, high))
        counts = np.maximum(stop - first, 0)
        edge = np.repeat(np.arange(len(loop)), counts)
        row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
        slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
        column = np.ceil(start[edge, 0] + (row - start[edge, 1]) * slope)
        np.add.at(crossings, (np.clip(column, 0, columns).astype(np.int64), row), 1)
    return np.asarray(np.cumsum(crossings[:-1], axis=0) % 2 == 1)


def solid_of(loops_mm: Sequence[Loop], *, name: str, thickness_mm: float | None = None) -> Volume:
    """Signed depth [mm] of the solid that planar contours describe, float32: positive inside, see the module.

    Parameters
    ----------
    loops_mm : sequence of (n, 3) array
        Closed contours [mm, RAS+], all parallel.
    name : str
        The structure, for errors.
    thickness_mm : float, optional
        Distance of the planes if there is only one.

    Raises
    ------
    DicomError
        If the contours are not planar and parallel, or a single plane has no thickness.
    """
    frame, planes = _planes(loops_mm, name)
    heights = np.array(sorted(planes))
    gaps = np.diff(heights)
    if not len(gaps) and thickness_mm is None:
        raise DicomError(
            f"structure {name} has contours in a single plane: expected two or more to tell its thickness."
        )
    spacing = float(gaps.min()) if len(gaps) else float(thickness_mm or 0.0)
    points = np.concatenate([loop for loops in planes.values() for loop in loops])
    low, high = points.min(axis=0), points.max(axis=0)
    step = float(np.clip((high - low).max() / _STEPS_ACROSS, _FINEST_STEP_MM, _COARSEST_STEP_MM))
    shape = tuple(int(n) for n in np.ceil((high - low) / step) + 8)
    start = low - 3.5 * step
    number_of = {height: round((height - heights[0]) / spacing) + 1 for height in planes}
    depth = np.full((*shape, max(number_of.values()) + 2), -np.inf, dtype=np.float32)
    for height, loops in planes.items():
        inside = filled([(loop - start) / step for loop in loops], (shape[0], shape[1]))
        depth[:, :, number_of[height]] = _signed_distance(inside, step)
    _cap(depth)
    affine = np.eye(4)
    affine[:3, :3] = frame.T * (step, step, spacing)
    affine[:3, 3] = np.array([*start, heights[0] - spacing]) @ frame
    return Volume(depth, Grid(depth.shape, affine))


def _planes(loops_mm: Sequence[Loop], name: str) -> tuple[NDArray[np.float64], dict[float, list[Loop]]]:
    """Axes of the planes as rows (two inside, the normal), and the contours of each height in them."""
    largest = max(loops_mm, key=lambda loop: float(np.ptp(loop, axis=0).sum()))
    middle = largest - largest.mean(axis=0)
    _, _, frame = np.linalg.svd(middle, full_matrices=True)
    normal = frame[2] * np.sign(frame[2][np.argmax(np.abs(frame[2]))])
    # Axes near those of the world, so that a structure of an axial scan lies on an axial grid.
    first = np.eye(3)[np.argmin(np.abs(normal))]
    first = first - (first @ normal) * normal
    first /= np.linalg.norm(first)
    frame = np.stack([first, np.cross(normal, first), normal])
    planes: dict[float, list[Loop]] = {}
    for loop in loops_mm:
        heights = loop @ normal
        if np.ptp(heights) > _IN_PLANE_MM:
            raise DicomError(
                f"structure {name}: contours are not planar and parallel (off by {np.ptp(heights):.2g} mm): expected "
                "contours in parallel planes. Export it from the series on which it was drawn."
            )
        height = float(heights.mean())
        known = next((each for each in planes if abs(each - height) <= _IN_PLANE_MM), height)
        planes.setdefault(known, []).append(loop @ frame[:2].T)
    return frame, planes


def _signed_distance(inside: NDArray[np.bool_], step_mm: float) -> NDArray[np.float32]:
    """Distance to the border [mm], positive inside; the border runs halfway between pixel centers."""
    if not inside.any():
        return np.full(inside.shape, -np.inf, dtype=np.float32)
    within = ndimage.distance_transform_edt(inside)
    beyond = ndimage.distance_transform_edt(~inside)
    return np.asarray((within - beyond - np.where(inside, 0.5, -0.5)) * step_mm, dtype=np.float32)


def _cap(depth: NDArray[np.float32]) -> None:
    """Fill planes without contours so that a shape ends between them and its last plane.

    At most halfway (the last depth, mirrored), and earlier where it tapers (extrapolated from the last two).
    """
    source, count = depth.copy(), depth.shape[2]
    is_empty = np.isneginf(source[0, 0])
    for number in np.flatnonzero(is_empty):
        ends = [np.full(depth.shape[:2], _NOWHERE_MM, dtype=np.float32)]
        for step in (-1, 1):
            last, before = number + step, number + 2 * step
            if 0 <= last < count and not is_empty[last]:
                end = -np.abs(source[:, :, last])
                if 0 <= before < count and not is_empty[before]:
                    end = np.minimum(end, 2.0 * source[:, :, last] - source[:, :, before])
                ends.append(end)
        depth[:, :, number] = np.min(ends[1:], axis=0) if len(ends) > 1 else ends[0]


def _simplified(points: Loop) -> Loop:
    """A closed loop without the repeated first point and without points on straight lines."""
    loop = points[:-1]
    before, after = loop - np.roll(loop, 1, axis=0), np.roll(loop, -1, axis=0) - loop
    bend = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
    kept = loop[bend > _STRAIGHT]
    return kept if len(kept) >= 3 else loop
