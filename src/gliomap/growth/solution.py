"""What a growth model returns: tumor cell density at the requested times, and how it was computed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliomap.errors import ParameterError
from gliomap.grid import Grid


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Cell density of one tumor at one or more times.

    Parameters
    ----------
    cell_density : (num_times, X, Y, Z) float32 array
        Density relative to the carrying capacity, in [0, 1]; 0 outside the domain.
    times_days : tuple of float
        Time of each density [day]. The times asked for, except with the scheme ``published``, which stops at whole
        steps only.
    grid : Grid
        Grid of the densities.
    num_steps : int
        Time steps taken up to the last time.
    num_voxel_steps : int
        Voxel updates done: voxels times stages, summed over all steps. The machine-independent cost of the run.
    scheme : str
        Name of the time-stepping scheme.
    backend : str
        Name of the backend that computed it.
    front_resolution : float
        Infiltration length over voxel spacing. Below about 1 the front is thinner than a voxel and its speed is
        that of the lattice, not of the equation; infinite without proliferation.
    """

    cell_density: NDArray[np.float32]
    times_days: tuple[float, ...]
    grid: Grid
    num_steps: int
    num_voxel_steps: int
    scheme: str
    backend: str
    front_resolution: float

    def __post_init__(self) -> None:
        expected = (len(self.times_days), *self.grid.shape)
        if self.cell_density.shape != expected:
            raise ParameterError(
                f"Solution: cell_density must have shape (num_times, X, Y, Z) = {expected}, "
                f"got {self.cell_density.shape}."
            )

    def volume_ml(self, threshold: float) -> NDArray[np.float64]:
        """Volume where the density exceeds `threshold` (strictly) at each time, shape (num_times,) [ml].

        Raises
        ------
        ParameterError
            If the threshold is not finite.
        """
        if not math.isfinite(threshold):
            raise ParameterError(f"threshold must be a finite cell density, got {threshold}.")
        counts = [np.count_nonzero(density > threshold) for density in self.cell_density]
        return np.array(counts, dtype=np.float64) * self.grid.voxel_volume_ml
