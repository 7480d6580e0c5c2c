"""A table of the evaluation of retrieval: cells as text for Markdown, the same as numbers for CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gliofield.report.tables import csv_of, markdown_table


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
