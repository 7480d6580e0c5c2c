"""Reject hopeless draws by a cheap run: reaction and diffusion at half the resolution, with four times the time step.

Most draws of the published ranges fill the brain, and some stay invisible. On a coarse grid that shows for little; only
what is not far too large or far too small there is simulated. A coarse grid moves fronts a little faster or slower than
they are, so its range of sizes must be well beyond that of the design: `benchmarks/database/bench_papers_design.py`
measures the distance. Which draws are screened out is part of the design, and depends on draw and anatomy alone.
"""

from __future__ import annotations

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database.design import TumorDraw
from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorov, VolumeLimit

SCREENING_MODEL = FisherKolmogorov(time_step_scale=4.0)


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
