"""What a ranking of voxels is worth to a plan: true cells and recurrences in the volume of a margin.

    K        voxels within 15 mm of the core that can be treated: what a plan of the usual margin treats
    cells    share of the true cells outside the core among the first K voxels of a ranking
    V95      volume of the first voxels that hold 95 % of the true cells outside the core

All on the grid of the scan. What can be treated is the brain without a resection cavity. Larger values come first, of
equal ones the voxel nearer to the core, then the first in the array.

Undefined (NaN): whatever needs K where there is no core; shares of cells where none lie outside the core; the coverage
of a recurrence that there is none of. Without a core distances are those to the whole tumor, and all cells are outside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliofield.assimilation import distance_mm
from gliofield.grid import Grid
from gliofield.metrics import CoverageCurve, best_first

Mask = NDArray[np.bool_]
Values = NDArray[np.float32]

#: Width of the margin whose volume everything is compared at [mm], and the share of cells that V95 holds.
MARGIN_MM, PART_TO_TREAT = 15.0, 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownTumor:
    """A tumor whose truth is known, and the outlines that are seen of it, on one grid.

    Parameters
    ----------
    cell_density : (X, Y, Z) float32 array
        The truth.
    tumor_core, whole_tumor, treatable : (X, Y, Z) bool arrays
        Outlines, the core possibly empty; and what a plan may treat.
    grid : Grid
        Of all arrays.
    recurrences : mapping of str to (X, Y, Z) bool array
        Masks by name; an empty one, or none at all, is undefined.
    """

    cell_density: Values
    tumor_core: Mask
    whole_tumor: Mask
    treatable: Mask
    grid: Grid
    recurrences: Mapping[str, Mask] = field(default_factory=dict)

    @property
    def has_core(self) -> bool:
        """Whether there is a core."""
        return bool(self.tumor_core.any())

    @cached_property
    def from_core_mm(self) -> Values:
        """Distance to the core [mm], (X, Y, Z); to the whole tumor where there is none."""
        return distance_mm(self.tumor_core, self.grid.spacing_mm) if self.has_core else self.from_whole_mm

    @cached_property
    def from_whole_mm(self) -> Values:
        """Distance to the whole tumor [mm], (X, Y, Z)."""
        return distance_mm(self.whole_tumor, self.grid.spacing_mm)

    @cached_property
    def places(self) -> NDArray[np.intp]:
        """Treatable voxels, as places in the flat arrays."""
        return np.flatnonzero(self.treatable)

    @cached_property
    def num_target_voxels(self) -> int:
        """K; 0 without a core."""
        if not self.has_core:
            return 0
        return int(np.count_nonzero(self.treatable & (self.from_core_mm <= MARGIN_MM)))

    @cached_property
    def cells_outside_core_ml(self) -> float:
        """True cells outside the core, as a volume filled with them [ml]."""
        return self.cells_ml(self.cell_density)

    def cells_ml(self, cell_density: Values) -> float:
        """Cells of a density outside the core in what can be treated [ml]."""
        outside = self.treatable & ~self.tumor_core
        return float(cell_density[outside].sum(dtype=np.float64)) * self.grid.voxel_volume_ml


@dataclass(frozen=True, kw_only=True)
class VolumeScores:
    """What a ranking is worth; see the module docstring.

    Parameters
    ----------
    cells : float
        Share of the true cells outside the core in the first K voxels.
    cells_total : float
        Share of all true cells in them.
    recurrence_enhancing, recurrence_any : float
        Share of the recurrence that enhances, and that shows at all, in them.
    volume_95_ml : float
        V95 [ml].
    """

    cells: float = math.nan
    cells_total: float = math.nan
    recurrence_enhancing: float = math.nan
    recurrence_any: float = math.nan
    volume_95_ml: float = math.nan


def score_ranking(values: NDArray[np.floating], tumor: KnownTumor) -> VolumeScores:
    """Scores of a ranking, voxels with larger values first.

    Parameters
    ----------
    values : (X, Y, Z) array
        What voxels are ranked by.
    tumor : KnownTumor
        The truth.
    """
    order = tumor.places[best_first(values.ravel()[tumor.places], tumor.from_core_mm.ravel()[tumor.places])]
    cells = tumor.cell_density.ravel()[order].astype(np.float64)
    outside = CoverageCurve.of(np.where(tumor.tumor_core.ravel()[order], 0.0, cells))
    count = tumor.num_target_voxels
    return VolumeScores(
        cells=outside.at(count),
        cells_total=CoverageCurve.of(cells).at(count),
        volume_95_ml=outside.count_for(PART_TO_TREAT) * tumor.grid.voxel_volume_ml,
        **{
            f"recurrence_{name}": CoverageCurve.of(mask.ravel()[order]).at(count)
            for name, mask in tumor.recurrences.items()
        },
    )
