"""A brain of the size and the asymmetries of a head's, without any detail: no two of its turns look alike."""

import numpy as np

from gliofield.grid import Grid
from gliofield.volume import Volume

EGG_GRID = Grid.axis_aligned((52, 58, 48), 4.0, (-102.0, -114.0, -94.0))


def egg_brain(grid: Grid = EGG_GRID) -> Volume:
    """Wider behind than in front, flat below; left and right are alike."""
    x, y, z = np.moveaxis(grid.world_of(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    width = 68.0 * (1.0 - 0.0025 * y)
    height = np.where(z > 0, 72.0, 48.0)
    return Volume((x / width) ** 2 + (y / 86.0) ** 2 + (z / height) ** 2 < 1.0, grid)


def turned(grid: Grid, turn: np.ndarray) -> Grid:
    """The same array under a header that is turned about the middle of the image."""
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = turn, grid.center_mm - turn @ grid.center_mm
    return Grid(grid.shape, motion @ grid.world_from_voxel)
