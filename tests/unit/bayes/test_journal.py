import numpy as np
import pytest

from gliofield.bayes import LikelihoodJournal
from gliofield.errors import ParameterError

ROWS = [np.arange(6.0).reshape(3, 2), np.zeros((0, 2)), np.ones((2, 2))]


def doubled(rows):
    return np.column_stack([2.0 * rows[:, 0], rows.sum(axis=1), np.where(rows[:, 0] > 0.5, -np.inf, np.nan)])


def never(rows):
    raise AssertionError("asked again")


def test_what_was_answered_is_not_computed_again(tmp_path):
    """The same bits, NaN and −∞ and calls without rows among them; what follows is computed and kept."""
    path = tmp_path / "run.npz"
    first = LikelihoodJournal(path, "f")
    expected = [first.answer(rows, doubled) for rows in ROWS[:2]]

    again = LikelihoodJournal(path, "f")
    found = [again.answer(rows, never) for rows in ROWS[:2]]
    again.answer(ROWS[2], doubled)
    once_more = LikelihoodJournal(path, "f")

    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == other.shape
    np.testing.assert_array_equal([once_more.answer(rows, never) for rows in ROWS][2], doubled(ROWS[2]))


def test_functions_of_one_value_are_kept_too(tmp_path):
    """`kept` and `answer` count calls together."""
    path = tmp_path / "run.npz"
    for compute in (lambda rows: rows[:, 0], never):
        kept = LikelihoodJournal(path, "f").kept(compute)
        np.testing.assert_array_equal(kept(ROWS[0]), ROWS[0][:, 0])


def test_other_rows_are_refused(tmp_path):
    """A journal of another run, known by its questions; in order, too."""
    path = tmp_path / "run.npz"
    journal = LikelihoodJournal(path, "f")
    for rows in ROWS:
        journal.answer(rows, doubled)

    with pytest.raises(ParameterError, match=r"call 1 asked for other tumors. Give another stage file"):
        LikelihoodJournal(path, "f").answer(ROWS[0] + 1e-12, doubled)
    with pytest.raises(ParameterError, match="call 1 asked for other tumors"):
        LikelihoodJournal(path, "f").answer(ROWS[2], doubled)


def test_other_data_are_refused(tmp_path):
    """By their fingerprint, before anything is asked."""
    LikelihoodJournal(tmp_path / "run.npz", "one").answer(ROWS[0], doubled)
    with pytest.raises(ParameterError, match="belongs to another run: other images, prior, model or settings"):
        LikelihoodJournal(tmp_path / "run.npz", "other")


def test_without_a_file_nothing_is_kept(tmp_path):
    """Equal questions are computed each time."""
    asked = []
    journal = LikelihoodJournal(None, "f")
    for _ in range(2):
        journal.answer(ROWS[0], lambda rows: asked.append(rows) or doubled(rows))

    assert len(asked) == 2
    assert not list(tmp_path.iterdir())
