"""A contact sheet of a simulation: one row per time, the three planes through the seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gliofield.growth import Solution, moved_tissue
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.report.color_maps import ARROW_COLOR, DENSITY
from gliofield.report.plane_page import LineStyle, PlanePage, drawn_rows, gray_limits, lines_above
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _LEFT = 7.6, 1.05


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
    image = resample(background, solution.grid)
    mask = resample_mask(brain, solution.grid).data
    window = crop_window(mask, margin=4)
    center = np.clip(np.rint(solution.grid.voxel_of(seed_mm)).astype(int), 0, np.array(solution.grid.shape) - 1)
    limits = gray_limits(image.data[mask])
    moved = moved_tissue(solution)
    cuts = [PlaneCut(plane, int(center[plane.cut_axis]), window, image) for plane in PLANES]
    lines = [(title, 11.0, "white")]
    above = lines_above(lines, _LEFT + _WIDTH + 1.0)
    page = PlanePage(cuts, len(solution.times_days), width=_WIDTH, above=above, left=_LEFT)

    def painter(row: int) -> Callable[[PlaneCut, Axes], None]:
        shown = image.data if moved is None else moved.moved(image.data, row)

        def paint(cut: PlaneCut, axes: Axes) -> None:
            cut.show_image(axes, shown, limits)
            cut.paint_density(axes, solution.cell_density[row], thresholds)
            if moved is not None:
                cut.draw_arrows(axes, moved.displacement_mm[row])

        return paint

    low, high = thresholds.flair_threshold, thresholds.t1gd_threshold
    drawn_rows(page, [painter(row) for row in range(len(solution.times_days))])
    for row, days in enumerate(solution.times_days):
        core, whole = (solution.volume_ml(threshold)[row] for threshold in (high, low))
        page.label(row, f"{days:.0f} days\n\nabove {high:g}\n{core:.1f} ml\n\nabove {low:g}\n{whole:.1f} ml")
        page.color_bar(row, DENSITY, [0.01, 0.05, low, high, 1.0], [(low, "dashed"), (high, "solid")])
    page.write_above(lines)
    legend: list[tuple[str, str, LineStyle]]
    legend = [(f"density {high:g}", "white", "solid"), (f"density {low:g}", "white", "dashed")]
    if moved is not None:
        legend.append(("displacement, 3 times its length", ARROW_COLOR, "solid"))
    page.write_below("gliofield · research use only", legend)
    return page.figure
