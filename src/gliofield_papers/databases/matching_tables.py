"""What database designs buy, as tables: Markdown to read, CSV and JSON to compute with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from operator import itemgetter
from typing import Any

from gliofield.report.tables import Column, ResultTable, csv_of, number
from gliofield_papers.databases.matching import (
    PUBLISHED_MATCHES,
    MatchingCurve,
    MatchingDifference,
    MatchingPoint,
    compare,
)
from gliofield_papers.databases.matching_figure import groups_of_all


def matching_table(curves: Sequence[MatchingCurve]) -> str:
    """Mean best combined Dice, a row per number of tumors and database, a column per group of queries.

    Each cell is the mean over queries and blocks of N tumors ± its standard error over the queries and, in brackets,
    the standard deviation over blocks, where there are several.

    Raises
    ------
    ParameterError
        If there is no curve, or the curves have different groups.
    """
    groups = groups_of_all(curves)
    rows = [
        (size, curve.name, {group: _cell(curve.point(group, size)) for group in groups})
        for size in sorted({size for curve in curves for size in curve.sizes})
        for curve in curves
        if size in curve.sizes
    ]
    published: dict[int, dict[str, str]] = {}
    for match in PUBLISHED_MATCHES:
        published.setdefault(match.num_tumors, {})[match.group] = f"{match.combined_dice:.2f}"
    rows += [(size, "published", published[size]) for size in sorted(published)]
    counts = {group: curves[0].point(group, curves[0].sizes[0]).num_queries for group in groups}
    columns = [
        Column("N", itemgetter(0), ","),
        Column("database", itemgetter(1)),
        *(Column(f"{group} ({counts[group]})", lambda row, group=group: row[2].get(group)) for group in groups),
    ]
    return ResultTable(columns=columns, rows=rows).markdown()


def differences_table(curves: Sequence[MatchingCurve]) -> str:
    """Mean gain of every other database over the first, at equal N, ± its standard error over the queries.

    Raises
    ------
    ParameterError
        If there is no curve, or the databases were asked different queries.
    """
    groups = groups_of_all(curves)
    rows = []
    for curve in curves[1:]:
        gains = {(gain.num_tumors, gain.group): gain for gain in compare(curve, curves[0])}
        name = f"{curve.name} - {curves[0].name}"
        rows += [
            (size, name, {group: _gain(gains[size, group]) for group in groups})
            for size in sorted({num_tumors for num_tumors, _ in gains})
        ]
    columns = [
        Column("N", itemgetter(0), ","),
        Column("difference", itemgetter(1)),
        *(Column(group, lambda row, group=group: row[2][group]) for group in groups),
    ]
    return ResultTable(columns=columns, rows=rows).markdown()


def matching_report(curves: Sequence[MatchingCurve]) -> str:
    """Means at every N, and with several databases the gain of each over the first."""
    return "\n\n".join([matching_table(curves), *([differences_table(curves)] if len(curves) > 1 else [])])


def matching_csv(curves: Sequence[MatchingCurve]) -> str:
    """All means as comma-separated values, a line per database, group and N."""
    records = [{"database": curve.name, **asdict(point)} for curve in curves for point in curve.points()]
    return csv_of(records, undefined="nan")


def matching_record(curves: Sequence[MatchingCurve]) -> dict[str, Any]:
    """Everything for a JSON file (`write_json`).

    Means, differences to the first database, and the best of each query, averaged over blocks.

    Raises
    ------
    ParameterError
        If the databases were asked different queries.
    """
    return {
        "databases": [
            {
                "name": curve.name,
                "settings": curve.settings,
                "points": [asdict(point) for point in curve.points()],
                "best": {
                    name: {size: blocks[query].mean() for size, blocks in zip(curve.sizes, curve.best, strict=True)}
                    for query, name in enumerate(curve.query_names)
                },
            }
            for curve in curves
        ],
        "differences": {curve.name: [asdict(gain) for gain in compare(curve, curves[0])] for curve in curves[1:]},
        "published": [asdict(match) for match in PUBLISHED_MATCHES],
    }


def _cell(point: MatchingPoint) -> str:
    text = f"{point.mean:.3f} ± {number(point.standard_error, '.3f')}"
    return text if point.num_blocks == 1 else f"{text} ({point.block_spread:.3f})"


def _gain(gain: MatchingDifference) -> str:
    return f"{gain.mean:+.3f} ± {number(gain.standard_error, '.3f')}"
