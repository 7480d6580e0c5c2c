"""A row of voxels with a known tumor, for scores that are counted by hand.

40 voxels of 2 x 1 x 1 mm, so that places are apart by 2 mm. The core is the voxels 3 and 4; K is what lies within 15 mm
of it: the voxels 0 to 11, twelve of them. Cells: 1.0 in the core, then 0.8, 0.4, 0.22, 0.08 in the voxels 5 to 8, and
0.5 in voxel 20, far away: 2.0 outside the core.
"""

import numpy as np

from gliofield.grid import Grid
from gliofield.scoring.volume_scores import KnownTumor

LENGTH = 40
GRID = Grid((LENGTH, 1, 1), np.diag([2.0, 1.0, 1.0, 1.0]))


def row(values=None, **at):
    """A row of zeros, or of some values, with others at ``v3=1.0``."""
    array = np.zeros((LENGTH, 1, 1), np.float32) if values is None else np.asarray(values, np.float32)[:, None, None]
    for place, value in at.items():
        array[int(place[1:])] = value
    return array


def mask(*places):
    return np.isin(np.arange(LENGTH), places)[:, None, None]


CELLS = row(v3=1.0, v4=1.0, v5=0.8, v6=0.4, v7=0.22, v8=0.08, v20=0.5)


def tumor_of(**changes):
    given = {
        "cell_density": CELLS,
        "tumor_core": mask(3, 4),
        "whole_tumor": mask(3, 4, 5, 6),
        "treatable": mask(*range(LENGTH)),
        "grid": GRID,
        "recurrences": {"enhancing": mask(6, 7), "any": mask(6, 7, 20, 21)},
    }
    return KnownTumor(**{**given, **changes})
