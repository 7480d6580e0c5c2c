"""A tumor of two balls in a round brain, the FLAIR and T1Gd that show it, and whatever outlines are asked for."""

import numpy as np

from gliofield.anatomy import Segmentation
from gliofield.grid import Grid
from gliofield.pipeline import Case
from gliofield.volume import Volume

GRID = Grid.axis_aligned((48, 48, 48), 2.0, (-48.0, -48.0, -48.0))
PLACES = np.moveaxis(GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1)), -1, 0)


def ball(center_mm, radius_mm):
    return sum((axis - place) ** 2 for axis, place in zip(PLACES, center_mm, strict=True)) < radius_mm**2


BRAIN = ball((0, 0, 0), 46.0)
WHOLE, CORE = ball((14, 6, 0), 18.0), ball((14, 6, 0), 9.0)


def outlined_case(*, core=CORE, whole=WHOLE, cavity=None, flair=None, t1c=None) -> Case:
    """A patient whose FLAIR shows WHOLE and whose T1Gd shows CORE, with these outlines."""
    noise = np.random.default_rng(0).normal(0.0, 8.0, (2, *GRID.shape))
    seen = {"flair": 100.0 + 40.0 * WHOLE + noise[0], "t1c": 100.0 + 40.0 * CORE + noise[1]}
    given = {"flair": flair, "t1c": t1c}
    images = {
        name: Volume(np.where(BRAIN, seen[name] if given[name] is None else given[name], 0.0), GRID) for name in seen
    }
    outlines = Segmentation(tumor_core=core, whole_tumor=whole, grid=GRID, scheme="brats2023", cavity=cavity)
    return Case(images=images, segmentation=outlines, brain=BRAIN | whole, stored_grid=GRID, file_hashes={})
