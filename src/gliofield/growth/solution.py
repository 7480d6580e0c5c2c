"""What a growth model returns: tumor cell density at the requested times, and how it was computed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy.tissue_maps import TissueMaps, fractions_of
from gliofield.errors import ParameterError
from gliofield.grid import Grid

# More times than this are counted, not listed.
_TIMES_SHOWN = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Cell density of one tumor at one or more times.

    Parameters
    ----------
    cell_density : (num_times, X, Y, Z) float32 array
        Density relative to the carrying capacity, in [0, 1]; 0 outside the domain, or with mass effect outside the
        brain.
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
    stopped_at_days : float or None
        Where the run was given up because its volume exceeded the limit set for it [day]; densities and times then are
        those reached before, which may be none. None for a complete run.
    """

    cell_density: NDArray[np.float32]
    times_days: tuple[float, ...]
    grid: Grid
    num_steps: int
    num_voxel_steps: int
    scheme: str
    backend: str
    front_resolution: float
    stopped_at_days: float | None = None

    def __post_init__(self) -> None:
        expected = (len(self.times_days), *self.grid.shape)
        if self.cell_density.shape != expected:
            raise ParameterError(
                f"Solution: cell_density must have shape (num_times, X, Y, Z) = {expected}, "
                f"got {self.cell_density.shape}."
            )

    def __repr__(self) -> str:
        times = ", ".join(f"{time:g}" for time in self.times_days[:_TIMES_SHOWN])
        more = f", … ({len(self.times_days)} times)" if len(self.times_days) > _TIMES_SHOWN else ""
        stopped = "" if self.stopped_at_days is None else f", stopped at day {self.stopped_at_days:g} by its volume"
        return (
            f"{type(self).__name__}(days {times or 'none'}{more}{stopped}; {self.scheme} on {self.backend}, "
            f"{self.num_steps} steps\n  {self.grid.describe()})"
        )

    @property
    def is_front_resolved(self) -> bool:
        """Whether a voxel is no longer than the front is wide."""
        return self.front_resolution >= 1.0

    @property
    def front_warning(self) -> str:
        """What to tell whoever grew a tumor whose front is thinner than a voxel."""
        spacing_mm = min(self.grid.spacing_mm)
        return (
            f"Warning: the front of this tumor is {self.front_resolution:.2f} voxels wide (infiltration length "
            f"{self.front_resolution * spacing_mm:.2f} mm, spacing {spacing_mm:g} mm): it moves at the speed of the "
            "grid rather than of the equation. Use a finer grid for its volume to mean anything."
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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MassEffectSolution(Solution):
    """Cell density, displacement and moved tissue of one tumor with mass effect at one or more times.

    Parameters
    ----------
    white_matter, gray_matter, csf : (num_times, X, Y, Z) float32 arrays
        Amounts of tissue, ≥ 0, carried along by the displacement. `tissue_maps` makes fractions of them.
    compression : (num_times, X, Y, Z) float32 array
        Volume at rest of what is now in a voxel, in voxels: 1 in the brain before the tumor, more where tissue is
        pressed, less where it has expanded. It is carried along too, and close to 1 / det J.
    displacement_mm : (num_times, X, Y, Z, 3) float32 array
        u [mm, RAS+]: what is now in a voxel came from `displacement_mm` behind it, to first order in ∇u. 0 outside the
        brain.
    min_jacobian_determinant : tuple of float
        Smallest det J in the brain at each time, > 0; J = (I − ∇u)⁻¹ is the deformation gradient of a displacement
        given where things are now. It is 1 at rest.
    brain : (X, Y, Z) bool array
        Inside of the skull.
    num_coupling_steps : int
        Steps in which tumor and tissue moved together.
    num_solver_iterations : int
        Iterations of the elasticity solver, all in all.
    """

    white_matter: NDArray[np.float32]
    gray_matter: NDArray[np.float32]
    csf: NDArray[np.float32]
    compression: NDArray[np.float32]
    displacement_mm: NDArray[np.float32]
    min_jacobian_determinant: tuple[float, ...]
    brain: NDArray[np.bool_]
    num_coupling_steps: int
    num_solver_iterations: int

    def __post_init__(self) -> None:
        super().__post_init__()
        expected = (*self.cell_density.shape, 3)
        if self.displacement_mm.shape != expected:
            raise ParameterError(
                f"MassEffectSolution: displacement_mm must have shape (num_times, X, Y, Z, 3) = {expected}, "
                f"got {self.displacement_mm.shape}."
            )

    def largest_displacement_mm(self, index: int) -> float:
        """Largest displacement at the time of number `index` [mm]."""
        return float(np.linalg.norm(self.displacement_mm[index], axis=-1).max())

    def moved(self, image: NDArray[np.generic], index: int) -> NDArray[np.float32]:
        """An image of the brain before the tumor, carried along to the time of number `index`: image(x − u(x)), linear.

        Parameters
        ----------
        image : (X, Y, Z) array
            Values on the grid of the solution.
        index : int
            Number of the time.
        """
        inverse = np.linalg.inv(self.grid.world_from_voxel[:3, :3])
        sources = np.indices(self.grid.shape, dtype=np.float32) - np.einsum(
            "ab,xyzb->axyz", inverse.astype(np.float32), self.displacement_mm[index]
        )
        return ndimage.map_coordinates(image.astype(np.float32), sources, order=1, mode="nearest")

    def tissue_maps(self, index: int) -> TissueMaps:
        """Tissue fractions at the time of number `index`: the anatomy as an image would show it.

        Voxels of the brain that no tissue is left in count as CSF.
        """
        amounts = np.stack([self.white_matter[index], self.gray_matter[index], self.csf[index]])
        return fractions_of(amounts, self.compression[index], self.brain, self.grid)


def moved_tissue(solution: Solution) -> MassEffectSolution | None:
    """The solution as one whose tissue has moved; None if it stood still."""
    return solution if isinstance(solution, MassEffectSolution) else None
