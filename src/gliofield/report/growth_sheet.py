"""A contact sheet of a simulation: one row per time, the three planes through the seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gliofield.growth import Solution, moved_tissue
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.report.page_layout import plain_text
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def growth_sheet(
    solution: Solution,
    *,
    seed_mm: Sequence[float],
    background: Volume,
    brain: Volume,
    thresholds: VisibilityThresholds,
    title: str = "",
) -> Figure:
    """Figure with the density at every stored time over a brain image.

    Parameters
    ----------
    solution : Solution
        What to show, on its own grid.
    seed_mm : 3 floats
        World position through which the planes run [mm].
    background, brain : Volume
        Image of the brain without the tumor and brain mask in the same world, any grid; both are read at the voxels of
        the solution. With mass effect the image is moved along, and arrows show the displacement.
    thresholds : VisibilityThresholds
        Isolines to draw.
    title : str
        Text above the sheet.
    """
    from matplotlib.figure import Figure

    image = resample(background, solution.grid)
    mask = resample_mask(brain, solution.grid).data
    window = crop_window(mask, margin=4)
    center = np.clip(np.rint(solution.grid.voxel_of(seed_mm)).astype(int), 0, np.array(solution.grid.shape) - 1)
    limits = np.percentile(image.data[mask], [0.5, 99.5])
    num_times = len(solution.times_days)
    figure = Figure(figsize=(10, 3.2 * num_times + 0.5), facecolor="black", dpi=100)
    panels = figure.subplots(num_times, 3, squeeze=False)
    figure.subplots_adjust(
        left=0.08, right=0.99, top=1 - 0.4 / (3.2 * num_times + 0.5), bottom=0.01, wspace=0.03, hspace=0.04
    )
    moved = moved_tissue(solution)
    for row, days in enumerate(solution.times_days):
        shown = image.data
        if moved is not None:
            shown = moved.moved(image.data, row)
        for column, plane in enumerate(PLANES):
            cut = PlaneCut(plane, int(center[plane.cut_axis]), window, image)
            cut.show_image(panels[row, column], shown, limits)
            cut.paint_density(panels[row, column], solution.cell_density[row], thresholds)
            if moved is not None:
                cut.draw_arrows(panels[row, column], moved.displacement_mm[row])
            cut.annotate(panels[row, column], with_name=row == 0)
        core, whole = (solution.volume_ml(t)[row] for t in (thresholds.t1gd_threshold, thresholds.flair_threshold))
        label = f"{days:.0f} d\ncore {core:.1f} ml\nwhole {whole:.1f} ml"
        position = panels[row, 0].get_position()
        figure.text(0.01, (position.y0 + position.y1) / 2, label, color="white", fontsize=9, va="center")
    figure.text(0.01, 1 - 0.2 / (3.2 * num_times + 0.5), plain_text(title), color="white", fontsize=12, va="center")
    return figure
