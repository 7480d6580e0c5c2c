"""``cohort.tsv``: a row for every patient, whatever became of it, and every number there is.

Numbers are written so that they are read back to the last bit; what has no value is ``n/a``, as in BIDS. No cell holds
a tab or a line break, so nothing is quoted.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gliofield.cohort.numbers import FIRST_COLUMNS, LAST_COLUMNS, Value
from gliofield.errors import ParameterError
from gliofield.output import atomic_file

TABLE = "cohort.tsv"
NO_VALUE = "n/a"
_TEXTS = {"patient", "status", "verdict", "concerns", "method", "label_scheme", "folder", "kind", "reason"}
Row = Mapping[str, Value]


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Columns of a table: first ones, those that some row has, last ones."""
    others = dict.fromkeys(name for row in rows for name in row)
    return [*FIRST_COLUMNS, *(name for name in others if name not in FIRST_COLUMNS + LAST_COLUMNS), *LAST_COLUMNS]


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as text with tabs, under the names of all their columns.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    columns = columns_of(rows)
    lines = [columns, *([_cell(row.get(name)) for name in columns] for row in rows)]
    with atomic_file(path, replace=True) as partial:
        partial.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")


def _cell(value: Value) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NO_VALUE
    return repr(value) if isinstance(value, float) else " ".join(str(value).split()) or NO_VALUE


def read_table(place: str | os.PathLike[str]) -> list[dict[str, Value]]:
    """Rows of a table, or of the one in the folder of a cohort.

    Raises
    ------
    ParameterError
        If there is none.
    """
    path = Path(place) / TABLE if Path(place).is_dir() else Path(place)
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(
            f"{place} holds no table of a cohort ({error}): expected the folder that gliofield cohort wrote, with its "
            f"{TABLE}."
        ) from error
    if not rows or "patient" not in rows[0]:
        raise ParameterError(f"{path} is no table of a cohort: expected a column patient and at least one row.")
    return [{name: _value(name, text) for name, text in row.items() if name is not None} for row in rows]


def _value(name: str, text: str | None) -> Value:
    if text is None or text == NO_VALUE:
        return None
    if name in _TEXTS:  # a patient may be called 007
        return text
    try:
        return float(text)
    except ValueError:
        return text
