"""One picture of a personalization that a physicist can judge.

Three planes through the tumor (axial, coronal, sagittal). Upper row: the image with the outlines of the two masks.
Lower row: the density in color over the image, with the isolines of the two visibility thresholds and the mask
outlines. Every panel carries orientation letters and a scale bar; conventions of the planes are those of `planes`.

Functions take values and return a matplotlib figure; nothing here touches pyplot or global settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.segmentation import Segmentation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.report.page_layout import plain_text
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

#: Colors of the outlines of core and whole tumor, and of the page.
CORE_COLOR, WHOLE_COLOR = "#00e5ff", "#ffd400"
BACKGROUND = "black"


def overview_figure(
    *,
    background: Volume,
    segmentation: Segmentation,
    cell_density: Volume,
    brain: NDArray[np.bool_],
    thresholds: VisibilityThresholds,
    title: str,
    verdict: str = "",
    caption: str = "",
) -> Figure:
    """Picture of a density over a patient's image.

    Parameters
    ----------
    background : Volume
        Structural image, RAS+.
    segmentation : Segmentation
        Tumor masks on the same grid.
    cell_density : Volume
        Density on the same grid.
    brain : (X, Y, Z) bool array
        Brain mask, for cropping and gray levels.
    thresholds : VisibilityThresholds
        Isolines to draw.
    title, verdict, caption : str
        Texts above the panels, the verdict first, and below them.

    Raises
    ------
    GridMismatchError
        If image, masks and density lie on different grids.
    """
    from matplotlib.figure import Figure

    for name, grid in (("segmentation", segmentation.grid), ("density", cell_density.grid)):
        background.grid.require_same_as(grid, self_name="image", other_name=name)
    window = crop_window(brain)
    slices = tumor_slices(segmentation)
    gray_limits = np.percentile(background.data[brain], [0.5, 99.5])
    extents_mm = np.array([(window[a].stop - window[a].start) * background.grid.spacing_mm[a] for a in range(3)])
    figure = Figure(figsize=(14, 9.2), facecolor=BACKGROUND, dpi=110)
    widths = [extents_mm[plane.horizontal_axis] for plane in PLANES]
    layout = figure.add_gridspec(
        2, 4, width_ratios=[*widths, 0.06 * sum(widths) / 3], left=0.01, right=0.94, top=0.92, bottom=0.075,
        wspace=0.03, hspace=0.04,
    )  # fmt: skip
    painted: ScalarMappable | None = None
    for column, plane in enumerate(PLANES):
        for row in range(2):
            axes = figure.add_subplot(layout[row, column])
            cut = PlaneCut(plane, slices[plane.cut_axis], window, background)
            cut.show_image(axes, background.data, gray_limits)
            if row == 1:
                painted = cut.paint_density(axes, cell_density.data, thresholds) or painted
            cut.outline(axes, segmentation.whole_tumor, WHOLE_COLOR, width=1.4 if row == 0 else 0.9)
            cut.outline(axes, segmentation.tumor_core, CORE_COLOR, width=1.4 if row == 0 else 0.9)
            cut.annotate(axes, with_name=row == 0)
    _add_color_bar(figure, layout[1, 3], thresholds, painted)
    _add_texts(figure, (verdict, title, caption), thresholds)
    return figure


def tumor_slices(segmentation: Segmentation) -> tuple[int, int, int]:
    """Per axis the slice with the largest tumor area: of the core where there is one, else of the whole tumor."""
    mask = segmentation.tumor_core if segmentation.has_core else segmentation.whole_tumor
    areas = [mask.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    return int(np.argmax(areas[0])), int(np.argmax(areas[1])), int(np.argmax(areas[2]))


def _add_color_bar(
    figure: Figure, place: SubplotSpec, thresholds: VisibilityThresholds, painted: ScalarMappable | None
) -> None:
    if painted is None:
        return
    axes = figure.add_subplot(place)
    ticks = sorted({0.01, 0.05, thresholds.flair_threshold, thresholds.t1gd_threshold, 1.0})
    bar = figure.colorbar(painted, cax=axes, ticks=ticks, format=lambda value, _: f"{value:g}")
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)
    bar.ax.tick_params(colors="white", labelsize=9)
    bar.set_label("tumor-cell density (relative to carrying capacity)", color="white", fontsize=9)
    bar.ax.axhline(thresholds.flair_threshold, color="white", linestyle="dashed", linewidth=1.2)
    bar.ax.axhline(thresholds.t1gd_threshold, color="white", linestyle="solid", linewidth=1.2)


def _add_texts(figure: Figure, texts: tuple[str, str, str], thresholds: VisibilityThresholds) -> None:
    from matplotlib.lines import Line2D

    verdict, title, caption = map(plain_text, texts)
    if verdict:
        figure.text(0.012, 0.978, verdict, color="white", fontsize=13, fontweight="bold", va="center")
    figure.text(0.012, 0.946 if verdict else 0.965, title, color="white", fontsize=11 if verdict else 13, va="center")
    figure.text(0.012, 0.035, caption, color="#bbbbbb", fontsize=9, va="center")
    lines = [
        Line2D([], [], color=CORE_COLOR, label="tumor core (segmentation)"),
        Line2D([], [], color=WHOLE_COLOR, label="whole tumor (segmentation)"),
        Line2D([], [], color="white", label=f"density {thresholds.t1gd_threshold:g}"),
        Line2D([], [], color="white", linestyle="dashed", label=f"density {thresholds.flair_threshold:g}"),
    ]
    figure.legend(
        handles=lines, loc="lower right", ncols=4, fontsize=9, labelcolor="white", frameon=False,
        bbox_to_anchor=(0.99, 0.008),
    )  # fmt: skip
