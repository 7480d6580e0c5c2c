"""The rim of a tumor: what FLAIR shows around what T1Gd shows, as depths and as thickness by direction.

Depths are signed distances to an outline, positive inside. The thickness of the rim is the distance of the whole
tumor's surface to the core, looked at only where tissue lies behind that surface: at a ventricle or the skull it is the
brain that ends, not the tumor. Directions are those from the middle of the core. Without a core its place is taken by
the deepest part of the whole tumor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.box import box_of, slices_of, widened
from gliofield.grid import Grid
from gliofield.resample import resample
from gliofield.volume import Volume

# Depths are known as far as this outside an outline [mm]; beyond, they only say "outside". *Chosen*.
_FAR_MM = 8.0
# Without a core the middle is where the whole tumor is at least so deep, as a part of its largest depth. *Chosen*.
_MIDDLE_PART = 0.8
# Directions that agree when rounded to halves along each axis are one.
_CELLS_PER_AXIS = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Rim:
    """Outlines of a tumor as depths.

    Parameters
    ----------
    core_depth_mm, whole_depth_mm : (X, Y, Z) float32 arrays
        Signed distance to the outline of the core and of the whole tumor, positive inside [mm]; of the core −8 mm at
        most everywhere where there is none.
    core_distance_mm : (X, Y, Z) float32 array
        Distance to the core, or to the middle of a tumor without one; known within the whole tumor [mm].
    domain : (X, Y, Z) bool array
        Where cells may live.
    has_core : bool
        Whether T1Gd shows anything.
    grid : Grid
        Of all of them.
    """

    core_depth_mm: NDArray[np.float32]
    whole_depth_mm: NDArray[np.float32]
    core_distance_mm: NDArray[np.float32]
    domain: NDArray[np.bool_]
    has_core: bool
    grid: Grid

    @classmethod
    def of(
        cls,
        tumor_core: NDArray[np.bool_],
        whole_tumor: NDArray[np.bool_],
        scan: Grid,
        domain: NDArray[np.bool_],
        grid: Grid,
    ) -> Rim:
        """Depths of masks on the grid of a scan, brought to a coarser grid; the whole tumor is not empty.

        Parameters
        ----------
        tumor_core, whole_tumor : (X, Y, Z) bool arrays
            On the grid `scan`.
        scan : Grid
            Of the masks.
        domain : (X', Y', Z') bool array
            Where cells may live, on `grid`.
        grid : Grid
            Where depths are wanted.
        """
        margin = int(np.ceil(_FAR_MM / min(scan.spacing_mm)))
        window = slices_of(widened(box_of(whole_tumor), margin, scan.shape))
        core, whole = tumor_core[window], whole_tumor[window]
        whole_depth = _depth_mm(whole, scan.spacing_mm)
        middle = core if core.any() else whole_depth >= _MIDDLE_PART * whole_depth.max()
        affine = scan.world_from_voxel.copy()
        affine[:3, 3] = scan.world_of([each.start for each in window])
        cut = Grid(core.shape, affine)

        def moved(depth_mm: NDArray[np.float32]) -> NDArray[np.float32]:
            # Zero is what lies outside the window: so far outside the outlines that nothing more is known.
            return resample(Volume(np.maximum(depth_mm, -_FAR_MM) + _FAR_MM, cut), grid).data - np.float32(_FAR_MM)

        distance_mm = ndimage.distance_transform_edt(~middle, sampling=scan.spacing_mm).astype(np.float32)
        return cls(
            core_depth_mm=moved(_depth_mm(core, scan.spacing_mm)),
            whole_depth_mm=moved(whole_depth),
            core_distance_mm=resample(Volume(distance_mm, cut), grid).data,
            domain=domain,
            has_core=bool(core.any()),
            grid=grid,
        )

    @cached_property
    def relative_depth(self) -> NDArray[np.float32]:
        """How far out a voxel (X, Y, Z) of the whole tumor lies: 0 at the core, 1 at its surface and beyond."""
        inward = np.maximum(self.whole_depth_mm, 0.0)
        total = self.core_distance_mm + inward
        outside = self.whole_depth_mm <= 0.0
        return np.where(outside, 1.0, self.core_distance_mm / np.maximum(total, 1e-3)).astype(np.float32)

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """Unit vectors (X, Y, Z, 3) in the world, from the middle of the core to every voxel; 0 at the middle."""
        world = self.grid.world_of(np.moveaxis(np.indices(self.grid.shape), 0, -1))
        middle = self.core_distance_mm <= 0.5 * min(self.grid.spacing_mm)
        inside = middle & (self.whole_depth_mm > 0.0)
        weights = inside if inside.any() else self.whole_depth_mm > 0.0
        away = world - world[weights].mean(axis=0)
        length = np.linalg.norm(away, axis=-1, keepdims=True)
        return (away / np.maximum(length, 1e-6)).astype(np.float32)

    @cached_property
    def surface(self) -> RimSurface:
        """The rim's thickness by direction."""
        whole = self.whole_depth_mm > 0.0
        shell = whole & ndimage.binary_dilation(~whole & self.domain)
        shell = shell if shell.any() else whole
        thickness = np.maximum(self.core_distance_mm[shell], 0.5 * min(self.grid.spacing_mm))
        return RimSurface.of(np.log(thickness.astype(np.float64)), self.directions[shell].astype(np.float64))


@dataclass(frozen=True, kw_only=True, eq=False)
class RimSurface:
    """Thickness of a rim by direction.

    Parameters
    ----------
    directions : (K, 3) float64 array
        Mean direction of each of K cones.
    log_thickness, variance : (K,) float64 arrays
        Mean and variance of ln thickness [ln mm] in it.
    share : (K,) float64 array
        Its part of the surface; they sum to 1.
    """

    directions: NDArray[np.float64]
    log_thickness: NDArray[np.float64]
    variance: NDArray[np.float64]
    share: NDArray[np.float64]

    @classmethod
    def of(cls, log_thickness: NDArray[np.float64], directions: NDArray[np.float64]) -> RimSurface:
        """Of points (N,) of the surface with their directions (N, 3); N ≥ 1.

        Cones are told apart by rounding, which turns with the axes: a mirrored tumor has mirrored cones.
        """
        cells = np.rint(directions * _CELLS_PER_AXIS).astype(np.int64)
        _, cell, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
        cell = cell.reshape(-1)

        def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.bincount(cell, weights=values) / counts

        middle = mean(log_thickness)
        return cls(
            directions=np.stack([mean(component) for component in directions.T], axis=-1),
            log_thickness=middle,
            variance=mean((log_thickness - middle[cell]) ** 2),
            share=counts / counts.sum(),
        )


def _depth_mm(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Signed distance of voxels to the outline of a mask (X, Y, Z), half a voxel outside its last voxels [mm]."""
    if not mask.any():
        return np.full(mask.shape, -_FAR_MM, dtype=np.float32)
    half = 0.5 * min(spacing_mm)
    inside = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    return np.where(mask, inside - half, half - outside).astype(np.float32)
