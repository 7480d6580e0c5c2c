"""What is seen of a cohort's tumor: thresholds that vary in space, outlines that are drawn by somebody, a core that is
not all of the dense part, a resection cavity.

So no outline is an isoline of the density, which the visibility model of every method takes it for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.box import box_of, slices_of, widened
from gliofield.grid import Grid
from gliofield.virtual.images import TumorSigns
from gliofield.virtual.patient import NECROTIC_DENSITY
from gliofield_evaluation.virtual.design import DrawnTumor
from gliofield_evaluation.virtual.random_fields import SmoothField

# Relative spread of the thresholds, and their smoothness. *Chosen*.
_T1GD_SPREAD, _FLAIR_SPREAD, _THRESHOLD_SMOOTHNESS_MM = 0.12, 0.30, 8.0
# Outlines are off by so much, at most by 2 mm, in pieces of a centimeter. *Chosen*.
_OUTLINE_ERROR_MM, _LARGEST_ERROR_MM, _OUTLINE_SMOOTHNESS_MM = 0.8, 2.0, 4.0
# Necrosis keeps this far from the edge of the core. *Chosen*.
_RIM_MM = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenThresholds:
    """Densities that T1Gd and FLAIR show, which vary from place to place.

    Parameters
    ----------
    drawn : DrawnTumor
        Thresholds in the middle.
    t1gd_field, flair_field : SmoothField
        What they vary by.
    """

    drawn: DrawnTumor
    t1gd_field: SmoothField
    flair_field: SmoothField

    @classmethod
    def varied(cls, drawn: DrawnTumor, extent: Grid, rng: np.random.Generator) -> SeenThresholds:
        """Thresholds with fields over a grid."""
        fields = [SmoothField.drawn(extent, _THRESHOLD_SMOOTHNESS_MM, rng) for _ in range(2)]
        return cls(drawn=drawn, t1gd_field=fields[0], flair_field=fields[1])

    def t1gd(self, grid: Grid) -> NDArray[np.float32]:
        """Threshold of T1Gd at the voxels of a grid."""
        varied = self.drawn.t1gd_threshold * np.exp(_T1GD_SPREAD * self.t1gd_field.on(grid))
        return np.minimum(varied, np.float32(NECROTIC_DENSITY))

    def flair(self, grid: Grid, white_matter: NDArray[np.float32]) -> NDArray[np.float32]:
        """Threshold of FLAIR at the voxels of a grid with white matter (X, Y, Z)."""
        factor = 1.0 - (1.0 - self.drawn.white_matter_threshold_factor) * white_matter
        return self.drawn.flair_threshold * factor * np.exp(_FLAIR_SPREAD * self.flair_field.on(grid))


def draw_outlines(
    density: NDArray[np.float32],
    maps: TissueMaps,
    thresholds: SeenThresholds,
    *,
    rng: np.random.Generator,
    cavity: NDArray[np.bool_] | None = None,
) -> TumorSigns:
    """The segmentation of a density (X, Y, Z) on the grid of the tissue maps; core and whole may be empty.

    Parameters
    ----------
    density : array
        Truth.
    maps : TissueMaps
        Tissue as it lies.
    thresholds : SeenThresholds
        What is seen where.
    rng : Generator
        Draws which part enhances and the errors of the outlines.
    cavity : (X, Y, Z) bool array or None
        Resection cavity, which belongs to no tumor.
    """
    grid, part = maps.grid, thresholds.drawn.enhancing_part
    direction = drawn_direction(rng)
    errors = [SmoothField.drawn(grid, _OUTLINE_SMOOTHNESS_MM, rng) for _ in range(2)]
    open_to_tumor = maps.brain if cavity is None else maps.brain & ~cavity
    dense = (density > thresholds.t1gd(grid)) & open_to_tumor
    visible = dense | ((density > thresholds.flair(grid, maps.white_matter)) & open_to_tumor)
    enhancing = np.zeros_like(dense) if part == 0.0 else dense if part == 1.0 else cap_of(dense, part, direction, grid)
    core = _redrawn(enhancing, errors[0], grid) & open_to_tumor
    whole = (_redrawn(visible, errors[1], grid) & open_to_tumor) | core
    deep = ndimage.binary_erosion(core, iterations=max(1, round(_RIM_MM / min(grid.spacing_mm))))
    return TumorSigns(whole_tumor=whole, tumor_core=core, necrotic=deep & (density > NECROTIC_DENSITY), cavity=cavity)


def cavity_of(
    density: NDArray[np.float32], maps: TissueMaps, thresholds: SeenThresholds, *, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Where the core was resected: all of it but a cap, with smooth walls; empty where there is too little of it."""
    core = (density > thresholds.t1gd(maps.grid)) & maps.brain
    resected = cap_of(core, thresholds.drawn.resected_part, drawn_direction(rng), maps.grid)
    smooth = ndimage.gaussian_filter(resected.astype(np.float32), 2.0 / np.array(maps.grid.spacing_mm)) > 0.5
    pieces, number = ndimage.label(smooth & maps.brain)
    if number == 0:
        return np.zeros_like(core)
    return np.asarray(pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:])))


def cap_of(mask: NDArray[np.bool_], part: float, direction: NDArray[np.float64], grid: Grid) -> NDArray[np.bool_]:
    """The part of a mask (X, Y, Z) that lies farthest along a direction (3,)."""
    cap = np.zeros_like(mask)
    voxels = np.argwhere(mask)
    if len(voxels) == 0:
        return cap
    height_mm = grid.world_of(voxels) @ direction
    chosen = voxels[height_mm >= np.quantile(height_mm, 1.0 - part)]
    cap[tuple(chosen.T)] = True
    return cap


def drawn_direction(rng: np.random.Generator) -> NDArray[np.float64]:
    """A unit vector, all directions as likely."""
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _redrawn(mask: NDArray[np.bool_], error: SmoothField, grid: Grid) -> NDArray[np.bool_]:
    """A mask whose outline is moved by a smooth error, up to 2 mm in or out."""
    result = np.zeros_like(mask)
    if not mask.any():
        return result
    reach = round(4 * _LARGEST_ERROR_MM / min(grid.spacing_mm)) + 1
    box = slices_of(widened(box_of(mask), reach, mask.shape))
    inside = mask[box]
    signed_mm = ndimage.distance_transform_edt(inside, sampling=grid.spacing_mm) - ndimage.distance_transform_edt(
        ~inside, sampling=grid.spacing_mm
    )
    # The outline lies half a voxel beyond the last voxel inside.
    signed_mm += np.where(inside, -0.5, 0.5) * min(grid.spacing_mm)
    moved_mm = np.clip(_OUTLINE_ERROR_MM * error.on(grid)[box], -_LARGEST_ERROR_MM, _LARGEST_ERROR_MM)
    result[box] = signed_mm + moved_mm > 0.0
    return result
