"""The box around a tumor in which growth is computed: masks and tissue on a coarser grid, and the way to the scan.

Growth reaches some centimeters beyond what is seen, and its front is smoother than the scan's voxels. So it is computed
at 1.875 mm in a box 34 mm around the visible tumor, in the patient's own brain, where tumor that is seen has room
(`assimilation.seen_domain`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.assimilation import open_domain
from gliofield.grid import Grid
from gliofield.imaging import Observation, move_pet
from gliofield.pipeline.spaces import DEFAULT_SPACING_MM, PatientSpace, tumor_grid
from gliofield.resample import interpolate_at, resample, resample_mask
from gliofield.volume import Volume

# How far growth is looked at beyond the visible tumor [mm]. *Chosen*.
_REACH_MM = 34.0


@dataclass(frozen=True, kw_only=True, eq=False)
class TumorBox:
    """A patient's tumor on the grid that growth is computed on.

    Parameters
    ----------
    seen : Observation
        Masks and PET, in the space of the box.
    anatomy : Anatomy
        Tissue where cells may live, opened for the tumor that is seen, without a cavity.
    open_brain : Anatomy
        The same with room for cells in all of the brain: a moved atlas knows ventricles and sulci
        to some millimeters only.
    scan : PatientSpace
        The patient's brain on the grid of the scan.
    """

    seen: Observation
    anatomy: Anatomy
    open_brain: Anatomy
    scan: PatientSpace

    @classmethod
    def around(
        cls,
        observation: Observation,
        scan: PatientSpace,
        *,
        spacing_mm: float = DEFAULT_SPACING_MM,
        reach_mm: float = _REACH_MM,
        axes: NDArray[np.float64] | None = None,
    ) -> TumorBox:
        """The box around a tumor; a core that is lost on its grid keeps its densest voxels.

        Parameters
        ----------
        observation : Observation
            Masks, and PET where it was taken, on the grid of the scan.
        scan : PatientSpace
            The patient's brain on the same grid.
        spacing_mm, reach_mm : float
            Spacing of the box, and how far it goes beyond the tumor [mm], > 0.
        axes : (3, 3) float64 array, optional
            A rotation whose columns are the axes of the box, along those of the scan, which are the default.
        """
        grid = tumor_grid(scan, observation.whole_tumor, spacing_mm=spacing_mm, reach_mm=reach_mm, axes=axes)
        core, whole = (
            resample(Volume(mask.astype(np.float32), scan.grid), grid).data
            for mask in (observation.tumor_core, observation.whole_tumor)
        )
        tumor_core = _kept(core) if observation.has_core else core > 0.5
        space = scan.on_grid(grid)
        pet = observation.pet
        seen = Observation(
            tumor_core=tumor_core,
            whole_tumor=_kept(whole) | tumor_core,
            pet=None if pet is None else move_pet(pet, pet.data > 0.0, lambda image: resample(image, grid)),
            grid=grid,
            thresholds=observation.thresholds,
            space=space,
        )
        cavity = scan.case.segmentation.cavity
        in_box = None if cavity is None else resample_mask(Volume(cavity, scan.grid), grid).data
        tissue = space.anatomy
        brain = tissue.domain if tissue.tissue_maps is None else tissue.tissue_maps.brain
        return cls(
            seen=seen,
            anatomy=open_domain(tissue, seen.whole_tumor, in_box),
            open_brain=open_domain(tissue, brain | seen.whole_tumor, in_box),
            scan=scan,
        )

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """Where the box lies in the scan."""
        corners = np.array(np.meshgrid(*[(0, length - 1) for length in self.seen.grid.shape])).T.reshape(-1, 3)
        voxels = self.scan.grid.voxel_of(self.seen.grid.world_of(corners))
        first = np.clip(np.ceil(voxels.min(axis=0)), 0, None).astype(int)
        last = np.minimum(np.floor(voxels.max(axis=0)).astype(int), np.array(self.scan.grid.shape) - 1)
        x, y, z = (slice(int(start), int(stop) + 1) for start, stop in zip(first, last, strict=True))
        return x, y, z

    @property
    def window_grid(self) -> Grid:
        """Grid of that part of the scan."""
        affine = self.scan.grid.world_from_voxel.copy()
        affine[:3, 3] = self.scan.grid.world_of([each.start for each in self.window])
        x, y, z = (each.stop - each.start for each in self.window)
        return Grid((x, y, z), affine)

    def density_in_window(self, cell_density: NDArray[np.float32]) -> NDArray[np.float32]:
        """A density of the box on the window's grid: linear, 0 outside the brain and in a cavity."""
        moved = resample(Volume(cell_density, self.seen.grid), self.window_grid).data
        alive, cavity = self.scan.case.brain[self.window], self.scan.case.segmentation.cavity
        alive = alive if cavity is None else alive & ~cavity[self.window]
        return np.where(alive, moved, np.float32(0.0))

    def filled_on_scan(self, values: NDArray[np.float32]) -> Volume:
        """Values of the window on the scan's grid, 0 elsewhere."""
        whole = np.zeros(self.scan.grid.shape, dtype=np.float32)
        whole[self.window] = values
        return Volume(whole, self.scan.grid)

    @property
    def cavity(self) -> NDArray[np.bool_] | None:
        """Where no cells are, on the grid of the box; None without a cavity."""
        cavity = self.scan.case.segmentation.cavity
        return None if cavity is None else resample_mask(Volume(cavity, self.scan.grid), self.seen.grid).data

    def density_on_scan(self, cell_density: NDArray[np.float32]) -> NDArray[np.float32]:
        """A density of the box on the scan's grid: linear, 0 outside the brain and the box."""
        moved = np.clip(resample(Volume(cell_density, self.seen.grid), self.scan.grid).data, 0.0, 1.0)
        return np.where(self.scan.case.brain, moved, 0.0).astype(np.float32)

    def continued_on_scan(self, values: NDArray[np.float32], loss_per_mm: float) -> NDArray[np.float32]:
        """Values of the box on the scan's grid; outside the box those of its nearest voxel, less their distance.

        The box must lie along the axes of the scan.
        """
        grid, onto = self.seen.grid, self.scan.grid
        voxels = grid.voxel_from_world @ onto.world_from_voxel
        places = [voxels[axis, axis] * np.arange(onto.shape[axis]) + voxels[axis, 3] for axis in range(3)]
        inside = [np.clip(place, 0, length - 1) for place, length in zip(places, grid.shape, strict=True)]
        beyond = [
            (np.abs(place - kept) * grid.spacing_mm[axis]).astype(np.float32)
            for axis, (place, kept) in enumerate(zip(places, inside, strict=True))
        ]
        x, y, z = np.ix_(*beyond)
        moved = interpolate_at(values, inside)
        return np.asarray(moved - np.float32(loss_per_mm) * np.sqrt(x**2 + y**2 + z**2), dtype=np.float32)


def _kept(part: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Voxels of which more than half belongs to a mask; if there are none, those of the largest part."""
    return part > 0.5 if part.max() > 0.5 else part == part.max()
