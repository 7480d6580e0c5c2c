"""Compiled loops that sample volumes through an affine map and a displacement field.

One pass over the target voxels, no coordinate arrays: a 240³ volume takes about a second and no memory beyond
its result. `transform` owns the meaning of the matrices; here everything is in voxel indices, and every matrix
is named `to_from`.

Rules at the border, with their twins elsewhere: samples outside the source are 0, as in `gliofield.resample`;
displacements outside their field are 0 and held constant over the outer half voxel, as in ITK.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gliofield.compiled import kept_safely

# Indices may miss the first or last voxel center by this much [voxel], for affines rounded in headers.
_EDGE_TOLERANCE = 1e-4


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile with a disk cache, or without one where no folder is writable (read-only clusters)."""
    try:
        return kept_safely(njit(cache=True, nogil=True)(function))
    except RuntimeError:
        return njit(nogil=True)(function)


@_compiled
def _trilinear_corner(x: float, last: int) -> tuple[int, int, float]:
    """Lower and upper index and weight of the upper one for an index clamped to [0, last]."""
    if x <= 0.0:
        return 0, min(1, last), 0.0
    if x >= last:
        return last, last, 0.0
    lower = int(x)
    return lower, lower + 1, x - lower


@_compiled
def _displacement_at(field, x, y, z):  # type: ignore[no-untyped-def]
    """Trilinear displacement at a fractional index; 0 outside the field's voxels."""
    nx, ny, nz = field.shape[0], field.shape[1], field.shape[2]
    if x < -0.5 or y < -0.5 or z < -0.5 or x > nx - 0.5 or y > ny - 0.5 or z > nz - 0.5:
        return 0.0, 0.0, 0.0
    i0, i1, a = _trilinear_corner(x, nx - 1)
    j0, j1, b = _trilinear_corner(y, ny - 1)
    k0, k1, c = _trilinear_corner(z, nz - 1)
    w000, w001 = (1 - a) * (1 - b) * (1 - c), (1 - a) * (1 - b) * c
    w010, w011 = (1 - a) * b * (1 - c), (1 - a) * b * c
    w100, w101 = a * (1 - b) * (1 - c), a * (1 - b) * c
    w110, w111 = a * b * (1 - c), a * b * c
    u = v = w = 0.0
    for i, j, k, weight in (
        (i0, j0, k0, w000),
        (i0, j0, k1, w001),
        (i0, j1, k0, w010),
        (i0, j1, k1, w011),
        (i1, j0, k0, w100),
        (i1, j0, k1, w101),
        (i1, j1, k0, w110),
        (i1, j1, k1, w111),
    ):
        u += weight * field[i, j, k, 0]
        v += weight * field[i, j, k, 1]
        w += weight * field[i, j, k, 2]
    return u, v, w


@_compiled
def _linear_at(source, x, y, z):  # type: ignore[no-untyped-def]
    """Trilinear value at a fractional index; 0 outside the voxel centers."""
    nx, ny, nz = source.shape
    if x < -_EDGE_TOLERANCE or y < -_EDGE_TOLERANCE or z < -_EDGE_TOLERANCE:
        return 0.0
    if x > nx - 1 + _EDGE_TOLERANCE or y > ny - 1 + _EDGE_TOLERANCE or z > nz - 1 + _EDGE_TOLERANCE:
        return 0.0
    i0, i1, a = _trilinear_corner(x, nx - 1)
    j0, j1, b = _trilinear_corner(y, ny - 1)
    k0, k1, c = _trilinear_corner(z, nz - 1)
    c00 = source[i0, j0, k0] * (1 - a) + source[i1, j0, k0] * a
    c01 = source[i0, j0, k1] * (1 - a) + source[i1, j0, k1] * a
    c10 = source[i0, j1, k0] * (1 - a) + source[i1, j1, k0] * a
    c11 = source[i0, j1, k1] * (1 - a) + source[i1, j1, k1] * a
    return (c00 * (1 - b) + c10 * b) * (1 - c) + (c01 * (1 - b) + c11 * b) * c


@_compiled
def _nearest_at(source, x, y, z):  # type: ignore[no-untyped-def]
    """Value of the nearest voxel (ties upward); 0 outside."""
    i, j, k = int(np.floor(x + 0.5)), int(np.floor(y + 0.5)), int(np.floor(z + 0.5))
    if i < 0 or j < 0 or k < 0 or i >= source.shape[0] or j >= source.shape[1] or k >= source.shape[2]:
        return np.float32(0.0)
    return source[i, j, k]


