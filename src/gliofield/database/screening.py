"""Reject hopeless draws by a cheap run: reaction and diffusion at half the resolution, with four times the time step.

Most draws of the published ranges fill the brain, and some stay invisible. On a coarse grid that shows for little; only
what is not far too large or far too small there is simulated. A coarse grid moves fronts a little faster or slower than
they are, so its range of sizes must be well beyond that of the design: `benchmarks/database/bench_papers_design.py`
measures the distance. Which draws are screened out is part of the design, and depends on draw and anatomy alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database.design import TumorDraw
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, VolumeLimit

SCREENING_MODEL = FisherKolmogorov(time_step_scale=4.0)
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


def passes_screening(coarse: Anatomy | None, draw: TumorDraw) -> bool:
    """Whether a draw is worth simulating, by its run on the coarse anatomy.

    Draws without a `screening`, and seeds without tissue around them on the coarse grid, always are.
    """
    if coarse is None or draw.screening is None:
        return True
    limit = VolumeLimit(threshold=draw.screening.threshold, max_volume_ml=draw.screening.max_volume_ml)
    try:
        solution = SCREENING_MODEL.simulate(coarse, draw.parameters, draw.times_days[-1:], volume_limit=limit)
    except ParameterError:
        return True
    if solution.stopped_at_days is not None:
        return False
    volume_ml = float(solution.volume_ml(limit.threshold)[-1])
    return draw.screening.min_volume_ml <= volume_ml <= draw.screening.max_volume_ml


def block_means(volume: NDArray[Any]) -> NDArray[np.float32]:
    """Means of blocks of 2 × 2 × 2 voxels of an array (X, Y, Z); voxels missing at an odd end count as 0."""
    padded = np.pad(volume.astype(np.float32), [(0, -n % _FACTOR) for n in volume.shape])
    x, y, z = (n // _FACTOR for n in padded.shape)
    return padded.reshape(x, _FACTOR, y, _FACTOR, z, _FACTOR).mean(axis=(1, 3, 5))
