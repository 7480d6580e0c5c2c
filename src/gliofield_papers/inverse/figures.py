"""Figures of ``gliofield papers inverse``: Dice over levels, and answers to real masks side by side.

Functions return a matplotlib figure. Pictures of answers show the axial slice through the center of the core
(conventions of `planes`); answers of other tumors than the first ones are not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.volume import Volume
from gliofield_papers.errors_by_tissue import INVERSE_LEVELS
from gliofield_papers.figures.panel_sheet import PanelSheet
from gliofield_papers.figures.series import series_color, series_style, short_name
from gliofield_papers.figures.tissue_image import one_slice
from gliofield_papers.inverse.comparison import MethodAnswer
from gliofield_papers.inverse.evaluation import InverseEvaluation

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

#: Queries that a picture has room for.
MOST_PAIRS = 8
_AXIAL = PLANES[0]
_CORE_COLOR, _WHOLE_COLOR = "#00e5ff", "#ffd400"
_PANEL_INCHES = 2.2
_MOST_LETTERS_OF_A_FAILURE = 150


def dice_levels_figure(evaluation: InverseEvaluation) -> Figure:
    """Dice of true and predicted densities at the paper's 13 levels: mean over tumors, 5th to 95th percentile."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5.4), layout="constrained", dpi=110)
    axes = figure.subplots()
    positions = np.arange(len(INVERSE_LEVELS))
    for number, score in enumerate(evaluation.scores):
        values = [score.dice[level] for level in INVERSE_LEVELS]
        color = series_color(number)
        small = " (small)" if score.is_small else ""
        low, high = [value.percentile_5 for value in values], [value.percentile_95 for value in values]
        axes.fill_between(positions, low, high, color=color, alpha=0.13, linewidth=0)
        for edge in (low, high):
            axes.plot(positions, edge, color=color, linewidth=0.7, alpha=0.6)
        axes.plot(
            positions, [value.mean for value in values], color=color, linestyle=series_style(number), marker="o",
            markersize=4, label=f"{short_name(score.name)}{small}: {score.targets}",
        )  # fmt: skip
    axes.set_xticks(positions, [f"{level:g}" for level in INVERSE_LEVELS])
    axes.set_xlabel("tumor-cell density above which the two are compared")
    axes.set_ylabel("Dice")
    axes.set_ylim(0.0, 1.02)
    axes.set_xlim(-0.3, len(INVERSE_LEVELS) - 0.7)
    axes.grid(alpha=0.3)
    models = " and ".join(dict.fromkeys(score.growth_model for score in evaluation.scores))
    axes.set_title(
        f"Predicted and true density, {evaluation.num_tumors:,} test tumors, {models}\n"
        "mean over tumors with a value, band from the 5th to the 95th percentile",
        fontsize=10,
    )
    figure.legend(loc="outside lower center", ncols=1 if len(evaluation.scores) < 3 else 2, frameon=False, fontsize=9)
    return figure


def pairs_figure(
    answers: Sequence[MethodAnswer],
    *,
    background: Volume,
    brain: NDArray[np.bool_],
    thresholds: VisibilityThresholds,
    title: str = "Answers to the same masks",
) -> Figure | None:
    """Masks of each query and the answers of all methods; None without slices.

    Parameters
    ----------
    answers : sequence of MethodAnswer
        Query by query, as `compare_with_query` returns them; those without a slice are not drawn.
    background : Volume
        Structural image of the atlas on the grid of the database.
    brain : (X, Y, Z) bool array
        Brain of the atlas, for cropping and gray levels.
    thresholds : VisibilityThresholds
        Isolines to draw.
    title : str
        Of the figure.
    """
    shown = [answer for answer in answers if answer.axial_slice is not None]
    if not shown:
        return None
    methods = list(dict.fromkeys(answer.method for answer in shown))
    rows = [shown[start : start + len(methods)] for start in range(0, len(shown), len(methods))]
    window = crop_window(brain, margin=2)
    whole = PlaneCut(_AXIAL, 0, window, background)
    sheet = PanelSheet(
        row_names=[row[0].query for row in rows],
        column_titles=["masks", *(short_name(method) for method in methods)],
        panel_inches=(_PANEL_INCHES, _PANEL_INCHES * whole.height_mm / whole.width_mm),
        title=f"{title}, axial slice through the center of the core",
    )
    scene = _Scene(background, (window[0], window[1], slice(0, 1)), np.percentile(background.data[brain], [0.5, 99.5]))
    painted = None
    for row, own in enumerate(rows):
        scene.draw_masks(sheet, row, own[0])
        for column, answer in enumerate(own, start=1):
            painted = scene.draw_answer(sheet, row, column, answer, thresholds) or painted
    sheet.add_legend(_legend(thresholds))
    if painted is not None:
        ticks = sorted({0.01, 0.05, thresholds.flair_threshold, thresholds.t1gd_threshold, 1.0})
        sheet.add_color_bars([(painted, "tumor-cell density (relative to carrying capacity)", ticks)])
    return sheet.figure


class _Scene:
    """The brain that all panels show."""

    def __init__(
        self, background: Volume, window: tuple[slice, slice, slice], gray_limits: NDArray[np.float64]
    ) -> None:
        self._background, self._window, self._gray_limits = background, window, gray_limits

    def draw_masks(self, sheet: PanelSheet, row: int, answer: MethodAnswer) -> None:
        """Draw the first panel of a row."""
        cut = self._outlined(sheet, row, 0, answer)
        cut.annotate(sheet.panels[row][0], with_name=False)
        sheet.write_caption(row, 0, f"{answer.group}, z = {cut.position_mm:.0f} mm")

    def draw_answer(
        self, sheet: PanelSheet, row: int, column: int, answer: MethodAnswer, thresholds: VisibilityThresholds
    ) -> ScalarMappable | None:
        """Draw a density, or say why there is none; returns what a color bar needs."""
        assert answer.axial_slice is not None
        density, axes = answer.axial_slice.cell_density, sheet.panels[row][column]
        if density is None:
            self._outlined(sheet, row, column, answer)
            reason = answer.failure
            if len(reason) > _MOST_LETTERS_OF_A_FAILURE:
                reason = reason[:_MOST_LETTERS_OF_A_FAILURE] + "…"
            sheet.write_inside(row, column, reason)
            sheet.write_caption(row, column, "failed")
            return None
        cut = self._outlined(sheet, row, column, answer)
        painted = cut.paint_density(axes, density, thresholds)
        sheet.write_caption(row, column, answer.caption)
        return painted

    def _outlined(self, sheet: PanelSheet, row: int, column: int, answer: MethodAnswer) -> PlaneCut:
        """Draw the brain and the outlines of the masks."""
        shown, axes = answer.axial_slice, sheet.panels[row][column]
        assert shown is not None
        image = one_slice(self._background, shown.index)
        cut = PlaneCut(_AXIAL, 0, self._window, image)
        cut.show_image(axes, image.data, self._gray_limits)
        width = 1.4 if column == 0 else 0.9
        cut.outline(axes, shown.whole_tumor, _WHOLE_COLOR, width=width)
        cut.outline(axes, shown.tumor_core, _CORE_COLOR, width=width)
        return cut


def _legend(thresholds: VisibilityThresholds) -> list[Artist]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=_CORE_COLOR, label="tumor core (mask)"),
        Line2D([], [], color=_WHOLE_COLOR, label="whole tumor (mask)"),
        Line2D([], [], color="white", label=f"density {thresholds.t1gd_threshold:g}"),
        Line2D([], [], color="white", linestyle="dashed", label=f"density {thresholds.flair_threshold:g}"),
    ]
