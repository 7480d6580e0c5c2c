"""Triton kernels that move tissue and cells, mix their stiffness and push, for a batch of tumors in one brain.

They are `mechanics.tissue_kernels`, operation by operation and without fused multiply-adds; read its module docstring
for the scheme. Layout, blocks and `active` are those of `triton_mechanics_kernels`.

`rows` (int32, shared) are the voxels the processor visits: whole rows from the first brain voxel to the last.
"""

from __future__ import annotations

import triton
import triton.language as tl

#: Components of `tissue`: white matter, gray matter, CSF, and the volume at rest.
NUM_TISSUES: tl.constexpr = tl.constexpr(5)


@triton.jit
def transport_stage(
    increment: tl.tensor,
    spacing_mm: tl.tensor,
    parts: tl.tensor,
    amount: tl.tensor,
    initial: tl.tensor,
    initial_weight: tl.tensor,
    out: tl.tensor,
    rows: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_amounts: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """out = w · initial + (1 − w) · (amount − net outflow): one Runge–Kutta stage.

    The grid is (blocks, batch, amounts).

    Parameters
    ----------
    increment : (batch, 3, voxels) float32
        Displacement of faces [mm].
    parts : (batch,) float32
        Part of the increment to move by.
    amount, initial, out : (batch, num_amounts, voxels) float32
        `out` may be `initial`, not `amount`.
    """
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    at = (tumor.to(tl.int64) * num_amounts + tl.program_id(2)) * num_voxels + n
    along_x = increment + 3 * tumor.to(tl.int64) * num_voxels + n
    along_y = along_x + num_voxels
    along_z = along_y + num_voxels
    out_x = _net_outflow(amount + at, plane, along_x, spacing_mm)
    out_y = _net_outflow(amount + at, pitch, along_y, spacing_mm)
    out_z = _net_outflow(amount + at, 1, along_z, spacing_mm)
    moved = tl.load(amount + at) - tl.load(parts + tumor) * ((out_x + out_y) + out_z)
    result = initial_weight * tl.load(initial + at) + (1.0 - initial_weight) * moved
    # Zero outside the rows the processor visits, or the two would differ there.
    tl.store(out + at, tl.where(tl.load(rows + n) > 0, result, 0.0))


@triton.jit
def _net_outflow(amount: tl.tensor, stride: tl.tensor, along: tl.tensor, spacing_mm: tl.tensor) -> tl.tensor:
    """What leaves a cell through its two faces along one axis."""
    # Each face is computed by both of its cells from the same four numbers, so amounts are conserved without atomics.
    c_2, c_1 = tl.load(amount - 2 * stride), tl.load(amount - stride)
    c = tl.load(amount)
    c1_, c2_ = tl.load(amount + stride), tl.load(amount + 2 * stride)
    low, high = tl.div_rn(tl.load(along), spacing_mm), tl.div_rn(tl.load(along + stride), spacing_mm)
    return _flux(high, c_1, c, c1_, c2_) - _flux(low, c_2, c_1, c, c1_)


@triton.jit
def _flux(move: tl.tensor, a: tl.tensor, b: tl.tensor, c: tl.tensor, d: tl.tensor) -> tl.tensor:
    """Amount that crosses the face between b and c of the four cells a, b, c, d in a row."""
    from_b = b + 0.5 * _limited(b - a, c - b)
    from_c = c - 0.5 * _limited(c - b, d - c)
    return move * tl.where(move > 0.0, from_b, from_c)


@triton.jit
def _limited(left: tl.tensor, right: tl.tensor) -> tl.tensor:
    """Monotonized-central slope from two one-sided differences; 0 at an extremum."""
    center = 0.5 * (left + right)
    size = tl.minimum(tl.abs(center), 2.0 * tl.minimum(tl.abs(left), tl.abs(right)))
    return tl.where(left * right > 0.0, tl.where(center > 0.0, size, -size), 0.0)


@triton.jit
def largest_outflow(
    increment: tl.tensor,
    largest: tl.tensor,
    rows: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """`largest` (batch, num_blocks) float32: per block the largest outflow of a cell, Σ over its six faces [mm]."""
    tumor, index = tl.program_id(1), tl.program_id(0)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + index) * block + tl.arange(0, block)
    x = increment + 3 * tumor.to(tl.int64) * num_voxels + n
    y = x + num_voxels
    z = y + num_voxels
    out = tl.maximum(tl.load(x + plane), 0.0) + tl.maximum(-tl.load(x), 0.0)
    out += tl.maximum(tl.load(y + pitch), 0.0) + tl.maximum(-tl.load(y), 0.0)
    out += tl.maximum(tl.load(z + 1), 0.0) + tl.maximum(-tl.load(z), 0.0)
    out = tl.where(tl.load(rows + n) > 0, out, 0.0)
    tl.store(largest + tumor * tl.num_programs(0) + index, tl.max(out))


@triton.jit
def mixed_stiffness(
    tissue: tl.tensor,
    density: tl.tensor,
    constants: tl.tensor,
    brain: tl.tensor,
    lame: tl.tensor,
    shear: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """λ and μ of brain cells from amounts of tissue and density; `constants` (4, 2): WM, GM, CSF, tumor."""
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    field = tumor.to(tl.int64) * num_voxels
    amounts = tissue + NUM_TISSUES * field + n
    white, gray, csf = tl.load(amounts), tl.load(amounts + num_voxels), tl.load(amounts + 2 * num_voxels)
    c = tl.minimum(tl.load(density + field + n), 1.0)
    total = (white + gray) + csf
    is_filled = total > 0.0
    share = tl.div_rn(1.0 - c, tl.where(is_filled, total, 1.0))
    w, g = share * white, share * gray
    # Without tissue all but the tumor is CSF; the shares add up to 1.
    f = tl.where(is_filled, share * csf, share)
    is_brain = tl.load(brain + n) > 0
    first = w * tl.load(constants) + g * tl.load(constants + 2)
    second = f * tl.load(constants + 4) + c * tl.load(constants + 6)
    tl.store(lame + field + n, first + second, mask=is_brain)
    first = w * tl.load(constants + 1) + g * tl.load(constants + 3)
    second = f * tl.load(constants + 5) + c * tl.load(constants + 7)
    tl.store(shear + field + n, first + second, mask=is_brain)


@triton.jit
def add_push(
    density: tl.tensor,
    push_pa: tl.tensor,
    brain: tl.tensor,
    lame: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """λ ← λ + γ min(c, 1) in brain cells; `push_pa` (batch,) float32."""
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    at = tumor.to(tl.int64) * num_voxels + n
    stiffer = tl.load(lame + at) + tl.load(push_pa + tumor) * tl.minimum(tl.load(density + at), 1.0)
    tl.store(lame + at, stiffer, mask=tl.load(brain + n) > 0)


@triton.jit
def push_force(
    density: tl.tensor,
    scales: tl.tensor,
    inverse: tl.tensor,
    out: tl.tensor,
    sums: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """out = −γ h · (difference of the density across each live face), `scales` (batch,) = γ h [Pa mm]; 0 on dead faces.

    `sums` (batch, num_blocks) float64: |out|² of each block.
    """
    tumor, index = tl.program_id(1), tl.program_id(0)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + index) * block + tl.arange(0, block)
    field = tumor.to(tl.int64) * num_voxels
    own, at = tl.load(density + field + n), 3 * field + n
    scale = tl.load(scales + tumor)
    total = tl.zeros([block], tl.float64)
    for axis in tl.static_range(3):
        stride = plane if axis == 0 else (pitch if axis == 1 else 1)
        force = scale * (tl.load(density + field + n - stride) - own)
        force = tl.where(tl.load(inverse + at) > 0.0, force, 0.0)
        tl.store(out + at, force)
        total += force.to(tl.float64) * force.to(tl.float64)
        at += num_voxels
    tl.store(sums + tumor * tl.num_programs(0) + index, tl.sum(total))


@triton.jit
def enter_domain(
    density: tl.tensor,
    domain: tl.tensor,
    growing: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Cells that react and diffuse: growing = density in the domain (int8), 0 outside it."""
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    at = tumor.to(tl.int64) * num_voxels + n
    tl.store(growing + at, tl.where(tl.load(domain + at) > 0, tl.load(density + at), 0.0))


@triton.jit
def leave_domain(
    growing: tl.tensor,
    domain: tl.tensor,
    density: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """density ← growing in the domain; cells outside wait where they are."""
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    at = tumor.to(tl.int64) * num_voxels + n
    tl.store(density + at, tl.load(growing + at), mask=tl.load(domain + at) > 0)


@triton.jit
def relaxation_sums(
    correction: tl.tensor,
    last: tl.tensor,
    sums: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """`sums` (2, batch, num_blocks) float64: last · change and |change|² of each block, change = correction − last."""
    tumor, index = tl.program_id(1), tl.program_id(0)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + index) * block + tl.arange(0, block)
    along = tl.zeros([block], tl.float64)
    size = tl.zeros([block], tl.float64)
    for axis in tl.static_range(3):
        at = (3 * tumor.to(tl.int64) + axis) * num_voxels + n
        before = tl.load(last + at)
        change = (tl.load(correction + at) - before).to(tl.float64)
        along += before.to(tl.float64) * change
        size += change * change
    target = tumor * tl.num_programs(0) + index
    tl.store(sums + target, tl.sum(along))
    tl.store(sums + tl.num_programs(1) * tl.num_programs(0) + target, tl.sum(size))


@triton.jit
def add_correction(
    factors: tl.tensor,
    correction: tl.tensor,
    increment: tl.tensor,
    last: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    block: tl.constexpr,
) -> None:
    """increment ← increment + factor · correction, and last ← correction, then correction ← 0 for the next one."""
    tumor = tl.program_id(1)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + tl.program_id(0)) * block + tl.arange(0, block)
    factor = tl.load(factors + tumor)
    for axis in tl.static_range(3):
        at = (3 * tumor.to(tl.int64) + axis) * num_voxels + n
        value = tl.load(correction + at)
        tl.store(increment + at, tl.load(increment + at) + factor * value)
        tl.store(last + at, value)
        tl.store(correction + at, tl.zeros([block], tl.float32))


@triton.jit
def jacobian_extremes(
    displacement: tl.tensor,
    per_mm: tl.tensor,
    brain: tl.tensor,
    smallest: tl.tensor,
    largest: tl.tensor,
    active: tl.tensor,
    blocks: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """`smallest`, `largest` (batch, num_blocks) float32: extremes of det(I + ∇u · per_mm h) over the brain cells."""
    tumor, index = tl.program_id(1), tl.program_id(0)
    if tl.load(active + tumor) == 0:
        return
    n = tl.load(blocks + index) * block + tl.arange(0, block)
    u = displacement + 3 * tumor.to(tl.int64) * num_voxels + n
    v = u + num_voxels
    w = v + num_voxels
    quarter = 0.25 * per_mm
    xx = 1.0 + per_mm * (tl.load(u + plane) - tl.load(u))
    yy = 1.0 + per_mm * (tl.load(v + pitch) - tl.load(v))
    zz = 1.0 + per_mm * (tl.load(w + 1) - tl.load(w))
    xy, xz = quarter * _across(u, pitch, plane), quarter * _across(u, 1, plane)
    yx, yz = quarter * _across(v, plane, pitch), quarter * _across(v, 1, pitch)
    zx, zy = quarter * _across(w, plane, 1), quarter * _across(w, pitch, 1)
    minors = xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx)
    determinant = minors + xz * (yx * zy - yy * zx)
    is_brain = tl.load(brain + n) > 0
    at = tumor * tl.num_programs(0) + index
    tl.store(smallest + at, tl.min(tl.where(is_brain, determinant, float("inf"))))
    tl.store(largest + at, tl.max(tl.where(is_brain, determinant, float("-inf"))))


@triton.jit
def _across(component: tl.tensor, stride: tl.tensor, own_stride: tl.tensor) -> tl.tensor:
    """Four times the derivative of a component along another axis than its own, averaged to the cell."""
    ahead = tl.load(component + stride) + tl.load(component + stride + own_stride)
    return (ahead - tl.load(component - stride)) - tl.load(component - stride + own_stride)
