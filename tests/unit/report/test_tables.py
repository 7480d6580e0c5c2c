import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.report import markdown_table
from gliofield.report.tables import Column, ResultTable, csv_of, number


def test_columns_line_up_and_numbers_stand_to_the_right():
    """A column with one word in it is text; percentages and missing numbers are numbers."""
    table = markdown_table(["case", "error", "note"], [["a", "1.5%", "1"], ["long name", "-", "two"]])

    assert table.splitlines() == [
        "| case      | error | note |",
        "|-----------|------:|------|",
        "| a         |  1.5% | 1    |",
        "| long name |     - | two  |",
    ]


def test_a_bar_in_a_cell_does_not_end_it():
    """Escaped, as Markdown wants it."""
    assert r"| a\|b |" in markdown_table(["case"], [["a|b"]])


def test_a_row_with_too_few_cells_is_refused():
    """The row is shown."""
    with pytest.raises(ParameterError, match=r"got \['only'\]"):
        markdown_table(["a", "b"], [["only"]])


def test_a_number_that_is_not_there_is_a_dash():
    """NaN and infinity."""
    assert [number(value, ".1f") for value in (1.0, float("nan"), float("inf"))] == ["1.0", "-", "-"]


ROWS = (
    SimpleNamespace(name="a", share=0.5, count=np.int64(12_345), note="one, two"),
    SimpleNamespace(name="b", share=math.nan, count=3, note=None),
)
COLUMNS = (
    Column("name", "name"),
    Column("share", "share", ".1%"),
    Column("number", "count"),
    Column("per 1,000", lambda row: 1000.0 / row.count, key="rate"),
    Column("note", "note"),
)


def test_a_table_is_read_and_computed_with():
    """Numbers in their format or to three digits, integers whole; in CSV and JSON as they are, by name."""
    table = ResultTable(columns=COLUMNS, rows=ROWS)

    assert table.cells() == [["a", "50.0%", "12345", "0.081", "one, two"], ["b", "-", "3", "333", "-"]]
    assert table.markdown().splitlines()[0] == "| name | share | number | per 1,000 | note     |"
    assert table.csv().splitlines() == [
        "name,share,count,rate,note",
        f'a,0.5,12345,{1000.0 / 12_345},"one, two"',
        f"b,,3,{1000.0 / 3},",
    ]
    assert json.loads(json.dumps(table.records()[0], default=int))["rate"] == 1000.0 / 12_345


def test_a_table_with_a_title_is_a_section():
    """Heading, note, table."""
    text = ResultTable(columns=COLUMNS[:1], rows=ROWS, title="Names", note="Of all.").markdown()

    assert text.splitlines() == ["### Names", "", "Of all.", "", "| name |", "|------|", "| a    |", "| b    |"]


def test_a_row_may_be_recorded_with_more_than_is_shown():
    """In the order of the record."""
    table = ResultTable(columns=COLUMNS[:1], rows=ROWS, record=lambda row: {"count": int(row.count), "name": row.name})

    assert table.csv() == "count,name\n12345,a\n3,b\n"


def test_undefined_numbers_of_a_csv_may_have_a_word():
    """Empty, unless one is given."""
    records = [{"x": math.nan, "y": 1}]

    assert csv_of(records) == "x,y\n,1\n"
    assert csv_of(records, undefined="nan") == "x,y\nnan,1\n"
