"""Triton kernels of the reaction-diffusion solver: every tumor of a batch does its next operation in one launch.

Two kernels alternate. `begin_operations` does the bookkeeping of all tumors (stop the ones that are too large, widen
the active box before a step); `advance` does the arithmetic of one operation on every tile of every active box. The
host only launches: it reads nothing back in between.

Layout. All fields of a batch are one array `state` (4, batch, voxels): density, rate, and two increments. A field is
the padded box of `FaceCoefficients`, z fastest, filled up with zeros to whole tiles along every axis. The fill and the
padding have closed faces, so the flat neighbor of a voxel at an edge, whichever voxel that is, contributes exactly 0:
no load needs a mask, and rows stay aligned to 16 floats.

Traffic. A voxel-step moves 16 bytes of state, averaged over a step of any number of stages (first stage 12: read c,
write rate and d; middle 16: read d_{j−1}, d_{j−2} and rate, write d_j; last 20: read d_{s−1}, d_{s−2}, rate and c,
write c), and reads 12 bytes of face coefficients, which all tumors share and the cache of the device holds. The floor
is therefore 16 bytes per voxel-step over the memory bandwidth. A program walks along x with the planes below and at its
position in registers, so it loads every plane of its tile once.

Arithmetic follows `numba_kernels` operation by operation (no fused multiply-add, division rounded to nearest), so
results agree with the CPU to the last bits.
"""

from __future__ import annotations

import triton
import triton.language as tl

# As `OperationKind`; a kernel sees constants of its own module only.
IDLE: tl.constexpr = tl.constexpr(0)
FIRST: tl.constexpr = tl.constexpr(1)
MIDDLE: tl.constexpr = tl.constexpr(2)
LAST: tl.constexpr = tl.constexpr(3)
REACT: tl.constexpr = tl.constexpr(4)
# Columns of `status`, one row of int64 per tumor.
COUNTED: tl.constexpr = tl.constexpr(0)
STEPS: tl.constexpr = tl.constexpr(1)
VOXEL_STEPS: tl.constexpr = tl.constexpr(2)
LIMIT: tl.constexpr = tl.constexpr(3)
STATUS: tl.constexpr = tl.constexpr(4)
# Increments below this are noise of the far tail, as in `numba_kernels`.
TINY: tl.constexpr = tl.constexpr(1e-30)
FAR: tl.constexpr = tl.constexpr(1 << 20)


