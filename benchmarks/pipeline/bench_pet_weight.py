"""What FET-PET should weigh in the fit of `assimilate`: a Markdown table of errors outside the core by weight.

    python benchmarks/pipeline/bench_pet_weight.py [--cases 10] [--seed 100] [--weights 0 0.5 1 2 4]

Virtual patients in boxes of the atlas at 3.75 mm, which differ from what the fit assumes: white matter carries cells
ten times as fast as gray (the fit: two times), T1Gd shows 0.55-0.75 and FLAIR 0.1-0.35 (the fit: 0.6 and 0.2), and in
every second one FLAIR reaches 11 mm too far on one side, for edema. PET has a background of 0.2-0.4 of the peak, a blur
of 5 mm and noise of 0.03-0.08. The error is the mean |u − û| over tissue outside the core and within 30 mm of the whole
tumor, relative to that without PET; standard errors are over patients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.grid import Grid
from gliofield.imaging import Observation

BOX_VOXELS, EDEMA_VOXELS, REACH_MM = 28, 3, 30.0
WHOLE_ML, DAYS = (10.0, 90.0), 100.0
Case = tuple[Anatomy, Observation, NDArray[np.float32]]


def box_of(anatomy: Anatomy, rng: np.random.Generator) -> Anatomy:
    """A box of an anatomy, at random, most of it tissue."""
    while True:
        first = np.array([rng.integers(length - BOX_VOXELS + 1) for length in anatomy.grid.shape])
        part = tuple(slice(start, start + BOX_VOXELS) for start in first)
        if anatomy.domain[part].mean() > 0.6:
            break
    world_from_voxel = anatomy.grid.world_from_voxel.copy()
    world_from_voxel[:3, 3] = anatomy.grid.world_of(first)
    return Anatomy(
        white_matter=anatomy.white_matter[part].copy(),
        gray_matter=anatomy.gray_matter[part].copy(),
        domain=anatomy.domain[part].copy(),
        grid=Grid((BOX_VOXELS,) * 3, world_from_voxel),
        domain_rule=anatomy.domain_rule,
    )
