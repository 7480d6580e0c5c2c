"""A table of patients: columns by whatever name, rows that say themselves what is wrong with them."""

import re

import pytest
from cohort_phantoms import write_words

from gliofield.cohort import CohortSource, find_cohort
from gliofield.errors import ParameterError


@pytest.fixture
def table(tmp_path):
    """Writes a table beside two patients."""
    write_words(tmp_path / "in", "ab")

    def write(*lines, name="patients.tsv"):
        path = tmp_path / name
        separator = "," if name.endswith("csv") else "\t"
        path.write_text("\n".join(separator.join(line) for line in lines) + "\n", encoding="utf-8")
        return path

    return write


A = ("in/a/p_t1.nii.gz", "in/a/p_seg.nii.gz")
B = ("in/b/p_t1.nii.gz", "in/b/p_seg.nii.gz")


@pytest.mark.parametrize("name", ["patients.tsv", "patients.csv"])
def test_columns_are_known_by_the_names_people_give_them(table, tmp_path, name):
    """Whatever their case; paths are relative to the table, further columns are nobody's business."""
    found = find_cohort(table(("Participant_ID", "T1w", "SEG", "age"), ("x", *A, "61"), ("y", *B, "n/a"), name=name))

    assert [each.name for each in found] == ["x", "y"]
    assert found[0].files.given == {"t1": tmp_path / A[0], "segmentation": tmp_path / A[1]}


def test_own_names_of_columns_are_told(table):
    """One that is told takes the place of one that is known."""
    path = table(("id", "native", "t1", "outlines"), ("x", A[0], B[0], A[1]))
    (found,) = find_cohort(path, CohortSource(columns={"t1": "native", "segmentation": "outlines"}))

    assert found.files.t1.parts[-2:] == ("a", "p_t1.nii.gz")


def test_a_folder_may_be_named_and_completed(table):
    """A scheme may stand in the row, too."""
    (found,) = find_cohort(table(("id", "folder", "labels"), ("x", "in/a", "nnunet")))

    assert set(found.files.given) == {"t1", "flair", "segmentation"}
    assert found.labels == "nnunet"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (("x", "in/a/p_t1.nii.gz", ""), "row 2: a case needs tumor outlines"),
        (("x", "gone.nii.gz", A[1]), r"row 2: no such file: t1 \(gone.nii.gz\)"),
        (("", *A), "row 2 names no patient"),
    ],
)
def test_a_wrong_row_says_what_is_wrong(table, row, problem):
    """The other one is found."""
    found = find_cohort(table(("id", "t1", "seg"), row, ("y", *B)))
    problems = [each.problem for each in found if each.problem]

    assert len(found) == 2
    assert len(problems) == 1
    assert re.search(problem, problems[0])


def test_a_wrong_scheme_is_the_rows_own(table):
    """Not that of the cohort."""
    (found,) = find_cohort(table(("id", "folder", "labels"), ("x", "in/a", "brats1999")))

    assert "row 2: label scheme 'brats1999' is unknown" in found.problem


def test_a_name_that_comes_twice_is_refused(table):
    """Nobody can say which is meant."""
    (found,) = find_cohort(table(("id", "t1", "seg"), ("x", *A), ("x", *B)))

    assert found.problem.startswith("the name 'x' occurs 2 times")


@pytest.mark.parametrize(
    ("lines", "columns", "message"),
    [
        ([("id", "t1", "seg")], {}, "holds no patient"),
        ([("t1", "seg"), A], {}, "does not say who its patients are"),
        ([("id", "t1", "T1w", "seg"), ("x", *A, "")], {}, r"2 columns could be the t1 \(t1, T1w\)"),
        ([("id", "t1", "seg"), ("x", *A)], {"t3": "t1"}, "kind of column 't3' is unknown"),
        ([("id", "t1", "seg"), ("x", *A)], {"t1": "T9"}, "column of patients.tsv 'T9' is unknown"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused(table, lines, columns, message):
    """As a whole."""
    with pytest.raises(ParameterError, match=message):
        find_cohort(table(*lines), CohortSource(columns=columns))


def test_a_table_that_is_no_text_is_refused(tmp_path):
    """A spreadsheet, say."""
    path = tmp_path / "patients.tsv"
    path.write_bytes(b"\xff\xfe\x00P\x80")

    with pytest.raises(ParameterError, match="cannot be read"):
        find_cohort(path)
