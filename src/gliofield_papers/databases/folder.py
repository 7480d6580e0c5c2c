"""The folder of ``gliofield papers matching``: page, CSV, record, picture and queries; it appears as a whole."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gliofield.output import FolderMarker, atomic_folder
from gliofield.report.figure_files import write_figure
from gliofield.report.json_files import write_json
from gliofield_papers.databases.matching import MatchingCurve
from gliofield_papers.databases.matching_figure import matching_figure
from gliofield_papers.databases.matching_tables import matching_csv, matching_record, matching_report
from gliofield_papers.queries.matching_queries import MatchingQueries

#: In every folder of its kind, and in no other.
MATCHING_MARKER = FolderMarker("matching.json", files=("matching.md", "matching.csv", "matching.png", "queries.npz"))


def write_matching_folder(
    curves: Sequence[MatchingCurve], queries: MatchingQueries, folder: str | os.PathLike[str], *, force: bool = False
) -> None:
    """Write ``matching.md``, ``.csv``, ``.json`` and ``.png``, and the queries that were asked.

    Raises
    ------
    OutputError
        If the folder exists and may not be replaced, or cannot be written.
    """
    with atomic_folder(folder, replace=force, marker=MATCHING_MARKER) as partial:
        (partial / "matching.md").write_text(matching_report(curves) + "\n", encoding="utf-8")
        (partial / "matching.csv").write_text(matching_csv(curves), encoding="utf-8")
        write_json(partial / MATCHING_MARKER, {"queries": dict(queries.settings), **matching_record(curves)})
        write_figure(matching_figure(curves), partial / "matching.png")
        queries.write(partial / "queries.npz")
