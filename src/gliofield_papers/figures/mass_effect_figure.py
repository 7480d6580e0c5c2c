"""One tumor under both growth models: what mass effect does to the brain around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.growth import MassEffectSolution, Solution
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.report.page_layout import plain_text
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield_papers.figures.tissue_image import tissue_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# CSF closer to the skull is not outlined: it is a line around the brain in any case.
_RIM_MM = 8.0
_REST_COLOR, _MOVED_COLOR = "orange", "lime"


def mass_effect_figure(
    without_push: Solution,
    with_push: MassEffectSolution,
    *,
    at_rest: TissueMaps,
    center_mm: Sequence[float],
    thresholds: VisibilityThresholds,
    title: str = "",
) -> Figure:
    """Figure of the last time of two solutions: reaction–diffusion above, mass effect below.

    The background is painted from tissue fractions. CSF, but for the rim of the brain, is outlined as it lay before the
    tumor (orange) and, below, as it lies now (green); arrows are the displacement, three times their length.

    Parameters
    ----------
    without_push, with_push : Solution, MassEffectSolution
        The same tumor by both models, on one grid.
    at_rest : TissueMaps
        The brain before the tumor, on that grid.
    center_mm : 3 floats
        World position through which the planes run [mm].
    thresholds : VisibilityThresholds
        Isolines of the density.
    title : str
        Text above the figure.

    Raises
    ------
    GridMismatchError
        If grids differ.
    """
    from matplotlib.figure import Figure

    with_push.grid.require_same_as(without_push.grid, self_name="with_push", other_name="without_push")
    with_push.grid.require_same_as(at_rest.grid, self_name="with_push", other_name="at_rest")
    grid = with_push.grid
    window = crop_window(at_rest.brain, margin=4)
    center = np.clip(np.rint(grid.voxel_of(center_mm)).astype(int), 0, np.array(grid.shape) - 1)
    moved = with_push.tissue_maps(-1)
    deep = ndimage.distance_transform_edt(at_rest.brain, sampling=grid.spacing_mm) > _RIM_MM
    rows = (
        ("reaction-diffusion", without_push, at_rest),
        ("mass effect", with_push, moved),
    )
    figure = Figure(figsize=(10, 7.1), facecolor="black", dpi=100)
    panels = figure.subplots(2, 3, squeeze=False)
    figure.subplots_adjust(left=0.1, right=0.99, top=0.94, bottom=0.01, wspace=0.03, hspace=0.04)
    for row, (name, solution, maps) in enumerate(rows):
        image = tissue_image(maps)
        for column, plane in enumerate(PLANES):
            axes = panels[row, column]
            cut = PlaneCut(plane, int(center[plane.cut_axis]), window, image)
            cut.show_image(axes, image.data, np.array([0.0, 1.05]))
            cut.paint_density(axes, solution.cell_density[-1], thresholds)
            cut.outline(axes, deep & (at_rest.csf > 0.5), _REST_COLOR, width=0.8)
            if solution is with_push:
                cut.outline(axes, deep & (moved.csf > 0.5), _MOVED_COLOR, width=0.9)
                cut.draw_arrows(axes, with_push.displacement_mm[-1])
            cut.annotate(axes, with_name=row == 0)
        core, whole = (solution.volume_ml(t)[-1] for t in (thresholds.t1gd_threshold, thresholds.flair_threshold))
        lines = [name.replace("-", "-\n"), f"core {core:.0f} ml", f"whole {whole:.0f} ml"]
        if solution is with_push:
            lines.append(f"moved {with_push.largest_displacement_mm(-1):.1f} mm")
        place = panels[row, 0].get_position()
        figure.text(
            0.01, (place.y0 + place.y1) / 2, plain_text("\n".join(lines)), color="white", fontsize=9, va="center"
        )
    figure.text(0.01, 0.97, plain_text(title), color="white", fontsize=12, va="center")
    return figure
