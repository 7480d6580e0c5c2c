"""Smooth random fields in a patient's world: what varies in space without anybody knowing why.

White noise on a coarse lattice, smoothed by a Gaussian of standard deviation L, and scaled by what that leaves of it: a
standard normal variable everywhere, whose correlation is exp(−r² / 4L²). One field can be read on any grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.grid import Grid
from gliofield.resample import resample
from gliofield.volume import Volume

# Lattice points per L.
_POINTS_PER_LENGTH = 2.0
# Standard deviation of a discrete Gaussian of 2 points, applied along three axes to unit white noise.
_REST_OF_NOISE = (4.0 * math.pi * _POINTS_PER_LENGTH**2) ** -0.75


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothField:
    """A standard normal random field.

    Parameters
    ----------
    lattice : Volume
        Its values on a coarse lattice.
    """

    lattice: Volume

    @classmethod
    def drawn(cls, extent: Grid, smoothness_mm: float, rng: np.random.Generator) -> SmoothField:
        """A field over a grid.

        Parameters
        ----------
        extent : Grid
            Axis-aligned grid that the field covers.
        smoothness_mm : float
            L [mm], > 0.
        rng : Generator
            Draws it.
        """
        spacing_mm = smoothness_mm / _POINTS_PER_LENGTH
        lengths_mm = np.array(extent.shape) * extent.spacing_mm
        shape = tuple(int(n) for n in np.ceil(lengths_mm / spacing_mm) + 3)
        noise = rng.standard_normal(shape, dtype=np.float32)
        smooth = ndimage.gaussian_filter(noise, _POINTS_PER_LENGTH, mode="wrap") / _REST_OF_NOISE
        origin_mm = extent.center_mm - (np.array(shape) - 1) / 2 * spacing_mm
        return cls(lattice=Volume(smooth.astype(np.float32), Grid.axis_aligned(shape, spacing_mm, origin_mm)))

    def on(self, grid: Grid) -> NDArray[np.float32]:
        """Values at the voxels of a grid, linear between the points of the lattice; 0 beyond it."""
        return np.asarray(resample(self.lattice, grid).data, dtype=np.float32)
