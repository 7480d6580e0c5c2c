"""A sheet of tumors of a database, drawn at random: of each the axial slice in which it is largest.

Color is the density with the isolines of the two visibility thresholds, over the brain where there is an atlas.
Densities are read one at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.database import SimulationDatabase, dequantize
from gliofield.report.database_scene import DatabaseScene
from gliofield.report.planes import PLANES, PlaneCut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

NUM_ROWS, NUM_COLUMNS = 4, 6
_AXIAL = PLANES[0]
_BRAIN_COLOR, _NUMBER_COLOR = "#888888", "#bbbbbb"


def sheet_tumors(database: SimulationDatabase, rng: np.random.Generator) -> NDArray[np.int64]:
    """Tumors of the sheet, the largest first: a random sample without repetition, all of a small database."""
    number = min(NUM_ROWS * NUM_COLUMNS, database.num_tumors)
    sample = rng.choice(database.num_tumors, size=number, replace=False)
    return sample[np.lexsort((sample, -database.volume_ml[sample, 0]))]


def draw_tumor_sheet(
    figure: Figure, scene: DatabaseScene, chosen: NDArray[np.int64], borders: dict[str, float]
) -> ScalarMappable:
    """Draw the chosen tumors (at least one) row by row between the borders; returns what a color bar needs."""
    cells = figure.add_gridspec(-(-len(chosen) // NUM_COLUMNS), NUM_COLUMNS, wspace=0.03, hspace=0.03, **borders)
    levels = np.empty(scene.grid.shape, dtype=np.uint8)
    for position, index in enumerate(chosen.tolist()):
        axes = figure.add_subplot(cells[position // NUM_COLUMNS, position % NUM_COLUMNS])
        scene.database.density_levels(index, out=levels)
        painted = _draw_tumor(axes, scene, index, levels)
        if position == 0:
            for letter, x in zip(_AXIAL.letters[:2], (0.05, 0.95), strict=True):
                axes.text(x, 0.86, letter, transform=axes.transAxes, color="white", fontsize=9, ha="center")
    return painted


def _draw_tumor(axes: Axes, scene: DatabaseScene, index: int, levels: NDArray[np.uint8]) -> ScalarMappable:
    header = scene.database.header
    areas = np.count_nonzero(levels > header.threshold_levels["flair"], axis=(0, 1))
    if not areas.any():
        areas = np.count_nonzero(levels, axis=(0, 1))
    cut = PlaneCut(_AXIAL, int(np.argmax(areas)), scene.window, scene.image)
    cut.show_image(axes, scene.image.data, scene.gray_limits)
    painted = cut.paint_density(axes, dequantize(levels), header.thresholds)
    if scene.brain is not None:
        cut.outline(axes, scene.brain, _BRAIN_COLOR, width=0.6)
    whole_ml, core_ml = (float(volume) for volume in scene.database.volume_ml[index])
    caption = f"{whole_ml:.1f} / {core_ml:.1f}" if core_ml > 0.0 else f"{whole_ml:.1f} / no core"
    backdrop = {"facecolor": "black", "alpha": 0.5, "edgecolor": "none", "pad": 1.5}
    axes.text(0.03, 0.97, caption, transform=axes.transAxes, color="white", fontsize=9, va="top", bbox=backdrop)
    axes.text(0.97, 0.02, f"{index:,}", transform=axes.transAxes, color=_NUMBER_COLOR, fontsize=7, ha="right")
    return painted
