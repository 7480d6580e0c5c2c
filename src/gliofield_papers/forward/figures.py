"""Figures of ``gliofield papers surrogate``: errors and Dice over tumors, and one tumor as it grows.

After Figs. 4, 6 and 7 of Ezhov et al. (2021). Functions return a matplotlib figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield_papers.errors_by_tissue import SURROGATE_LEVELS
from gliofield_papers.figures.panel_sheet import PanelSheet
from gliofield_papers.figures.series import add_series_legend, draw_compared_histograms, series_color, short_name
from gliofield_papers.figures.tissue_image import TISSUE_GRAY_LIMITS, one_slice, tissue_image
from gliofield_papers.forward.evaluation import SurrogateEvaluation
from gliofield_papers.forward.tables import PAPER_DICE, surrogate_label
from gliofield_papers.forward.times import COMPARED_LEVEL, TumorAtTimes
from gliofield_papers.surrogate import TISSUES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_AXIAL = PLANES[0]
_TISSUE_TITLES = {"white_matter": "white matter", "gray_matter": "gray matter", "csf": "CSF, network alone"}
_NUM_COLUMNS = 3
_PANEL_INCHES, _MARGIN_MM = 1.6, 10.0
_TOO_LITTLE_COLOR, _TOO_MUCH_COLOR = (0.25, 0.65, 1.0), (1.0, 0.35, 0.2)
# Differences are drawn over a darker brain.
_DIMMED = 1.8


def surrogate_errors_figure(evaluation: SurrogateEvaluation) -> Figure:
    """Histograms over test tumors of the mean absolute error in white matter, gray matter and CSF.

    In CSF that of the network alone: the growth model has no tumor there.
    """
    by_surrogate = [
        {
            name: np.array(
                [error.published[name] for error in (score.network_errors if name == "csf" else score.errors)]
            )
            for name in TISSUES
        }
        for score in evaluation.scores
    ]
    errors = np.concatenate([values for errors in by_surrogate for values in errors.values()])
    errors = errors[~np.isnan(errors)]
    greatest = float(errors.max()) if len(errors) and errors.max() > 0.0 else 1.0
    columns = [(_TISSUE_TITLES[name], [errors[name] for errors in by_surrogate]) for name in TISSUES]
    figure, panels = _histograms(evaluation, columns, "mean absolute error", greatest=greatest)
    for axes in panels:
        axes.legend(fontsize=8, loc="upper right", framealpha=0.85, edgecolor="none")
    return figure


def surrogate_dice_figure(evaluation: SurrogateEvaluation) -> Figure:
    """Histograms over test tumors of Dice at the paper's levels: of networks alone, as published, then of models."""
    columns = [
        (
            f"{whose}, above {level:g}",
            [np.array([error.dice[level] for error in getattr(score, errors)]) for score in evaluation.scores],
        )
        for whose, errors in (("network alone", "network_errors"), ("model", "errors"))
        for level in SURROGATE_LEVELS
    ]
    figure, panels = _histograms(evaluation, columns, "Dice", greatest=1.0)
    for axes, published in zip(panels, PAPER_DICE["paper"], strict=False):
        axes.axvline(published, color="black", linestyle="dotted", linewidth=1.4, label=f"paper {published:.3f}")
    for axes in panels:
        axes.legend(fontsize=8, loc="upper left", framealpha=0.85, edgecolor="none")
    return figure


