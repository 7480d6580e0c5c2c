"""FET-PET as a noisy, scaled picture of the cell density, on a background of healthy tissue.

Healthy brain takes up tracer, a half to a quarter of what tumor takes up. So the PET value of voxel i, normalized to
[0, 1], is Gaussian around b (G ∗ u)_i + a: scale b, background a and the noise σ are unknown, and G is the resolution
of the scanner (`blurred_density`). With a = 0 and without blur it is Eq. 7 of Ezhov et al. 2021 ("Learnable
surrogate"); the published code takes u − b y for the residual instead; ``formula="published-code"`` repeats that for
comparison. Its expression is no density of y (a factor b per voxel is missing), so evidences of the two formulas cannot
be compared.

Any unit that is proportional to uptake will do: activity, SUV, or the ratio to normal brain, for images are divided by
their maximum. A background that was subtracted is one that is 0. A value of exactly 0 is taken for "not measured"
(outside the field of view, or of a brain mask) and never compared, as in the published code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gliofield.box import box_of, slices_of, widened
from gliofield.errors import ImageError, ParameterError, unknown_name
from gliofield.imaging.visibility_probability import FORMULAS, Formula
from gliofield.volume import Volume

#: ``"background"``: y = b u + a; ``"paper"``: y = b u, for repeating the paper.
PetModel = Literal["background", "paper"]
#: Resolution of a clinical PET scanner after reconstruction, full width at half maximum [mm]. *Chosen*.
PET_FWHM_MM = 5.0
FWHM_PER_STD = 2.0 * math.sqrt(2.0 * math.log(2.0))
# Smaller densities are left as they are, and a normal kernel is cut at so many standard deviations.
_LEAST_BLURRED, _REACH_OF_KERNEL = 1e-3, 3.0
# A value interpolated from neighbors of which less was measured is none; the rest is rounding.
_WHOLLY_MEASURED = 0.999


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


def move_pet(pet: Volume, measured: NDArray[np.bool_], move: Callable[[Volume], Volume]) -> Volume:
    """PET on another grid, normalized; 0 wherever a value would come from voxels that were not measured.

    Parameters
    ----------
    pet : Volume
        Uptake in any unit, ≥ 0.
    measured : (X, Y, Z) bool array
        Which of its voxels may be compared, such as the brain; those of value 0 never are.
    move : callable
        Takes an image to the other grid by linear interpolation, 0 outside of it.

    Raises
    ------
    ImageError
        If a voxel is negative or not finite, or none is left.
    """
    require_pet_values(pet.data)
    counted = measured & (pet.data > 0.0)
    moved = move(Volume(np.where(counted, pet.data, 0.0).astype(np.float32), pet.grid))
    share = move(Volume(counted.astype(np.float32), pet.grid))
    return normalized_pet(Volume(np.where(share.data >= _WHOLLY_MEASURED, moved.data, 0.0), moved.grid))


def blurred_density(
    cell_density: NDArray[np.floating], spacing_mm: Sequence[float], fwhm_mm: float
) -> NDArray[np.floating]:
    """What a scanner of limited resolution sees of a density: its convolution with a normal kernel, float32.

    Where all densities around are below 0.001 they stay as they are.

    Parameters
    ----------
    cell_density : (X, Y, Z) array
        Density, taken for 0 outside.
    spacing_mm : 3 floats
        Of the voxels [mm].
    fwhm_mm : float
        Full width at half maximum of the kernel [mm], ≥ 0; 0 leaves the density itself.
    """
    above = cell_density > _LEAST_BLURRED
    if fwhm_mm == 0.0 or not above.any():
        return cell_density
    from scipy.ndimage import gaussian_filter

    widths = [fwhm_mm / FWHM_PER_STD / spacing for spacing in spacing_mm]
    box = slices_of(widened(box_of(above), reach_of_blur(spacing_mm, fwhm_mm), cell_density.shape))
    blurred = np.array(cell_density, dtype=np.float32)
    blurred[box] = gaussian_filter(blurred[box], widths, mode="constant", truncate=_REACH_OF_KERNEL)
    return blurred


def reach_of_blur(spacing_mm: Sequence[float], fwhm_mm: float) -> int:
    """Voxels that a blur reaches beyond a box."""
    return math.ceil(_REACH_OF_KERNEL * fwhm_mm / FWHM_PER_STD / min(spacing_mm))


def pet_log_likelihood(
    pet: NDArray[np.floating],
    cell_density: NDArray[np.floating],
    *,
    pet_scale: float,
    pet_noise_std: float,
    pet_background: float = 0.0,
    formula: Formula = "paper",
) -> float:
    """Log-likelihood of PET values given cell densities: Σ_i log N(y_i − b u_i − a; 0, σ²), Eq. 7 where a = 0.

    Parameters
    ----------
    pet, cell_density : arrays of one shape
        Observed values y, normalized to [0, 1], and modelled densities u.
    pet_scale : float
        b > 0.
    pet_noise_std : float
        σ > 0, in units of y (``"published-code"``: of u).
    pet_background : float
        a ≥ 0, in units of y.
    formula : str
        ``"paper"``: y − b u − a over all voxels. ``"published-code"``: u − b y where y > 0, without background.

    Returns
    -------
    float
        Sum over voxels in float64 [nats]; NaN if a value is.

    Raises
    ------
    ParameterError
        If shapes differ, a parameter is out of range, the formula is unknown or knows no background.

    Examples
    --------
    >>> pet, cell_density = np.array([0.8, 0.0]), np.array([1.0, 0.0])
    >>> round(pet_log_likelihood(pet, cell_density, pet_scale=0.8, pet_noise_std=0.1), 4)
    2.7673
    """
    require_pet_parameters(pet_scale, pet_noise_std, pet_background)
    if formula not in FORMULAS:
        raise ParameterError(unknown_name("formula", formula, FORMULAS))
    if formula == "published-code" and pet_background != 0.0:
        raise ParameterError(
            f"the published code's formula knows no background, got pet_background = {pet_background:g}. Take the "
            "paper's formula, or a background of 0."
        )
    if pet.shape != cell_density.shape:
        raise ParameterError(f"pet and cell_density must have one shape, got {pet.shape} and {cell_density.shape}.")
    # As for masks, Numba loads with the first likelihood.
    from gliofield.imaging.likelihood_kernels import sum_of_squared_residuals

    if formula == "published-code":
        is_used = pet > 0.0
        pet, cell_density = pet[is_used], cell_density[is_used]
    factors = (1.0, pet_scale) if formula == "paper" else (pet_scale, 1.0)
    squares = float(sum_of_squared_residuals(pet.reshape(-1), cell_density.reshape(-1), *factors, pet_background))
    return -0.5 * squares / pet_noise_std**2 - pet.size * (math.log(pet_noise_std) + 0.5 * math.log(2.0 * math.pi))


def explained_share(pet: NDArray[np.floating], cell_density: NDArray[np.floating]) -> float:
    """Share of the variance of PET that a density explains, at the best scale b ≥ 0 and background a, in [0, 1].

    1 − min Σ(y − b u − a)² / Σ(y − ȳ)², the square of their correlation where that is positive, and 0 elsewhere: the
    likelihood of PET at its best b, a and σ is a function of it.

    Parameters
    ----------
    pet, cell_density : arrays of one shape
        In the voxels that are compared.
    """
    uptake, density = pet.astype(np.float64).ravel(), cell_density.astype(np.float64).ravel()
    uptake, density = uptake - uptake.mean(), density - density.mean()
    product, squares = float(uptake @ density), float(uptake @ uptake) * float(density @ density)
    return product**2 / squares if product > 0.0 and squares > 0.0 else 0.0


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
            f"PET must be ≥ 0, got a minimum of {minimum:.4g}: an interpolation that overshoots, or a background that "
            "was subtracted, leaves such values. Give the uptake as it was measured (activity, SUV or tumor-to-brain "
            "ratio): the uptake of healthy brain is part of the model. Clip what overshoots at 0."
        )


def require_pet_parameters(pet_scale: float, pet_noise_std: float, pet_background: float = 0.0) -> None:
    """Raise `ParameterError` unless scale and noise are positive, not so small that squares are 0, background ≥ 0."""
    for name, value in (("pet_scale", pet_scale), ("pet_noise_std", pet_noise_std)):
        if not (math.isfinite(value) and value >= 1e-12):
            raise ParameterError(f"{name} must be finite and at least 1e-12, got {value}.")
    if not (math.isfinite(pet_background) and pet_background >= 0.0):
        raise ParameterError(f"pet_background must be finite and ≥ 0, got {pet_background}.")
