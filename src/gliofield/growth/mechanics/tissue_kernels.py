"""Float32 loops that move tissue and cells, and mix their properties.

Arrays are padded boxes (X', Y', Z') as `BrainBox` describes, with planes as lines (`planes`). Moves are given on faces,
as in `elasticity_kernels`, in cells: how far material crosses each face. A conserved amount q changes by what its six
faces carry,

    flux = move · q_upwind,   q_upwind by linear reconstruction with the monotonized-central limiter [1]_

so nothing is lost, nothing negative appears while the outflow of a cell stays below half of it, and smooth fields move
with second order.

References
----------
.. [1] van Leer (1977), Towards the ultimate conservative difference scheme III, J. Comput. Phys. 23, 263-275.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled

Field = NDArray[np.float32]
Lines = NDArray[np.int32]

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)


@compiled
def transport_stage(
    x0: int,
    x1: int,
    start: Lines,
    stop: Lines,
    row: int,
    moves: Field,
    part: np.float32,
    amount: Field,
    initial: Field,
    initial_weight: np.float32,
    out: Field,
) -> None:
    """One Runge–Kutta stage: out = w · initial + (1 − w) · (amount − net outflow), for `moves` times `part`."""
    along_x, along_y, along_z = moves[0], moves[1], moves[2]
    weight = _ONE - initial_weight
    for i in range(x0, x1):
        a, b = start[i], stop[i]
        if b <= a:
            continue
        # Views of one plane and its neighbors: the inner loop indexes by k alone and vectorizes.
        q = amount[i, a:b]
        x_2, x_1, x1_, x2_ = amount[i - 2, a:b], amount[i - 1, a:b], amount[i + 1, a:b], amount[i + 2, a:b]
        y_2, y_1 = amount[i, a - 2 * row : b - 2 * row], amount[i, a - row : b - row]
        y1_, y2_ = amount[i, a + row : b + row], amount[i, a + 2 * row : b + 2 * row]
        z_2, z_1 = amount[i, a - 2 : b - 2], amount[i, a - 1 : b - 1]
        z1_, z2_ = amount[i, a + 1 : b + 1], amount[i, a + 2 : b + 2]
        x_low, x_high = along_x[i, a:b], along_x[i + 1, a:b]
        y_low, y_high = along_y[i, a:b], along_y[i, a + row : b + row]
        z_low, z_high = along_z[i, a:b], along_z[i, a + 1 : b + 1]
        first, target = initial[i, a:b], out[i, a:b]
        for k in range(b - a):
            v = q[k]
            # A face is computed twice, by both of its cells, from the same four numbers: what one cell loses the
            # other gains, to the last bit, and no plane waits for another.
            out_x = _flux(x_high[k], x_1[k], v, x1_[k], x2_[k]) - _flux(x_low[k], x_2[k], x_1[k], v, x1_[k])
            out_y = _flux(y_high[k], y_1[k], v, y1_[k], y2_[k]) - _flux(y_low[k], y_2[k], y_1[k], v, y1_[k])
            out_z = _flux(z_high[k], z_1[k], v, z1_[k], z2_[k]) - _flux(z_low[k], z_2[k], z_1[k], v, z1_[k])
            moved = v - part * ((out_x + out_y) + out_z)
            # `out` may be `initial`, read at k alone; never `amount`, which the neighbors still need.
            target[k] = initial_weight * first[k] + weight * moved


@compiled
def _flux(move: np.float32, a: np.float32, b: np.float32, c: np.float32, d: np.float32) -> np.float32:
    """Amount that crosses the face between b and c of the four cells a, b, c, d in a row."""
    # At the face between b and c, from the side the material comes from.
    from_b = b + _HALF * _limited(b - a, c - b)
    from_c = c - _HALF * _limited(c - b, d - c)
    return move * (from_b if move > _ZERO else from_c)


@compiled
def _limited(left: np.float32, right: np.float32) -> np.float32:
    """Monotonized-central slope from two one-sided differences; 0 at an extremum."""
    center = _HALF * (left + right)
    # Twice the smaller difference: the value at a face stays between those of both cells, so none becomes negative.
    bound = _TWO * min(abs(left), abs(right))
    size = min(abs(center), bound)
    signed = size if center > _ZERO else -size
    return signed if left * right > _ZERO else _ZERO


@compiled
def largest_outflow(x0: int, x1: int, start: Lines, stop: Lines, row: int, moves: Field) -> np.float32:
    """Largest part of a cell that leaves it, Σ over its six faces."""
    largest = _ZERO
    for i in range(x0, x1):
        for k in range(start[i], stop[i]):
            out = max(moves[0, i + 1, k], _ZERO) + max(-moves[0, i, k], _ZERO)
            out += max(moves[1, i, k + row], _ZERO) + max(-moves[1, i, k], _ZERO)
            out += max(moves[2, i, k + 1], _ZERO) + max(-moves[2, i, k], _ZERO)
            largest = max(largest, out)
    return largest


@compiled
def mixed_stiffness(tissue: Field, cell_density: Field, constants: Field, lame: Field, shear: Field) -> None:
    """λ and μ from amounts of tissue (3, X, Y, Z), density (X, Y, Z) and constants (4, 2): WM, GM, CSF, tumor."""
    for i in range(cell_density.shape[0]):
        for j in range(cell_density.shape[1]):
            white, gray, csf = tissue[0, i, j], tissue[1, i, j], tissue[2, i, j]
            density, lame_row, shear_row = cell_density[i, j], lame[i, j], shear[i, j]
            for k in range(len(density)):
                total = (white[k] + gray[k]) + csf[k]
                # The four shares add up to 1: tumor cells take theirs, tissue has the rest; without tissue, CSF.
                share = (_ONE - density[k]) / (total if total > _ZERO else _ONE)
                w, g = share * white[k], share * gray[k]
                f = share * csf[k] if total > _ZERO else share
                lame_row[k] = (w * constants[0, 0] + g * constants[1, 0]) + (
                    f * constants[2, 0] + density[k] * constants[3, 0]
                )
                shear_row[k] = (w * constants[0, 1] + g * constants[1, 1]) + (
                    f * constants[2, 1] + density[k] * constants[3, 1]
                )


@compiled
def open_diffusivity(
    x0: int,
    x1: int,
    start: Lines,
    stop: Lines,
    row: int,
    tissue: Field,
    brain: NDArray[np.bool_],
    closed_below: np.float32,
    trace: np.float32,
    slower: np.float32,
    out: Field,
) -> None:
    """Diffusivity of cells over D_w from tissue (5, X', Y' · Z') as a run keeps it, 0 where no cells can live.

    A cell opens from the part `closed_below` of the domain on. Less solid tissue than the part `trace` counts as gray
    matter, in which cells are `slower`.
    """
    for i in range(x0, x1):
        a, b = start[i], stop[i]
        if b <= a:
            continue
        white, gray, volume, domain = tissue[0, i, a:b], tissue[1, i, a:b], tissue[3, i, a:b], tissue[4, i, a:b]
        inside, target = brain[i, a:b], out[i, a:b]
        for k in range(b - a):
            share = domain[k] / (volume[k] if volume[k] > _ZERO else _ONE)
            opening = min(max((share - closed_below) / (_ONE - closed_below), _ZERO), _ONE)
            solid = white[k] + gray[k]
            fraction = white[k] / (solid if solid > _ZERO else _ONE) if solid > trace * volume[k] else _ZERO
            diffusivity = opening * (fraction + (_ONE - fraction) * slower)
            target[k] = diffusivity if inside[k] else _ZERO


@compiled
def open_faces(
    x0: int, x1: int, start: Lines, stop: Lines, row: int, diffusivity: Field, stretch: Field, out: Field
) -> None:
    """Coefficients (3, X', Y' · Z') of the faces between a cell and its predecessors, as `faces_between` has them."""
    for i in range(x0, x1):
        a, b = start[i], stop[i]
        if b <= a:
            continue
        own, before_x = diffusivity[i, a:b], diffusivity[i - 1, a:b]
        before_y, before_z = diffusivity[i, a - row : b - row], diffusivity[i, a - 1 : b - 1]
        out_x, out_y, out_z = out[0, i, a:b], out[1, i, a:b], out[2, i, a:b]
        for k in range(b - a):
            out_x[k] = stretch[0] * _harmonic_mean(own[k], before_x[k])
            out_y[k] = stretch[1] * _harmonic_mean(own[k], before_y[k])
            out_z[k] = stretch[2] * _harmonic_mean(own[k], before_z[k])


@compiled
def _harmonic_mean(a: np.float32, b: np.float32) -> np.float32:
    """2 a b / (a + b); 0 where either is 0."""
    is_open = a > _ZERO and b > _ZERO
    return (_TWO * a) * b / (a + b if is_open else _ONE) if is_open else _ZERO


@compiled
def push_force(
    x0: int, x1: int, start: Lines, stop: Lines, row: int, cell_density: Field, scale: np.float32, out: Field
) -> None:
    """out = −scale · (difference of the density across each face); scale = γ h [Pa mm]."""
    for i in range(x0, x1):
        a, b = start[i], stop[i]
        if b <= a:
            continue
        own, before_x = cell_density[i, a:b], cell_density[i - 1, a:b]
        before_y, before_z = cell_density[i, a - row : b - row], cell_density[i, a - 1 : b - 1]
        out_x, out_y, out_z = out[0, i, a:b], out[1, i, a:b], out[2, i, a:b]
        for k in range(b - a):
            out_x[k] = scale * (before_x[k] - own[k])
            out_y[k] = scale * (before_y[k] - own[k])
            out_z[k] = scale * (before_z[k] - own[k])


@compiled
def jacobian_determinant(
    x0: int, x1: int, start: Lines, stop: Lines, row: int, displacement: Field, per_mm: np.float32, out: Field
) -> None:
    """det(I + ∇u) of each cell from a displacement on faces [mm]; derivatives across faces are averaged to the cell."""
    u, v, w = displacement[0], displacement[1], displacement[2]
    quarter = np.float32(0.25) * per_mm
    for i in range(x0, x1):
        for k in range(start[i], stop[i]):
            xx = _ONE + per_mm * (u[i + 1, k] - u[i, k])
            yy = _ONE + per_mm * (v[i, k + row] - v[i, k])
            zz = _ONE + per_mm * (w[i, k + 1] - w[i, k])
            xy = quarter * (u[i, k + row] + u[i + 1, k + row] - u[i, k - row] - u[i + 1, k - row])
            xz = quarter * (u[i, k + 1] + u[i + 1, k + 1] - u[i, k - 1] - u[i + 1, k - 1])
            yx = quarter * (v[i + 1, k] + v[i + 1, k + row] - v[i - 1, k] - v[i - 1, k + row])
            yz = quarter * (v[i, k + 1] + v[i, k + row + 1] - v[i, k - 1] - v[i, k + row - 1])
            zx = quarter * (w[i + 1, k] + w[i + 1, k + 1] - w[i - 1, k] - w[i - 1, k + 1])
            zy = quarter * (w[i, k + row] + w[i, k + row + 1] - w[i, k - row] - w[i, k - row + 1])
            minors = xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx)
            out[i, k] = minors + xz * (yx * zy - yy * zx)
