import math

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.metrics.overlap import dice, dice_from_counts

HALF = np.array([[True, True], [False, False]])
CORNER = np.array([[True, False], [False, False]])
EMPTY = np.zeros((2, 2), dtype=bool)


def test_dice_is_twice_the_intersection_over_the_sum_of_sizes():
    """2 * 1 / (2 + 1) for a corner inside a half, whichever comes first."""
    assert dice(HALF, CORNER, if_both_empty=0.0) == pytest.approx(2 / 3)
    assert dice(CORNER, HALF, if_both_empty=0.0) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_two_empty_masks_give_what_the_caller_asked_for(value, expected):
    """The value of nothing against nothing is the caller's decision."""
    assert dice(EMPTY, EMPTY, if_both_empty=value) == expected


def test_two_empty_masks_may_be_undefined():
    """Evaluations pass NaN."""
    assert math.isnan(dice(EMPTY, EMPTY, if_both_empty=math.nan))


def test_one_empty_mask_has_no_overlap():
    """Whatever `if_both_empty` says, something against nothing is 0."""
    assert dice(HALF, EMPTY, if_both_empty=1.0) == 0.0
    assert dice(EMPTY, HALF, if_both_empty=math.nan) == 0.0


@pytest.mark.parametrize(
    ("a", "b"),
    [(HALF, np.array([True, False])), (HALF.astype(int), HALF), (HALF, HALF.astype(np.float32))],
    ids=["shapes", "integers", "densities"],
)
def test_anything_but_two_masks_of_one_shape_is_refused(a, b):
    """Densities and labels have to be thresholded first; broadcasting would hide a mistake."""
    with pytest.raises(ParameterError, match="expected two bool masks of one shape"):
        dice(a, b, if_both_empty=0.0)


def test_counts_and_masks_agree_to_the_last_bit(rng):
    """A ranking by counts is the ranking by masks."""
    for _ in range(50):
        a, b = rng.random((2, 5, 4, 3)) < rng.random()
        counted = dice_from_counts(np.sum(a & b), a.sum(), b.sum(), if_both_empty=0.0)
        assert float(counted) == dice(a, b, if_both_empty=0.0)


def test_counts_of_many_candidates_are_taken_at_once():
    """Elementwise with broadcasting, the empty pair included."""
    values = dice_from_counts([[3], [0]], [4, 0], 0, if_both_empty=-1.0)

    assert values.shape == (2, 2)
    assert values[1].tolist() == [0.0, -1.0]
