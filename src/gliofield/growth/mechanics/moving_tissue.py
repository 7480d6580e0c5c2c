"""Conservative transport of cells and tissue by a displacement increment on faces.

    ∂q/∂t + ∇·(q v) = 0 over one step, v Δt = the increment                (Learn-Morph-Infer Eqs. 3, 4)

Second-order finite volumes with Heun's method, cut into as many parts as keep the outflow of every cell near a third
of it. The sum over the grid is kept to rounding, and nothing becomes negative.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.mechanics import tissue_kernels as kernels
from gliofield.growth.mechanics.planes import PlaneRunner

# Largest part of a cell that may leave it in one part of a step; Heun's method stays positive below 0.5.
_LARGEST_OUTFLOW = 0.35
_ZERO, _HALF = np.float32(0.0), np.float32(0.5)


def num_transport_parts(increment: NDArray[np.float32], spacing_mm: float, planes: PlaneRunner) -> int:
    """Parts a step with the `increment` (3, X', Y', Z') [mm] has to be cut into, ≥ 1."""
    largest = float(max(planes.map(kernels.largest_outflow, increment))) / spacing_mm
    return max(1, math.ceil(largest / _LARGEST_OUTFLOW))


def transported(
    amounts: NDArray[np.float32],
    increment: NDArray[np.float32],
    spacing_mm: float,
    planes: PlaneRunner,
    *,
    num_parts: int,
) -> NDArray[np.float32]:
    """Amounts after the material has moved by `increment`.

    Parameters
    ----------
    amounts : (N, X', Y', Z') float32 array
        Conserved quantities per cell, ≥ 0; not changed.
    increment : (3, X', Y', Z') float32 array
        Displacement of each face along its normal [mm], 0 on faces that are not live.
    spacing_mm : float
        Spacing h [mm].
    planes : PlaneRunner
        Runs kernels over the brain.
    num_parts : int
        From `num_transport_parts`, of this increment or one close to it.
    """
    moves = increment / np.float32(spacing_mm)
    part = np.float32(1.0 / num_parts)
    moved = np.zeros_like(amounts)
    # Amounts take turns with the same two buffers: fresh memory for each would cost more than to compute in it.
    middle, spare = np.zeros((2, *amounts.shape[1:]), np.float32)
    for amount, target in zip(amounts, moved, strict=True):
        # The last of the parts writes the target.
        buffers = (target, spare) if num_parts % 2 == 1 else (spare, target)
        now = amount
        for index in range(num_parts):
            planes.run(kernels.transport_stage, moves, part, now, now, _ZERO, middle)
            planes.run(kernels.transport_stage, moves, part, middle, now, _HALF, buffers[index % 2])
            now = buffers[index % 2]
    return moved
