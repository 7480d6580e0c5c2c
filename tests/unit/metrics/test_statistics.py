"""Means, errors and paired differences, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from gliofield.metrics import mean_of, paired_difference, paired_test

NAN = float("nan")


def test_a_mean_has_the_error_of_the_mean():
    """1, 2, 6: mean 3, standard deviation √7, error √(7/3)."""
    found = mean_of([1.0, 2.0, 6.0])

    assert found.mean == pytest.approx(3.0)
    assert found.standard_error == pytest.approx(math.sqrt(7.0 / 3.0))
    assert (found.number, found.num_undefined) == (3, 0)


@pytest.mark.parametrize(("values", "number"), [([], 0), ([NAN, NAN], 0), ([0.5, NAN], 1)])
def test_what_is_undefined_is_counted_and_makes_no_warning(values, number):
    """No value: no mean; one value: no error."""
    found = mean_of(values)

    assert (found.number, found.num_undefined) == (number, len(values) - number)
    assert math.isnan(found.mean) == (number == 0)
    assert math.isnan(found.standard_error)


def test_differences_are_paired_and_small_ones_count_for_nobody():
    """+0.02, −0.05, +0.0005 (a draw) and one undefined: a win, a loss, the worst −0.05."""
    found = paired_difference([0.82, 0.70, 0.5005, 0.9], [0.80, 0.75, 0.5, NAN])

    assert (found.wins, found.losses) == (1, 1)
    assert found.worst == pytest.approx(-0.05)
    assert found.mean.mean == pytest.approx((0.02 - 0.05 + 0.0005) / 3)
    assert (found.mean.number, found.mean.num_undefined) == (3, 1)


def test_without_a_pair_there_is_no_difference():
    """No wins, no losses, nothing worst."""
    found = paired_difference([NAN], [0.5])

    assert (found.wins, found.losses) == (0, 0)
    assert math.isnan(found.worst)
    assert math.isnan(found.mean.mean)


def test_a_paired_test_has_an_interval_and_wilcoxons_p():
    """Six differences of 1 to 6: the exact two-sided p is 2 / 2⁶; the interval holds their mean."""
    found = paired_test([2.0, 4.0, 6.0, 8.0, 10.0, 12.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], rng=np.random.default_rng(0))

    assert found.mean == pytest.approx(3.5)
    assert found.p_value == pytest.approx(2 / 64)
    assert 2.0 < found.low < 3.5 < found.high < 5.0


def test_pairs_without_a_number_are_left_out_and_counted():
    """One of three; below two pairs there is no interval, without a pair nothing at all."""
    found = paired_test([1.0, NAN, 2.0], [0.5, 0.5, NAN], rng=np.random.default_rng(0))
    nothing = paired_test([NAN], [1.0], rng=np.random.default_rng(0))

    assert (found.mean, found.number, found.num_undefined) == (0.5, 1, 2)
    assert math.isnan(found.low)
    assert math.isnan(nothing.mean)
    assert math.isnan(nothing.p_value)


def test_equal_rows_have_p_1():
    """Nothing differs, and nothing warns."""
    assert paired_test([1.0, 2.0], [1.0, 2.0], rng=np.random.default_rng(0)).p_value == 1.0
