"""A table of the evaluation of retrieval: cells as text for Markdown, the same as numbers for CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gliofield.report.tables import markdown_table


@dataclass(frozen=True, kw_only=True)
class RetrievalTable:
    """One table.

    Parameters
    ----------
    name : str
        Name of its CSV file, without the ending.
    title, note : str
        Heading, and what a reader has to know.
    headers : tuple of str
        Column titles.
    rows : sequence of rows of str
        Cells.
    records : sequence of mapping of str to values
        The same as numbers, all with the same keys.
    """

    name: str
    title: str
    note: str
    headers: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    records: Sequence[Mapping[str, Any]]

    def markdown(self) -> str:
        """Heading, note and table."""
        return f"### {self.title}\n\n{self.note}\n\n{markdown_table(self.headers, self.rows)}"

    def csv(self) -> str:
        """The records as comma-separated values; undefined numbers are empty."""
        return csv_of(self.records)


def csv_of(records: Sequence[Mapping[str, Any]]) -> str:
    """Records with the same keys as comma-separated values, a header line first; undefined numbers are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(records[0])
    writer.writerow(names)
    writer.writerows([_plain(record[name]) for name in names] for record in records)
    return text.getvalue()


def _plain(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
