"""Figures of the evaluation of retrieval: distributions of Dice and ranks, reconstructions, learning curves.

After Figures 2 to 4 of Ezhov et al. (2022) and Figures 4 to 14 of Rosier (2022). Functions take an evaluation and
return a matplotlib figure; those that have nothing to show return None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gliofield_papers.figures.series import series_color, series_style
from gliofield_papers.retrieval.answers import DATABASE_GROUP
from gliofield_papers.retrieval.evaluation import RetrievalEvaluation
from gliofield_papers.retrieval.networks import LOSS_PART, MODALITIES, LearningCurve, learning_curves
from gliofield_papers.retrieval.published import PUBLISHED_BEST_DICE
from gliofield_papers.retrieval.ranking import Matches
from gliofield_papers.retrieval.scores import TOP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NUM_BINS = 25
# Up to so many queries each one is marked as well.
_FEW = 80
_KINDS = (("T1Gd", 1.0), ("FLAIR", 1.0), ("T1Gd + FLAIR", 2.0))
_MODALITY_TITLES = {"flair": "FLAIR", "t1gd": "T1Gd"}


def best_dice_figure(evaluation: RetrievalEvaluation) -> Figure:
    """Distribution of the Dice of the exact best match: T1Gd, FLAIR and both, a column per group of queries."""
    database = evaluation.database
    name = f"{database.name}: {database.num_tumors:,} tumors, {database.model}"
    title = f"Dice of the exact best match, {name}"
    return _dice_figure(evaluation, [(name, evaluation.best)], title)


def compared_dice_figure(evaluation: RetrievalEvaluation) -> Figure | None:
    """The same for both growth models at equal N; None without a second database."""
    comparison = evaluation.comparison
    if comparison is None:
        return None
    named = [
        (f"{database.name} ({database.model})", best)
        for database, best in zip(comparison.databases, comparison.best, strict=True)
    ]
    return _dice_figure(evaluation, named, f"Dice of the exact best among {comparison.num_tumors:,} tumors each")


def rank_figure(evaluation: RetrievalEvaluation) -> Figure:
    """Share of queries whose best match has at most each rank, and loses at most each Dice; a line per strategy."""
    from matplotlib.figure import Figure

    groups = evaluation.groups
    figure = Figure(figsize=(11, 3.4 * len(groups) + 1.2), layout="constrained", dpi=110)
    panels = figure.subplots(len(groups), 2, squeeze=False)
    for (ranks, losses), group in zip(panels, groups, strict=True):
        rows = evaluation.rows_of(group)
        for number, result in enumerate(evaluation.strategies):
            asked = rows[result.answers.asked[rows]]
            if len(asked) == 0:
                continue
            style = {
                "color": series_color(number),
                "linestyle": series_style(number),
                # Thinner on top, so that equal curves stay visible.
                "linewidth": max(1.2, 4.0 - 0.4 * number),
            }
            _draw_shares(ranks, result.ranked.rank[asked], result.label, style, start=1.0)
            _draw_shares(losses, result.ranked.dice_lost[asked], result.label, style, start=0.0)
        for top in (1, 5, 15):
            ranks.axvline(top, color="#999999", linewidth=0.8, zorder=0)
        ranks.set_xscale("log")
        ranks.set_xlim(0.9, max(20, evaluation.database.num_tumors))
        greatest = max(line.get_xdata()[-1] for line in losses.lines) if losses.lines else 0.0
        # A hundredth of Dice at least: less is no difference to speak of.
        losses.set_xlim(-0.02 * max(greatest, 0.01), 1.04 * max(greatest, 0.01))
        for axes, label in ((ranks, "exact rank of the best match"), (losses, "Dice lost Δ")):
            axes.set_xlabel(label)
            axes.set_ylabel("% of queries")
            axes.set_ylim(0, 103)
            axes.grid(alpha=0.3)
            axes.set_title(f"{group} ({len(rows)})", fontsize=10)
    handles = {
        label: line for axes in panels.ravel() for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle("What strategies find instead of the exact best")
    return figure


def each_query_figure(evaluation: RetrievalEvaluation) -> Figure:
    """Dice of each query's exact best, and which strategies have it among their n best; a column per group.

    Queries as the thesis draws its patients (Figures 9 to 11 and 13): in their order, a mark where the best match of a
    strategy is among the exact 1, 5, 15 best. Of a large group the first are drawn.
    """
    from matplotlib.figure import Figure

    groups, strategies = evaluation.groups, evaluation.strategies
    figure = Figure(figsize=(8.0 * len(groups), 5.0 + 0.9 * len(strategies)), layout="constrained", dpi=110)
    panels = figure.subplots(2, len(groups), squeeze=False, height_ratios=(3.0, 0.9 * len(strategies) + 0.5))
    for column, group in enumerate(groups):
        rows = evaluation.rows_of(group)[:_FEW]
        places = np.arange(1, len(rows) + 1)
        best = evaluation.best
        upper, lower = panels[:, column]
        for number, (name, values) in enumerate(
            zip([kind for kind, _ in _KINDS], (best.dice_t1gd, best.dice_flair, best.combined_dice), strict=True)
        ):
            mean = np.nanmean(values[rows]) if np.any(np.isfinite(values[rows])) else math.nan
            upper.plot(places, values[rows], ".", color=series_color(number), label=f"{name}, mean {mean:.3f}")
            upper.axhline(mean, color=series_color(number), linewidth=0.8)
        upper.set_ylabel("Dice of the exact best")
        upper.set_title(f"{group} ({len(rows)})", fontsize=10)
        upper.legend(fontsize=8, ncols=len(_KINDS), frameon=False)
        lines = [(result, top) for result in strategies for top in TOP]
        for height, (result, top) in enumerate(lines):
            is_found = result.answers.asked[rows] & (result.ranked.rank[rows] <= top)
            lower.plot(places[is_found], np.full(np.count_nonzero(is_found), height), "|", color=series_color(top // 5))
        lower.set_yticks(range(len(lines)), [f"{result.label}, top {top}" for result, top in lines], fontsize=7)
        lower.set_ylim(len(lines) - 0.5, -0.5)
        lower.set_xlabel("query")
        for axes in (upper, lower):
            axes.set_xlim(0.0, len(rows) + 1.0)
            axes.locator_params(axis="x", integer=True)
    figure.suptitle("Each query: the exact best, and who has it among the n best")
    return figure


def reconstruction_figure(evaluation: RetrievalEvaluation) -> Figure | None:
    """Dice of masks with their reconstruction, sorted, a line per network; None without networks."""
    from matplotlib.figure import Figure

    shown = [each for each in evaluation.strategies if not np.all(np.isnan(each.answers.database_dice))]
    if not shown:
        return None
    groups = (*evaluation.groups, DATABASE_GROUP)
    figure = Figure(figsize=(10, 3.2 * len(groups) + 1.0), layout="constrained", dpi=110)
    panels = figure.subplots(len(groups), 2, squeeze=False, sharey=True)
    for line, group in zip(panels, groups, strict=True):
        for column, axes in enumerate(line):
            for number, result in enumerate(shown):
                values = result.answers.reconstruction_of(group, evaluation.rows_of(group))[:, column]
                values = np.sort(values[~np.isnan(values)])[::-1]
                if len(values) == 0:
                    continue
                label = result.label
                axes.plot(
                    np.arange(1, len(values) + 1), values, color=series_color(number),
                    linestyle=series_style(number), marker="." if len(values) <= _FEW else "",
                    label=f"{label}, mean {values.mean():.3f}",
                )  # fmt: skip
            axes.set_title(f"{_MODALITY_TITLES[MODALITIES[column]]}, {group}", fontsize=10)
            axes.set_xlabel("tumor, sorted")
            axes.locator_params(axis="x", integer=True)
            axes.set_ylim(-0.02, 1.02)
            axes.grid(alpha=0.3)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=8, frameon=False)
        line[0].set_ylabel("Dice with its reconstruction")
    figure.suptitle("Reconstruction by the networks")
    return figure


def learning_figure(evaluation: RetrievalEvaluation) -> Figure | None:
    """Loss and its parts (KL divergence of a VAE) over epochs, a row per modality; None without histories."""
    from matplotlib.figure import Figure

    curves = learning_curves(evaluation.strategies)
    if not curves:
        return None
    parts = list(dict.fromkeys(curve.part for curve in curves))
    parts.sort(key=lambda part: (part != LOSS_PART, part))
    modalities = [name for name in MODALITIES if any(curve.modality == name for curve in curves)]
    labels = list(dict.fromkeys(curve.label for curve in curves))
    figure = Figure(figsize=(4.6 * len(parts) + 0.6, 3.2 * len(modalities) + 1.2), layout="constrained", dpi=110)
    panels = figure.subplots(len(modalities), len(parts), squeeze=False, sharex=True)
    for line, modality in zip(panels, modalities, strict=True):
        for axes, part in zip(line, parts, strict=True):
            drawn = [curve for curve in curves if (curve.modality, curve.part) == (modality, part)]
            _draw_learning(axes, drawn, labels)
            axes.set_title(f"{_MODALITY_TITLES[modality]}: {part}", fontsize=10)
            axes.set_xlabel("epoch")
            axes.locator_params(axis="x", integer=True)
    handles = {
        label: line for axes in panels.ravel() for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle("Training (solid) and validation (dashed)")
    return figure


def _dice_figure(evaluation: RetrievalEvaluation, named: Sequence[tuple[str, Matches]], title: str) -> Figure:
    from matplotlib.figure import Figure

    groups = evaluation.groups
    figure = Figure(figsize=(4.4 * len(groups) + 0.4, 8.4), layout="constrained", dpi=110)
    panels = figure.subplots(len(_KINDS), len(groups), squeeze=False)
    for column, group in enumerate(groups):
        rows = evaluation.rows_of(group)
        for row, (kind, greatest) in enumerate(_KINDS):
            axes = panels[row, column]
            for number, (name, best) in enumerate(named):
                values = (best.dice_t1gd, best.dice_flair, best.combined_dice)[row][rows]
                _draw_histogram(
                    axes, values[~np.isnan(values)], name, series_color(number), greatest, filled=len(named) == 1
                )
            published = PUBLISHED_BEST_DICE.get(group)
            if published is not None:
                value = (published.t1gd, published.flair, published.combined)[row]
                if value is not None:
                    axes.axvline(value, color="black", linestyle="dotted", linewidth=1.2, label=f"papers {value:g}")
            axes.set_xlim(0, greatest)
            axes.set_xlabel(f"Dice, {kind}", fontsize=9)
            axes.tick_params(labelsize=8)
            axes.legend(fontsize=7, loc="upper left", framealpha=0.85, edgecolor="none")
            if row == 0:
                axes.set_title(f"{group} ({len(rows)})", fontsize=10)
            if column == 0:
                axes.set_ylabel("% of queries", fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_histogram(
    axes: Axes, values: NDArray[np.float64], name: str, color: str, greatest: float, *, filled: bool
) -> None:
    if len(values) == 0:
        axes.text(0.5, 0.5, "no query has it", transform=axes.transAxes, ha="center", va="center", fontsize=9)
        return
    edges = np.linspace(0.0, greatest, _NUM_BINS + 1)
    shares = 100.0 * np.histogram(values, edges)[0] / len(values)
    mean = float(values.mean())
    label = f"mean {mean:.3f}" if filled else f"{name}: mean {mean:.3f}"
    axes.stairs(shares, edges, fill=filled, color=color, alpha=0.45 if filled else 1.0, linewidth=1.4)
    axes.axvline(mean, color=color, linewidth=1.4, label=label)
    if len(values) <= _FEW:
        axes.plot(
            values,
            np.full(len(values), -0.02),
            "|",
            color=color,
            markersize=9,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )
    # Room for the legend above the bars.
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.45 * float(shares.max())))


def _draw_shares(axes: Axes, values: NDArray[np.float64], label: str, style: dict[str, Any], *, start: float) -> None:
    """Percent of all values up to each; infinite and undefined ones are never reached."""
    finite = np.sort(values[np.isfinite(values)])
    if len(finite) == 0:
        return
    positions = np.concatenate([[min(start, float(finite[0]))], finite])
    shares = 100.0 * np.arange(len(finite) + 1) / len(values)
    axes.step(positions, shares, where="post", label=label, **style)


def _draw_learning(axes: Axes, curves: Sequence[LearningCurve], labels: Sequence[str]) -> None:
    for curve in curves:
        color = series_color(labels.index(curve.label))
        for values, style in ((curve.training, "solid"), (curve.validation, "dashed")):
            if any(math.isfinite(value) for value in values):
                axes.plot(
                    curve.epochs, values, color=color, linestyle=style, linewidth=1.3,
                    label=curve.label if style == "solid" else None,
                )  # fmt: skip
    positive = [value for curve in curves for value in (*curve.training, *curve.validation) if value > 0.0]
    if positive and max(positive) > 20.0 * min(positive):
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
