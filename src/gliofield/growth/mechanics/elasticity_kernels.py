"""Float32 loops of linear elasticity on a staggered grid.

Arrays are padded boxes (X', Y', Z') with one cell around the brain. Component x of a displacement lives on the face
between a cell and its predecessor along x, and has that cell's index; likewise y, z. Normal strains then belong to
cells and shear strains to edges, so every derivative is a difference of neighbors:

    cells   S_xx = λ ∇·u + 2 μ ∂_x u_x, …        edges   T_xy = μ_xy (∂_y u_x + ∂_x u_y), …
    (A u)_x = −(∂_x S_xx + ∂_y T_xy + ∂_z T_xz) h², …

A is symmetric and positive definite on the faces whose both cells are brain ("live"); all other faces hold 0. Its
entries are stiffnesses in Pa: h² is on the other side of the equation.

Kernels take a range of x and may run on disjoint ranges at once (`planes`). Most see a plane as a line of voxels, `row`
of them from a voxel to the next one along y, and visit those from `start` to `stop` (X'); transfers between grids go by
rows, whose extents along z are then `start` and `stop` (X', Y').
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled, compiled_sum, inlined

Sums = NDArray[np.float64]
Field = NDArray[np.float32]
# (X', Y'), extents of rows, or (X',), those of planes.
Rows = NDArray[np.int32]
Lines = NDArray[np.int32]
Mask = NDArray[np.bool_]

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)
_HALF = np.float32(0.5)
_QUARTER = np.float32(0.25)
_THREE_QUARTERS = np.float32(0.75)


@inlined
def _stresses(
    i: int, a: int, b: int, row: int, u: Field, lame: Field, twice_shear: Field, shear_edges: Field,
    normal: Field, across: Field,
) -> None:  # fmt: skip
    """Stress of the cells of plane i and of the edges of plane i + 1 that faces a to b of both planes need.

    Into two planes of buffers in turns, even and odd: normal (3, 2, Y' · Z') holds the pressure λ ∇·u, 2 μ ∂_x u_x, and
    2 μ ∂_y u_y and 2 μ ∂_z u_z of plane i; across likewise T_xy, T_xz, and T_yz of plane i.
    """
    here, ahead, first, last = i % 2, (i + 1) % 2, a - row, b + row
    # A face needs its cell and the one before, its edges and those behind.
    x_c, x_ip = u[0, i, first:b], u[0, i + 1, first:b]
    y_c, y_jp = u[1, i, first:b], u[1, i, first + row : b + row]
    z_c, z_kp = u[2, i, first:b], u[2, i, first + 1 : b + 1]
    lame_c, shear_c = lame[i, first:b], twice_shear[i, first:b]
    pressure, along_x = normal[0, here, first:b], normal[1, here, first:b]
    along_y, along_z = normal[2, 0, first:b], normal[2, 1, first:b]
    for k in range(b - first):
        xx, yy, zz = x_ip[k] - x_c[k], y_jp[k] - y_c[k], z_kp[k] - z_c[k]
        pressure[k] = lame_c[k] * ((xx + yy) + zz)
        along_x[k] = shear_c[k] * xx
        along_y[k] = shear_c[k] * yy
        along_z[k] = shear_c[k] * zz
    y_c, y_km, y_ip = u[1, i, a:last], u[1, i, a - 1 : last - 1], u[1, i + 1, a:last]
    z_c, z_jm, z_ip = u[2, i, a:last], u[2, i, a - row : last - row], u[2, i + 1, a:last]
    x_ip, x_ip_jm, x_ip_km = u[0, i + 1, a:last], u[0, i + 1, a - row : last - row], u[0, i + 1, a - 1 : last - 1]
    xy, xz, yz = shear_edges[0, i + 1, a:last], shear_edges[1, i + 1, a:last], shear_edges[2, i, a:last]
    shear_xy, shear_xz, shear_yz = across[0, ahead, a:last], across[1, ahead, a:last], across[2, 0, a:last]
    for k in range(last - a):
        shear_xy[k] = xy[k] * ((x_ip[k] - x_ip_jm[k]) + (y_ip[k] - y_c[k]))
        shear_xz[k] = xz[k] * ((x_ip[k] - x_ip_km[k]) + (z_ip[k] - z_c[k]))
        shear_yz[k] = yz[k] * ((y_c[k] - y_km[k]) + (z_c[k] - z_jm[k]))


@inlined
def _elastic_plane(i: int, a: int, b: int, row: int, normal: Field, across: Field, out: Field) -> None:
    """The three components of A u on faces a to b of plane i, dead ones included, from `_stresses`.

    Each stress enters the two faces beside it with opposite signs, which makes A symmetric.
    """
    here, other = i % 2, (i + 1) % 2
    p, p_i = normal[0, here, a:b], normal[0, other, a:b]
    p_j, p_k = normal[0, here, a - row : b - row], normal[0, here, a - 1 : b - 1]
    xx, xx_i = normal[1, here, a:b], normal[1, other, a:b]
    yy, yy_j = normal[2, 0, a:b], normal[2, 0, a - row : b - row]
    zz, zz_k = normal[2, 1, a:b], normal[2, 1, a - 1 : b - 1]
    xy, xy_jp, xy_ip = across[0, here, a:b], across[0, here, a + row : b + row], across[0, other, a:b]
    xz, xz_kp, xz_ip = across[1, here, a:b], across[1, here, a + 1 : b + 1], across[1, other, a:b]
    yz, yz_kp, yz_jp = across[2, 0, a:b], across[2, 0, a + 1 : b + 1], across[2, 0, a + row : b + row]
    out_x, out_y, out_z = out[0, a:b], out[1, a:b], out[2, a:b]
    for k in range(b - a):
        out_x[k] = ((p_i[k] - p[k]) + (xx_i[k] - xx[k])) + ((xy[k] - xy_jp[k]) + (xz[k] - xz_kp[k]))
        out_y[k] = ((p_j[k] - p[k]) + (yy_j[k] - yy[k])) + ((xy[k] - xy_ip[k]) + (yz[k] - yz_kp[k]))
        out_z[k] = ((p_k[k] - p[k]) + (zz_k[k] - zz[k])) + ((xz[k] - xz_ip[k]) + (yz[k] - yz_jp[k]))


@inlined
def _has_image(
    i: int, x0: int, start: Lines, stop: Lines, row: int, u: Field, lame: Field, twice_shear: Field,
    shear_edges: Field, normal: Field, across: Field, image: Field,
) -> bool:  # fmt: skip
    """Whether plane i of a sweep has faces; then `image` holds A u there.

    A sweep begins at plane x0 − 1, of which it needs the stresses alone.
    """
    a, b = min(start[i], start[i + 1]), max(stop[i], stop[i + 1])
    if b > a:
        _stresses(i, a, b, row, u, lame, twice_shear, shear_edges, normal, across)
    has_faces = i >= x0 and stop[i] > start[i]
    if has_faces:
        _elastic_plane(i, start[i], stop[i], row, normal, across, image)
    return has_faces


@inlined
def _buffers(u: Field) -> tuple[Field, Field, Field]:
    """Planes for a sweep: A u, and stresses, of which faces at the edge of the box read some that no cell has."""
    image = np.empty((3, u.shape[2]), np.float32)
    normal, across = np.zeros((3, 2, u.shape[2]), np.float32), np.zeros((3, 2, u.shape[2]), np.float32)
    return image, normal, across


@compiled
def apply(
    x0: int,
    x1: int,
    start: Lines,
    stop: Lines,
    row: int,
    u: Field,
    lame: Field,
    twice_shear: Field,
    shear_edges: Field,
    inverse_diagonal: Field,
    out: Field,
) -> None:
    """out = A u on live faces, 0 elsewhere."""
    image, normal, across = _buffers(u)
    # A range reads one plane beyond itself and writes none there: ranges may run at once.
    for i in range(x0 - 1, x1):
        if not _has_image(i, x0, start, stop, row, u, lame, twice_shear, shear_edges, normal, across, image):
            continue
        a, b = start[i], stop[i]
        for axis in range(3):
            line, live, out_line = image[axis, a:b], inverse_diagonal[axis, i, a:b], out[axis, i, a:b]
            for k in range(b - a):
                # A face is live where its inverse diagonal is positive.
                out_line[k] = line[k] if live[k] > _ZERO else _ZERO


@compiled
def residual(
    x0: int,
    x1: int,
    start: Lines,
    stop: Lines,
    row: int,
    u: Field,
    lame: Field,
    twice_shear: Field,
    shear_edges: Field,
    inverse_diagonal: Field,
    force: Field,
    out: Field,
) -> None:
    """out = force − A u on live faces, 0 elsewhere."""
    image, normal, across = _buffers(u)
    for i in range(x0 - 1, x1):
        if not _has_image(i, x0, start, stop, row, u, lame, twice_shear, shear_edges, normal, across, image):
            continue
        a, b = start[i], stop[i]
        for axis in range(3):
            line, wanted = image[axis, a:b], force[axis, i, a:b]
            live, out_line = inverse_diagonal[axis, i, a:b], out[axis, i, a:b]
            for k in range(b - a):
                out_line[k] = wanted[k] - line[k] if live[k] > _ZERO else _ZERO


@compiled
def first_smoothing(
    x0: int, x1: int, start: Lines, stop: Lines, row: int, force: Field, inverse_diagonal: Field, weight: np.float32,
    change: Field, u: Field,
) -> None:  # fmt: skip
    """The first Chebyshev step from u = 0: change = u = weight · force / diagonal."""
    for i in range(x0, x1):
        a, b = start[i], stop[i]
        if b <= a:
            continue
        for axis in range(3):
            wanted, inverse = force[axis, i, a:b], inverse_diagonal[axis, i, a:b]
            change_line, u_line = change[axis, i, a:b], u[axis, i, a:b]
            for k in range(b - a):
                # Inverse 0 on dead faces: they stay at 0.
                step = weight * (inverse[k] * wanted[k])
                change_line[k] = step
                u_line[k] = step


@compiled
def smoothing(
    x0: int,
    x1: int,
    start: Lines,
    stop: Lines,
    row: int,
    u: Field,
    lame: Field,
    twice_shear: Field,
    shear_edges: Field,
    inverse_diagonal: Field,
    force: Field,
    momentum: np.float32,
    weight: np.float32,
    change: Field,
    newer: Field,
) -> None:
    """One Chebyshev step: change ← momentum · change + weight · (force − A u) / diagonal, newer = u + change."""
    image, normal, across = _buffers(u)
    for i in range(x0 - 1, x1):
        if not _has_image(i, x0, start, stop, row, u, lame, twice_shear, shear_edges, normal, across, image):
            continue
        a, b = start[i], stop[i]
        for axis in range(3):
            line, own, wanted = image[axis, a:b], u[axis, i, a:b], force[axis, i, a:b]
            inverse, change_line = inverse_diagonal[axis, i, a:b], change[axis, i, a:b]
            newer_line = newer[axis, i, a:b]
            for k in range(b - a):
                # No test for live faces: on dead ones the inverse diagonal is 0, so change and u stay 0.
                step = momentum * change_line[k] + weight * (inverse[k] * (wanted[k] - line[k]))
                change_line[k] = step
                newer_line[k] = own[k] + step


@compiled
def restrict(x0: int, x1: int, start: Rows, stop: Rows, fine: Field, inverse_diagonal: Field, coarse: Field) -> None:
    """Force on the coarse grid: half the transpose of `prolong_add`, on live faces.

    Half: the mean over eight fine cells, times 4, for forces carry h².

    Rows, diagonal and indices are those of the coarse grid. Coarse cell J has the fine cells 2J − 1 and 2J.
    """
    line = np.empty(fine.shape[3], np.float32)
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            first, last = 2 * a - 2, 2 * b
            for axis in range(3):
                # First the 4 × 4 fine rows into one line, then along z: weights are products of one per axis, those of
                # `prolong_add`. Half the transpose exactly, or the V-cycle were no symmetric preconditioner.
                line[first:last] = _ZERO
                for p in range(4):
                    for q in range(4):
                        weight = _transfer_weight(axis == 0, p) * _transfer_weight(axis == 1, q)
                        if weight == _ZERO:
                            continue
                        fine_row, part = fine[axis, 2 * i - 2 + p, 2 * j - 2 + q, first:last], line[first:last]
                        for k in range(last - first):
                            part[k] += weight * fine_row[k]
                near, far = _transfer_weight(axis == 2, 1), _transfer_weight(axis == 2, 0)
                beyond = _transfer_weight(axis == 2, 3)
                middle = _transfer_weight(axis == 2, 2)
                live, out_row = inverse_diagonal[axis, i, j], coarse[axis, i, j]
                for k in range(a, b):
                    total = (far * line[2 * k - 2] + near * line[2 * k - 1]) + (
                        middle * line[2 * k] + beyond * line[2 * k + 1]
                    )
                    out_row[k] = _HALF * total if live[k] > _ZERO else _ZERO


@compiled
def _transfer_weight(is_normal: bool, offset: int) -> np.float32:
    """Weight between a coarse index J and the fine index 2J − 2 + offset.

    Along its own axis a component sits on cell faces, of which every second is a coarse face; across it, in the middle
    of cells.
    """
    if is_normal:
        return np.float32(1.0) if offset == 1 else (_HALF if offset in (0, 2) else _ZERO)
    return _THREE_QUARTERS if offset in (1, 2) else _QUARTER


@compiled
def prolong_add(x0: int, x1: int, start: Rows, stop: Rows, coarse: Field, inverse_diagonal: Field, fine: Field) -> None:
    """fine ← fine + coarse, linearly interpolated, on live faces. `x0` and `x1` are fine indices."""
    line, wide = np.empty(coarse.shape[3], np.float32), np.empty(fine.shape[3], np.float32)
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            for axis in range(3):
                i0, i1, weight_i = _parents(axis == 0, i)
                j0, j1, weight_j = _parents(axis == 1, j)
                r00, r01 = coarse[axis, i0, j0], coarse[axis, i0, j1]
                r10, r11 = coarse[axis, i1, j0], coarse[axis, i1, j1]
                for k in range(len(line)):
                    near = weight_j * r00[k] + (np.float32(1.0) - weight_j) * r01[k]
                    far = weight_j * r10[k] + (np.float32(1.0) - weight_j) * r11[k]
                    line[k] = weight_i * near + (np.float32(1.0) - weight_i) * far
                for k in range(a, b):
                    k0, k1, weight_k = _parents(axis == 2, k)
                    wide[k] = weight_k * line[k0] + (np.float32(1.0) - weight_k) * line[k1]
                live, fine_row, change = inverse_diagonal[axis, i, j, a:b], fine[axis, i, j, a:b], wide[a:b]
                for k in range(b - a):
                    fine_row[k] += change[k] if live[k] > _ZERO else _ZERO


@compiled
def _parents(is_normal: bool, fine_index: int) -> tuple[int, int, np.float32]:
    """The two coarse indices a fine one is interpolated from, and the weight of the first."""
    if is_normal:
        # Fine face 2J − 1 is coarse face J; fine face 2J lies between J and J + 1.
        half = (fine_index + 1) // 2
        return (half, half, np.float32(1.0)) if fine_index % 2 == 1 else (half, half + 1, _HALF)
    own = (fine_index + 1) // 2
    return (own, own - 1, _THREE_QUARTERS) if fine_index % 2 == 1 else (own, own + 1, _THREE_QUARTERS)


@compiled_sum
def add_scaled_and_norm(
    x0: int, x1: int, start: Lines, stop: Lines, row: int, scale: np.float32, x: Field, y: Field, sums: Sums
) -> None:
    """y ← y + scale · x; sums[i] = |y|² of plane i."""
    for i in range(x0, x1):
        total = 0.0
        for axis in range(3):
            for first in range(start[i], stop[i], row):
                last = min(first + row, stop[i])
                x_part, y_part = x[axis, i, first:last], y[axis, i, first:last]
                # As many voxels as a row in float32, in the order of its vectors; all else in float64.
                part = _ZERO
                for k in range(last - first):
                    value = y_part[k] + scale * x_part[k]
                    y_part[k] = value
                    part += value * value
                total += float(part)
        sums[i] = total


@compiled
def scale_and_add(x0: int, x1: int, start: Lines, stop: Lines, row: int, scale: np.float32, x: Field, y: Field) -> None:
    """y ← x + scale · y."""
    for i in range(x0, x1):
        a, b = start[i], stop[i]
        if b <= a:
            continue
        for axis in range(3):
            x_line, y_line = x[axis, i, a:b], y[axis, i, a:b]
            for k in range(b - a):
                y_line[k] = x_line[k] + scale * y_line[k]


@compiled_sum
def dot(x0: int, x1: int, start: Lines, stop: Lines, row: int, x: Field, y: Field, sums: Sums) -> None:
    """sums[i] = x · y of plane i. Plane by plane, so that the sum of all does not depend on how planes are shared."""
    for i in range(x0, x1):
        total = 0.0
        for axis in range(3):
            for first in range(start[i], stop[i], row):
                last = min(first + row, stop[i])
                x_part, y_part = x[axis, i, first:last], y[axis, i, first:last]
                part = _ZERO
                for k in range(last - first):
                    part += x_part[k] * y_part[k]
                total += float(part)
        sums[i] = total


@compiled_sum
def live_norm(
    x0: int, x1: int, start: Lines, stop: Lines, row: int, x: Field, inverse_diagonal: Field, sums: Sums
) -> None:
    """sums[i] = |x|² on the live faces of plane i."""
    for i in range(x0, x1):
        total = 0.0
        for axis in range(3):
            for first in range(start[i], stop[i], row):
                last = min(first + row, stop[i])
                x_part, live = x[axis, i, first:last], inverse_diagonal[axis, i, first:last]
                part = _ZERO
                for k in range(last - first):
                    value = x_part[k] if live[k] > _ZERO else _ZERO
                    part += value * value
                total += float(part)
        sums[i] = total


@compiled
def edge_stiffness(brain: Mask, shear: Field, shear_edges: Field) -> None:
    """Shear modulus of edges: harmonic mean of the brain cells around each, twice that at a wall.

    An edge in a flat wall has its two brain cells on one side; the displacement falls to 0 within half a cell there,
    and twice the modulus gives that stress. An edge whose brain cells do not share a face has no live face.
    """
    for i in range(1, brain.shape[0]):
        for j in range(1, brain.shape[1]):
            for k in range(1, brain.shape[2]):
                shear_edges[0, i, j, k] = _edge(
                    brain[i, j, k], brain[i - 1, j, k], brain[i, j - 1, k], brain[i - 1, j - 1, k],
                    shear[i, j, k], shear[i - 1, j, k], shear[i, j - 1, k], shear[i - 1, j - 1, k],
                )  # fmt: skip
                shear_edges[1, i, j, k] = _edge(
                    brain[i, j, k], brain[i - 1, j, k], brain[i, j, k - 1], brain[i - 1, j, k - 1],
                    shear[i, j, k], shear[i - 1, j, k], shear[i, j, k - 1], shear[i - 1, j, k - 1],
                )  # fmt: skip
                shear_edges[2, i, j, k] = _edge(
                    brain[i, j, k], brain[i, j - 1, k], brain[i, j, k - 1], brain[i, j - 1, k - 1],
                    shear[i, j, k], shear[i, j - 1, k], shear[i, j, k - 1], shear[i, j - 1, k - 1],
                )  # fmt: skip


@compiled
def _edge(
    in_a: bool, in_b: bool, in_c: bool, in_d: bool, a: np.float32, b: np.float32, c: np.float32, d: np.float32
) -> np.float32:
    number = np.float32(in_a) + np.float32(in_b) + np.float32(in_c) + np.float32(in_d)
    if number < _TWO:
        return _ZERO
    # In series along the edge the soft cell decides: harmonic, so a stiff neighbor does not hide CSF.
    compliance = _ZERO
    compliance += _ONE / a if in_a else _ZERO
    compliance += _ONE / b if in_b else _ZERO
    compliance += _ONE / c if in_c else _ZERO
    compliance += _ONE / d if in_d else _ZERO
    mean = number / compliance
    return mean + mean if number == _TWO else mean


@compiled
def diagonal(
    x0: int,
    x1: int,
    start: Rows,
    stop: Rows,
    brain: Mask,
    lame: Field,
    twice_shear: Field,
    shear_edges: Field,
    inverse: Field,
) -> np.float32:
    """Inverse diagonal of A on live faces, 0 elsewhere; returns Gershgorin's bound of the spectrum of A / diagonal."""
    largest = _TWO
    for i in range(x0, x1):
        for j in range(1, brain.shape[1] - 1):
            for k in range(start[i, j], stop[i, j]):
                for axis in range(3):
                    inverse[axis, i, j, k] = _ZERO
                if not brain[i, j, k]:
                    continue
                for axis in range(3):
                    pi, pj, pk = i - (axis == 0), j - (axis == 1), k - (axis == 2)
                    if not brain[pi, pj, pk]:
                        continue
                    if axis == 0:
                        edges = shear_edges[0, i, j, k] + shear_edges[0, i, j + 1, k]
                        edges += shear_edges[1, i, j, k] + shear_edges[1, i, j, k + 1]
                    elif axis == 1:
                        edges = shear_edges[0, i, j, k] + shear_edges[0, i + 1, j, k]
                        edges += shear_edges[2, i, j, k] + shear_edges[2, i, j, k + 1]
                    else:
                        edges = shear_edges[1, i, j, k] + shear_edges[1, i + 1, j, k]
                        edges += shear_edges[2, i, j, k] + shear_edges[2, i, j + 1, k]
                    volumetric = lame[i, j, k] + lame[pi, pj, pk]
                    entry = volumetric + (twice_shear[i, j, k] + twice_shear[pi, pj, pk]) + edges
                    inverse[axis, i, j, k] = _ONE / entry
                    # Gershgorin: Σ |entries| of a row over its diagonal bounds every eigenvalue.
                    # Chebyshev smoothing diverges above the bound it is given; too large a one only slows it.
                    largest = max(largest, _TWO + _TWO * (_TWO * volumetric + edges) / entry)
    return largest


@compiled
def coarsened(x0: int, x1: int, start: Rows, stop: Rows, fine_brain: Mask, fine: Field, coarse: Field) -> None:
    """Mean of a stiffness over the brain cells among the eight fine cells of each coarse cell; rows are coarse ones."""
    for i in range(x0, x1):
        for j in range(1, coarse.shape[1] - 1):
            for k in range(start[i, j], stop[i, j]):
                total, number = _ZERO, 0
                for p in range(2 * i - 1, 2 * i + 1):
                    for q in range(2 * j - 1, 2 * j + 1):
                        for r in range(2 * k - 1, 2 * k + 1):
                            if fine_brain[p, q, r]:
                                total += fine[p, q, r]
                                number += 1
                coarse[i, j, k] = total / np.float32(number) if number > 0 else _ZERO
