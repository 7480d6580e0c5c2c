"""FET-PET as a noisy, scaled picture of the cell density.

Ezhov et al. 2021 ("Learnable surrogate"), Eq. 7: the PET value of voxel i, normalized to [0, 1], is Gaussian around
b u_i with standard deviation σ, both unknown. The published code takes u − b y for the residual instead, and uses only
voxels with y > 0; ``formula="published-code"`` repeats that for comparison. Its expression is no density of y (a
factor b per voxel is missing), so evidences of the two formulas cannot be compared.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ImageError, ParameterError, unknown_name
from gliofield.imaging.visibility_probability import FORMULAS, Formula
from gliofield.volume import Volume


def normalized_pet(pet: Volume) -> Volume:
    """PET divided by its maximum, float32 in [0, 1].

    Raises
    ------
    ImageError
        If a voxel is negative or not finite, or all are 0.
    """
    require_pet_values(pet.data)
    maximum = float(pet.data.max())
    if maximum == 0.0:
        raise ImageError("PET is 0 everywhere: there is no uptake to compare with. Leave the PET out.")
    return Volume((pet.data.astype(np.float64) / maximum).astype(np.float32), pet.grid)


def pet_log_likelihood(
    pet: NDArray[np.floating],
    cell_density: NDArray[np.floating],
    *,
    pet_scale: float,
    pet_noise_std: float,
    formula: Formula = "paper",
) -> float:
    """Log-likelihood of PET values given cell densities, Eq. 7: Σ_i log N(y_i − b u_i; 0, σ²).

    Parameters
    ----------
    pet, cell_density : arrays of one shape
        Observed values y, normalized to [0, 1], and modelled densities u.
    pet_scale : float
        b > 0.
    pet_noise_std : float
        σ > 0, in units of y (``"published-code"``: of u).
    formula : str
        ``"paper"``: y − b u over all voxels. ``"published-code"``: u − b y where y > 0.

    Returns
    -------
    float
        Sum over voxels in float64 [nats]; NaN if a value is.

    Raises
    ------
    ParameterError
        If shapes differ, a parameter is not positive, or the formula is unknown.

    Examples
    --------
    >>> pet, cell_density = np.array([0.8, 0.0]), np.array([1.0, 0.0])
    >>> round(pet_log_likelihood(pet, cell_density, pet_scale=0.8, pet_noise_std=0.1), 4)
    2.7673
    """
    require_pet_parameters(pet_scale, pet_noise_std)
    if formula not in FORMULAS:
        raise ParameterError(unknown_name("formula", formula, FORMULAS))
    if pet.shape != cell_density.shape:
        raise ParameterError(f"pet and cell_density must have one shape, got {pet.shape} and {cell_density.shape}.")
    # As for masks, Numba loads with the first likelihood.
    from gliofield.imaging.likelihood_kernels import sum_of_squared_residuals

    if formula == "published-code":
        is_used = pet > 0.0
        pet, cell_density = pet[is_used], cell_density[is_used]
    factors = (1.0, pet_scale) if formula == "paper" else (pet_scale, 1.0)
    squares = float(sum_of_squared_residuals(pet.reshape(-1), cell_density.reshape(-1), *factors))
    return -0.5 * squares / pet_noise_std**2 - pet.size * (math.log(pet_noise_std) + 0.5 * math.log(2.0 * math.pi))


def require_pet_values(values: NDArray[np.floating]) -> None:
    """Raise `ImageError` where a PET value is negative or not finite."""
    num_missing = int(np.count_nonzero(~np.isfinite(values)))
    if num_missing:
        raise ImageError(
            f"PET must be finite, got {num_missing} voxels that are NaN or infinite. "
            "Set voxels outside the field of view to 0, or leave them out by a region."
        )
    minimum = float(values.min())
    if minimum < 0.0:
        raise ImageError(
            f"PET must be ≥ 0, got a minimum of {minimum:.4g}. Uptake is not negative: was a background subtracted, or "
            "the image interpolated with overshoot? Clip it or take the uptake itself."
        )


def require_pet_parameters(pet_scale: float, pet_noise_std: float) -> None:
    """Raise `ParameterError` unless scale and noise are positive; the noise not so small that its square is 0."""
    for name, value in (("pet_scale", pet_scale), ("pet_noise_std", pet_noise_std)):
        if not (math.isfinite(value) and value >= 1e-12):
            raise ParameterError(f"{name} must be finite and at least 1e-12, got {value}.")
