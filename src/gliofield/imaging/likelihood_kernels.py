"""Compiled sums over voxels for the likelihoods of masks and PET.

Some three times as fast as NumPy on one core, without its temporary arrays. `visibility_probability` and `pet` hold
the equations; tests compare the two.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled

_LOG_2 = math.log(2.0)


@compiled
def sum_of_mask_terms(
    mask: NDArray[np.bool_],
    cell_density: NDArray[np.floating],
    threshold: float,
    inverse_width: float,
    is_flat_above: bool,
) -> float:
    """Σ over voxels of log1p(−e^(−x)/2) where the mask agrees with u > u_c, of −log 2 − x where it does not."""
    agreeing = 0.0
    disagreeing = 0.0
    for voxel in range(cell_density.size):
        distance = np.float64(cell_density[voxel]) - threshold
        is_above = distance > 0.0
        scaled = inverse_width if is_flat_above and is_above else distance * inverse_width
        exponent = scaled * scaled
        if is_above != mask[voxel]:
            disagreeing += exponent + _LOG_2
        elif not exponent >= 40.0:  # beyond, less than 1e-17; NaN takes this way too
            agreeing += math.log1p(-0.5 * math.exp(-exponent))
    return agreeing - disagreeing


@compiled
def sum_of_squared_residuals(
    observed: NDArray[np.floating],
    cell_density: NDArray[np.floating],
    observed_factor: float,
    density_factor: float,
    background: float,
) -> float:
    """Σ over voxels of (observed_factor · y − density_factor · u − background)²."""
    total = 0.0
    for voxel in range(observed.size):
        residual = observed_factor * observed[voxel] - density_factor * cell_density[voxel] - background
        total += residual * residual
    return total
