import pytest

from gliofield.errors import ParameterError
from gliofield.report import markdown_table
from gliofield.report.tables import number


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
