"""Patients in a table: one row a patient, one column an input.

Columns are known by the names people give them (`COLUMN_NAMES`; spelling and case do not matter), others are named by
the caller; what remains is nobody's business. Paths are relative to the table. A row that is wrong says so itself.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gliofield.anatomy import label_scheme
from gliofield.errors import GliofieldError, ParameterError, unknown_name
from gliofield.pipeline import CaseFiles, find_case_files

TABLE_ENDINGS = (".tsv", ".csv")
#: What a column may hold, and the names by which it is known; letters and digits alone are compared.
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "patient": ("patient", "patientid", "id", "name", "subject", "subjectid", "participant", "participantid", "case"),
    "folder": ("folder", "directory", "path", "brats", "bratsfolder"),
    "t1c": ("t1c", "t1ce", "t1gd", "t1post", "t1contrast", "ct1"),
    "flair": ("flair", "t2f", "t2flair"),
    "t1": ("t1", "t1n", "t1w", "t1pre", "t1native"),
    "t2": ("t2", "t2w"),
    "pet": ("pet", "fet", "fetpet"),
    "segmentation": ("segmentation", "seg", "labels3d", "mask", "dseg"),
    "tumor_core": ("tumorcore", "core", "tc"),
    "whole_tumor": ("wholetumor", "whole", "wt"),
    "brain_mask": ("brainmask", "brain"),
    "labels": ("labels", "scheme", "labelscheme"),
}
_NOTHING = {"", "n/a", "na", "nan", "none", "-"}


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row; fields as in `CohortPatient`."""

    name: str
    files: CaseFiles | None = None
    problem: str = ""
    labels: str | None = None


def read_patient_table(path: Path, columns: Mapping[str, str] | None = None) -> list[TableRow]:
    """The rows of a table with a heading, separated by tabs (``.tsv``) or commas (``.csv``).

    Parameters
    ----------
    path : Path
        The table, UTF-8.
    columns : mapping of str to str, optional
        Names of columns by what they hold, for names that are not known.

    Raises
    ------
    ParameterError
        If it cannot be read, has no rows, lacks what a patient needs, or two columns hold the same.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.reader(handle, delimiter="," if path.name.lower().endswith(".csv") else "\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(f"{path} cannot be read: {error}. Expected a table in UTF-8 with a heading.") from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise ParameterError(f"{path} holds no patient: expected a line of names and one line for each patient.")
    places = _places(path, rows[0], columns or {})
    return [_row(path.parent, number, cells, places) for number, cells in enumerate(rows[1:], start=2)]


def _places(path: Path, heading: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Which column holds what."""
    names = [cell.strip() for cell in heading]
    known = {spelling: what for what, spellings in COLUMN_NAMES.items() for spelling in spellings}
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        what = known.get(re.sub(r"[^a-z0-9]", "", name.lower()))
        if what is not None and what not in columns:
            found.setdefault(what, []).append(place)
    for what, name in columns.items():
        if what not in COLUMN_NAMES:
            raise ParameterError(unknown_name("kind of column", what, COLUMN_NAMES))
        if name not in names:
            raise ParameterError(unknown_name(f"column of {path.name}", name, names))
        found[what] = [place for place, each in enumerate(names) if each == name]
    for what, places in found.items():
        if len(places) > 1:
            shown = ", ".join(names[place] for place in places)
            raise ParameterError(f"{path}: {len(places)} columns could be the {what} ({shown}): say which one is.")
    if "patient" not in found:
        raise ParameterError(
            f"{path} does not say who its patients are: expected a column patient (or id, subject, …), got "
            f"{', '.join(names)}."
        )
    return {what: place for what, (place,) in found.items()}


def _row(folder: Path, number: int, cells: list[str], places: Mapping[str, int]) -> TableRow:
    values = {what: cells[place].strip() for what, place in places.items() if place < len(cells)}
    given = {what: value for what, value in values.items() if value.lower() not in _NOTHING}
    name, labels, inner = given.pop("patient", ""), given.pop("labels", None), given.pop("folder", None)
    if not name:
        return TableRow(name=f"row {number}", problem=f"row {number} names no patient: give it a name.")
    files = {what: folder / value for what, value in given.items()}
    missing = [f"{what} ({path.name})" for what, path in files.items() if not path.is_file()]
    if missing:
        return TableRow(name=name, problem=f"row {number}: no such file: {', '.join(missing)}.")
    try:
        if labels is not None:
            label_scheme(labels)
        found = CaseFiles(**files) if inner is None else find_case_files(folder / inner, given=files)
    except GliofieldError as error:
        return TableRow(name=name, problem=f"row {number}: {error}")
    return TableRow(name=name, files=found, labels=labels)
