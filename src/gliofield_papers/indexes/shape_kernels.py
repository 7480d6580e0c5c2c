"""Compiled loops over the voxels of a mask, for its shape: counts and integer sums only, so nothing is ever rounded.

Masks are uint8 arrays (X, Y, Z) of 0 and 1 with a rim of zeros, one voxel wide on all sides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled

#: Ways in which the 8 corners of a cube can be inside or outside.
NUM_CUBES = 256

_EARLIER_CORNERS = 0b01010101

Mask = NDArray[np.uint8]
Sums = NDArray[np.int64]


@compiled
def add_moments(mask: Mask, sums: Sums) -> None:
    """Add up the voxel indices of a mask and their products.

    Parameters
    ----------
    mask : (X, Y, Z) uint8 array
        The mask.
    sums : (10,) int64 array
        Zeros; filled with the sums of 1, x, y, z, xx, yy, zz, xy, xz, yz over all voxels that are set.
    """
    num_x, num_y, num_z = mask.shape
    for x in range(num_x):
        for y in range(num_y):
            count, sum_z, sum_zz = 0, 0, 0
            for z in range(num_z):
                value = int(mask[x, y, z])
                count += value
                sum_z += value * z
                sum_zz += value * z * z
            sums[0] += count
            sums[1] += count * x
            sums[2] += count * y
            sums[3] += sum_z
            sums[4] += count * x * x
            sums[5] += count * y * y
            sums[6] += sum_zz
            sums[7] += count * x * y
            sums[8] += sum_z * x
            sums[9] += sum_z * y


@compiled
def count_cubes(mask: Mask, counts: Sums, positions: Sums) -> None:
    """Count the cubes of 2×2×2 voxels by which of their corners are set, and add up where they lie.

    Corner (x, y, z) of a cube is bit 4 x + 2 y + z of its number. Cubes all inside or all outside are left out.

    Parameters
    ----------
    mask : (X, Y, Z) uint8 array
        The mask.
    counts : (256,) int64 array
        Zeros; filled with the number of cubes of each kind.
    positions : (256, 3) int64 array
        Zeros; filled with the sums of the indices of their first corners.
    """
    num_x, num_y, num_z = mask.shape
    for x in range(num_x - 1):
        for y in range(num_y - 1):
            cube = 0
            for z in range(num_z):
                # Of the cube before, the corners at its far side in z are now the near ones.
                cube = (cube >> 1) & _EARLIER_CORNERS
                cube |= (
                    mask[x, y, z] << 1 | mask[x, y + 1, z] << 3 | mask[x + 1, y, z] << 5 | mask[x + 1, y + 1, z] << 7
                )
                if cube != 0 and cube != NUM_CUBES - 1:
                    counts[cube] += 1
                    positions[cube, 0] += x
                    positions[cube, 1] += y
                    positions[cube, 2] += z - 1


@compiled
def row_ends(mask: Mask, found: NDArray[np.int32]) -> int:
    """Voxels that are the first or last of their row along all three axes; returns how many there are.

    Every corner of the convex hull is among them.

    Parameters
    ----------
    mask : (X, Y, Z) uint8 array
        The mask.
    found : (2 X Y, 3) int32 array
        Filled with their indices.
    """
    num_x, num_y, num_z = mask.shape
    first_x, last_x = np.full((num_y, num_z), num_x, np.int32), np.full((num_y, num_z), -1, np.int32)
    first_y, last_y = np.full((num_x, num_z), num_y, np.int32), np.full((num_x, num_z), -1, np.int32)
    first_z, last_z = np.full((num_x, num_y), num_z, np.int32), np.full((num_x, num_y), -1, np.int32)
    for x in range(num_x):
        for y in range(num_y):
            for z in range(num_z):
                if mask[x, y, z] != 0:
                    first_x[y, z] = min(first_x[y, z], x)
                    last_x[y, z] = x
                    first_y[x, z] = min(first_y[x, z], y)
                    last_y[x, z] = y
                    first_z[x, y] = min(first_z[x, y], z)
                    last_z[x, y] = z
    num_found = 0
    for x in range(num_x):
        for y in range(num_y):
            first, last = first_z[x, y], last_z[x, y]
            for end in range(2 if first < last else 1):
                z = last if end == 1 else first
                if last < 0 or (x != first_x[y, z] and x != last_x[y, z]):
                    continue
                if y == first_y[x, z] or y == last_y[x, z]:
                    found[num_found, 0], found[num_found, 1], found[num_found, 2] = x, y, z
                    num_found += 1
    return num_found


@compiled
def largest_squared_distance(
    centers: NDArray[np.float64], radii: NDArray[np.float64], spacing: NDArray[np.float64]
) -> float:
    """Largest squared distance of two points that lie half a voxel from voxel centers, along any axis.

    For centers apart by d and steps of h/2 along axes a and b it is |d|² + u_a + u_b for a ≠ b, |d|² + 2 u_a + h_a²/2
    for a = b, with u = h |d| + h²/4 along each axis.

    Parameters
    ----------
    centers : (P, 3) float64 array
        Voxel centers, in any unit of length.
    radii : (P,) float64 array
        Their distances from one point, largest first.
    spacing : (3,) float64 array
        The h.
    """
    # No pair is farther apart than the sum of its radii and one voxel.
    margin = spacing.max() * (1.0 + 1e-9)
    largest, root = 0.0, 0.0
    h_x, h_y, h_z = spacing[0], spacing[1], spacing[2]
    for i in range(len(radii)):
        if radii[0] + radii[i] + margin < root:
            break
        for j in range(i + 1):
            if radii[i] + radii[j] + margin < root:
                break
            d_x = abs(centers[i, 0] - centers[j, 0])
            d_y = abs(centers[i, 1] - centers[j, 1])
            d_z = abs(centers[i, 2] - centers[j, 2])
            u_x, u_y, u_z = h_x * (d_x + h_x / 4.0), h_y * (d_y + h_y / 4.0), h_z * (d_z + h_z / 4.0)
            across = u_x + u_y + u_z - min(u_x, u_y, u_z)
            along = max(2.0 * u_x + h_x * h_x / 2.0, 2.0 * u_y + h_y * h_y / 2.0, 2.0 * u_z + h_z * h_z / 2.0)
            squared = d_x * d_x + d_y * d_y + d_z * d_z + max(across, along)
            if squared > largest:
                largest, root = squared, np.sqrt(squared)
    return largest
