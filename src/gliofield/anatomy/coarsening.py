"""Half the resolution: an eighth of the voxels, for runs that only have to be about right.

Used to screen the draws of a database and to correct a sampler at low cost. Fronts move a little faster or slower on
the coarse grid than on the fine one, so nothing that is stored or reported comes from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.grid import Grid

_FACTOR = 2


def coarsened_anatomy(anatomy: Anatomy) -> Anatomy | None:
    """Anatomy of half the resolution; None where nothing of the domain is left.

    A coarse voxel belongs to the domain if half of its 2 × 2 × 2 fine voxels do; its fractions are their means.
    """
    inside = block_means(anatomy.domain)
    domain = inside >= 0.5
    if not domain.any():
        return None
    white_matter = np.where(domain, block_means(anatomy.white_matter) / np.maximum(inside, 0.5), 0.0)
    world_from_voxel = anatomy.grid.world_from_voxel.copy()
    # The center of the first coarse voxel is that of its block.
    world_from_voxel[:3, 3] += world_from_voxel[:3, :3] @ np.full(3, (_FACTOR - 1) / 2.0)
    world_from_voxel[:3, :3] *= _FACTOR
    return Anatomy(
        white_matter=white_matter.astype(np.float32),
        gray_matter=(domain - white_matter).astype(np.float32),
        domain=domain,
        grid=Grid(domain.shape, world_from_voxel),
        domain_rule=f"{anatomy.domain_rule}, {_FACTOR} times coarser",
    )


def block_means(volume: NDArray[Any]) -> NDArray[np.float32]:
    """Means of blocks of 2 × 2 × 2 voxels of an array (X, Y, Z); voxels missing at an odd end count as 0."""
    padded = np.pad(volume.astype(np.float32), [(0, -n % _FACTOR) for n in volume.shape])
    x, y, z = (n // _FACTOR for n in padded.shape)
    return padded.reshape(x, _FACTOR, y, _FACTOR, z, _FACTOR).mean(axis=(1, 3, 5))
