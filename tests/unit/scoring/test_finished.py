"""Finished work is read again, and only if it is the very same work."""

import pytest

import gliofield_evaluation
from gliofield.scoring.finished import FinishedWork, source_digest


@pytest.fixture
def work(tmp_path):
    return FinishedWork(folder=tmp_path / "records")


def test_what_is_finished_is_read_again(work):
    """Numbers keep every bit; undefined ones are None."""
    work.write("one/severe", {"files": {"t1": "ab"}, "settings": (1, 2)}, {"share": 0.1 + 0.2, "none": float("nan")})

    assert work.read("one/severe", {"files": {"t1": "ab"}, "settings": [1, 2]}) == {"share": 0.1 + 0.2, "none": None}


@pytest.mark.parametrize("identity", [{"files": {"t1": "cd"}}, {"files": {"t1": "ab"}, "more": 1}, {}])
def test_other_work_counts_as_absent_and_is_replaced(work, identity):
    """Another file, another setting."""
    work.write("one", {"files": {"t1": "ab"}}, {"share": 0.5})

    assert work.read("one", identity) is None
    work.write("one", identity, {"share": 0.6})
    assert work.read("one", identity) == {"share": 0.6}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"identity": {"a": 1}}'])
def test_a_damaged_file_counts_as_absent(work, text):
    """As a kill between two disks may leave it."""
    work.write("one", {"a": 1}, {"share": 0.5})
    (work.folder / "one.json").write_text(text, encoding="utf-8")

    assert work.read("one", {"a": 1}) is None


def test_the_digest_is_that_of_the_folders_asked_for():
    """Another folder, another digest; the same again."""
    assert source_digest("growth") == source_digest("growth")
    assert source_digest("growth") != source_digest("growth", "imaging")
    assert source_digest("") != source_digest("growth")
    assert source_digest("", package=gliofield_evaluation) != source_digest("")
