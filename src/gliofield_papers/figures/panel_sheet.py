"""A black page of equal panels in rows and columns, with words around them that cannot run into each other.

Everything is measured in inches: names of rows on the left, titles above the columns, a line below each panel, and at
the foot a legend and color bars.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gliofield.report.page_layout import Page, plain_text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

_NAME_INCHES, _GAP_INCHES, _MARGIN_INCHES = 1.5, 0.06, 0.1
_LINE_INCHES, _CAPTION_INCHES, _HEAD_INCHES = 0.16, 0.26, 0.22
_LEGEND_INCHES, _BAR_INCHES = 0.3, 0.62
_LEAST_WIDTH = 6.6
_NAME_SIZE, _TITLE_SIZE, _CAPTION_SIZE, _HEAD_SIZE = 9, 9, 8.5, 11
# Letters of these sizes per inch, counted on the cautious side.
_LETTERS_PER_INCH, _HEAD_LETTERS_PER_INCH = 12.0, 10.5


class PanelSheet:
    """The page.

    Parameters
    ----------
    row_names, column_titles : sequences of str
        One per row and column; they are wrapped.
    panel_inches : (width, height)
        Size of each panel.
    title : str
        Text above everything; it is wrapped.

    Attributes
    ----------
    figure : Figure
        The page.
    panels : list of lists of Axes
        By row and column; axes are off.
    """

    def __init__(
        self,
        *,
        row_names: Sequence[str],
        column_titles: Sequence[str],
        panel_inches: tuple[float, float],
        title: str,
    ) -> None:
        from matplotlib.figure import Figure

        width, height = panel_inches
        self._panel_inches = panel_inches
        titles = [_wrapped(text, width * _LETTERS_PER_INCH) for text in column_titles]
        page_width = max(_NAME_INCHES + len(titles) * (width + _GAP_INCHES) + _MARGIN_INCHES, _LEAST_WIDTH)
        head = textwrap.wrap(title, int((page_width - 2 * _MARGIN_INCHES) * _HEAD_LETTERS_PER_INCH))
        above = (
            _HEAD_INCHES * len(head) + _LINE_INCHES * (max(text.count("\n") for text in titles) + 1) + _MARGIN_INCHES
        )
        row_height = height + _CAPTION_INCHES
        self._page = Page(width=page_width, height=above + len(row_names) * row_height + _LEGEND_INCHES + _BAR_INCHES)
        self.figure: Figure = Figure(figsize=(self._page.width, self._page.height), facecolor="black", dpi=110)
        self.panels: list[list[Axes]] = []
        for row, name in enumerate(row_names):
            bottom = self._page.height - above - (row + 1) * row_height + _CAPTION_INCHES
            self.panels.append([self._add_panel(column, bottom) for column in range(len(titles))])
            self._write(
                _MARGIN_INCHES,
                bottom + height / 2,
                _wrapped(name, (_NAME_INCHES - 2 * _MARGIN_INCHES) * _LETTERS_PER_INCH),
                _NAME_SIZE,
            )
        for axes, text in zip(self.panels[0], titles, strict=True):
            axes.set_title(plain_text(text), color="white", fontsize=_TITLE_SIZE, pad=4)
        for line, text in enumerate(head):
            self._write(_MARGIN_INCHES, self._page.height - (line + 0.5) * _HEAD_INCHES - 0.04, text, _HEAD_SIZE)

    def write_caption(self, row: int, column: int, text: str) -> None:
        """Write one line below a panel."""
        self.panels[row][column].annotate(
            text, (0.5, 0.0), xycoords="axes fraction", xytext=(0, -3), textcoords="offset points", ha="center",
            va="top", color="white", fontsize=_CAPTION_SIZE, annotation_clip=False,
        )  # fmt: skip

    def write_inside(self, row: int, column: int, text: str) -> None:
        """Write into the middle of a panel, wrapped to its width."""
        axes, lines = (
            self.panels[row][column],
            textwrap.wrap(text, int(0.85 * self._panel_inches[0] * _LETTERS_PER_INCH)),
        )
        backdrop = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 2.0}
        axes.text(
            0.5, 0.5, "\n".join(lines), transform=axes.transAxes, ha="center", va="center", color="white",
            fontsize=_CAPTION_SIZE, bbox=backdrop,
        )  # fmt: skip

    def add_legend(self, handles: Sequence[Artist]) -> None:
        """One line of entries above the color bars."""
        self.figure.legend(
            handles=list(handles), loc="center", ncols=len(handles), fontsize=8, labelcolor="white", frameon=False,
            handlelength=1.6, columnspacing=1.4,
            bbox_to_anchor=(0.5, (_BAR_INCHES + _LEGEND_INCHES / 2) / self._page.height),
        )  # fmt: skip

    def add_color_bars(self, bars: Sequence[tuple[ScalarMappable, str, Sequence[float]]]) -> None:
        """Horizontal color bars side by side at the foot: what is painted, its name, ticks."""
        share = self._page.width / len(bars)
        for number, (painted, label, ticks) in enumerate(bars):
            width = min(3.2, 0.8 * share)
            left = (number + 0.5) * share - width / 2
            place = self._page.rectangle(left=left, bottom=_BAR_INCHES - 0.14, width=width, height=0.1)
            bar = self.figure.colorbar(
                painted, cax=self.figure.add_axes(place), orientation="horizontal", ticks=list(ticks),
                format=lambda value, _: f"{value:g}",
            )  # fmt: skip
            # Colors that are transparent by themselves stay so.
            if bar.solids is not None and painted.get_alpha() is not None:
                bar.solids.set_alpha(1.0)
            bar.ax.set_facecolor("black")
            bar.ax.tick_params(colors="white", labelsize=8, pad=2)
            bar.set_label(label, color="white", fontsize=8, labelpad=1)

    def _add_panel(self, column: int, bottom: float) -> Axes:
        width, height = self._panel_inches
        left = _NAME_INCHES + column * (width + _GAP_INCHES)
        axes = self.figure.add_axes(self._page.rectangle(left=left, bottom=bottom, width=width, height=height))
        axes.set_axis_off()
        return axes

    def _write(self, left: float, middle: float, text: str, size: float) -> None:
        self.figure.text(
            left / self._page.width, middle / self._page.height, text, color="white", fontsize=size, va="center"
        )


def _wrapped(text: str, num_letters: float) -> str:
    return "\n".join(textwrap.wrap(text, int(num_letters)))
