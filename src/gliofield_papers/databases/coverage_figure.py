"""Whether databases cover what patients show, as a figure.

One pair of panels per quantity (`coverage.QUANTITIES`). Above, the share of tumors up to each value, a line per
database; patients are thin vertical lines, and a range that is to be covered is shaded. Below, a row for each: 5 to
95 % as a thin bar, 25 to 75 % as a thick one, the median as a dot; patients as ticks; published figures as they were
published, a diamond where the source gives a mean, with their sources in a key at the foot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.report.page_layout import Page
from gliofield_papers.databases.coverage import QUANTITIES, Quantity, TumorCohort, quantiles_of
from gliofield_papers.databases.literature_volumes import PublishedVolume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colors, distinct to color-blind readers; line styles tell further databases apart.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_STYLES = ("solid", "dashed", "dotted")
_PATIENT_COLOR, _PUBLISHED_COLOR, _RANGE_COLOR = "#000000", "#666666", "#F0E442"
_NUM_COLUMNS = 3
# Layout [inches]; the names of the rows stand left of every pair of panels.
_WIDTH, _NAME_WIDTH, _PANEL_WIDTH = 15.0, 1.25, 3.6
_TITLE_HEIGHT, _CURVES_HEIGHT, _ROW_HEIGHT, _AXIS_HEIGHT, _KEY_LINE_HEIGHT = 0.95, 2.4, 0.22, 0.85, 0.17
_KEY_SOURCES_PER_LINE = 3
_LONGEST_NAME = 17


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One row below the curves: its name, its color, and what is drawn."""

    name: str
    color: str
    thin: tuple[float, float] | None = None
    thick: tuple[float, float] | None = None
    dot: float | None = None
    diamond: float | None = None
    ticks: tuple[float, ...] = ()


def coverage_figure(
    cohorts: Sequence[TumorCohort],
    *,
    patients: TumorCohort | None = None,
    published: Sequence[PublishedVolume] = (),
    ranges_to_cover: Mapping[str, tuple[float, float]] | None = None,
) -> Figure:
    """Figure of the marginals of databases beside patients and published figures.

    Parameters
    ----------
    cohorts : sequence of TumorCohort
        One per database, at least one; names must differ.
    patients : TumorCohort, optional
        Measured patients.
    published : sequence of PublishedVolume
        Figures of the literature; those of other quantities are left out.
    ranges_to_cover : mapping of quantity to (low, high), optional
        Ranges to shade.

    Raises
    ------
    ParameterError
        If there is no cohort, or two have one name.
    """
    from matplotlib.figure import Figure

    names = [cohort.name for cohort in cohorts]
    if not names or len(set(names)) < len(names):
        raise ParameterError(f"cohorts must be one or more with names of their own, got {names}.")
    sources = _sources(published)
    rows = {quantity.key: _rows(quantity, cohorts, patients, published) for quantity in QUANTITIES}
    groups = [QUANTITIES[start : start + _NUM_COLUMNS] for start in range(0, len(QUANTITIES), _NUM_COLUMNS)]
    strips = [max(len(rows[quantity.key]) for quantity in group) * _ROW_HEIGHT for group in groups]
    key = _key_lines(sources)
    heights = [_CURVES_HEIGHT + strip + _AXIS_HEIGHT for strip in strips]
    page = Page(width=_WIDTH, height=_TITLE_HEIGHT + sum(heights) + len(key) * _KEY_LINE_HEIGHT)
    figure = Figure(figsize=(page.width, page.height), facecolor="white", dpi=110)
    _write_title(figure, page, cohorts, patients, has_ranges=bool(ranges_to_cover))
    page.write(figure, 0.3, 0.12, "\n".join(key), size=8)
    top = page.height - _TITLE_HEIGHT
    for group, group_height in zip(groups, heights, strict=True):
        for column, quantity in enumerate(group):
            left = column * (_NAME_WIDTH + _PANEL_WIDTH) + _NAME_WIDTH
            height = len(rows[quantity.key]) * _ROW_HEIGHT
            curves = figure.add_axes(
                page.rectangle(left=left, bottom=top - _CURVES_HEIGHT, width=_PANEL_WIDTH, height=_CURVES_HEIGHT)
            )
            below = page.rectangle(left=left, bottom=top - _CURVES_HEIGHT - height, width=_PANEL_WIDTH, height=height)
            bars = figure.add_axes(below, sharex=curves)
            _draw_curves(curves, quantity, cohorts, patients, (ranges_to_cover or {}).get(quantity.key))
            _draw_rows(bars, quantity, rows[quantity.key])
            _fit(curves, quantity, rows[quantity.key], cohorts)
        top -= group_height
    return figure


def _rows(
    quantity: Quantity,
    cohorts: Sequence[TumorCohort],
    patients: TumorCohort | None,
    published: Sequence[PublishedVolume],
) -> list[_Row]:
    """Rows of one quantity from top to bottom: databases, patients, literature."""
    rows = []
    for position, cohort in enumerate(cohorts):
        low, lower, middle, upper, high = quantiles_of(cohort.values(quantity.key))
        rows.append(_Row(name=cohort.name, color=_color(position), thin=(low, high), thick=(lower, upper), dot=middle))
    if patients is not None:
        values = patients.values(quantity.key)
        name = f"{patients.name} (n = {len(values)})"
        rows.append(_Row(name=name, color=_PATIENT_COLOR, ticks=tuple(float(value) for value in values)))
    numbers = {source: position for position, source in enumerate(_sources(published), start=1)}
    return rows + [
        _published_row(volume, numbers[volume.source]) for volume in published if volume.quantity == quantity.key
    ]


