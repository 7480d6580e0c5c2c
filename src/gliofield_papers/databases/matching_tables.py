"""What database designs buy, as tables: Markdown to read, CSV and JSON to compute with."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from gliofield.report.tables import markdown_table, number
from gliofield_papers.databases.matching import PUBLISHED_MATCHES, MatchingCurve, MatchingPoint, compare
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
    rows = []
    for size in sorted({size for curve in curves for size in curve.sizes}):
        rows += [
            [f"{size:,}", curve.name, *(_cell(curve.point(group, size)) for group in groups)]
            for curve in curves
            if size in curve.sizes
        ]
    rows += [
        [f"{size:,}", "published", *(_published(group, size) for group in groups)]
        for size in sorted({match.num_tumors for match in PUBLISHED_MATCHES})
    ]
    counts = [curves[0].point(group, curves[0].sizes[0]).num_queries for group in groups]
    headers = [f"{group} ({count})" for group, count in zip(groups, counts, strict=True)]
    return markdown_table(["N", "database", *headers], rows)


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
        for size in sorted({num_tumors for num_tumors, _ in gains}):
            cells = [
                f"{gains[size, group].mean:+.3f} ± {number(gains[size, group].standard_error, '.3f')}"
                for group in groups
            ]
            rows.append([f"{size:,}", f"{curve.name} - {curves[0].name}", *cells])
    return markdown_table(["N", "difference", *groups], rows)


def matching_csv(curves: Sequence[MatchingCurve]) -> str:
    """All means as comma-separated values, a line per database, group and N."""
    names = [field.name for field in fields(MatchingPoint)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["database", *names])
    for curve in curves:
        writer.writerows([curve.name, *(getattr(point, name) for name in names)] for point in curve.points())
    return text.getvalue()


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


def _published(group: str, num_tumors: int) -> str:
    for match in PUBLISHED_MATCHES:
        if (match.group, match.num_tumors) == (group, num_tumors):
            return f"{match.combined_dice:.2f}"
    return "-"
