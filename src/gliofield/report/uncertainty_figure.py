"""How sure a density is, place by place: its mean, its standard deviation, and P(u > FLAIR's threshold).

One row of three planes each, over the patient's image, with the outlines of the segmentation: `overview`'s layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.segmentation import Segmentation
from gliofield.report.overview import BACKGROUND, CORE_COLOR, WHOLE_COLOR, tumor_slices
from gliofield.report.page_layout import plain_text
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Maps that are drawn: words, color map, largest value, and the exponent of the color scale.
_ROWS: dict[str, tuple[str, str, float, float]] = {
    "mean": ("mean density", "inferno", 1.0, 0.5),
    "std": ("standard deviation", "viridis", 0.4, 1.0),
    "probability_flair": ("P(density > FLAIR threshold)", "cividis", 1.0, 1.0),
}
# Less than this part of a scale is not painted.
_LEAST_PART = 0.01


def uncertainty_figure(
    *,
    background: Volume,
    segmentation: Segmentation,
    maps: Mapping[str, Volume],
    brain: NDArray[np.bool_],
    title: str,
) -> Figure:
    """Picture of the maps ``mean``, ``std`` and ``probability_flair`` over a patient's image.

    Parameters
    ----------
    background : Volume
        Structural image, RAS+.
    segmentation : Segmentation
        Tumor masks on the same grid.
    maps : mapping of str to Volume
        On the same grid; others are not drawn.
    brain : (X, Y, Z) bool array
        Brain mask, for cropping and gray levels.
    title : str
        Text above the panels.

    Raises
    ------
    GridMismatchError
        If a map lies on another grid than the image.
    """
    from matplotlib.figure import Figure

    rows = [name for name in _ROWS if name in maps]
    for name in rows:
        background.grid.require_same_as(maps[name].grid, self_name="image", other_name=name)
    window, slices = crop_window(brain), tumor_slices(segmentation)
    gray_limits = np.percentile(background.data[brain], [0.5, 99.5])
    cuts = [PlaneCut(plane, slices[plane.cut_axis], window, background) for plane in PLANES]
    widths = [cut.width_mm for cut in cuts]
    figure = Figure(figsize=(14, 0.6 + 4.3 * len(rows)), facecolor=BACKGROUND, dpi=90)
    layout = figure.add_gridspec(
        len(rows), 4, width_ratios=[*widths, 0.02 * sum(widths)], left=0.01, right=0.94, top=0.95, bottom=0.02,
        wspace=0.03, hspace=0.04,
    )  # fmt: skip
    for row, name in enumerate(rows):
        for column, cut in enumerate(cuts):
            axes = figure.add_subplot(layout[row, column])
            cut.show_image(axes, background.data, gray_limits)
            painted = _paint(axes, cut, maps[name].data, name)
            cut.outline(axes, segmentation.whole_tumor, WHOLE_COLOR, width=0.9)
            cut.outline(axes, segmentation.tumor_core, CORE_COLOR, width=0.9)
            cut.annotate(axes, with_name=row == 0)
        bar = figure.colorbar(painted, cax=figure.add_subplot(layout[row, 3]))
        if bar.solids is not None:
            bar.solids.set_alpha(1.0)
        bar.ax.tick_params(colors="white", labelsize=9)
        bar.set_label(_ROWS[name][0], color="white", fontsize=10)
    figure.text(0.012, 0.975, plain_text(title), color="white", fontsize=13, va="center")
    return figure


def _paint(axes: Any, cut: PlaneCut, values: NDArray[np.generic], name: str) -> Any:
    """Draw a map in color; returns what a color bar needs."""
    from matplotlib.colors import PowerNorm

    _, colors, highest, gamma = _ROWS[name]
    shown = np.ma.masked_less(np.asarray(cut.page(values), dtype=np.float32), _LEAST_PART * highest)
    return axes.imshow(
        shown, cmap=colors, norm=PowerNorm(gamma=gamma, vmin=0.0, vmax=highest),
        origin="lower", extent=cut.extent, alpha=0.7, interpolation="nearest",
    )  # fmt: skip