def _sources(published: Sequence[PublishedVolume]) -> dict[str, list[str]]:
    """What each source measured, by the source's name, in order."""
    measured: dict[str, list[str]] = {}
    for volume in published:
        measured.setdefault(volume.source, []).append(volume.measured)
    return measured


def _key_lines(sources: Mapping[str, Sequence[str]]) -> list[str]:
    """The sources behind the numbers in brackets, a few per line."""
    entries = [
        f"[{position}] {source} ({'; '.join(dict.fromkeys(measured))})"
        for position, (source, measured) in enumerate(sources.items(), start=1)
    ]
    return [
        "      ".join(entries[start : start + _KEY_SOURCES_PER_LINE])
        for start in range(0, len(entries), _KEY_SOURCES_PER_LINE)
    ]


def _published_row(volume: PublishedVolume, source_number: int) -> _Row:
    is_wide = volume.interval_name == "5-95 %"
    return _Row(
        name=f"[{source_number}] n = {volume.num_tumors}",
        color=_PUBLISHED_COLOR,
        thin=volume.interval if is_wide else None,
        thick=None if is_wide else volume.interval,
        dot=volume.median,
        diamond=volume.mean,
    )


def _draw_curves(
    axes: Axes,
    quantity: Quantity,
    cohorts: Sequence[TumorCohort],
    patients: TumorCohort | None,
    range_to_cover: tuple[float, float] | None,
) -> None:
    if range_to_cover is not None:
        axes.axvspan(*range_to_cover, color=_RANGE_COLOR, alpha=0.25, linewidth=0, zorder=0)
    for value in patients.values(quantity.key) if patients is not None else ():
        axes.axvline(value, color=_PATIENT_COLOR, linewidth=0.7, alpha=0.6, zorder=1)
    for position, cohort in enumerate(cohorts):
        values = np.sort(cohort.values(quantity.key))
        if len(values):
            percent = 100.0 * np.arange(1, len(values) + 1) / len(values)
            style = _STYLES[position // len(_COLORS) % len(_STYLES)]
            axes.step(
                values, percent, where="post", color=_color(position), linestyle=style, linewidth=1.8, label=cohort.name
            )
    axes.set_ylim(0, 101)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_ylabel("tumors up to here [%]", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.tick_params(axis="x", which="both", labelbottom=False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_rows(axes: Axes, quantity: Quantity, rows: Sequence[_Row]) -> None:
    for position, row in enumerate(rows):
        for interval, width in ((row.thin, 1.4), (row.thick, 5.0)):
            if interval is not None:
                axes.plot(interval, [position] * 2, color=row.color, linewidth=width, solid_capstyle="butt", alpha=0.75)
        for value, marker in ((row.dot, "o"), (row.diamond, "D")):
            if value is not None:
                axes.plot(
                    [value], [position], marker, color=row.color, markersize=6, markeredgecolor="white",
                    markeredgewidth=0.8,
                )  # fmt: skip
        axes.plot(row.ticks, [position] * len(row.ticks), "|", color=row.color, markersize=10, markeredgewidth=1.4)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    names = [row.name if len(row.name) <= _LONGEST_NAME else f"{row.name[: _LONGEST_NAME - 1]}…" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(row.color)
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(quantity.label, fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _fit(axes: Axes, quantity: Quantity, rows: Sequence[_Row], cohorts: Sequence[TumorCohort]) -> None:
    """Limits and ticks of the axis a pair of panels shares: all that is drawn, but the tails beyond 0.2 %."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    shown: list[NDArray[np.float64]] = []
    for row in rows:
        single = [value for value in (row.dot, row.diamond) if value is not None]
        shown.append(np.array([*(row.thin or ()), *(row.thick or ()), *single, *row.ticks], dtype=np.float64))
    for cohort in cohorts:
        values = cohort.values(quantity.key)
        if len(values):
            shown.append(np.asarray(np.quantile(values, [0.002, 0.998]), dtype=np.float64))
    finite = np.concatenate(shown)
    finite = finite[np.isfinite(finite)]
    if quantity.has_log_axis:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=10.0, subs=(1.0, 3.0), numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    if len(finite) == 0:
        return
    low, high = float(finite.min()), float(finite.max())
    if quantity.has_log_axis:
        axes.set_xlim(low / 1.25, high * 1.25)
    else:
        margin = 0.05 * (high - low) + 0.5
        axes.set_xlim(low - margin, high + margin)


def _write_title(
    figure: Figure, page: Page, cohorts: Sequence[TumorCohort], patients: TumorCohort | None, *, has_ranges: bool
) -> None:
    title = "Tumors of the database beside those of patients"
    databases = "; ".join(
        f"{cohort.name}: {len(cohort):,} tumors ({cohort.num_without_core:,} without core), "
        f"centers of {len(cohort.offset_mm):,}"
        for cohort in cohorts
    )
    key = "Bars: 5 to 95 % and 25 to 75 %; dot: median; diamond: mean."
    key += " Vertical lines and ticks: patients." if patients is not None else ""
    key += " Shaded: range to cover." if has_ranges else ""
    page.write(figure, 0.3, page.height - 0.38, title, size=14)
    page.write(figure, 0.3, page.height - 0.6, databases)
    page.write(figure, 0.3, page.height - 0.79, key)


def _color(position: int) -> str:
    return _COLORS[position % len(_COLORS)]
