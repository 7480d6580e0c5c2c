"""FET-PET against the stored tumors of a database: the sums of which its likelihood is made.

A database stores densities in 255 levels, in the box outside of which they are 0; PET sees them at its own resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.pet_evidence import PetSums
from gliofield.bayes.pet_kernels import density_sums
from gliofield.box import make_box, slices_of, widened
from gliofield.database.quantization import dequantize
from gliofield.imaging.pet import blurred_density, reach_of_blur


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelPet:
    """PET as stored tumors are compared with it.

    Parameters
    ----------
    pet : (X, Y, Z) float64 array
        0 where nothing is compared.
    spacing_mm : 3 floats
        Of the voxels [mm].
    fwhm_mm : float
        Its resolution [mm], see `blurred_density`.
    """

    pet: NDArray[np.float64]
    spacing_mm: Sequence[float]
    fwhm_mm: float

    def sums_of_levels(self, levels: NDArray[np.uint8], box: tuple[slice, slice, slice]) -> tuple[float, float, float]:
        """Σu, Σyu and Σu² where PET is compared, of a tumor given by its levels in a box."""
        inner = make_box((part.start, part.stop) for part in box)
        outer = slices_of(widened(inner, reach_of_blur(self.spacing_mm, self.fwhm_mm), self.pet.shape))
        values = self.pet[outer]
        density = np.zeros(values.shape, dtype=np.float32)
        inside = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, outer, strict=True))
        density[inside] = dequantize(levels)
        seen = blurred_density(density, self.spacing_mm, self.fwhm_mm)
        total, product, squared = density_sums(seen.reshape(-1), values.reshape(-1))
        return total, product, squared

    def with_sums(self, of_tumors: NDArray[np.float64]) -> PetSums:
        """What the likelihood needs of tumors, of the sums (K, 3) of each."""
        density, product, squared = of_tumors.T
        return PetSums(
            num_voxels=int(np.count_nonzero(self.pet)),
            pet=float(self.pet.sum()),
            squared_pet=float((self.pet**2).sum()),
            density=density,
            product=product,
            squared_density=squared,
        )
