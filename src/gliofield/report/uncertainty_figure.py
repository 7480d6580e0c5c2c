"""How sure a density is, place by place: its mean, its standard deviation, and P(u > FLAIR's threshold).

One row of three planes each, over the patient's image, with the outlines of the segmentation: `overview`'s layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.segmentation import Segmentation
from gliofield.report.color_maps import CORE_COLOR, POSTERIOR_SCALES, WHOLE_COLOR
from gliofield.report.overview import tumor_slices
from gliofield.report.plane_page import PlanePage, drawn_rows, gray_limits, lines_above
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROWS = ("mean", "std", "probability_flair")
_WIDTH = 9.6


def uncertainty_figure(
    *,
    background: Volume,
    segmentation: Segmentation,
    maps: Mapping[str, Volume],
    brain: NDArray[np.bool_],
    title: str,
    caption: str = "",
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
    title, caption : str
        Texts above and below the panels.

    Raises
    ------
    GridMismatchError
        If a map lies on another grid than the image.
    """
    rows = [name for name in _ROWS if name in maps]
    for name in rows:
        background.grid.require_same_as(maps[name].grid, self_name="image", other_name=name)
    window, slices = crop_window(brain), tumor_slices(segmentation)
    limits = gray_limits(background.data[brain])
    cuts = [PlaneCut(plane, slices[plane.cut_axis], window, background) for plane in PLANES]
    lines = [(title, 12.0, "white")]
    page = PlanePage(cuts, len(rows), width=_WIDTH, above=lines_above(lines, _WIDTH + 1.0))

    def painter(name: str) -> Callable[[PlaneCut, Axes], None]:
        def paint(cut: PlaneCut, axes: Axes) -> None:
            cut.show_image(axes, background.data, limits)
            cut.paint(axes, maps[name].data, POSTERIOR_SCALES[name])
            cut.outline(axes, segmentation.whole_tumor, WHOLE_COLOR, width=0.9)
            cut.outline(axes, segmentation.tumor_core, CORE_COLOR, width=0.9)

        return paint

    drawn_rows(page, [painter(name) for name in rows])
    for row, name in enumerate(rows):
        scale = POSTERIOR_SCALES[name]
        ticks = [0.01, 0.05, 0.2, 0.6, 1.0] if name == "mean" else np.linspace(0.0, scale.highest, 5).tolist()
        page.color_bar(row, scale, ticks, [])
    page.write_above(lines)
    page.write_below(caption, [("tumor core", CORE_COLOR, "solid"), ("whole tumor", WHOLE_COLOR, "solid")])
    return page.figure
