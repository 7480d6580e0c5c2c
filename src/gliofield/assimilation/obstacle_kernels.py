"""Sweeps of the bounded smoothing problem: Gauss-Seidel in the order of memory, projected after each voxel.

One thread, one order: the result is the same on every machine with the same arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled

Values = NDArray[np.float32]


@compiled
def project(values: Values, low: Values, high: Values, domain: NDArray[np.bool_]) -> None:
    """Move values (X, Y, Z) into their bounds."""
    num_x, num_y, num_z = values.shape
    for i in range(num_x):
        for j in range(num_y):
            for k in range(num_z):
                if domain[i, j, k]:
                    values[i, j, k] = min(max(values[i, j, k], low[i, j, k]), high[i, j, k])


@compiled
def sweep(
    values: Values,
    low: Values,
    high: Values,
    domain: NDArray[np.bool_],
    weights: Values,
    relaxation: np.float32,
) -> float:
    """One sweep δ_i ← P((1 − ω) δ_i + ω Σ_j w_ij δ_j / (1 + Σ_j w_ij)) over the neighbors in the domain.

    Returns the largest step. With ω = 1 it is 0 at the solution, and only there.
    """
    num_x, num_y, num_z = values.shape
    wx, wy, wz = weights[0], weights[1], weights[2]
    one, zero = np.float32(1.0), np.float32(0.0)
    largest = zero
    for i in range(num_x):
        for j in range(num_y):
            for k in range(num_z):
                if not domain[i, j, k]:
                    continue
                # The 1 is the weight of the fit to 0, so a voxel without neighbors has a solution too.
                total, weight = zero, one
                if i > 0 and domain[i - 1, j, k]:
                    total += wx * values[i - 1, j, k]
                    weight += wx
                if i + 1 < num_x and domain[i + 1, j, k]:
                    total += wx * values[i + 1, j, k]
                    weight += wx
                if j > 0 and domain[i, j - 1, k]:
                    total += wy * values[i, j - 1, k]
                    weight += wy
                if j + 1 < num_y and domain[i, j + 1, k]:
                    total += wy * values[i, j + 1, k]
                    weight += wy
                if k > 0 and domain[i, j, k - 1]:
                    total += wz * values[i, j, k - 1]
                    weight += wz
                if k + 1 < num_z and domain[i, j, k + 1]:
                    total += wz * values[i, j, k + 1]
                    weight += wz
                # Neighbors before it in memory are new, those after it old: Gauss–Seidel, in one thread.
                before = values[i, j, k]
                moved = (one - relaxation) * before + relaxation * (total / weight)
                # Projected at once, not after the sweep: each step lowers the energy within the bounds.
                moved = min(max(moved, low[i, j, k]), high[i, j, k])
                values[i, j, k] = moved
                largest = max(largest, abs(moved - before))
    return float(largest)
