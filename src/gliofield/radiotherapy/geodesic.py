"""Distance through tissue: the length of the shortest way that stays in a region and passes no wall.

    d(x) = min over ways γ from x to the source, inside the region, through no wall, of the length of γ     [mm]

A margin is a set {d ≤ m}. Where nothing is in the way it is the Euclidean distance between voxel centers. Behind a
corner the way is bent around it: a voxel that sees no voxel of the source looks at the last corner, whose own distance
is known (any-angle search). Regions are masks of voxels; walls are thinner than any voxel: two voxels of different
compartments have a wall between them, unless one of them is a bridge (compartment 0). So a wall has no holes on any
grid, which a sheet of voxels has as soon as it is moved.

Why not fast marching: its stencil knows the straight way to the next voxels only, and so errs by half a voxel within a
margin (`benchmarks/radiotherapy/bench_geodesic.py`); and it would need walls of voxels.

References
----------
.. [1] Nash, Daniel, Koenig, Felner (2007), Theta*: any-angle path planning on grids, AAAI, 1177-1183.
.. [2] Shusharina et al. (2020), Automated delineation of the clinical target volume using anatomically constrained 3D
   expansion of the gross tumor volume, doi:10.1016/j.radonc.2020.01.028: shortest ways around barriers.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gliofield.box import box_of, slices_of, widened
from gliofield.compiled import compiled
from gliofield.errors import ParameterError

# How much shorter another way has to be to be worth a look [mm].
_LEAST_GAIN_MM = 1e-4
# Points per voxel at which a straight way is looked at.
_POINTS_PER_VOXEL = 2


def geodesic_distance_mm(
    source: NDArray[np.bool_],
    region: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    *,
    compartments: NDArray[np.uint8] | None = None,
    largest_mm: float = np.inf,
) -> NDArray[np.float32]:
    """Length of the shortest way from each voxel to the source [mm], (X, Y, Z); infinite where there is none.

    Parameters
    ----------
    source : (X, Y, Z) bool array
        Where the distance is 0; not empty. Ways start there whether or not it lies in the region.
    region : (X, Y, Z) bool array
        Where ways may go.
    spacing_mm : 3 float
        Spacing of the voxels [mm], > 0.
    compartments : (X, Y, Z) uint8 array, optional
        Between voxels of different compartments is a wall; 0 is a bridge, open to all. None: no walls.
    largest_mm : float
        Distances above this are not looked for, and are infinite [mm].

    Raises
    ------
    ParameterError
        If the shapes differ, the source is empty or a spacing is not positive.

    Examples
    --------
    >>> region = np.ones((5, 3, 1), dtype=bool)
    >>> region[2, :2] = False  # a wall with a window at its end
    >>> source = np.zeros_like(region)
    >>> source[1, 0] = True
    >>> round(float(geodesic_distance_mm(source, region, (1.0, 1.0, 1.0))[3, 0, 0]), 1)  # around it; straight it is 2
    4.7
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    walls = np.zeros(source.shape, dtype=np.uint8) if compartments is None else compartments
    if not source.shape == region.shape == walls.shape or source.ndim != 3:
        raise ParameterError(
            f"source, region and compartments must be (X, Y, Z) arrays of one shape, got {source.shape}, "
            f"{region.shape} and {walls.shape}."
        )
    if not source.any():
        raise ParameterError("source is empty: expected at least one voxel to measure the distance from.")
    if spacing.shape != (3,) or not np.all(spacing > 0.0):
        raise ParameterError(f"spacing_mm must be three lengths > 0 [mm], got {tuple(spacing_mm)}.")
    distance = np.full(source.shape, np.inf, dtype=np.float32)
    box = box_of(source)
    if np.isfinite(largest_mm):
        reach = [int(np.ceil(largest_mm / step)) + 2 for step in spacing]
        x, y, z = (
            (max(start - more, 0), min(stop + more, length))
            for (start, stop), more, length in zip(box, reach, source.shape, strict=True)
        )
        box = (x, y, z)
    else:
        box = widened(box, max(source.shape), source.shape)
    window = slices_of(box)
    # One diagonal farther: the nearest voxel of the source may be known only to a neighbor beyond.
    found = _spread(
        np.ascontiguousarray(source[window]),
        np.ascontiguousarray(region[window]),
        np.ascontiguousarray(walls[window]),
        spacing,
        float(largest_mm + np.linalg.norm(spacing)),
    )
    found[found > largest_mm] = np.inf
    distance[window] = found
    return distance


