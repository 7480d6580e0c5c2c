"""Tables: in Markdown, whose columns also line up as plain text, and as comma-separated values."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gliofield.errors import ParameterError
from gliofield.metrics.errors_by_tissue import MeanValue


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
    return format(value, form) if math.isfinite(value) else "-"


def mean_cell(value: MeanValue) -> str:
    """A mean; in parentheses, where not 0, the number of tumors without a value."""
    missing = f" ({value.num_undefined})" if value.num_undefined else ""
    return f"{number(value.mean, '.3f')}{missing}"


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, a percentage or a missing number."""
    if cell == "-":
        return True
    try:
        float(cell.removesuffix("%").strip().replace(",", ""))
    except ValueError:
        return False
    return True


def section(title: str, *parts: str) -> str:
    """Section of the third level: its title, then its parts as paragraphs."""
    return "\n\n".join([f"### {title}", *parts])


def csv_of(records: Sequence[Mapping[str, Any]]) -> str:
    """Records with the same keys as comma-separated values, a header line first; undefined numbers are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(records[0])
    writer.writerow(names)
    writer.writerows([_defined(record[name]) for name in names] for record in records)
    return text.getvalue()


def _defined(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
