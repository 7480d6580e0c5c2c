"""Reject hopeless draws by a cheap run: reaction and diffusion at half the resolution, with four times the time step.

Most draws of the published ranges fill the brain, and some stay invisible. On a coarse grid that shows for little; only
what is not far too large or far too small there is simulated. A coarse grid moves fronts a little faster or slower than
they are, so its range of sizes must be well beyond that of the design: `benchmarks/database/bench_papers_design.py`
measures the distance. Which draws are screened out is part of the design, and depends on draw and anatomy alone.

The seed is a ball of 4.7 mm. Where a coarse grid holds little of it, at the edge of the tissue or between the centers
of large voxels, the tumor starts late there and looks too small, which then says nothing. Where a seed may lie between
all centers (coarse voxels of 5.4 mm and more) nothing is screened: such grids cost little.
"""

from __future__ import annotations

import numpy as np

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database.design import TumorDraw
from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorov, VolumeLimit
from gliofield.growth.seed import SEED_RADIUS_MM, seed_cells

SCREENING_MODEL = FisherKolmogorov(time_step_scale=4.0)


def passes_screening(anatomy: Anatomy, coarse: Anatomy | None, draw: TumorDraw) -> bool:
    """Whether a draw is worth simulating in an anatomy, by its run on the coarse one.

    Draws without a `screening`, and seeds without tissue around them on the coarse grid, always are.
    """
    if coarse is None or draw.screening is None or np.linalg.norm(coarse.grid.spacing_mm) / 2.0 >= SEED_RADIUS_MM:
        return True
    limit = VolumeLimit(threshold=draw.screening.threshold, max_volume_ml=draw.screening.max_volume_ml)
    try:
        solution = SCREENING_MODEL.simulate(coarse, draw.parameters, draw.times_days[-1:], volume_limit=limit)
    except ParameterError:
        return True
    if solution.stopped_at_days is not None:
        return False
    volume_ml = float(solution.volume_ml(limit.threshold)[-1])
    if volume_ml < draw.screening.min_volume_ml:
        return _seed_ml(coarse, draw) < draw.screening.seed_share * _seed_ml(anatomy, draw)
    return volume_ml <= draw.screening.max_volume_ml


def _seed_ml(anatomy: Anatomy, draw: TumorDraw) -> float:
    """Volume of a draw's seed, packed to capacity, on a grid [ml]; 0 where there is no tissue for it."""
    try:
        cells, _ = seed_cells(anatomy, draw.parameters.seed_mm)
    except ParameterError:
        return 0.0
    return float(cells.sum(dtype=np.float64)) * anatomy.grid.voxel_volume_ml