def surrogate_loss_figure(evaluation: SurrogateEvaluation) -> Figure:
    """Loss of training and validation over the epochs of each surrogate (Fig. 5)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.4), layout="constrained", dpi=110)
    axes = figure.subplots()
    for number, score in enumerate(evaluation.scores):
        epochs = score.history.epochs
        if not epochs:  # a guess alone has learned nothing
            continue
        for part, style in (("training", "solid"), ("validation", "dashed")):
            values = [getattr(epoch, part).get("loss", math.nan) for epoch in epochs]
            axes.plot(
                [epoch.epoch for epoch in epochs], values, color=series_color(number), linestyle=style, marker=".",
                label=f"{short_name(surrogate_label(score))}, {part}",
            )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    return figure


def surrogate_times_figure(evaluation: SurrogateEvaluation, tumor: TumorAtTimes) -> Figure:
    """The tumor at its times: the solver, and each surrogate with its difference from it.

    Axial slice through the seed; the brain is painted from its tissue fractions.
    """
    labels = [short_name(surrogate_label(score)) for score in evaluation.scores]
    image = one_slice(tissue_image(tumor.tissue_maps), tumor.slice_index)
    window = crop_window(tumor.tissue_maps.brain, margin=math.ceil(_MARGIN_MM / image.grid.spacing_mm[0]))
    cut = PlaneCut(_AXIAL, 0, (window[0], window[1], slice(0, 1)), image)
    parameters = tumor.parameters
    sheet = PanelSheet(
        row_names=["solver", *(name for label in labels for name in (label, "surrogate - solver"))],
        column_titles=[f"{days:g} days" for days in tumor.times_days],
        panel_inches=(_PANEL_INCHES, _PANEL_INCHES * cut.height_mm / cut.width_mm),
        title=(
            f"Test tumor {tumor.sample}: D_w = {parameters.white_matter_diffusivity_mm2_per_day:.3g} mm²/day, "
            f"ρ = {parameters.proliferation_rate_per_day:.3g} /day; axial slice through the seed, "
            f"z = {cut.position_mm:.0f} mm"
        ),
    )
    for row, line in enumerate(sheet.panels):
        is_difference = row > 0 and row % 2 == 0
        for axes in line:
            cut.show_image(axes, image.data, TISSUE_GRAY_LIMITS * (_DIMMED if is_difference else 1.0))
    painted = _draw_densities(sheet, 0, cut, tumor.solver)
    cut.annotate(sheet.panels[0][0], with_name=False)
    differences = [surrogate.cell_density - tumor.solver for surrogate in tumor.surrogates]
    scale = _difference_scale(differences)
    for number, (surrogate, difference) in enumerate(zip(tumor.surrogates, differences, strict=True)):
        row = 1 + 2 * number
        _draw_densities(sheet, row, cut, surrogate.cell_density)
        for column, value in enumerate(surrogate.dice):
            sheet.write_caption(row, column, "no tumor" if np.isnan(value) else f"Dice {value:.2f}")
        colored = _draw_differences(sheet, row + 1, cut, difference, scale)
    sheet.add_legend(_legend())
    thresholds = VisibilityThresholds()
    density_ticks = (0.01, 0.05, thresholds.flair_threshold, thresholds.t1gd_threshold, 1.0)
    sheet.add_color_bars(
        [
            (painted, "tumor-cell density (relative to carrying capacity)", density_ticks),
            (colored, "difference: too little, too much", (-scale, -scale / 2, 0.0, scale / 2, scale)),
        ]
    )
    return sheet.figure


def _histograms(
    evaluation: SurrogateEvaluation,
    columns: Sequence[tuple[str, Sequence[NDArray[np.float64]]]],
    label: str,
    *,
    greatest: float,
) -> tuple[Figure, list[Axes]]:
    """A panel per column, of the values of each surrogate."""
    from matplotlib.figure import Figure

    names = [short_name(surrogate_label(score)) for score in evaluation.scores]
    num_rows = math.ceil(len(columns) / _NUM_COLUMNS)
    figure = Figure(figsize=(11.5, 1.2 + 3.0 * num_rows), layout="constrained", dpi=110)
    panels = list(figure.subplots(num_rows, _NUM_COLUMNS, squeeze=False).ravel())
    for axes, (title, values) in zip(panels, columns, strict=True):
        draw_compared_histograms(axes, values, greatest=greatest)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(label, fontsize=9)
    for axes in panels[::_NUM_COLUMNS]:
        axes.set_ylabel("% of tumors", fontsize=9)
    anatomies = f"{evaluation.num_anatomies} anatom" + ("ies" if evaluation.num_anatomies > 1 else "y")
    figure.suptitle(
        f"{evaluation.num_samples:,} test tumors in {anatomies} nobody trained on; in parentheses those with a value",
        fontsize=11,
    )
    add_series_legend(figure, names)
    return figure, panels


def _draw_densities(sheet: PanelSheet, row: int, cut: PlaneCut, density: NDArray[np.float32]) -> ScalarMappable:
    thresholds = VisibilityThresholds()
    return [cut.paint_density(axes, each, thresholds) for axes, each in zip(sheet.panels[row], density, strict=True)][0]


def _draw_differences(
    sheet: PanelSheet, row: int, cut: PlaneCut, difference: NDArray[np.float32], scale: float
) -> ScalarMappable:
    from matplotlib.colors import LinearSegmentedColormap

    colors = [(*_TOO_LITTLE_COLOR, 1.0), (*_TOO_LITTLE_COLOR, 0.0), (*_TOO_MUCH_COLOR, 0.0), (*_TOO_MUCH_COLOR, 1.0)]
    positions = (0.0, 0.5, 0.5, 1.0)
    color_map = LinearSegmentedColormap.from_list("difference", list(zip(positions, colors, strict=True)))
    return [
        axes.imshow(
            cut.page(each), cmap=color_map, vmin=-scale, vmax=scale, origin="lower", extent=cut.extent,
            interpolation="nearest",
        )
        for axes, each in zip(sheet.panels[row], difference, strict=True)
    ][0]  # fmt: skip


def _difference_scale(differences: Sequence[NDArray[np.float32]]) -> float:
    """The greatest difference, rounded up to a tenth; at least one tenth."""
    return max(math.ceil(10.0 * max(float(np.abs(each).max()) for each in differences)), 1) / 10.0


def _legend() -> list[Line2D]:
    from matplotlib.lines import Line2D

    thresholds = VisibilityThresholds()
    return [
        Line2D([], [], color="white", label=f"density {thresholds.t1gd_threshold:g}"),
        Line2D([], [], color="white", linestyle="dashed", label=f"density {thresholds.flair_threshold:g}"),
        Line2D([], [], linestyle="none", label=f"Dice is of the whole tumors above {COMPARED_LEVEL:g}"),
    ]
