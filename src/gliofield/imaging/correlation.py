"""How many independent voxels a correlated image is worth.

The likelihoods of this package multiply over voxels, as the paper's do (Ezhov et al. 2021, "Learnable surrogate", Eqs.
5 and 7). What a growth model cannot explain, though, is smooth: neighboring voxels are wrong together. A product over
all of them counts one error many times, and the posterior becomes far too narrow. The remedy here is the plainest one:
the log-likelihood is multiplied by the share of voxels that are worth an independent one.

What this does not do: estimate the correlation length of a patient's residuals, or model them as a random field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gliofield.errors import ParameterError


def independent_voxel_fraction(spacing_mm: Sequence[float], *, correlation_length_mm: float, stride: int = 1) -> float:
    """Share of voxels worth an independent one, in (0, 1], where residuals are correlated.

    A sum over N voxels whose correlation at distance r is exp(−r²/(2ℓ²)) varies as much as one over N w independent
    voxels, 1/w = Σ_j exp(−|r_j|²/(2ℓ²)) over all voxels j of the grid seen from one of them. For ℓ well above the
    spacing h, 1/w = (2π)^(3/2) (ℓ/h)³. The edge of the region is neglected.

    Parameters
    ----------
    spacing_mm : 3 floats
        Voxel spacing [mm], each > 0.
    correlation_length_mm : float
        ℓ [mm], ≥ 0; 0 is no correlation. The width at half maximum of the correlation is 2.35 ℓ.
    stride : int
        Only every stride-th voxel along each axis is used, ≥ 1.

    Raises
    ------
    ParameterError
        If a value is outside its range, or the correlation length is above 1,000 spacings.

    Examples
    --------
    >>> round(independent_voxel_fraction((2.0, 2.0, 2.0), correlation_length_mm=3.0), 4)
    0.0188
    >>> round(independent_voxel_fraction((2.0, 2.0, 2.0), correlation_length_mm=3.0, stride=4), 3)
    0.846
    """
    spacings = np.asarray(spacing_mm, dtype=np.float64)
    if spacings.shape != (3,) or not (np.isfinite(spacings).all() and spacings.min() > 0.0):
        raise ParameterError(f"spacing_mm must be three positive numbers [mm], got {spacing_mm}.")
    if not (math.isfinite(correlation_length_mm) and correlation_length_mm >= 0.0):
        raise ParameterError(f"correlation_length_mm must be finite and ≥ 0 [mm], got {correlation_length_mm}.")
    if stride < 1:
        raise ParameterError(f"stride must be at least 1, got {stride}.")
    if correlation_length_mm == 0.0:
        return 1.0
    steps = spacings * stride / correlation_length_mm
    if steps.min() < 1e-3:
        raise ParameterError(
            f"correlation_length_mm must be at most 1000 spacings, got {correlation_length_mm:g} mm at spacings "
            f"{tuple(spacing_mm)} mm. Check the unit."
        )
    sums = [float(np.exp(-0.5 * (step * np.arange(-reach, reach + 1)) ** 2).sum()) for step, reach in _reaches(steps)]
    return 1.0 / math.prod(sums)


def _reaches(steps: np.ndarray) -> list[tuple[float, int]]:
    """Each step [correlation lengths] with the number of steps after which a Gaussian is below rounding."""
    return [(float(step), math.ceil(9.0 / step)) for step in steps]
