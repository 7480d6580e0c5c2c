"""How well a value tells two groups apart."""

import math

import numpy as np
import pytest

from gliofield.metrics import distribution_gap, roc_area


@pytest.mark.parametrize(
    ("inside", "outside", "expected"),
    [([2, 3], [0, 1], 1.0), ([0, 1], [2, 3], 0.0), ([1, 1], [1, 1], 0.5), ([1, 2], [1, 2, 3], 1 / 3)],
)
def test_the_area_counts_pairs(inside, outside, expected):
    """The share of pairs in which the one inside is larger, ties half."""
    assert roc_area(inside, outside) == pytest.approx(expected)


def test_the_area_is_that_of_all_pairs(rng):
    """Against the plain double loop, with ties."""
    inside, outside = rng.integers(0, 9, 40), rng.integers(2, 12, 30)
    pairs = [(a > b) + 0.5 * (a == b) for a in inside for b in outside]

    assert roc_area(inside, outside) == pytest.approx(np.mean(pairs))


def test_the_gap_sees_what_is_darker_and_brighter_at_once():
    """A bright rim around a dark middle has no side; its distribution still differs."""
    rim_and_middle, around = [0.0, 0.1, 9.0, 9.1], [4.0, 5.0, 4.5, 5.5]

    assert roc_area(rim_and_middle, around) == 0.5
    assert distribution_gap(rim_and_middle, around) == 0.5
    assert distribution_gap(around, around) == 0.0
    assert distribution_gap([1.0], [2.0]) == 1.0


def test_an_empty_group_is_undefined():
    """NaN, not a number that looks like an answer."""
    for measure in (roc_area, distribution_gap):
        assert math.isnan(measure([], [1.0]))
        assert math.isnan(measure([1.0], []))
