"""Float32 loops of the reaction-diffusion solver, over rows of voxels.

Arrays are padded boxes (X', Y', Z') as `FaceCoefficients` describes; `start` and `stop` (X', Y') are the extents
along z of the rows to update, so a kernel touches nothing but the neighborhood of the tumor. Kernels take a range of x
and may run on disjoint ranges at once: each voxel is computed from the same numbers in the same order in any case.

Rows are sliced before the inner loop: an index into the full array would carry Python's check for negative indices and
keep the loop from vectorizing. Scalars come as float32, for one float64 would turn the whole loop to double.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliomap.growth.backends.compiled import compiled, inlined

Field = NDArray[np.float32]
Rows = NDArray[np.int32]

# Increments of a stage below this are noise of the far tail and would become denormals too.
_TINY = np.float32(1e-30)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@compiled
def first_stage(
    x0: int,
    x1: int,
    start: Rows,
    stop: Rows,
    c: Field,
    fx: Field,
    fy: Field,
    fz: Field,
    rate: Field,
    increment: Field,
    weight: np.float32,
) -> None:
    """rate = L c and increment = weight · rate, with L c = Σ_faces f (c_neighbor − c)."""
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            rate_row, increment_row = rate[i, j, a:b], increment[i, j, a:b]
            _inflow(i, j, a, b, c, fx, fy, fz, rate_row)
            for k in range(b - a):
                increment_row[k] = weight * rate_row[k]


@compiled
def middle_stage(
    x0: int,
    x1: int,
    start: Rows,
    stop: Rows,
    newer: Field,
    older: Field,
    fx: Field,
    fy: Field,
    fz: Field,
    rate: Field,
    mu: np.float32,
    nu: np.float32,
    operator: np.float32,
    initial: np.float32,
) -> None:
    """older ← mu · newer + nu · older + operator · L newer + initial · rate: d_j in the place of d_{j−2}."""
    buffer = np.empty(newer.shape[2], np.float32)
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            change = buffer[: b - a]
            _inflow(i, j, a, b, newer, fx, fy, fz, change)
            newer_row, older_row, rate_row = newer[i, j, a:b], older[i, j, a:b], rate[i, j, a:b]
            for k in range(b - a):
                d = (mu * newer_row[k] + nu * older_row[k]) + (operator * change[k] + initial * rate_row[k])
                older_row[k] = d if abs(d) > _TINY else _ZERO


@compiled
def last_stage(
    x0: int,
    x1: int,
    start: Rows,
    stop: Rows,
    newer: Field,
    older: Field,
    fx: Field,
    fy: Field,
    fz: Field,
    rate: Field,
    mu: np.float32,
    nu: np.float32,
    operator: np.float32,
    initial: np.float32,
    c: Field,
    survival: np.float32,
    floor: np.float32,
    found_start: Rows,
    found_stop: Rows,
) -> None:
    """c ← logistic(c + d_s), d_s as in `middle_stage`; records where cells are left."""
    buffer = np.empty(newer.shape[2], np.float32)
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            change = buffer[: b - a]
            _inflow(i, j, a, b, newer, fx, fy, fz, change)
            newer_row, older_row, rate_row = newer[i, j, a:b], older[i, j, a:b], rate[i, j, a:b]
            c_row = c[i, j, a:b]
            for k in range(b - a):
                d = (mu * newer_row[k] + nu * older_row[k]) + (operator * change[k] + initial * rate_row[k])
                c_row[k] = c_row[k] + d
            _grow_row(c_row, survival, floor)
            found_start[i, j], found_stop[i, j] = _extent(c_row, a)


@compiled
def react(
    x0: int,
    x1: int,
    start: Rows,
    stop: Rows,
    c: Field,
    survival: np.float32,
    floor: np.float32,
    found_start: Rows,
    found_stop: Rows,
) -> None:
    """c ← logistic(c), without diffusion; records where cells are."""
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            c_row = c[i, j, a:b]
            _grow_row(c_row, survival, floor)
            found_start[i, j], found_stop[i, j] = _extent(c_row, a)


@compiled
def published_step(
    x0: int,
    x1: int,
    start: Rows,
    stop: Rows,
    c: Field,
    fx: Field,
    fy: Field,
    fz: Field,
    new: Field,
    number: np.float32,
    growth: np.float32,
    found_start: Rows,
    found_stop: Rows,
) -> None:
    """new = clip(c + number · L' c + growth · c (1 − c)), the unsplit Euler step of the published solver.

    L' differs from L at the edge of the domain: where one face of a pair is closed, the opposite one counts twice.
    """
    for i in range(x0, x1):
        for j in range(1, start.shape[1] - 1):
            a, b = start[i, j], stop[i, j]
            if b <= a:
                continue
            own = c[i, j, a:b]
            x_low, x_high = c[i - 1, j, a:b], c[i + 1, j, a:b]
            y_low, y_high = c[i, j - 1, a:b], c[i, j + 1, a:b]
            z_low, z_high = c[i, j, a - 1 : b - 1], c[i, j, a + 1 : b + 1]
            fx_low, fx_high = fx[i, j, a:b], fx[i + 1, j, a:b]
            fy_low, fy_high = fy[i, j, a:b], fy[i, j + 1, a:b]
            fz_low, fz_high = fz[i, j, a:b], fz[i, j, a + 1 : b + 1]
            new_row = new[i, j, a:b]
            for k in range(b - a):
                v = own[k]
                along_x = _mirrored(fx_low[k], fx_high[k], x_low[k] - v, x_high[k] - v)
                along_y = _mirrored(fy_low[k], fy_high[k], y_low[k] - v, y_high[k] - v)
                along_z = _mirrored(fz_low[k], fz_high[k], z_low[k] - v, z_high[k] - v)
                u = (v + number * ((along_x + along_y) + along_z)) + growth * (v * (_ONE - v))
                # The published code has no floor; this one is far below anything that can grow to a visible cell.
                u = u if u >= _TINY else _ZERO
                new_row[k] = u if u < _ONE else _ONE
            found_start[i, j], found_stop[i, j] = _extent(new_row, a)


@compiled
def spread_rows(
    start: Rows, stop: Rows, domain_start: Rows, domain_stop: Rows, new_start: Rows, new_stop: Rows
) -> None:
    """Row extents one voxel wider in every direction, within the extents of the domain."""
    for i in range(1, start.shape[0] - 1):
        for j in range(1, start.shape[1] - 1):
            a = min(start[i, j] - 1, start[i - 1, j], start[i + 1, j], start[i, j - 1], start[i, j + 1])
            b = max(stop[i, j] + 1, stop[i - 1, j], stop[i + 1, j], stop[i, j - 1], stop[i, j + 1])
            new_start[i, j] = max(a, domain_start[i, j])
            new_stop[i, j] = min(b, domain_stop[i, j])


@inlined
def _inflow(i: int, j: int, a: int, b: int, c: Field, fx: Field, fy: Field, fz: Field, inflow: Field) -> None:
    """Σ_faces f (c_neighbor − c) of voxels a to b of row (i, j).

    A face adds to one voxel exactly what it takes from the other, to the last bit, so cells are conserved.
    """
    own = c[i, j, a:b]
    x_low, x_high = c[i - 1, j, a:b], c[i + 1, j, a:b]
    y_low, y_high = c[i, j - 1, a:b], c[i, j + 1, a:b]
    z_low, z_high = c[i, j, a - 1 : b - 1], c[i, j, a + 1 : b + 1]
    fx_low, fx_high = fx[i, j, a:b], fx[i + 1, j, a:b]
    fy_low, fy_high = fy[i, j, a:b], fy[i, j + 1, a:b]
    fz_low, fz_high = fz[i, j, a:b], fz[i, j, a + 1 : b + 1]
    for k in range(b - a):
        v = own[k]
        along_x = fx_high[k] * (x_high[k] - v) - fx_low[k] * (v - x_low[k])
        along_y = fy_high[k] * (y_high[k] - v) - fy_low[k] * (v - y_low[k])
        along_z = fz_high[k] * (z_high[k] - v) - fz_low[k] * (v - z_low[k])
        inflow[k] = (along_x + along_y) + along_z


@inlined
def _grow_row(row: Field, survival: np.float32, floor: np.float32) -> None:
    """c ← c / (q + c (1 − q)), q = e^{−ρ Δt} = `survival`; densities below `floor` are cleared, above 1 cut.

    This form stays finite for any ρ Δt, and leaves c unchanged to the last bit at q = 1.
    """
    growth = _ONE - survival
    for k in range(len(row)):
        u = row[k] / (survival + row[k] * growth)
        u = u if u >= floor else _ZERO
        row[k] = u if u < _ONE else _ONE


@compiled
def _mirrored(low: np.float32, high: np.float32, low_difference: np.float32, high_difference: np.float32) -> np.float32:
    """Inflow through two opposite faces of which an open one replaces a closed one."""
    low_weight = low + low if high == _ZERO else low
    high_weight = high + high if low == _ZERO else high
    return high_weight * high_difference + low_weight * low_difference


@compiled
def _extent(row: Field, offset: int) -> tuple[int, int]:
    """Start and stop of the non-zero part of a row that begins at `offset`; (2^20, 0) for a row of zeros."""
    first, last = 0, len(row)
    while first < last and row[first] == _ZERO:
        first += 1
    if first == last:
        return 1 << 20, 0
    while row[last - 1] == _ZERO:
        last -= 1
    return offset + first, offset + last
