"""FET-PET of a virtual patient: what a scanner shows of a known density, for tests and benchmarks.

Healthy tissue takes up tracer, within the brain and around it; a scanner blurs, and its noise is correlated over the
same distance, for it passes through the same reconstruction. None of this is what the likelihood assumes voxel by
voxel, and all of it is what a real image does to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import GridMismatchError, ParameterError
from gliofield.imaging.pet import FWHM_PER_STD, PET_FWHM_MM
from gliofield.volume import Volume


def make_virtual_pet(
    cell_density: Volume,
    brain: NDArray[np.bool_],
    *,
    rng: np.random.Generator,
    background: float = 0.3,
    blur_fwhm_mm: float = PET_FWHM_MM,
    noise_std: float = 0.05,
    unit: float = 1.0,
) -> Volume:
    """FET-PET of a density: G ∗ (a + (1 − a) u) + noise, float32, skull-stripped.

    Parameters
    ----------
    cell_density : Volume
        u, in [0, 1].
    brain : (X, Y, Z) bool array
        What is left of the image; the rest is 0.
    rng : Generator
        Draws the noise.
    background : float
        a, uptake of healthy tissue relative to that of a fully occupied voxel, in [0, 1); 0.2-0.4 is a ratio of tumor
        to brain of 2.5 to 5.
    blur_fwhm_mm : float
        Full width at half maximum of G, a normal kernel [mm], ≥ 0.
    noise_std : float
        Standard deviation of the noise, relative to the uptake of a fully occupied voxel, ≥ 0. Its correlation at a
        distance r is exp(−r²/(4 s²)), s the standard deviation of G: that of ℓ = √2 s in `independent_voxel_fraction`,
        3 mm for a blur of 5 mm.
    unit : float
        Uptake of a fully occupied voxel, > 0, for images in other units (SUV, ratio to brain).

    Raises
    ------
    ParameterError
        If a number is out of range.
    GridMismatchError
        If the brain has another shape.
    """
    if not (0.0 <= background < 1.0 and blur_fwhm_mm >= 0.0 and noise_std >= 0.0 and unit > 0.0):
        raise ParameterError(
            "a virtual PET needs background in [0, 1), blur_fwhm_mm ≥ 0, noise_std ≥ 0 and unit > 0, got "
            f"{background}, {blur_fwhm_mm}, {noise_std} and {unit}."
        )
    if brain.shape != cell_density.data.shape:
        raise GridMismatchError(f"brain must have the density's shape {cell_density.data.shape}, got {brain.shape}.")
    from scipy.ndimage import gaussian_filter

    def blurred(values: NDArray[np.float64], mode: str) -> NDArray[np.float64]:
        widths = [blur_fwhm_mm / FWHM_PER_STD / spacing for spacing in cell_density.grid.spacing_mm]
        return np.asarray(gaussian_filter(values, widths, mode=mode))

    # No cells beyond the image, as `blurred_density` has it, but healthy tissue's uptake everywhere.
    uptake = background + (1.0 - background) * blurred(cell_density.data.astype(np.float64), "constant")
    # Periodic, so that noise has one standard deviation up to the border of the image.
    noise = blurred(rng.standard_normal(uptake.shape), "wrap")
    image = uptake + noise_std / noise.std() * noise
    return Volume((unit * np.where(brain, np.maximum(image, 0.0), 0.0)).astype(np.float32), cell_density.grid)
