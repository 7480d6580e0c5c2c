"""One picture of a personalization that a physicist can judge.

Three planes through the tumor (axial, coronal, sagittal), all at one scale. Rows: FLAIR under the outline of the whole
tumor, T1Gd under that of the core, and the density in color over T1Gd, with the isolines of the two visibility
thresholds, the usual margin, and visible tumor that growth leaves out, hatched. The verdict comes first, then volumes.
Colors are those of `color_maps`: the density ends without an edge, and anatomy shows through everywhere.

Functions take values and return a matplotlib figure; nothing here touches pyplot or global settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.segmentation import Segmentation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.pipeline.rankings import MARGIN_MM, core_margin
from gliofield.report.color_maps import CORE_COLOR, DENSITY, MARGIN_COLOR, UNCOVERED_COLOR, WHOLE_COLOR
from gliofield.report.plane_page import LineStyle, PlanePage, drawn_rows, gray_limits, lines_above
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_VERDICT_COLORS = {"do not use": "#ff9d94", "check": "#f2c46d"}
_WIDTH = 9.6


def overview_figure(
    *,
    background: Volume,
    segmentation: Segmentation,
    cell_density: Volume,
    brain: NDArray[np.bool_],
    thresholds: VisibilityThresholds,
    title: str,
    flair: Volume | None = None,
    uncovered: NDArray[np.bool_] | None = None,
    verdict: str = "",
    remarks: Sequence[str] = (),
    caption: str = "",
) -> Figure:
    """Picture of a density over a patient's images.

    Parameters
    ----------
    background : Volume
        Structural image, RAS+, T1Gd if there is one.
    segmentation : Segmentation
        Tumor masks on the same grid.
    cell_density : Volume
        Density on the same grid.
    brain : (X, Y, Z) bool array
        Brain mask, for cropping, gray levels and the margin.
    thresholds : VisibilityThresholds
        Isolines to draw.
    title, verdict, caption : str
        Texts above the panels, the verdict first, and below them.
    flair : Volume, optional
        FLAIR on the same grid; None: both outlines are drawn on the background.
    uncovered : (X, Y, Z) bool array, optional
        Visible tumor that is hatched.
    remarks : sequence of str
        Further lines above the panels.

    Raises
    ------
    GridMismatchError
        If images, masks and density lie on different grids.
    """
    grids = {"segmentation": segmentation.grid, "density": cell_density.grid}
    for name, grid in (grids | ({} if flair is None else {"FLAIR": flair.grid})).items():
        background.grid.require_same_as(grid, self_name="image", other_name=name)
    window, slices = crop_window(brain, margin=5), tumor_slices(segmentation)
    cuts = [PlaneCut(plane, slices[plane.cut_axis], window, background) for plane in PLANES]
    lines = _lines(verdict, title, remarks)
    page = PlanePage(cuts, 2 if flair is None else 3, width=_WIDTH, above=lines_above(lines, _WIDTH + 1.0))
    limits, margin = gray_limits(background.data[brain]), core_margin(segmentation, brain)

    def show_flair(cut: PlaneCut, axes: Axes) -> None:
        assert flair is not None
        cut.show_image(axes, flair.data, gray_limits(flair.data[brain]))
        cut.outline(axes, segmentation.whole_tumor, WHOLE_COLOR, width=1.3)

    def show_outlines(cut: PlaneCut, axes: Axes) -> None:
        cut.show_image(axes, background.data, limits)
        if flair is None:
            cut.outline(axes, segmentation.whole_tumor, WHOLE_COLOR, width=1.3)
        cut.outline(axes, segmentation.tumor_core, CORE_COLOR, width=1.3)

    def show_density(cut: PlaneCut, axes: Axes) -> None:
        cut.show_image(axes, background.data, limits)
        cut.paint_density(axes, cell_density.data, thresholds)
        if uncovered is not None:
            cut.hatch(axes, uncovered, UNCOVERED_COLOR)
        cut.outline(axes, segmentation.whole_tumor, WHOLE_COLOR, width=0.8)
        cut.outline(axes, segmentation.tumor_core, CORE_COLOR, width=0.8)
        cut.outline(axes, margin, MARGIN_COLOR, width=1.0, style="dotted")

    rows = [show_outlines, show_density] if flair is None else [show_flair, show_outlines, show_density]
    drawn_rows(page, rows)
    _add_key(page, len(rows) - 1, thresholds)
    page.write_above(lines)
    hatched = uncovered is not None and any(cut.page(uncovered).any() for cut in cuts)
    page.write_below(caption, _legend(thresholds, has_margin=bool(margin.any()), is_hatched=hatched))
    return page.figure


def _lines(verdict: str, title: str, remarks: Sequence[str]) -> list[tuple[str, float, str]]:
    """What stands above, with size and color."""
    color = next((color for words, color in _VERDICT_COLORS.items() if words in verdict), "white")
    lines = [(verdict, 14.0, color)] if verdict else []
    return [*lines, (title, 10.5, "white"), *((remark, 9.0, "#dddddd") for remark in remarks)]


def _add_key(page: PlanePage, row: int, thresholds: VisibilityThresholds) -> None:
    low, high = thresholds.flair_threshold, thresholds.t1gd_threshold
    page.color_bar(row, DENSITY, [0.01, 0.05, low, high, 1.0], [(low, "dashed"), (high, "solid")])


def _legend(
    thresholds: VisibilityThresholds, *, has_margin: bool, is_hatched: bool
) -> list[tuple[str, str, LineStyle]]:
    legend: list[tuple[str, str, LineStyle]] = [
        ("tumor core", CORE_COLOR, "solid"),
        ("whole tumor", WHOLE_COLOR, "solid"),
        (f"density {thresholds.t1gd_threshold:g}", "white", "solid"),
        (f"density {thresholds.flair_threshold:g}", "white", "dashed"),
    ]
    if has_margin:
        legend.append((f"core with {MARGIN_MM:.0f} mm", MARGIN_COLOR, "dotted"))
    if is_hatched:
        legend.append(("not covered (hatched)", UNCOVERED_COLOR, "solid"))
    return legend


def tumor_slices(segmentation: Segmentation) -> tuple[int, int, int]:
    """Per axis the slice with the largest tumor area: of the core where there is one, else of the whole tumor."""
    mask = segmentation.tumor_core if segmentation.has_core else segmentation.whole_tumor
    areas = [mask.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    return int(np.argmax(areas[0])), int(np.argmax(areas[1])), int(np.argmax(areas[2]))
