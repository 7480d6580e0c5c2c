"""Images of a patient at half the resolution, for the coarse level of a sampler.

Blocks of 2 x 2 x 2 voxels become one: masks and region where more than half of a block is set, PET by the mean of what
was measured, where that is more than half of a block.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.anatomy.coarsening import block_means
from gliofield.imaging import ImagingLikelihood
from gliofield.volume import Volume


def coarsened_likelihood(fine: ImagingLikelihood, anatomy: Anatomy) -> ImagingLikelihood:
    """The same comparison on the grid of an anatomy of half the resolution, in every voxel of its region.

    Raises
    ------
    ImageError
        If the whole tumor is smaller than a coarse voxel.
    """
    observation = fine.observation
    pet = observation.pet
    options = replace(fine.options, mask_stride=1, pet_stride=1)
    return ImagingLikelihood(
        observation=replace(
            observation,
            tumor_core=_coarsened_mask(observation.tumor_core),
            whole_tumor=_coarsened_mask(observation.whole_tumor),
            pet=None if pet is None else Volume(_coarsened_pet(pet.data), anatomy.grid),
            grid=anatomy.grid,
            space=None,
        ),
        domain=anatomy.domain,
        region=None if fine.region is None else _coarsened_mask(fine.region),
        options=options,
    )


def _coarsened_pet(pet: NDArray[np.floating]) -> NDArray[np.float32]:
    """Means of what was measured; 0, not measured, where that is half of a block or less."""
    share = block_means(pet != 0.0)
    return np.where(share > 0.5, block_means(pet) / np.maximum(share, 0.5), 0.0).astype(np.float32)


def _coarsened_mask(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(block_means(mask) > 0.5)