@triton.jit(do_not_specialize=["num_tumors", "last_x", "last_y", "last_z"])
def begin_operations(
    codes: tl.tensor,
    current: tl.tensor,
    found: tl.tensor,
    boxes: tl.tensor,
    status: tl.tensor,
    num_tumors: tl.tensor,
    last_x: tl.tensor,
    last_y: tl.tensor,
    last_z: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Kind of operation each tumor is to do now, and the box it does it in.

    Parameters
    ----------
    codes : (batch, 4) int32
        Row of `Operations.codes` of each tumor.
    current : (batch,) int32
        Kind to do: that of the row, or idle if the last step left more voxels above the threshold than allowed.
    found, boxes : (batch, 6) int32
        Lowest and highest (inclusive) index along x, y, z where cells were left, and of the active box, which only
        ever grows: outside it every field of the tumor holds zeros.
    status : (batch, 4) int64
        Voxels above the threshold of the last step, steps done, voxel updates done, most voxels above the threshold.
    last_x, last_y, last_z : int
        Highest index of a voxel of the domain.
    """
    tumor = tl.program_id(0) * block + tl.arange(0, block)
    is_tumor = tumor < num_tumors
    own = status + STATUS * tumor
    counted = tl.load(own + COUNTED, mask=is_tumor, other=0)
    kind = tl.load(codes + 4 * tumor, mask=is_tumor, other=0)
    num_stages = tl.load(codes + 4 * tumor + 2, mask=is_tumor, other=0)
    ends_step = tl.load(codes + 4 * tumor + 3, mask=is_tumor, other=0)
    # The count of a tumor that is too large is never reset, so it stays idle.
    kind = tl.where(counted > tl.load(own + LIMIT, mask=is_tumor, other=0), 0, kind)
    tl.store(current + tumor, kind, mask=is_tumor)

    is_ending = is_tumor & (kind != IDLE) & (ends_step != 0)
    steps = tl.load(own + STEPS, mask=is_ending, other=0)
    tl.store(own + STEPS, steps + 1, mask=is_ending)
    tl.store(own + COUNTED, tl.zeros_like(counted), mask=is_ending)

    is_first = is_tumor & (kind == FIRST)
    along_x = _widen(found + 6 * tumor, boxes + 6 * tumor, num_stages, last_x, is_first)
    along_y = _widen(found + 6 * tumor + 1, boxes + 6 * tumor + 1, num_stages, last_y, is_first)
    along_z = _widen(found + 6 * tumor + 2, boxes + 6 * tumor + 2, num_stages, last_z, is_first)
    updates = along_x.to(tl.int64) * along_y * along_z * num_stages
    done = tl.load(own + VOXEL_STEPS, mask=is_first, other=0)
    tl.store(own + VOXEL_STEPS, done + updates, mask=is_first)


@triton.jit
def _widen(found: tl.tensor, box: tl.tensor, num_voxels: tl.tensor, last: tl.tensor, is_first: tl.tensor) -> tl.tensor:
    """Grow a box along one axis to all that cells can reach in `num_voxels` stages; its extent."""
    low = tl.maximum(tl.load(found, mask=is_first, other=1) - num_voxels, 1)
    high = tl.minimum(tl.load(found + 3, mask=is_first, other=0) + num_voxels, last)
    # Never smaller than before: every field must hold zeros outside the box.
    low = tl.minimum(low, tl.load(box, mask=is_first, other=1))
    high = tl.maximum(high, tl.load(box + 3, mask=is_first, other=0))
    tl.store(box, low, mask=is_first)
    tl.store(box + 3, high, mask=is_first)
    return high - low + 1


@triton.jit(do_not_specialize=["num_tumors", "num_tiles_y", "num_tiles_z"])
def advance(
    state: tl.tensor,
    faces: tl.tensor,
    face_sets: tl.tensor,
    codes: tl.tensor,
    weights: tl.tensor,
    current: tl.tensor,
    found: tl.tensor,
    boxes: tl.tensor,
    status: tl.tensor,
    num_tumors: tl.tensor,
    num_voxels: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    num_tiles_y: tl.tensor,
    num_tiles_z: tl.tensor,
    floor: tl.tensor,
    tile_x: tl.constexpr,
    tile_y: tl.constexpr,
    tile_z: tl.constexpr,
) -> None:
    """One operation of one tumor on one tile; the grid is (tiles, batch).

    Parameters
    ----------
    state : (4, batch, voxels) float32
        Density, rate, increments 0 and 1.
    faces : (sets, 3, voxels) float32
        Coefficient of the face to the predecessor along x, y, z, for each diffusivity ratio in use.
    face_sets : (batch,) int32
        Set of each tumor.
    codes, weights : (batch, 4) int32 and (batch, 6) float32
        Row of `Operations` of each tumor.
    current, found, boxes, status
        As in `begin_operations`; `found` and the count of `status` are updated at the end of a step.
    num_voxels, plane, pitch : int
        Floats of a field, of a plane of equal x, of a row.
    floor : float
        Density below which cells are cleared.
    """
    tumor = tl.program_id(1)
    kind = tl.load(current + tumor)
    if kind == IDLE:
        return
    tile = tl.program_id(0)
    x0 = 1 + tile // (num_tiles_y * num_tiles_z) * tile_x
    y0 = tile // num_tiles_z % num_tiles_y * tile_y
    z0 = tile % num_tiles_z * tile_z
    if _is_outside(boxes + 6 * tumor, x0, y0, z0, tile_x, tile_y, tile_z):
        return

    # 64-bit: a large batch has more floats than 32 bits count.
    field = num_tumors.to(tl.int64) * num_voxels
    density = state + tumor.to(tl.int64) * num_voxels
    newer_increment = tl.load(codes + 4 * tumor + 1)
    weight = weights + 6 * tumor
    survival, threshold = tl.load(weight + 4), tl.load(weight + 5)
    y = y0 + tl.arange(0, tile_y)[:, None]
    z = z0 + tl.arange(0, tile_z)[None, :]
    at = x0 * plane + y * pitch + z
    if kind == REACT:
        num_counted = _react(density, at, plane, survival, threshold, floor, tile_x, tile_y, tile_z)
    else:
        fx = faces + tl.load(face_sets + tumor).to(tl.int64) * 3 * num_voxels
        num_counted, lowest_x, highest_x = _diffuse(
            kind, density, field, newer_increment, fx, num_voxels,
            at, x0, plane, pitch, weight, survival, threshold, floor, tile_x, tile_y, tile_z,
        )  # fmt: skip
        if kind == LAST:
            _record_cells(found + 6 * tumor, lowest_x, highest_x, y, z)
    if tl.load(codes + 4 * tumor + 3) != 0:
        # Integers, so the order of the atomic additions does not matter.
        total = tl.sum(num_counted).to(tl.int64)
        if total > 0:
            tl.atomic_add(status + STATUS * tumor + COUNTED, total)


@triton.jit
def _is_outside(
    box: tl.tensor,
    x0: tl.tensor,
    y0: tl.tensor,
    z0: tl.tensor,
    tile_x: tl.constexpr,
    tile_y: tl.constexpr,
    tile_z: tl.constexpr,
) -> tl.tensor:
    """Whether a tile that begins at (x0, y0, z0) holds nothing of an active box."""
    is_outside = (x0 + tile_x <= tl.load(box)) | (x0 > tl.load(box + 3))
    is_outside |= (y0 + tile_y <= tl.load(box + 1)) | (y0 > tl.load(box + 4))
    is_outside |= (z0 + tile_z <= tl.load(box + 2)) | (z0 > tl.load(box + 5))
    return is_outside


@triton.jit
def _react(
    density: tl.tensor,
    at: tl.tensor,
    plane: tl.tensor,
    survival: tl.tensor,
    threshold: tl.tensor,
    floor: tl.tensor,
    tile_x: tl.constexpr,
    tile_y: tl.constexpr,
    tile_z: tl.constexpr,
) -> tl.tensor:
    """Grow the cells of a tile; voxels above the threshold in each of its columns along x."""
    num_counted = tl.zeros([tile_y, tile_z], tl.int32)
    for _ in tl.range(tile_x):
        c = _grown(tl.load(density + at), survival, floor)
        tl.store(density + at, c)
        num_counted += (c > threshold).to(tl.int32)
        at += plane
    return num_counted


@triton.jit
def _diffuse(
    kind: tl.tensor,
    density: tl.tensor,
    field: tl.tensor,
    newer_increment: tl.tensor,
    fx: tl.tensor,
    num_voxels: tl.tensor,
    at: tl.tensor,
    x0: tl.tensor,
    plane: tl.tensor,
    pitch: tl.tensor,
    weight: tl.tensor,
    survival: tl.tensor,
    threshold: tl.tensor,
    floor: tl.tensor,
    tile_x: tl.constexpr,
    tile_y: tl.constexpr,
    tile_z: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """One stage of diffusion on a tile, plane by plane along x; growth follows the last.

    Returns voxels above the threshold, and the lowest and highest x with cells, in each column of the tile along x; all
    three are known after the last stage alone.
    """
    rate = density + field
    newer = density + (2 + newer_increment) * field
    older = density + (3 - newer_increment) * field
    w_newer, w_older = tl.load(weight), tl.load(weight + 1)
    w_operator, w_initial = tl.load(weight + 2), tl.load(weight + 3)
    fy = fx + num_voxels
    fz = fy + num_voxels
    # The operator acts on the density in the first stage, on the newer increment later on.
    source = density + tl.where(kind == FIRST, 0, 2 + newer_increment) * field
    num_counted = tl.zeros([tile_y, tile_z], tl.int32)
    lowest_x = tl.full([tile_y, tile_z], FAR, tl.int32)
    highest_x = tl.full([tile_y, tile_z], -1, tl.int32)
    # The flow through a face is computed once and handed on to the next plane: both voxels see the same number.
    own = tl.load(source + at)
    flow_x = tl.load(fx + at) * (own - tl.load(source + at - plane))
    for i in tl.range(tile_x):
        next_x = tl.load(source + at + plane)
        next_flow_x = tl.load(fx + at + plane) * (next_x - own)
        next_flow_y = tl.load(fy + at + pitch) * (tl.load(source + at + pitch) - own)
        flow_y = tl.load(fy + at) * (own - tl.load(source + at - pitch))
        next_flow_z = tl.load(fz + at + 1) * (tl.load(source + at + 1) - own)
        flow_z = tl.load(fz + at) * (own - tl.load(source + at - 1))
        change = ((next_flow_x - flow_x) + (next_flow_y - flow_y)) + (next_flow_z - flow_z)
        if kind == FIRST:
            tl.store(rate + at, change)
            tl.store(newer + at, w_operator * change)
        else:
            d = (w_newer * own + w_older * tl.load(older + at)) + (w_operator * change + w_initial * tl.load(rate + at))
            if kind == MIDDLE:
                # In place: d_{j−2} is read by its own voxel only, so no other program misses it.
                tl.store(older + at, tl.where(tl.abs(d) > TINY, d, 0.0))
            else:
                c = _grown(tl.load(density + at) + d, survival, floor)
                tl.store(density + at, c)
                num_counted += (c > threshold).to(tl.int32)
                lowest_x = tl.where(c > 0.0, tl.minimum(lowest_x, x0 + i), lowest_x)
                highest_x = tl.where(c > 0.0, x0 + i, highest_x)
        own, flow_x = next_x, next_flow_x
        at += plane
    return num_counted, lowest_x, highest_x


@triton.jit
def _record_cells(found: tl.tensor, lowest_x: tl.tensor, highest_x: tl.tensor, y: tl.tensor, z: tl.tensor) -> None:
    """Widen what is known of where a tumor has cells by those of a tile."""
    has_cells = highest_x >= 0
    _record_lowest(found, tl.min(lowest_x))
    _record_lowest(found + 1, tl.min(tl.where(has_cells, y, FAR)))
    _record_lowest(found + 2, tl.min(tl.where(has_cells, z, FAR)))
    _record_highest(found + 3, tl.max(highest_x))
    _record_highest(found + 4, tl.max(tl.where(has_cells, y, -1)))
    _record_highest(found + 5, tl.max(tl.where(has_cells, z, -1)))


@triton.jit
def _grown(c: tl.tensor, survival: tl.tensor, floor: tl.tensor) -> tl.tensor:
    """c / (q + c (1 − q)); densities below `floor` are cleared, above 1 cut."""
    u = tl.div_rn(c, survival + c * (1.0 - survival))
    u = tl.where(u >= floor, u, 0.0)
    return tl.where(u < 1.0, u, 1.0)


@triton.jit
def _record_lowest(extent: tl.tensor, value: tl.tensor) -> None:
    """Atomic minimum. Most tiles lie inside what is known already and need none."""
    if value < tl.load(extent):
        tl.atomic_min(extent, value)


@triton.jit
def _record_highest(extent: tl.tensor, value: tl.tensor) -> None:
    """Atomic maximum, as `_record_lowest`."""
    if value > tl.load(extent):
        tl.atomic_max(extent, value)
