"""A dark page of rows of three planes, all at one scale: what overview, uncertainty and growth sheets are drawn on.

Places are inches; a row is as high as its highest plane at the scale of the page, so a millimeter has one length on it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from gliofield.report.color_maps import ColorScale
from gliofield.report.page_layout import Page, plain_text
from gliofield.report.planes import PlaneCut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LineStyle = Literal["solid", "dashed", "dotted"]
BACKGROUND = "black"
_SOFT = "#bbbbbb"
_BAR_WIDTH, _BAR_ROOM, _GAP, _EDGE = 0.16, 0.95, 0.06, 0.14


class PlanePage:
    """Rows of three planes.

    Parameters
    ----------
    cuts : sequence of PlaneCut
        The planes of every row.
    num_rows : int
        Rows.
    width : float
        Of the three planes together [inches].
    above, below : float
        Room for texts [inches].
    left : float
        Room left of the planes, for a label per row [inches].
    """

    def __init__(
        self,
        cuts: Sequence[PlaneCut],
        num_rows: int,
        *,
        width: float = 9.6,
        above: float = 1.0,
        below: float = 0.7,
        left: float = _EDGE,
    ) -> None:
        from matplotlib.figure import Figure

        self.cuts = cuts
        self._left, self._below = left, below
        self._per_mm = width / sum(cut.width_mm for cut in cuts)
        self._row = max(cut.height_mm for cut in cuts) * self._per_mm
        height = above + below + num_rows * (self._row + _GAP)
        self.page = Page(width=left + width + 2 * _GAP + _BAR_ROOM, height=height)
        self._num_rows = num_rows
        self.figure: Figure = Figure(figsize=(self.page.width, height), facecolor=BACKGROUND, dpi=120)

    def axes(self, row: int) -> list[tuple[PlaneCut, Axes]]:
        """The three planes of a row with their axes."""
        placed, left = [], self._left
        bottom = self._below + (self._num_rows - 1 - row) * (self._row + _GAP)
        for cut in self.cuts:
            width, height = cut.width_mm * self._per_mm, cut.height_mm * self._per_mm
            place = self.page.rectangle(left=left, bottom=bottom + (self._row - height) / 2, width=width, height=height)
            placed.append((cut, self.figure.add_axes(place)))
            left += width + _GAP
        return placed

    def label(self, row: int, text: str) -> None:
        """Words left of a row."""
        middle = self._below + (self._num_rows - 1 - row) * (self._row + _GAP) + self._row / 2
        self.figure.text(
            0.1 / self.page.width, middle / self.page.height, plain_text(text), color="white", fontsize=9, va="center"
        )

    def color_bar(
        self, row: int, scale: ColorScale, ticks: Sequence[float], marks: Sequence[tuple[float, LineStyle]]
    ) -> None:
        """The colors of a scale right of a row, opaque; marks are values with the style of their isoline."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap

        bottom = self._below + (self._num_rows - 1 - row) * (self._row + _GAP)
        left = self.page.width - _BAR_ROOM
        place = self.page.rectangle(left=left, bottom=bottom + 0.1, width=_BAR_WIDTH, height=self._row - 0.2)
        colors = ListedColormap(scale.for_figures().colors[:, :3])  # type: ignore[attr-defined]
        painted = ScalarMappable(norm=scale.norm(), cmap=colors)
        axes = self.figure.add_axes(place)
        bar = self.figure.colorbar(painted, cax=axes, ticks=sorted(set(ticks)), format=lambda value, _: f"{value:g}")
        bar.ax.tick_params(colors="white", labelsize=8)
        bar.ax.minorticks_off()
        bar.set_label(scale.words, color="white", fontsize=8.5)
        for value, style in marks:
            bar.ax.axhline(value, color="white", linestyle=style, linewidth=1.2)

    def write_above(self, lines: Sequence[tuple[str, float, str]]) -> None:
        """Lines of text from the top: what, size [points], color; a text that does not fit is broken."""
        top = self.page.height - 0.16
        for text, size, color in lines:
            for part in _broken(text, size, self.page.width):
                self.figure.text(
                    _EDGE / self.page.width, top / self.page.height, plain_text(part),
                    color=color, fontsize=size, va="top", fontweight="bold" if size > 12 else "normal",
                )  # fmt: skip
                top -= size * 1.4 / 72

    def write_below(self, caption: str, legend: Sequence[tuple[str, str, LineStyle]]) -> None:
        """A caption, and a legend of lines: words, color, style."""
        from matplotlib.lines import Line2D

        self.figure.text(
            _EDGE / self.page.width, 0.13 / self.page.height, plain_text(caption), color=_SOFT, fontsize=9, va="bottom"
        )
        if legend:
            handles = []
            for words, color, style in legend:
                handles.append(Line2D([], [], color=color, label=words))
                handles[-1].set_linestyle(style)
            self.figure.legend(
                handles=handles,
                loc="lower left",
                ncols=len(handles),
                fontsize=9,
                labelcolor="white",
                frameon=False,
                bbox_to_anchor=(_EDGE / self.page.width, 0.3 / self.page.height),
                borderaxespad=0.0,
                columnspacing=1.2,
                handlelength=1.8,
            )


def lines_above(lines: Sequence[tuple[str, float, str]], width: float) -> float:
    """Room that `PlanePage.write_above` takes for lines on a page of some width [inches]."""
    height = 0.24
    for text, size, _ in lines:
        height += size * 1.4 / 72 * len(_broken(text, size, width))
    return height


def _broken(text: str, size: float, width: float) -> list[str]:
    """Lines that fit a page of some width [inches]: a letter is a little more than half as wide as high, or bold."""
    per_letter = size * (0.64 if size > 12 else 0.56) / 72
    return textwrap.wrap(text, int((width - 2 * _EDGE) / per_letter)) or [""]


def drawn_rows(page: PlanePage, draw: Sequence[Callable[[PlaneCut, Axes], None]]) -> None:
    """Draw each row by its function; names and positions of the planes stand in the first."""
    for row, paint in enumerate(draw):
        for cut, axes in page.axes(row):
            paint(cut, axes)
            axes.set_xlim(0.0, cut.width_mm)
            axes.set_ylim(0.0, cut.height_mm)
            cut.annotate(axes, with_name=row == 0)


def gray_limits(values: np.ndarray) -> np.ndarray:
    """Black and white of an image: percentiles of its values in the brain."""
    return np.percentile(values, [0.5, 99.5])
