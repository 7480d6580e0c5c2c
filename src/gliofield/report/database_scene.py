"""A simulation database and the brain behind it, for the pictures of `database_figure`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas
from gliofield.box import enclosing_box, slices_of, widened
from gliofield.database import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.report.planes import crop_window
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

_MARGIN_VOXELS = 3


class DatabaseScene:
    """What is drawn, on the database's grid, which runs along the axes of the world.

    Parameters
    ----------
    database : SimulationDatabase
        An open database.
    atlas : Atlas, optional
        The atlas it was made with.

    Attributes
    ----------
    brain : (X, Y, Z) bool array or None
        Brain mask; None without an atlas.
    image : Volume
        The atlas' T1; 0 everywhere without an atlas.
    gray_limits : (2,) float64 array
        Intensities shown black and white.
    window : 3 slices
        Part of the grid that is shown: the brain, without an atlas the box around all tumors.

    Raises
    ------
    ParameterError
        If the atlas is another one.
    """

    def __init__(self, database: SimulationDatabase, atlas: Atlas | None) -> None:
        self.database = database
        self.grid = database.header.grid
        self.brain: NDArray[np.bool_] | None = None
        if atlas is None:
            self.image = Volume(np.zeros(self.grid.shape, dtype=np.float32), self.grid)
            self.gray_limits = np.array([0.0, 1.0])
            self.window = _window_of_tumors(database)
            return
        if atlas.content_hash != database.header.atlas_hash:
            raise ParameterError(
                f"{database.path} was made with the atlas {database.header.atlas_name!r}, got {atlas.name!r} (or "
                "another version of it). Load the atlas it was made with, or leave it out."
            )
        self.image = resample(atlas.t1, self.grid)
        self.brain = resample_mask(Volume(atlas.tissue_maps.brain, atlas.grid), self.grid).data
        self.gray_limits = np.percentile(self.image.data[self.brain], [0.5, 99.5])
        self.window = crop_window(self.brain, margin=_MARGIN_VOXELS)

    @property
    def window_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """World positions of the window's lower and upper faces [mm], (3,) each."""
        start = np.array([s.start for s in self.window]) - 0.5
        stop = np.array([s.stop for s in self.window]) - 0.5
        return self.grid.world_of(start), self.grid.world_of(stop)

    @property
    def seeds_mm(self) -> NDArray[np.float64]:
        """Seeds of all tumors [mm, RAS+], (N, 3)."""
        columns = [self.database.parameter_names.index(f"seed_{axis}_mm") for axis in "xyz"]
        return self.database.parameters[:, columns]

    def world_along(self, axis: int, positions: NDArray[np.floating]) -> NDArray[np.float64]:
        """World coordinates [mm] of voxel positions (n,) along one axis, (n,)."""
        voxels = np.zeros((len(positions), 3))
        voxels[:, axis] = positions
        return self.grid.world_of(voxels)[:, axis]


def _window_of_tumors(database: SimulationDatabase) -> tuple[slice, slice, slice]:
    """Smallest box around all tumors, and a margin; the whole grid if all are empty."""
    shape = database.header.grid.shape
    boxes = database.bounding_box[database.bounding_box[:, 1] > 0]
    if len(boxes) == 0:
        return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])
    return slices_of(widened(enclosing_box(boxes), _MARGIN_VOXELS, shape))
