"""The folder of scores on a virtual cohort: ``summary.md``, ``summary.json`` and ``cases.csv``."""

from __future__ import annotations

import os
from pathlib import Path

from gliofield.output import atomic_file
from gliofield.report.json_files import write_json
from gliofield.report.tables import csv_of
from gliofield_evaluation.scoring.virtual_scores import VirtualEvaluation
from gliofield_evaluation.scoring.virtual_summary import case_rows, virtual_record
from gliofield_evaluation.scoring.virtual_tables import virtual_report


def write_virtual_scores(
    evaluation: VirtualEvaluation, folder: str | os.PathLike[str], *, relative_error: float | None = None
) -> None:
    """Write page, numbers and a row per case and ranking beside what is kept of the cases.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    place = Path(folder)
    with atomic_file(place / "summary.md", replace=True) as partial:
        partial.write_text(virtual_report(evaluation, relative_error=relative_error) + "\n", encoding="utf-8")
    with atomic_file(place / "summary.json", replace=True) as partial:
        write_json(partial, virtual_record(evaluation, relative_error=relative_error))
    with atomic_file(place / "cases.csv", replace=True) as partial:
        partial.write_text(csv_of(case_rows(evaluation)), encoding="utf-8")
