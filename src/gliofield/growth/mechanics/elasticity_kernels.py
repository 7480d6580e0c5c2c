"""Float32 loops of linear elasticity on a staggered grid.

Arrays are padded boxes (X', Y', Z') with one cell around the brain. Component x of a displacement lives on the face
between a cell and its predecessor along x, and has that cell's index; likewise y, z. Normal strains then belong to
cells and shear strains to edges, so every derivative is a difference of neighbors:

    cells   S_xx = λ ∇·u + 2 μ ∂_x u_x, …        edges   T_xy = μ_xy (∂_y u_x + ∂_x u_y), …
    (A u)_x = −(∂_x S_xx + ∂_y T_xy + ∂_z T_xz) h², …

A is symmetric and positive definite on the faces whose both cells are brain ("live"); all other faces hold 0. Its
entries are stiffnesses in Pa: h² is on the other side of the equation.

Kernels take a range of x and may run on disjoint ranges at once. `start` and `stop` (X', Y') are the extents of the
brain along z in each row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled, compiled_sum, inlined

Sums = NDArray[np.float64]
Field = NDArray[np.float32]
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)
_HALF = np.float32(0.5)
_QUARTER = np.float32(0.25)
_THREE_QUARTERS = np.float32(0.75)


@inlined
def _elastic_row(
    i: int, j: int, a: int, b: int, u: Field, lame: Field, twice_shear: Field, shear_edges: Field, out: Field
) -> None:
    """The three components of A u on voxels a to b of row (i, j), dead faces included.

    One loop a component: with all three in one loop there would be more pairs of pointers than the compiler checks for
    overlap, and it would not vectorize.
    """
    ux, uy, uz = u[0], u[1], u[2]
    xy, xz, yz = shear_edges[0], shear_edges[1], shear_edges[2]
    x_c, x_im, x_ip = ux[i, j, a:b], ux[i - 1, j, a:b], ux[i + 1, j, a:b]
    x_jm, x_jp, x_ip_jm = ux[i, j - 1, a:b], ux[i, j + 1, a:b], ux[i + 1, j - 1, a:b]
    x_km, x_kp, x_ip_km = ux[i, j, a - 1 : b - 1], ux[i, j, a + 1 : b + 1], ux[i + 1, j, a - 1 : b - 1]
    y_c, y_jm, y_jp = uy[i, j, a:b], uy[i, j - 1, a:b], uy[i, j + 1, a:b]
    y_im, y_ip, y_im_jp = uy[i - 1, j, a:b], uy[i + 1, j, a:b], uy[i - 1, j + 1, a:b]
    y_km, y_kp, y_jp_km = uy[i, j, a - 1 : b - 1], uy[i, j, a + 1 : b + 1], uy[i, j + 1, a - 1 : b - 1]
    z_c, z_km, z_kp = uz[i, j, a:b], uz[i, j, a - 1 : b - 1], uz[i, j, a + 1 : b + 1]
    z_im, z_ip, z_im_kp = uz[i - 1, j, a:b], uz[i + 1, j, a:b], uz[i - 1, j, a + 1 : b + 1]
    z_jm, z_jp, z_jm_kp = uz[i, j - 1, a:b], uz[i, j + 1, a:b], uz[i, j - 1, a + 1 : b + 1]
    lame_c, lame_i = lame[i, j, a:b], lame[i - 1, j, a:b]
    lame_j, lame_k = lame[i, j - 1, a:b], lame[i, j, a - 1 : b - 1]
    shear_c, shear_i = twice_shear[i, j, a:b], twice_shear[i - 1, j, a:b]
    shear_j, shear_k = twice_shear[i, j - 1, a:b], twice_shear[i, j, a - 1 : b - 1]
    xy_c, xy_ip, xy_jp = xy[i, j, a:b], xy[i + 1, j, a:b], xy[i, j + 1, a:b]
    xz_c, xz_ip, xz_kp = xz[i, j, a:b], xz[i + 1, j, a:b], xz[i, j, a + 1 : b + 1]
    yz_c, yz_jp, yz_kp = yz[i, j, a:b], yz[i, j + 1, a:b], yz[i, j, a + 1 : b + 1]
    out_x, out_y, out_z = out[0, : b - a], out[1, : b - a], out[2, : b - a]
    for k in range(b - a):
        # Stress of the cell and of its predecessor, of this edge and the next: each enters the two faces beside it
        # with opposite signs, which makes A symmetric.
        xx, xx_i = x_ip[k] - x_c[k], x_c[k] - x_im[k]
        pressure = lame_c[k] * ((xx + (y_jp[k] - y_c[k])) + (z_kp[k] - z_c[k]))
        pressure_i = lame_i[k] * ((xx_i + (y_im_jp[k] - y_im[k])) + (z_im_kp[k] - z_im[k]))
        shear_xy = xy_c[k] * ((x_c[k] - x_jm[k]) + (y_c[k] - y_im[k]))
        shear_xz = xz_c[k] * ((x_c[k] - x_km[k]) + (z_c[k] - z_im[k]))
        shear_xy_jp = xy_jp[k] * ((x_jp[k] - x_c[k]) + (y_jp[k] - y_im_jp[k]))
        shear_xz_kp = xz_kp[k] * ((x_kp[k] - x_c[k]) + (z_kp[k] - z_im_kp[k]))
        normal = (pressure_i - pressure) + (shear_i[k] * xx_i - shear_c[k] * xx)
        out_x[k] = normal + ((shear_xy - shear_xy_jp) + (shear_xz - shear_xz_kp))
    for k in range(b - a):
        yy, yy_j = y_jp[k] - y_c[k], y_c[k] - y_jm[k]
        pressure = lame_c[k] * (((x_ip[k] - x_c[k]) + yy) + (z_kp[k] - z_c[k]))
        pressure_j = lame_j[k] * (((x_ip_jm[k] - x_jm[k]) + yy_j) + (z_jm_kp[k] - z_jm[k]))
        shear_xy = xy_c[k] * ((x_c[k] - x_jm[k]) + (y_c[k] - y_im[k]))
        shear_yz = yz_c[k] * ((y_c[k] - y_km[k]) + (z_c[k] - z_jm[k]))
        shear_xy_ip = xy_ip[k] * ((x_ip[k] - x_ip_jm[k]) + (y_ip[k] - y_c[k]))
        shear_yz_kp = yz_kp[k] * ((y_kp[k] - y_c[k]) + (z_kp[k] - z_jm_kp[k]))
        normal = (pressure_j - pressure) + (shear_j[k] * yy_j - shear_c[k] * yy)
        out_y[k] = normal + ((shear_xy - shear_xy_ip) + (shear_yz - shear_yz_kp))
    for k in range(b - a):
        zz, zz_k = z_kp[k] - z_c[k], z_c[k] - z_km[k]
        pressure = lame_c[k] * (((x_ip[k] - x_c[k]) + (y_jp[k] - y_c[k])) + zz)
        pressure_k = lame_k[k] * (((x_ip_km[k] - x_km[k]) + (y_jp_km[k] - y_km[k])) + zz_k)
        shear_xz = xz_c[k] * ((x_c[k] - x_km[k]) + (z_c[k] - z_im[k]))
        shear_yz = yz_c[k] * ((y_c[k] - y_km[k]) + (z_c[k] - z_jm[k]))
        shear_xz_ip = xz_ip[k] * ((x_ip[k] - x_ip_km[k]) + (z_ip[k] - z_c[k]))
        shear_yz_jp = yz_jp[k] * ((y_jp[k] - y_jp_km[k]) + (z_jp[k] - z_c[k]))
        normal = (pressure_k - pressure) + (shear_k[k] * zz_k - shear_c[k] * zz)
        out_z[k] = normal + ((shear_xz - shear_xz_ip) + (shear_yz - shear_yz_jp))


@compiled
def apply(
    x0: int,
    x1: int,
    start: Rows,
    stop: Rows,
    u: Field,
    lame: Field,
    twice_shear: Field,
    shear_edges: Field,
    inverse_diagonal: Field,
    out: Field,
) -> None:
    """out = A u on live faces, 0 elsewhere."""
    rows = np.empty((3, u.shape[3]), np.float32)
    # A range reads one plane beyond itself and writes none there: ranges may run at once.
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            _elastic_row(i, j, a, b, u, lame, twice_shear, shear_edges, rows)
            for axis in range(3):
                row = rows[axis, : b - a]
                live, out_row = inverse_diagonal[axis, i, j, a:b], out[axis, i, j, a:b]
                for k in range(b - a):
                    # A face is live where its inverse diagonal is positive; dead faces keep the 0 they began with.
                    out_row[k] = row[k] if live[k] > _ZERO else _ZERO


@compiled
def residual(
    x0: int,
    x1: int,
    start: Rows,
    stop: Rows,
    u: Field,
    lame: Field,
    twice_shear: Field,
    shear_edges: Field,
    inverse_diagonal: Field,
    force: Field,
    out: Field,
) -> None:
    """out = force − A u on live faces, 0 elsewhere."""
    rows = np.empty((3, u.shape[3]), np.float32)
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            _elastic_row(i, j, a, b, u, lame, twice_shear, shear_edges, rows)
            for axis in range(3):
                row, wanted = rows[axis, : b - a], force[axis, i, j, a:b]
                live, out_row = inverse_diagonal[axis, i, j, a:b], out[axis, i, j, a:b]
                for k in range(b - a):
                    out_row[k] = wanted[k] - row[k] if live[k] > _ZERO else _ZERO


@compiled
def first_smoothing(
    x0: int, x1: int, start: Rows, stop: Rows, force: Field, inverse_diagonal: Field, weight: np.float32,
    change: Field, u: Field,
) -> None:  # fmt: skip
    """The first Chebyshev step from u = 0: change = u = weight · force / diagonal."""
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            for axis in range(3):
                wanted, inverse = force[axis, i, j, a:b], inverse_diagonal[axis, i, j, a:b]
                change_row, u_row = change[axis, i, j, a:b], u[axis, i, j, a:b]
                for k in range(b - a):
                    # Inverse 0 on dead faces: they stay at 0.
                    step = weight * (inverse[k] * wanted[k])
                    change_row[k] = step
                    u_row[k] = step


@compiled
def smoothing(
    x0: int,
    x1: int,
    start: Rows,
    stop: Rows,
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
    rows = np.empty((3, u.shape[3]), np.float32)
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            _elastic_row(i, j, a, b, u, lame, twice_shear, shear_edges, rows)
            for axis in range(3):
                row, own, wanted = rows[axis, : b - a], u[axis, i, j, a:b], force[axis, i, j, a:b]
                inverse, change_row = inverse_diagonal[axis, i, j, a:b], change[axis, i, j, a:b]
                newer_row = newer[axis, i, j, a:b]
                for k in range(b - a):
                    # No test for live faces: on dead ones the inverse diagonal is 0, so change and u stay 0.
                    step = momentum * change_row[k] + weight * (inverse[k] * (wanted[k] - row[k]))
                    change_row[k] = step
                    newer_row[k] = own[k] + step


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
    line = np.empty(coarse.shape[3], np.float32)
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
                live, fine_row = inverse_diagonal[axis, i, j], fine[axis, i, j]
                for k in range(a, b):
                    if live[k] > _ZERO:
                        k0, k1, weight_k = _parents(axis == 2, k)
                        fine_row[k] += weight_k * line[k0] + (np.float32(1.0) - weight_k) * line[k1]


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
    x0: int, x1: int, start: Rows, stop: Rows, scale: np.float32, x: Field, y: Field, sums: Sums
) -> None:
    """y ← y + scale · x; sums[i] = |y|² of plane i."""
    for i in range(x0, x1):
        total = 0.0
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            for axis in range(3):
                x_row, y_row = x[axis, i, j, a:b], y[axis, i, j, a:b]
                # A row in float32, in the order of its vectors; rows and planes in float64.
                part = _ZERO
                for k in range(b - a):
                    value = y_row[k] + scale * x_row[k]
                    y_row[k] = value
                    part += value * value
                total += float(part)
        sums[i] = total


@compiled
def scale_and_add(x0: int, x1: int, start: Rows, stop: Rows, scale: np.float32, x: Field, y: Field) -> None:
    """y ← x + scale · y."""
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            for axis in range(3):
                x_row, y_row = x[axis, i, j, a:b], y[axis, i, j, a:b]
                for k in range(b - a):
                    y_row[k] = x_row[k] + scale * y_row[k]


@compiled_sum
def dot(x0: int, x1: int, start: Rows, stop: Rows, x: Field, y: Field, sums: Sums) -> None:
    """sums[i] = x · y of plane i. Plane by plane, so that the sum of all does not depend on how planes are shared."""
    for i in range(x0, x1):
        total = 0.0
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            for axis in range(3):
                x_row, y_row = x[axis, i, j, a:b], y[axis, i, j, a:b]
                part = _ZERO
                for k in range(b - a):
                    part += x_row[k] * y_row[k]
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
