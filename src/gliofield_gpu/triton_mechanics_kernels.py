"""Triton kernels of linear elasticity on a staggered grid, for a batch of tumors in one brain.

They are `mechanics.elasticity_kernels`, operation by operation and without fused multiply-adds, so results agree with
the processor to the last bits; read its module docstring for the operator and where things lie.

Layout. A field of a batch is (batch, components, voxels): boxes with z fastest, `plane` and `pitch` floats from one
plane and one row to the next, on an array that goes on before and after the fields (`BoxLayout`). So a neighbor is a
flat offset, and no load of one needs a mask: what lies beyond an edge is read and not used, for faces that are not live
have an inverse diagonal of 0 and voxels outside the brain are not brain. All tumors share the brain, and with it the
list of `blocks` (consecutive voxels, `block` each) that hold any of it; the grid of every launch is (blocks, batch). A
program whose tumor is not `active` returns at once.

Traffic. `elastic` reads u, λ, μ, edge moduli and inverse diagonal, 11 floats a voxel, and per mode 0 to 6 more, writes
3 to 6. Neighbors come from the caches: programs that run at the same time lie within a few planes.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Modes of `elastic`.
APPLY: tl.constexpr = tl.constexpr(0)
RESIDUAL: tl.constexpr = tl.constexpr(1)
SMOOTH: tl.constexpr = tl.constexpr(2)


@triton.jit
def elastic(
    u: tl.tensor,
    lame: tl.tensor,
    shear: tl.tensor,
    edges: tl.tensor,
    inverse: tl.tensor,
    force: tl.tensor,
    change: tl.tensor,
    out: tl.tensor,
    momentum: tl.tensor,
    weights: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    mode: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """A u on live faces, and what it is needed for.

    Parameters
    ----------
    u, force, change, out : (batch, 3, voxels) float32
        APPLY: out = A u. RESIDUAL: out = force − A u; `out` may be `force`. SMOOTH, one Chebyshev step: change ←
        momentum · change + weight · (force − A u) / diagonal, out = u + change. 0 on dead faces. `out` is not u.
    lame, shear : (batch, voxels) float32
        λ and μ.
    edges, inverse : (batch, 3, voxels) float32
        μ of edges xy, xz, yz; inverse diagonal.
    momentum : float
        The same for all tumors.
    weights : (batch,) float32
        Weight of each tumor.
    active : (batch,) int32
        Whether a tumor takes part.
    blocks : (num_blocks,) int32
        Numbers of the blocks to visit.
    num_voxels, plane, pitch : int
        Floats of a field, of a plane of equal x, of a row.
    """
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    field = tumor.to(tl.int64) * num_voxels
    x_c, y_c, z_c, row_x, row_y, row_z = _operate(
        u + 3 * field + n, lame + field + n, shear + field + n, edges + 3 * field + n, num_voxels, plane, pitch
    )
    at = 3 * field + n
    weight = tl.load(weights + tumor)
    _finish(at, x_c, row_x, inverse, force, change, out, momentum, weight, mode)
    _finish(at + num_voxels, y_c, row_y, inverse, force, change, out, momentum, weight, mode)
    _finish(at + 2 * num_voxels, z_c, row_z, inverse, force, change, out, momentum, weight, mode)


@triton.jit
def _operate(
    x: tl.tensor,
    l0: tl.tensor,
    m0: tl.tensor,
    xy: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """The displacement of a block of voxels and A u there, x, y, z each; from where u, λ, μ and edge moduli lie."""
    y = x + num_voxels
    z = y + num_voxels
    xz = xy + num_voxels
    yz = xz + num_voxels

    x_c, y_c, z_c = tl.load(x), tl.load(y), tl.load(z)
    x_ip, y_jp, z_kp = tl.load(x + plane), tl.load(y + pitch), tl.load(z + 1)
    x_im, y_jm, z_km = tl.load(x - plane), tl.load(y - pitch), tl.load(z - 1)
    x_jm, x_km = tl.load(x - pitch), tl.load(x - 1)
    y_im, y_km = tl.load(y - plane), tl.load(y - 1)
    z_im, z_jm = tl.load(z - plane), tl.load(z - pitch)
    lame_c, mu = tl.load(l0), tl.load(m0)
    shear_c = mu + mu
    xx, yy, zz = x_ip - x_c, y_jp - y_c, z_kp - z_c
    pressure = lame_c * ((xx + yy) + zz)
    shear_xy = tl.load(xy) * ((x_c - x_jm) + (y_c - y_im))
    shear_xz = tl.load(xz) * ((x_c - x_km) + (z_c - z_im))
    shear_yz = tl.load(yz) * ((y_c - y_km) + (z_c - z_jm))

    y_im_jp, z_im_kp = tl.load(y - plane + pitch), tl.load(z - plane + 1)
    xx_i, mu_i = x_c - x_im, tl.load(m0 - plane)
    pressure_i = tl.load(l0 - plane) * ((xx_i + (y_im_jp - y_im)) + (z_im_kp - z_im))
    shear_xy_jp = tl.load(xy + pitch) * ((tl.load(x + pitch) - x_c) + (y_jp - y_im_jp))
    shear_xz_kp = tl.load(xz + 1) * ((tl.load(x + 1) - x_c) + (z_kp - z_im_kp))
    normal_x = (pressure_i - pressure) + ((mu_i + mu_i) * xx_i - shear_c * xx)
    row_x = normal_x + ((shear_xy - shear_xy_jp) + (shear_xz - shear_xz_kp))

    x_ip_jm, z_jm_kp = tl.load(x + plane - pitch), tl.load(z - pitch + 1)
    yy_j, mu_j = y_c - y_jm, tl.load(m0 - pitch)
    pressure_j = tl.load(l0 - pitch) * (((x_ip_jm - x_jm) + yy_j) + (z_jm_kp - z_jm))
    shear_xy_ip = tl.load(xy + plane) * ((x_ip - x_ip_jm) + (tl.load(y + plane) - y_c))
    shear_yz_kp = tl.load(yz + 1) * ((tl.load(y + 1) - y_c) + (z_kp - z_jm_kp))
    normal_y = (pressure_j - pressure) + ((mu_j + mu_j) * yy_j - shear_c * yy)
    row_y = normal_y + ((shear_xy - shear_xy_ip) + (shear_yz - shear_yz_kp))

    x_ip_km, y_jp_km = tl.load(x + plane - 1), tl.load(y + pitch - 1)
    zz_k, mu_k = z_c - z_km, tl.load(m0 - 1)
    pressure_k = tl.load(l0 - 1) * (((x_ip_km - x_km) + (y_jp_km - y_km)) + zz_k)
    shear_xz_ip = tl.load(xz + plane) * ((x_ip - x_ip_km) + (tl.load(z + plane) - z_c))
    shear_yz_jp = tl.load(yz + pitch) * ((y_jp - y_jp_km) + (tl.load(z + pitch) - z_c))
    normal_z = (pressure_k - pressure) + ((mu_k + mu_k) * zz_k - shear_c * zz)
    row_z = normal_z + ((shear_xz - shear_xz_ip) + (shear_yz - shear_yz_jp))
    return x_c, y_c, z_c, row_x, row_y, row_z


@triton.jit
def _finish(
    at: tl.tensor,
    own: tl.tensor,
    row: tl.tensor,
    inverse: tl.tensor,
    force: tl.tensor,
    change: tl.tensor,
    out: tl.tensor,
    momentum: tl.tensor,
    weight: tl.tensor,
    mode: tl.constexpr,
) -> None:
    """What `elastic` does with one component of A u."""
    # Live faces have a positive inverse diagonal; dead ones hold 0 and stay so in every mode.
    of_diagonal = tl.load(inverse + at)
    if mode == APPLY:
        tl.store(out + at, tl.where(of_diagonal > 0.0, row, 0.0))
    elif mode == RESIDUAL:
        tl.store(out + at, tl.where(of_diagonal > 0.0, tl.load(force + at) - row, 0.0))
    else:
        step = momentum * tl.load(change + at) + weight * (of_diagonal * (tl.load(force + at) - row))
        tl.store(change + at, step)
        tl.store(out + at, own + step)


@triton.jit
def first_smoothing(
    force: tl.tensor,
    inverse: tl.tensor,
    change: tl.tensor,
    u: tl.tensor,
    weights: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """The first Chebyshev step from u = 0: change = u = weight · force / diagonal."""
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    weight = tl.load(weights + tumor)
    for axis in tl.static_range(3):
        at = (3 * tumor.to(tl.int64) + axis) * num_voxels + n
        step = weight * (tl.load(inverse + at) * tl.load(force + at))
        tl.store(change + at, step)
        tl.store(u + at, step)


@triton.jit
def restrict(
    fine: tl.tensor,
    inverse: tl.tensor,
    coarse: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    fine_num_voxels: tl.tensor,
    fine_plane: tl.tensor,
    fine_pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Force on the coarse grid: half the transpose of `prolong_add`, on live faces; the grid is (blocks, batch, axes).

    Blocks, inverse diagonal and sizes are those of the coarse grid. Coarse cell J has the fine cells 2J − 1 and 2J.
    """
    tumor, axis = tl.program_id(1), tl.program_id(2)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    component = 3 * tumor.to(tl.int64) + axis
    is_live = tl.load(inverse + component * num_voxels + n) > 0.0
    first = (2 * (n // plane) - 2) * fine_plane + (2 * (n % plane // pitch) - 2) * fine_pitch + 2 * (n % pitch) - 2
    source = fine + component * fine_num_voxels + first
    far = tl.zeros([block], tl.float32)
    near, middle, beyond = far, far, far
    for p in range(4):
        for q in range(4):
            weight = _transfer_weight(p, axis == 0) * _transfer_weight(q, axis == 1)
            row = source + p * fine_plane + q * fine_pitch
            far += weight * tl.load(row, mask=is_live, other=0.0)
            near += weight * tl.load(row + 1, mask=is_live, other=0.0)
            middle += weight * tl.load(row + 2, mask=is_live, other=0.0)
            beyond += weight * tl.load(row + 3, mask=is_live, other=0.0)
    lower = _transfer_weight(0, axis == 2) * far + _transfer_weight(1, axis == 2) * near
    upper = _transfer_weight(2, axis == 2) * middle + _transfer_weight(3, axis == 2) * beyond
    tl.store(coarse + component * num_voxels + n, tl.where(is_live, 0.5 * (lower + upper), 0.0))


@triton.jit
def _transfer_weight(offset: tl.tensor, is_normal: tl.tensor) -> tl.tensor:
    """Weight between a coarse index J and the fine index 2J − 2 + offset: 0.5, 1, 0.5, 0 or 0.25, 0.75, 0.75, 0.25."""
    return 1.0 - 0.5 * tl.abs(offset - tl.where(is_normal, 1.0, 1.5))


@triton.jit
def prolong_add(
    coarse: tl.tensor,
    inverse: tl.tensor,
    fine: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    coarse_num_voxels: tl.tensor,
    coarse_plane: tl.tensor,
    coarse_pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """fine ← fine + coarse, linearly interpolated, on live faces; the grid is (blocks, batch, axes).

    Blocks, inverse diagonal and sizes are those of the fine grid.
    """
    tumor, axis = tl.program_id(1), tl.program_id(2)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    component = 3 * tumor.to(tl.int64) + axis
    at = component * num_voxels + n
    is_live = tl.load(inverse + at) > 0.0
    i0, i1, weight_i = _parents(n // plane, axis == 0)
    j0, j1, weight_j = _parents(n % plane // pitch, axis == 1)
    k0, k1, weight_k = _parents(n % pitch, axis == 2)
    source = coarse + component * coarse_num_voxels
    row_00, row_01 = source + i0 * coarse_plane + j0 * coarse_pitch, source + i0 * coarse_plane + j1 * coarse_pitch
    row_10, row_11 = source + i1 * coarse_plane + j0 * coarse_pitch, source + i1 * coarse_plane + j1 * coarse_pitch
    first = _between_rows(row_00, row_01, row_10, row_11, k0, weight_i, weight_j, is_live)
    second = _between_rows(row_00, row_01, row_10, row_11, k1, weight_i, weight_j, is_live)
    added = weight_k * first + (1.0 - weight_k) * second
    tl.store(fine + at, tl.load(fine + at) + added, mask=is_live)


@triton.jit
def _between_rows(
    row_00: tl.tensor,
    row_01: tl.tensor,
    row_10: tl.tensor,
    row_11: tl.tensor,
    k: tl.tensor,
    weight_i: tl.tensor,
    weight_j: tl.tensor,
    is_live: tl.tensor,
) -> tl.tensor:
    """Interpolation of four rows at index k."""
    r00, r01 = tl.load(row_00 + k, mask=is_live, other=0.0), tl.load(row_01 + k, mask=is_live, other=0.0)
    r10, r11 = tl.load(row_10 + k, mask=is_live, other=0.0), tl.load(row_11 + k, mask=is_live, other=0.0)
    near = weight_j * r00 + (1.0 - weight_j) * r01
    far = weight_j * r10 + (1.0 - weight_j) * r11
    return weight_i * near + (1.0 - weight_i) * far


@triton.jit
def _parents(fine_index: tl.tensor, is_normal: tl.tensor) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """The two coarse indices a fine one is interpolated from, and the weight of the first."""
    half, is_odd = (fine_index + 1) // 2, fine_index % 2 == 1
    second = tl.where(is_odd, tl.where(is_normal, half, half - 1), half + 1)
    weight = tl.where(is_normal, tl.where(is_odd, 1.0, 0.5), 0.75)
    return half, second, weight


@triton.jit
def edge_stiffness(
    brain: tl.tensor,
    shear: tl.tensor,
    edges: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Shear modulus of edges: harmonic mean of the brain cells (int32, shared) around each, twice that at a wall."""
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    field = tumor.to(tl.int64) * num_voxels
    cells, modulus = brain + n, shear + field + n
    out = edges + 3 * field + n
    tl.store(out, _edge(cells, modulus, plane, pitch))
    tl.store(out + num_voxels, _edge(cells, modulus, plane, 1))
    tl.store(out + 2 * num_voxels, _edge(cells, modulus, pitch, 1))


@triton.jit
def _edge(cells: tl.tensor, modulus: tl.tensor, along_a: tl.tensor, along_b: tl.tensor) -> tl.tensor:
    """Modulus of the edge between a cell, its predecessors along two axes, and the one along both."""
    in_a, in_b = tl.load(cells), tl.load(cells - along_a)
    in_c, in_d = tl.load(cells - along_b), tl.load(cells - along_a - along_b)
    number = in_a + in_b + in_c + in_d
    compliance = _compliance(in_a, tl.load(modulus)) + _compliance(in_b, tl.load(modulus - along_a))
    compliance += _compliance(in_c, tl.load(modulus - along_b))
    compliance += _compliance(in_d, tl.load(modulus - along_a - along_b))
    mean = tl.div_rn(number.to(tl.float32), tl.where(number > 0, compliance, 1.0))
    return tl.where(number < 2, 0.0, tl.where(number == 2, mean + mean, mean))


@triton.jit
def _compliance(is_inside: tl.tensor, modulus: tl.tensor) -> tl.tensor:
    is_brain = is_inside > 0
    return tl.where(is_brain, tl.div_rn(1.0, tl.where(is_brain, modulus, 1.0)), 0.0)


@triton.jit
def diagonal(
    brain: tl.tensor,
    lame: tl.tensor,
    shear: tl.tensor,
    edges: tl.tensor,
    inverse: tl.tensor,
    bounds: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Inverse diagonal of A on live faces, 0 elsewhere.

    `bounds` (batch, num_blocks) float32: per block Gershgorin's bound of the spectrum of A / diagonal.
    """
    tumor, index = tl.program_id(1), tl.program_id(0)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + index) * block + tl.arange(0, block)
    field = tumor.to(tl.int64) * num_voxels
    l0, m0 = lame + field + n, shear + field + n
    xy = edges + 3 * field + n
    xz = xy + num_voxels
    yz = xz + num_voxels
    xy_c, xz_c, yz_c = tl.load(xy), tl.load(xz), tl.load(yz)
    around_x = (xy_c + tl.load(xy + pitch)) + (xz_c + tl.load(xz + 1))
    around_y = (xy_c + tl.load(xy + plane)) + (yz_c + tl.load(yz + 1))
    around_z = (xz_c + tl.load(xz + plane)) + (yz_c + tl.load(yz + pitch))
    out = inverse + 3 * field + n
    bound_x = _face_diagonal(brain + n, l0, m0, plane, around_x, out)
    bound_y = _face_diagonal(brain + n, l0, m0, pitch, around_y, out + num_voxels)
    bound_z = _face_diagonal(brain + n, l0, m0, 1, around_z, out + 2 * num_voxels)
    largest = tl.max(tl.maximum(tl.maximum(bound_x, bound_y), bound_z))
    tl.store(bounds + tumor * tl.num_programs(0) + index, largest)


@triton.jit
def _face_diagonal(
    cells: tl.tensor, lame: tl.tensor, shear: tl.tensor, stride: tl.tensor, around: tl.tensor, out: tl.tensor
) -> tl.tensor:
    """Store the inverse diagonal of the faces to the cells `stride` before; the bounds of their rows, 0 if not live."""
    is_live = (tl.load(cells) > 0) & (tl.load(cells - stride) > 0)
    own, other = tl.load(shear), tl.load(shear - stride)
    volumetric = tl.load(lame) + tl.load(lame - stride)
    entry = (volumetric + ((own + own) + (other + other))) + around
    entry = tl.where(is_live, entry, 1.0)
    tl.store(out, tl.where(is_live, tl.div_rn(1.0, entry), 0.0))
    bound = 2.0 + tl.div_rn(2.0 * (2.0 * volumetric + around), entry)
    return tl.where(is_live, bound, 0.0)


@triton.jit
def coarsened(
    fine_brain: tl.tensor,
    rows: tl.tensor,
    fine: tl.tensor,
    coarse: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    fine_num_voxels: tl.tensor,
    fine_plane: tl.tensor,
    fine_pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Mean stiffness of the brain cells among the eight fine cells of each coarse cell, within the coarse rows."""
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    is_inside = tl.load(rows + n) > 0
    first = (2 * (n // plane) - 1) * fine_plane + (2 * (n % plane // pitch) - 1) * fine_pitch + 2 * (n % pitch) - 1
    source = fine + tumor.to(tl.int64) * fine_num_voxels
    total = tl.zeros([block], tl.float32)
    number = tl.zeros([block], tl.int32)
    for p in range(2):
        for q in range(2):
            for r in range(2):
                at = first + p * fine_plane + q * fine_pitch + r
                is_brain = tl.load(fine_brain + at, mask=is_inside, other=0)
                total += tl.where(is_brain > 0, tl.load(source + at, mask=is_inside, other=0.0), 0.0)
                number += is_brain
    mean = tl.div_rn(total, tl.where(number > 0, number, 1).to(tl.float32))
    tl.store(coarse + tumor.to(tl.int64) * num_voxels + n, tl.where(number > 0, mean, 0.0), mask=is_inside)


@triton.jit
def dot(
    x: tl.tensor,
    y: tl.tensor,
    sums: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """`sums` (batch, num_blocks) float64: x · y of each block."""
    tumor, index = tl.program_id(1), tl.program_id(0)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + index) * block + tl.arange(0, block)
    total = tl.zeros([block], tl.float64)
    for axis in tl.static_range(3):
        at = (3 * tumor.to(tl.int64) + axis) * num_voxels + n
        total += tl.load(x + at).to(tl.float64) * tl.load(y + at).to(tl.float64)
    tl.store(sums + tumor * tl.num_programs(0) + index, tl.sum(total))


@triton.jit
def scale_and_add(
    scales: tl.tensor,
    x: tl.tensor,
    y: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """y ← x + scale · y, with one scale per tumor."""
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    scale = tl.load(scales + tumor)
    for axis in tl.static_range(3):
        at = (3 * tumor.to(tl.int64) + axis) * num_voxels + n
        tl.store(y + at, tl.load(x + at) + scale * tl.load(y + at))


@triton.jit
def descend(
    steps: tl.tensor,
    direction: tl.tensor,
    image: tl.tensor,
    u: tl.tensor,
    residual: tl.tensor,
    sums: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """u ← u + step · direction, residual ← residual − step · image; `sums`: |residual|² of each block, float64."""
    tumor, index = tl.program_id(1), tl.program_id(0)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + index) * block + tl.arange(0, block)
    step = tl.load(steps + tumor)
    total = tl.zeros([block], tl.float64)
    for axis in tl.static_range(3):
        at = (3 * tumor.to(tl.int64) + axis) * num_voxels + n
        tl.store(u + at, tl.load(u + at) + step * tl.load(direction + at))
        rest = tl.load(residual + at) - step * tl.load(image + at)
        tl.store(residual + at, rest)
        total += rest.to(tl.float64) * rest.to(tl.float64)
    tl.store(sums + tumor * tl.num_programs(0) + index, tl.sum(total))
