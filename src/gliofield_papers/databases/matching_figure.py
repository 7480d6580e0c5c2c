"""Figure of what database designs buy: the best match against the number of tumors, a panel per group of queries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gliofield.errors import ParameterError
from gliofield_papers.databases.matching import PUBLISHED_MATCHES, SYNTHETIC_GROUP, MatchingCurve, MatchingPoint
from gliofield_papers.queries.matching_queries import REAL_GROUP, VIRTUAL_GROUP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_COLUMNS = 3
_PUBLISHED = "published"
_TITLES = {REAL_GROUP: "real patients", SYNTHETIC_GROUP: "all synthetic", VIRTUAL_GROUP: "virtual patients"}
# Told apart without colors too: by marker, and by color-blind readers.
_STYLES = (("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "^"), ("#cc79a7", "D"), ("#56b4e9", "v"), ("#e69f00", "P"))


def matching_figure(curves: Sequence[MatchingCurve], *, title: str = "") -> Figure:
    """Mean best combined Dice against N, a line per database.

    A line is the mean over queries and blocks of N tumors, the bar its standard error over the queries, the band its
    standard deviation over blocks where there are several (`experiments.database_matching`). Stars are published.

    Parameters
    ----------
    curves : sequence of MatchingCurve
        One per database, of the same queries.
    title : str
        Text above the figure.

    Raises
    ------
    ParameterError
        If there is no curve, or the curves have different groups.
    """
    from matplotlib.figure import Figure

    groups = groups_of_all(curves)
    num_rows = math.ceil(len(groups) / _MOST_COLUMNS)
    num_columns = math.ceil(len(groups) / num_rows)
    figure = Figure(figsize=(4.2 * num_columns, 3.6 * num_rows + 0.8), layout="constrained", dpi=110)
    panels = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True).ravel()
    for axes, group in zip(panels, groups, strict=False):
        _draw_group(axes, curves, group)
    for column, axes in enumerate(panels):
        if column >= len(groups):
            axes.set_axis_off()
        elif column + num_columns >= len(groups):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("tumors in the database")
    handles = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = sorted(handles, key=lambda label: label == _PUBLISHED)
    figure.legend([handles[label] for label in labels], labels, loc="outside lower center", ncols=4, frameon=False)
    if title:
        figure.suptitle(title)
    return figure


def groups_of_all(curves: Sequence[MatchingCurve]) -> tuple[str, ...]:
    """Groups of queries that the curves share.

    Raises
    ------
    ParameterError
        If there is no curve, or the curves have different groups.
    """
    if not curves:
        raise ParameterError("curves is empty: expected the curve of at least one database.")
    for curve in curves:
        if curve.groups != curves[0].groups:
            raise ParameterError(
                f"curves must be of the same queries: {curves[0].name!r} has the groups {list(curves[0].groups)}, "
                f"{curve.name!r} {list(curve.groups)}."
            )
    return curves[0].groups


def _draw_group(axes: Axes, curves: Sequence[MatchingCurve], group: str) -> None:
    for number, curve in enumerate(curves):
        color, marker = _STYLES[number % len(_STYLES)]
        points = [curve.point(group, size) for size in curve.sizes]
        sizes = [point.num_tumors for point in points]
        axes.errorbar(
            sizes,
            [point.mean for point in points],
            yerr=[_finite(point.standard_error) for point in points],
            color=color,
            marker=marker,
            markersize=5,
            capsize=2,
            elinewidth=0.8,
            label=curve.name,
        )
        _draw_band(axes, points, color)
    for published in PUBLISHED_MATCHES:
        if published.group == group:
            axes.plot([published.num_tumors], [published.combined_dice], "k*", markersize=12, label=_PUBLISHED)
    axes.set_xscale("log")
    axes.grid(alpha=0.3)
    axes.set_title(f"{_TITLES.get(group, f'held-out tumors, design {group}')} ({points[0].num_queries})", fontsize=10)
    axes.set_ylabel("mean best Dice, T1Gd + FLAIR", fontsize=9)


def _draw_band(axes: Axes, points: Sequence[MatchingPoint], color: str) -> None:
    """Mean ± spread over blocks of tumors, where there are several."""
    several = [point for point in points if point.num_blocks > 1]
    axes.fill_between(
        [point.num_tumors for point in several],
        [point.mean - point.block_spread for point in several],
        [point.mean + point.block_spread for point in several],
        color=color,
        alpha=0.2,
        linewidth=0,
    )


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
