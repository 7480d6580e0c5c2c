"""Sheets that show what strategies find: a query, the best match of each, and what networks make of it.

One axial plane of the atlas through the query's largest area, the same in all panels (conventions of `planes`).
Yellow outlines the whole tumor, cyan the core; thin white lines are the query's outlines. After Figures 15 to 17 of the
thesis.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.imaging import Observation
from gliofield.report.page_layout import plain_text
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CORE_COLOR, _WHOLE_COLOR, _QUERY_COLOR = "#00e5ff", "#ffd400", "white"
_MOST_COLUMNS = 5
_AXIAL = PLANES[0]
# Layout [inches]; titles of panels may have several lines.
_PANEL_INCHES, _LINE_INCHES, _HEAD_INCHES = 2.6, 0.16, 0.3
_HEAD_LETTERS_PER_COLUMN = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class SheetPanel:
    """One panel beside the query's.

    Parameters
    ----------
    title : str
        Text above it, of one or more lines.
    tumor_core, whole_tumor : (X, Y, Z) bool arrays
        What it outlines, on the query's grid.
    """

    title: str
    tumor_core: NDArray[np.bool_]
    whole_tumor: NDArray[np.bool_]


def case_sheet(
    *, background: Volume, brain: NDArray[np.bool_], query: Observation, panels: Sequence[SheetPanel], title: str
) -> Figure:
    """Sheet of one query.

    Parameters
    ----------
    background : Volume
        Structural image of the atlas on the query's grid.
    brain : (X, Y, Z) bool array
        Brain of the atlas, for cropping and gray levels.
    query : Observation
        Its masks.
    panels : sequence of SheetPanel
        What stands beside it.
    title : str
        Text above the sheet.

    Raises
    ------
    GridMismatchError
        If query and background lie on different grids.
    """
    from matplotlib.figure import Figure

    background.grid.require_same_as(query.grid, self_name="background", other_name="query")
    areas = query.whole_tumor.sum(axis=tuple(axis for axis in range(3) if axis != _AXIAL.cut_axis))
    cut = PlaneCut(_AXIAL, int(np.argmax(areas)), crop_window(brain, margin=2), background)
    limits = np.percentile(background.data[brain], [0.5, 99.5])
    own = SheetPanel(title="query", tumor_core=query.tumor_core, whole_tumor=query.whole_tumor)
    shown = [own, *panels]
    num_columns = min(_MOST_COLUMNS, len(shown))
    num_rows = math.ceil(len(shown) / num_columns)
    panel_height = _PANEL_INCHES * cut.height_mm / cut.width_mm
    title_height = _LINE_INCHES * (1.5 + max(panel.title.count("\n") + 1 for panel in shown))
    head = textwrap.wrap(title, _HEAD_LETTERS_PER_COLUMN * num_columns)
    head_height = _HEAD_INCHES * len(head)
    height = num_rows * (panel_height + title_height) + head_height
    figure = Figure(figsize=(num_columns * (_PANEL_INCHES + 0.1), height), facecolor="black", dpi=110)
    figure.text(0.01, 1.0 - 0.1 / height, plain_text("\n".join(head)), color="white", fontsize=10, va="top")
    for number, panel in enumerate(shown):
        row, column = divmod(number, num_columns)
        bottom = height - head_height - (row + 1) * (panel_height + title_height)
        place = (column / num_columns, bottom / height, 0.97 / num_columns, panel_height / height)
        axes = figure.add_axes(place)
        cut.show_image(axes, background.data, limits)
        _outline(axes, cut, panel, query, is_query=number == 0)
        axes.set_title(plain_text(panel.title), color="white", fontsize=8, pad=3)
        if number == 0:
            cut.annotate(axes, with_name=True)
    return figure


def _outline(axes: Axes, cut: PlaneCut, panel: SheetPanel, query: Observation, *, is_query: bool) -> None:
    cut.outline(axes, panel.whole_tumor, _WHOLE_COLOR, width=1.5)
    cut.outline(axes, panel.tumor_core, _CORE_COLOR, width=1.5)
    if not is_query:
        for mask in (query.whole_tumor, query.tumor_core):
            cut.outline(axes, mask, _QUERY_COLOR, width=0.6)
