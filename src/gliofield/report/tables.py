"""Tables of results: columns over rows, read as Markdown, computed with as CSV or JSON.

A `ResultTable` says of each column its title, where the value of a row is, and how a number is written, so what is read
and what is computed with cannot drift apart. Markdown lines up as plain text, too.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from gliofield.errors import ParameterError

#: Where there is no value.
NOTHING = "-"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    title : str
        Its heading.
    value : str or callable
        Name of an attribute of a row, or what makes the value of a row. Text stays, None is a dash.
    form : str, optional
        Format of numbers; None: integers as they are, others to three digits. One that is not finite is a dash.
    key : str, optional
        Its name in CSV and JSON; None: the name of the attribute, or the title.
    """

    title: str
    value: str | Callable[..., Any]
    form: str | None = None
    key: str | None = None

    @property
    def name(self) -> str:
        """Its name in CSV and JSON."""
        return self.key or (self.value if isinstance(self.value, str) else self.title)

    def value_of(self, row: Any) -> Any:
        """The value of a row."""
        return getattr(row, self.value) if isinstance(self.value, str) else self.value(row)

    def cell_of(self, row: Any) -> str:
        """The value of a row as text."""
        value = self.value_of(row)
        if value is None or isinstance(value, str):
            return NOTHING if value is None else value
        form = self.form if self.form is not None else "" if isinstance(value, Integral) else ".3g"
        return number(value, form)


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """Columns over rows.

    Parameters
    ----------
    columns : sequence of Column
        From left to right.
    rows : sequence
        What each line is about.
    name, title, note : str
        Name of its file, without ending; heading of its section, and what a reader has to know.
    record : callable, optional
        All values of a row by name, for CSV and JSON; None: those of the columns.

    Examples
    --------
    >>> squares = ResultTable(
    ...     columns=[Column("n", lambda n: n), Column("root", lambda n: n**0.5, ".2f")], rows=[1, 2]
    ... )
    >>> print(squares.markdown())
    |   n | root |
    |----:|-----:|
    |   1 | 1.00 |
    |   2 | 1.41 |
    >>> print(squares.csv(), end="")
    n,root
    1,1.0
    2,1.4142135623730951
    """

    columns: Sequence[Column]
    rows: Sequence[Any]
    name: str = ""
    title: str = ""
    note: str = ""
    record: Callable[[Any], Mapping[str, Any]] | None = None

    def cells(self) -> list[list[str]]:
        """The lines as text."""
        return [[column.cell_of(row) for column in self.columns] for row in self.rows]

    def records(self) -> list[dict[str, Any]]:
        """The lines as values by name, JSON-ready but for undefined numbers (`plain_json`)."""
        if self.record is not None:
            return [dict(self.record(row)) for row in self.rows]
        return [{column.name: column.value_of(row) for column in self.columns} for row in self.rows]

    def markdown(self) -> str:
        """The table, below its heading and note if it has a title."""
        table = markdown_table([column.title for column in self.columns], self.cells())
        return section(self.title, self.note, table) if self.title else table

    def csv(self) -> str:
        """The records as comma-separated values."""
        return csv_of(self.records())


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Table with a header line; columns whose cells are all numbers are aligned to the right.

    Parameters
    ----------
    headers : sequence of str
        Column titles.
    rows : sequence of sequences of str
        Cells, as many per row as there are titles.

    Raises
    ------
    ParameterError
        If a row has another number of cells.

    Examples
    --------
    >>> print(markdown_table(["model", "seconds"], [["fk", "0.05"], ["mass effect", "12"]]))
    | model       | seconds |
    |-------------|--------:|
    | fk          |    0.05 |
    | mass effect |      12 |
    """
    wrong = [row for row in rows if len(row) != len(headers)]
    if wrong:
        raise ParameterError(f"rows must have a cell for each of {list(headers)}, got {list(wrong[0])}.")
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (headers, *rows)]
    columns = list(zip(*cells, strict=True))
    # Three dashes at least: that is what makes a rule.
    widths = [max(3, *(len(cell) for cell in column)) for column in columns]
    is_number = [bool(rows) and all(_is_number(cell) for cell in column[1:]) for column in columns]
    rule = "|".join("-" * (width + 1) + (":" if right else "-") for width, right in zip(widths, is_number, strict=True))
    lines = [
        " | ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        )
        for line in cells
    ]
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def number(value: float, form: str = ".3g") -> str:
    """A number in a format, or ``-`` if it is not finite.

    Examples
    --------
    >>> number(0.12345), number(float("nan")), number(0.5, ".1%")
    ('0.123', '-', '50.0%')
    """
    return format(value, form) if math.isfinite(value) else NOTHING


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, a percentage or a missing number."""
    if cell == NOTHING:
        return True
    try:
        float(cell.removesuffix("%").strip().replace(",", ""))
    except ValueError:
        return False
    return True


def section(title: str, *parts: str) -> str:
    """Section of the third level: its title, then its parts as paragraphs."""
    return "\n\n".join([f"### {title}", *parts])


def csv_of(records: Sequence[Mapping[str, Any]], *, undefined: str = "") -> str:
    """Records with the same keys as comma-separated values, a header line first, with a text for undefined numbers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(records[0])
    writer.writerow(names)
    writer.writerows([_text_of(record[name], undefined) for name in names] for record in records)
    return text.getvalue()


def _text_of(value: Any, undefined: str) -> Any:
    return undefined if isinstance(value, float) and math.isnan(value) else value