@compiled
def _may_pass(one: int, other: int) -> bool:
    """Whether there is no wall between two compartments."""
    return one == other or one == 0 or other == 0


@compiled
def _is_straight(
    open_: NDArray[np.bool_], walls: NDArray[np.uint8], x: int, y: int, z: int, x1: int, y1: int, z1: int
) -> bool:
    """Whether the straight way from the first voxel to the second stays where it may go; the ends may."""
    dx, dy, dz = x1 - x, y1 - y, z1 - z
    steps = max(abs(dx), abs(dy), abs(dz)) * _POINTS_PER_VOXEL
    before = walls[x, y, z]
    for step in range(1, steps + 1):
        part = step / steps
        i = int(np.floor(x + part * dx + 0.5))
        j = int(np.floor(y + part * dy + 0.5))
        k = int(np.floor(z + part * dz + 0.5))
        if not open_[i, j, k]:
            return False
        here = walls[i, j, k]
        if not _may_pass(before, here):
            return False
        before = here
    return True


@compiled
def _is_surface(source: NDArray[np.bool_], x: int, y: int, z: int) -> bool:
    """Whether a voxel of the source has a neighbor that is none, or lies on the edge of the array."""
    for axis in range(3):
        for step in (-1, 1):
            i, j, k = x + step * (axis == 0), y + step * (axis == 1), z + step * (axis == 2)
            if not (0 <= i < source.shape[0] and 0 <= j < source.shape[1] and 0 <= k < source.shape[2]):
                return True
            if not source[i, j, k]:
                return True
    return False


@compiled
def _spread(
    source: NDArray[np.bool_],
    region: NDArray[np.bool_],
    walls: NDArray[np.uint8],
    spacing: NDArray[np.float64],
    largest: float,
) -> NDArray[np.float32]:
    """Distances by any-angle search from all surface voxels of the source at once, nearest first."""
    nx, ny, nz = source.shape
    open_ = region | source
    distance = np.full(source.shape, np.inf)
    corner = np.full(source.shape, -1, dtype=np.int64)
    is_done = np.zeros(source.shape, dtype=np.bool_)
    waiting = [(0.0, np.int64(0)) for _ in range(0)]
    for x in range(nx):
        for y in range(ny):
            for z in range(nz):
                if source[x, y, z]:
                    distance[x, y, z] = 0.0
                    place = np.int64((x * ny + y) * nz + z)
                    corner[x, y, z] = place
                    if _is_surface(source, x, y, z):
                        waiting.append((0.0, place))
                    else:
                        is_done[x, y, z] = True
    while len(waiting) > 0:
        _, place = heapq.heappop(waiting)
        x, y, z = place // (ny * nz), (place // nz) % ny, place % nz
        if is_done[x, y, z]:
            continue
        is_done[x, y, z] = True
        seen = corner[x, y, z]
        cx, cy, cz = seen // (ny * nz), (seen // nz) % ny, seen % nz
        for a in range(max(x - 1, 0), min(x + 2, nx)):
            for b in range(max(y - 1, 0), min(y + 2, ny)):
                for c in range(max(z - 1, 0), min(z + 2, nz)):
                    if is_done[a, b, c] or not open_[a, b, c]:
                        continue
                    if not _may_pass(walls[x, y, z], walls[a, b, c]):
                        continue
                    from_corner = distance[cx, cy, cz] + np.sqrt(
                        ((a - cx) * spacing[0]) ** 2 + ((b - cy) * spacing[1]) ** 2 + ((c - cz) * spacing[2]) ** 2
                    )
                    if from_corner > largest or from_corner >= distance[a, b, c] - _LEAST_GAIN_MM:
                        continue  # a way over this voxel is no shorter than the straight one
                    if _is_straight(open_, walls, cx, cy, cz, a, b, c):
                        found, turn = from_corner, seen
                    else:
                        found = distance[x, y, z] + np.sqrt(
                            ((a - x) * spacing[0]) ** 2 + ((b - y) * spacing[1]) ** 2 + ((c - z) * spacing[2]) ** 2
                        )
                        turn = np.int64(place)
                    if found <= largest and found < distance[a, b, c] - _LEAST_GAIN_MM:
                        distance[a, b, c] = found
                        corner[a, b, c] = turn
                        heapq.heappush(waiting, (found, np.int64((a * ny + b) * nz + c)))
    return distance.astype(np.float32)
