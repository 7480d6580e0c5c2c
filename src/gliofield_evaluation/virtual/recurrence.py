"""The recurrence of a virtual patient: the core is resected, few cells survive, and they grow again as they did before.

The core is cut out (no cells, no entry), a tenth of the other cells survives, times a smooth lognormal field, and the
patient's own true growth goes on until the part above the threshold of T1Gd has half the volume of the core, between 4
and 15 ml. Tissue stays where the scan before the resection shows it, so that recurrence and plan are compared in one
space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.resample import resample
from gliofield.volume import Volume
from gliofield_evaluation.virtual.outlines import SeenThresholds
from gliofield_evaluation.virtual.random_fields import SmoothField
from gliofield_evaluation.virtual.true_growth import TrueGrowth

# *Chosen*.
_SURVIVING_PART, _SURVIVAL_SPREAD, _SURVIVAL_SMOOTHNESS_MM = 0.1, 1.3, 9.0
_SIZE_OF_CORE, _SIZES_ML = 0.5, (4.0, 15.0)
# Given up after so many growth times 1/ρ. *Chosen*: a single cell in a voxel needs about 15 to fill it.
_LONGEST = 15.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Recurrence:
    """What has grown again, on the grid of the images.

    Parameters
    ----------
    enhancing, any_visible : (X, Y, Z) bool array or None
        Above the threshold of T1Gd, and of FLAIR, outside what was resected; None where there is no recurrence.
    days : float
        How long it took, or was waited for [day].
    reason : str
        Why there is none; empty where there is one.
    """

    enhancing: NDArray[np.bool_] | None
    any_visible: NDArray[np.bool_] | None
    days: float
    reason: str


def surviving_cells(
    density: NDArray[np.float32], growth: TrueGrowth, resected: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Cells that resection and therapy leave (X, Y, Z), on the grid of the growth; none where it is resected."""
    grid = growth.anatomy.grid
    field = SmoothField.drawn(grid, _SURVIVAL_SMOOTHNESS_MM, rng).on(grid)
    survival = np.minimum(_SURVIVING_PART * np.exp(_SURVIVAL_SPREAD * field), 1.0)
    return np.where(resected, np.float32(0.0), density * survival).astype(np.float32)


def regrow(
    density: Volume,
    growth: TrueGrowth,
    thresholds: SeenThresholds,
    *,
    core: Volume,
    closed: Volume,
    white_matter: Volume,
    rng: np.random.Generator,
) -> Recurrence:
    """Grow the recurrence of a tumor.

    Parameters
    ----------
    density : Volume
        Truth before the resection, on the grid of the growth.
    growth : TrueGrowth
        The patient's own.
    thresholds : SeenThresholds
        What is seen where.
    core, closed, white_matter : Volume
        On the grid of the images: the core, whose volume counts; it and all else that holds no tissue; tissue.
    rng : Generator
        Draws who survives.
    """
    grid, image_grid = growth.anatomy.grid, core.grid
    core_ml = float(np.count_nonzero(core.data)) * image_grid.voxel_volume_ml
    if core_ml == 0.0:
        return Recurrence(enhancing=None, any_visible=None, days=0.0, reason="there is no core to resect")
    wanted_ml = float(np.clip(_SIZE_OF_CORE * core_ml, *_SIZES_ML))
    resected = np.asarray(resample(Volume(closed.data.astype(np.float32), image_grid), grid).data > 0.5)
    cells = surviving_cells(density.data, growth, resected, rng)
    t1gd, t1gd_in_images, is_open = thresholds.t1gd(grid), thresholds.t1gd(image_grid), ~closed.data
    days = _LONGEST / growth.parameters.proliferation_rate_per_day
    states = growth.without(resected).states(
        cells, days, initial_variance_mm2=growth.anatomy.spacing_mm**2, time_step_scale=0.25
    )
    for now, grown in states:
        if np.count_nonzero(grown > t1gd) * grid.voxel_volume_ml < wanted_ml:
            continue
        in_images = resample(Volume(grown, grid), image_grid).data
        enhancing = (in_images > t1gd_in_images) & is_open
        if np.count_nonzero(enhancing) * image_grid.voxel_volume_ml >= wanted_ml:
            flair = thresholds.flair(image_grid, white_matter.data)
            any_visible = enhancing | ((in_images > flair) & is_open)
            return Recurrence(enhancing=enhancing, any_visible=any_visible, days=now, reason="")
    return Recurrence(enhancing=None, any_visible=None, days=days, reason=f"{wanted_ml:.1f} ml are never reached")