@_compiled
def warp_volume(  # type: ignore[no-untyped-def]
    source, field, source_from_target, field_from_target, source_from_mm, is_nearest, reached, result
):
    """Fill `result`: value of `source` at s(t) = S t + L u(F t) for every target voxel t.

    Parameters
    ----------
    source : (X, Y, Z) float32 array
    field : (X', Y', Z', 3) float32 array
        Displacement u [mm].
    source_from_target, field_from_target : (4, 4) float64 arrays
        S and F, voxel to voxel.
    source_from_mm : (3, 3) float64 array
        L, displacement [mm] to source voxels.
    is_nearest : bool
        Nearest voxel instead of trilinear interpolation.
    reached : Box
        Target voxels that are computed; the source must not be seen from elsewhere.
    result : (X'', Y'', Z'') float32 array
        Written within `reached`.
    """
    s, f, m = source_from_target, field_from_target, source_from_mm
    (i_start, i_stop), (j_start, j_stop), (k_start, k_stop) = reached
    for i in range(i_start, i_stop):
        for j in range(j_start, j_stop):
            for k in range(k_start, k_stop):
                u, v, w = _displacement_at(
                    field,
                    f[0, 0] * i + f[0, 1] * j + f[0, 2] * k + f[0, 3],
                    f[1, 0] * i + f[1, 1] * j + f[1, 2] * k + f[1, 3],
                    f[2, 0] * i + f[2, 1] * j + f[2, 2] * k + f[2, 3],
                )
                x = s[0, 0] * i + s[0, 1] * j + s[0, 2] * k + s[0, 3] + m[0, 0] * u + m[0, 1] * v + m[0, 2] * w
                y = s[1, 0] * i + s[1, 1] * j + s[1, 2] * k + s[1, 3] + m[1, 0] * u + m[1, 1] * v + m[1, 2] * w
                z = s[2, 0] * i + s[2, 1] * j + s[2, 2] * k + s[2, 3] + m[2, 0] * u + m[2, 1] * v + m[2, 2] * w
                if is_nearest:
                    result[i, j, k] = _nearest_at(source, x, y, z)
                else:
                    result[i, j, k] = _linear_at(source, x, y, z)


@_compiled
def displacements_at(field, voxels, result):  # type: ignore[no-untyped-def]
    """Fill `result` (N, 3) with the displacement [mm] at fractional field indices `voxels` (N, 3)."""
    for n in range(voxels.shape[0]):
        u, v, w = _displacement_at(field, voxels[n, 0], voxels[n, 1], voxels[n, 2])
        result[n, 0], result[n, 1], result[n, 2] = u, v, w


@_compiled
def jacobian_determinants(field, voxel_from_mm, result):  # type: ignore[no-untyped-def]
    """Fill `result` with det(I + ∂u/∂x) by central differences, one-sided at the faces.

    Parameters
    ----------
    field : (X, Y, Z, 3) float32 array
        Displacement u [mm].
    voxel_from_mm : (3, 3) float64 array
        Linear part of voxel_from_world of the field's grid.
    result : (X, Y, Z) float32 array
        Written.
    """
    nx, ny, nz = result.shape
    along = np.empty((3, 3))  # [component, array axis], per voxel
    jacobian = np.empty((3, 3))  # [component, world axis]
    for i in range(nx):
        i0, i1 = max(i - 1, 0), min(i + 1, nx - 1)
        for j in range(ny):
            j0, j1 = max(j - 1, 0), min(j + 1, ny - 1)
            for k in range(nz):
                k0, k1 = max(k - 1, 0), min(k + 1, nz - 1)
                for c in range(3):
                    along[c, 0] = (field[i1, j, k, c] - field[i0, j, k, c]) / max(i1 - i0, 1)
                    along[c, 1] = (field[i, j1, k, c] - field[i, j0, k, c]) / max(j1 - j0, 1)
                    along[c, 2] = (field[i, j, k1, c] - field[i, j, k0, c]) / max(k1 - k0, 1)
                for c in range(3):
                    for w in range(3):
                        jacobian[c, w] = (
                            along[c, 0] * voxel_from_mm[0, w]
                            + along[c, 1] * voxel_from_mm[1, w]
                            + along[c, 2] * voxel_from_mm[2, w]
                        )
                    jacobian[c, c] += 1.0
                g = jacobian
                result[i, j, k] = (
                    g[0, 0] * (g[1, 1] * g[2, 2] - g[1, 2] * g[2, 1])
                    - g[0, 1] * (g[1, 0] * g[2, 2] - g[1, 2] * g[2, 0])
                    + g[0, 2] * (g[1, 0] * g[2, 1] - g[1, 1] * g[2, 0])
                )


@_compiled
def invert_field(field, voxel_from_mm, tolerance_mm, max_iterations, result):  # type: ignore[no-untyped-def]
    """Fill `result` with w solving w(y) = −u(y + w(y)) by fixed-point iteration; return the worst change [mm]."""
    worst = 0.0
    m = voxel_from_mm
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            for k in range(field.shape[2]):
                a = b = c = 0.0
                change = np.inf
                for _ in range(max_iterations):
                    u, v, w = _displacement_at(
                        field,
                        i + m[0, 0] * a + m[0, 1] * b + m[0, 2] * c,
                        j + m[1, 0] * a + m[1, 1] * b + m[1, 2] * c,
                        k + m[2, 0] * a + m[2, 1] * b + m[2, 2] * c,
                    )
                    change = np.sqrt((a + u) ** 2 + (b + v) ** 2 + (c + w) ** 2)
                    a, b, c = -u, -v, -w
                    if change <= tolerance_mm:
                        break
                worst = max(worst, change)
                result[i, j, k, 0], result[i, j, k, 1], result[i, j, k, 2] = a, b, c
    return worst


def contiguous_field(displacement_mm: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Field as the kernels take it; a single zero vector stands for no displacement."""
    if displacement_mm is None:
        return np.zeros((1, 1, 1, 3), dtype=np.float32)
    return np.ascontiguousarray(displacement_mm, dtype=np.float32)
