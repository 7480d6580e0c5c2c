"""Float32 loops of the reaction-diffusion solver, eight voxels at a time.

All values of a run lie in two flat arrays of boxes (X', Y', Z″): the padded boxes of `FaceCoefficients`, each row of
voxels along z lengthened to whole vectors. The added voxels have closed faces and stay exactly zero, so every row is
computed as a number of vectors, without a remainder.

- `state` holds four boxes: density c, rate L c, and the increments of two stages;
- `faces` holds three: the coefficients along x, y, z.

`Layout` says where boxes and neighbors are, `ActiveRows` which rows to update: a kernel touches nothing but the
neighborhood of the tumor. Each voxel is computed from the same numbers in the same order, whoever computes it and when.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled, inlined
from gliofield.growth.backends.vectors import NUM_LANES, count_greater, load, nonzero_lanes, select_less, splat, store

Values = NDArray[np.float32]
Extents = NDArray[np.int32]
Indices = NDArray[np.int64]
# Eight float32, known to compiled code only.
Vector = Any

# Extent of a row without cells: a start beyond every index and a stop of 0.
_EMPTY_START, _EMPTY_STOP = np.int32(1 << 20), np.int32(0)
_ONE_VOXEL = np.int32(1)
# Increments of a stage below this are noise of the far tail and would become denormals too.
_TINY = np.float32(1e-30)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


class Layout(NamedTuple):
    """Distances in the flat arrays.

    Parameters
    ----------
    box : int
        Voxels of a box: the box of rates begins at 1 × box, those of increments at 2 × and 3 × box.
    x, y : int
        Steps to the next voxel along x, along y, which is the length of a row; 1 along z.
    """

    box: int
    x: int
    y: int


class ActiveRows(NamedTuple):
    """The rows to update, in order of their place in a box.

    Parameters
    ----------
    begin, end : int64 arrays
        Index in a box of the first voxel to update and of the one after the last, at the borders of vectors.
    row : int64 array
        Number of the row, i · Y' + j.
    plane_begin : (X' + 1,) int64 array
        Where in these lists the rows of plane i begin.
    """

    begin: Indices
    end: Indices
    row: Indices
    plane_begin: Indices


@compiled
def sweep_stages(
    low_plane: int,
    low_slope: int,
    high_plane: int,
    high_slope: int,
    state: Values,
    faces: Values,
    layout: Layout,
    rows: ActiveRows,
    weights: Values,
    first_stage: int,
    last_stage: int,
    survival: np.float32,
    floor: np.float32,
    found_start: Extents,
    found_stop: Extents,
) -> None:
    """Stages `first_stage` to `last_stage` − 1 of an RKL2 step in one sweep through the planes.

    Each stage follows one plane behind the stage before it. The m-th of them, from 0, updates the planes from low_plane
    + low_slope · m up to, not including, high_plane + high_slope · m. With slopes of 1 and −1 a range needs nothing
    that another range computes; −1 and 1, from one plane, fill in what two such ranges leave out between them.

    `weights` (s, 4) holds mu, nu, operator and initial of each stage; the first uses operator alone. The last stage of
    the step adds the increment to the density, lets it grow, and records where cells are left.
    """
    for front in range(low_plane, high_plane + (high_slope + 1) * (last_stage - first_stage - 1)):
        for index in range(last_stage - first_stage):
            plane = front - index
            if plane < low_plane + low_slope * index or plane >= high_plane + high_slope * index:
                continue
            # Stage m of plane i needs stage m − 1 of planes i − 1 … i + 1; all three are done: they lie behind it.
            stage = first_stage + index
            # The first stage leaves its increment in box 2, the second in box 3, and so on in turns.
            older = (2 + stage % 2) * layout.box
            newer = (3 - stage % 2) * layout.box
            first, last = rows.plane_begin[plane], rows.plane_begin[plane + 1]
            if stage == 0:
                _first_stage(first, last, state, faces, layout, rows, older, weights[0, 2])
            elif stage < len(weights) - 1:
                _middle_stage(first, last, state, faces, layout, rows, newer, older, weights[stage])
            else:
                _last_stage(first, last, state, faces, layout, rows, newer, older, weights[stage], survival, floor)
                for i in range(first, last):
                    _record_extent(rows.row[i], rows.begin[i], rows.end[i], state, layout, found_start, found_stop)


@compiled
def react(
    first: int,
    last: int,
    state: Values,
    layout: Layout,
    rows: ActiveRows,
    survival: np.float32,
    floor: np.float32,
    found_start: Extents,
    found_stop: Extents,
) -> None:
    """c ← logistic(c), without diffusion, in rows `first` to `last` − 1 of the list; records where cells are."""
    for i in range(first, last):
        for k in range(rows.begin[i], rows.end[i], NUM_LANES):
            store(state, k, _grown(load(state, k), survival, floor))
        _record_extent(rows.row[i], rows.begin[i], rows.end[i], state, layout, found_start, found_stop)


@compiled
def published_step(
    first: int,
    last: int,
    state: Values,
    faces: Values,
    layout: Layout,
    rows: ActiveRows,
    number: np.float32,
    growth: np.float32,
) -> None:
    """clip(c + number · L' c + growth · c (1 − c)) into the second box, the unsplit Euler step of the published solver.

    L' differs from L at the edge of the domain: where one face of a pair is closed, the opposite one counts twice.
    """
    zero, one, tiny = splat(_ZERO), splat(_ONE), splat(_TINY)
    for i in range(first, last):
        for k in range(rows.begin[i], rows.end[i], NUM_LANES):
            c = load(state, k)
            along_x = _mirrored_inflow(state, k, c, faces, k, layout.x)
            along_y = _mirrored_inflow(state, k, c, faces, layout.box + k, layout.y)
            along_z = _mirrored_inflow(state, k, c, faces, 2 * layout.box + k, 1)
            u = (c + splat(number) * ((along_x + along_y) + along_z)) + splat(growth) * (c * (one - c))
            # The published code has no floor; this one is far below anything that can grow to a visible cell.
            u = select_less(u, tiny, zero, u)
            store(state, layout.box + k, select_less(u, one, u, one))


@compiled
def adopt_result(
    first: int,
    last: int,
    state: Values,
    layout: Layout,
    rows: ActiveRows,
    found_start: Extents,
    found_stop: Extents,
) -> None:
    """Make the second box, the result of `published_step`, the density; records where cells are."""
    for i in range(first, last):
        for k in range(rows.begin[i], rows.end[i], NUM_LANES):
            store(state, k, load(state, layout.box + k))
        _record_extent(rows.row[i], rows.begin[i], rows.end[i], state, layout, found_start, found_stop)


@compiled
def count_above(state: Values, rows: ActiveRows, threshold: np.float32) -> int:
    """Number of voxels whose density exceeds `threshold`."""
    count = 0
    for i in range(len(rows.row)):
        for k in range(rows.begin[i], rows.end[i], NUM_LANES):
            count += count_greater(load(state, k), splat(threshold))
    return count


@compiled
def widen_rows(
    num_voxels: int,
    found_start: Extents,
    found_stop: Extents,
    limit_start: Extents,
    limit_stop: Extents,
    start: Extents,
    stop: Extents,
) -> bool:
    """Extend `start` and `stop` (X', Y') to all that cells within the found extents reach in `num_voxels` stages.

    A stage moves cells by one voxel along one axis, and not beyond the limits. Returns whether all is reached.
    """
    # From what is occupied, not from the old extents: those never shrink, and would widen by stages for nothing.
    low, high = _occupied_planes(found_stop)
    old_start, old_stop = found_start, found_stop
    new_start, new_stop = np.full_like(start, _EMPTY_START), np.full_like(stop, _EMPTY_STOP)
    spare_start, spare_stop = np.full_like(start, _EMPTY_START), np.full_like(stop, _EMPTY_STOP)
    for _ in range(num_voxels):
        low, high = max(1, low - 1), min(start.shape[0] - 1, high + 1)
        for i in range(low, high):
            _spread_starts(i, old_start, limit_start, new_start)
            _spread_stops(i, old_stop, limit_stop, new_stop)
        old_start, new_start, spare_start = new_start, spare_start, new_start
        old_stop, new_stop, spare_stop = new_stop, spare_stop, new_stop
    is_complete = True
    for i in range(start.shape[0]):
        for j in range(start.shape[1]):
            # Extents only ever grow: beyond smaller ones, increments of an earlier step would be read as neighbors.
            start[i, j] = min(start[i, j], old_start[i, j])
            stop[i, j] = max(stop[i, j], old_stop[i, j])
            is_complete &= start[i, j] <= limit_start[i, j] and stop[i, j] >= limit_stop[i, j]
    return is_complete


@compiled
def list_rows(
    start: Extents, stop: Extents, row_length: int, begin: Indices, end: Indices, row: Indices, plane_begin: Indices
) -> tuple[int, int, int, int]:
    """Fill the lists of `ActiveRows`, of X' · Y' places, from the extents.

    Returns the number of rows, that of their voxels, and the range of planes they lie in. Voxels between the extent of
    a row and the borders of its vectors are updated too, but not counted.
    """
    num_rows, num_voxels = 0, 0
    first_plane, last_plane = start.shape[0], 0
    for i in range(start.shape[0]):
        plane_begin[i] = num_rows
        for j in range(start.shape[1]):
            a, b, number = start[i, j], stop[i, j], i * start.shape[1] + j
            if b <= a:
                continue
            begin[num_rows] = number * row_length + a // NUM_LANES * NUM_LANES
            # Whole vectors: no cell reaches what they hold beyond the extent, so it stays 0.
            end[num_rows] = number * row_length + (b + NUM_LANES - 1) // NUM_LANES * NUM_LANES
            row[num_rows] = number
            num_rows += 1
            num_voxels += b - a
            first_plane, last_plane = min(first_plane, i), i + 1
    plane_begin[start.shape[0]] = num_rows
    return num_rows, num_voxels, min(first_plane, last_plane), last_plane


@compiled
def find_extents(state: Values, layout: Layout, found_start: Extents, found_stop: Extents) -> None:
    """Extents of the non-zero densities of every row of the box; `found_start`, `found_stop` are flat."""
    for row in range(layout.box // layout.y):
        _record_extent(row, row * layout.y, (row + 1) * layout.y, state, layout, found_start, found_stop)


@compiled
def _first_stage(
    first: int,
    last: int,
    state: Values,
    faces: Values,
    layout: Layout,
    rows: ActiveRows,
    increment: int,
    operator: np.float32,
) -> None:
    """rate = L c and increment = operator · rate, with L c = Σ_faces f (c_neighbor − c), in some of the rows."""
    m = splat(operator)
    for i in range(first, last):
        for k in range(rows.begin[i], rows.end[i], NUM_LANES):
            rate = _inflow(state, k, load(state, k), faces, k, layout)
            store(state, layout.box + k, rate)
            store(state, increment + k, m * rate)


@compiled
def _middle_stage(
    first: int,
    last: int,
    state: Values,
    faces: Values,
    layout: Layout,
    rows: ActiveRows,
    newer: int,
    older: int,
    weights: Values,
) -> None:
    """older ← mu · newer + nu · older + operator · L newer + initial · rate: d_j in the place of d_{j−2}."""
    # Read once: a store to `state` might change `weights` for all the compiler knows.
    mu, nu, operator, initial = splat(weights[0]), splat(weights[1]), splat(weights[2]), splat(weights[3])
    zero, tiny, minus_tiny = splat(_ZERO), splat(_TINY), splat(-_TINY)
    for i in range(first, last):
        for k in range(rows.begin[i], rows.end[i], NUM_LANES):
            d = _next_increment(state, faces, k, layout, newer, older, mu, nu, operator, initial)
            store(state, older + k, select_less(tiny, d, d, select_less(d, minus_tiny, d, zero)))


@compiled
def _last_stage(
    first: int,
    last: int,
    state: Values,
    faces: Values,
    layout: Layout,
    rows: ActiveRows,
    newer: int,
    older: int,
    weights: Values,
    survival: np.float32,
    floor: np.float32,
) -> None:
    """c ← logistic(c + d_s), d_s as in the middle stages."""
    mu, nu, operator, initial = splat(weights[0]), splat(weights[1]), splat(weights[2]), splat(weights[3])
    for i in range(first, last):
        for k in range(rows.begin[i], rows.end[i], NUM_LANES):
            d = _next_increment(state, faces, k, layout, newer, older, mu, nu, operator, initial)
            store(state, k, _grown(load(state, k) + d, survival, floor))


@inlined
def _next_increment(
    state: Values,
    faces: Values,
    k: int,
    layout: Layout,
    newer: int,
    older: int,
    mu: Vector,
    nu: Vector,
    operator: Vector,
    initial: Vector,
) -> Vector:
    """d_j of eight voxels."""
    own = load(state, newer + k)
    inflow = _inflow(state, newer + k, own, faces, k, layout)
    return (mu * own + nu * load(state, older + k)) + (operator * inflow + initial * load(state, layout.box + k))


@inlined
def _inflow(state: Values, at: int, own: Vector, faces: Values, k: int, layout: Layout) -> Vector:
    """Σ_faces f (c_neighbor − c) of eight voxels k whose values `own` stand at index `at` of the state.

    A face adds to one voxel exactly what it takes from the other, to the last bit, so cells are conserved.
    """
    y, z = layout.box + k, 2 * layout.box + k
    from_x = load(faces, k + layout.x) * (load(state, at + layout.x) - own)
    to_x = load(faces, k) * (own - load(state, at - layout.x))
    from_y = load(faces, y + layout.y) * (load(state, at + layout.y) - own)
    to_y = load(faces, y) * (own - load(state, at - layout.y))
    from_z = load(faces, z + 1) * (load(state, at + 1) - own)
    to_z = load(faces, z) * (own - load(state, at - 1))
    return ((from_x - to_x) + (from_y - to_y)) + (from_z - to_z)


@inlined
def _mirrored_inflow(state: Values, at: int, own: Vector, faces: Values, face: int, stride: int) -> Vector:
    """Inflow through two opposite faces of which an open one replaces a closed one; `face` is the lower one's index."""
    zero, low, high = splat(_ZERO), load(faces, face), load(faces, face + stride)
    low_weight = select_less(zero, high, low, low + low)
    high_weight = select_less(zero, low, high, high + high)
    return high_weight * (load(state, at + stride) - own) + low_weight * (load(state, at - stride) - own)


@inlined
def _grown(c: Vector, survival: np.float32, floor: np.float32) -> Vector:
    """c / (q + c (1 − q)), q = e^{−ρ Δt} = `survival`; densities below `floor` are cleared, above 1 cut.

    This form stays finite for any ρ Δt, and leaves c unchanged to the last bit at q = 1.
    """
    grown = c / (splat(survival) + c * splat(_ONE - survival))
    kept = select_less(grown, splat(floor), splat(_ZERO), grown)
    return select_less(kept, splat(_ONE), kept, splat(_ONE))


@compiled
def _record_extent(
    row: int, begin: int, end: int, state: Values, layout: Layout, found_start: Extents, found_stop: Extents
) -> None:
    """Note where the non-zero densities of a row start and stop along z."""
    while begin < end and nonzero_lanes(load(state, begin)) == 0:
        begin += NUM_LANES
    if begin == end:
        found_start[row], found_stop[row] = _EMPTY_START, _EMPTY_STOP
        return
    while nonzero_lanes(load(state, end - NUM_LANES)) == 0:
        end -= NUM_LANES
    while state[begin] == _ZERO:
        begin += 1
    while state[end - 1] == _ZERO:
        end -= 1
    found_start[row], found_stop[row] = begin - row * layout.y, end - row * layout.y


@compiled
def _occupied_planes(stop: Extents) -> tuple[int, int]:
    """Range of the planes in which some row is not empty; (X', 0) if there is none."""
    low, high = stop.shape[0], 0
    for i in range(stop.shape[0]):
        if stop[i].max() > 0:
            low, high = min(low, i), i + 1
    return low, high


@inlined
def _spread_starts(i: int, old: Extents, limit: Extents, new: Extents) -> None:
    """Starts of plane i one voxel further out."""
    own, below, above = old[i, 1:-1], old[i - 1, 1:-1], old[i + 1, 1:-1]
    left, right, limits, target = old[i, :-2], old[i, 2:], limit[i, 1:-1], new[i, 1:-1]
    for j in range(len(target)):
        target[j] = max(min(own[j] - _ONE_VOXEL, below[j], above[j], left[j], right[j]), limits[j])


@inlined
def _spread_stops(i: int, old: Extents, limit: Extents, new: Extents) -> None:
    """Stops of plane i one voxel further out."""
    own, below, above = old[i, 1:-1], old[i - 1, 1:-1], old[i + 1, 1:-1]
    left, right, limits, target = old[i, :-2], old[i, 2:], limit[i, 1:-1], new[i, 1:-1]
    for j in range(len(target)):
        target[j] = min(max(own[j] + _ONE_VOXEL, below[j], above[j], left[j], right[j]), limits[j])
