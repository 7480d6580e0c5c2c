"""Each vector function does to eight numbers what its name says."""

import numpy as np
import pytest
from numba import njit

from gliofield.growth.backends.vectors import (
    NUM_LANES,
    count_greater,
    load,
    nonzero_lanes,
    select_less,
    splat,
    store,
)

LEFT = np.array([0.0, 1.0, -2.0, 3.5, 0.0, 5.0, 1e-30, 7.0], np.float32)
RIGHT = np.array([1.0, 1.0, 2.0, -3.0, 4.0, 0.5, 6.0, 1e30], np.float32)


@njit
def _arithmetic(left, right, results):
    a, b = load(left, 0), load(right, 0)
    store(results, 0, a + b)
    store(results, NUM_LANES, a - b)
    store(results, 2 * NUM_LANES, a * b)
    store(results, 3 * NUM_LANES, a / b)


@njit
def _select(left, right, result):
    a, b = load(left, 0), load(right, 0)
    store(result, 0, select_less(a, b, splat(np.float32(1.0)), splat(np.float32(-1.0))))


@njit
def _shifted(values, result):
    store(result, 3, load(values, 2))


@njit
def _masks(values, threshold):
    return nonzero_lanes(load(values, 0)), count_greater(load(values, 0), splat(threshold))


def test_arithmetic_is_that_of_float32_to_the_last_bit():
    """Sum, difference, product and quotient equal NumPy's: nothing is fused or reordered."""
    results = np.empty(4 * NUM_LANES, np.float32)

    _arithmetic(LEFT, RIGHT, results)

    expected = np.concatenate([LEFT + RIGHT, LEFT - RIGHT, LEFT * RIGHT, LEFT / RIGHT])
    np.testing.assert_array_equal(results, expected)


def test_a_selection_is_made_lane_by_lane():
    """1 where left is less, −1 where it is equal or greater."""
    result = np.empty(NUM_LANES, np.float32)

    _select(LEFT, RIGHT, result)

    np.testing.assert_array_equal(result, np.where(LEFT < RIGHT, 1.0, -1.0))


def test_loads_and_stores_begin_at_any_index():
    """Eight elements from index 2 on go to index 3 on, the others stay."""
    values, result = np.arange(16, dtype=np.float32), np.full(16, -1.0, np.float32)

    _shifted(values, result)

    np.testing.assert_array_equal(result, [-1] * 3 + list(range(2, 10)) + [-1] * 5)


@pytest.mark.parametrize(("threshold", "count"), [(-5.0, 8), (0.0, 5), (1.0, 3), (7.0, 0)])
def test_lanes_are_counted(threshold, count):
    """Bits stand for elements that are not 0; the count is strict."""
    mask, above = _masks(LEFT, np.float32(threshold))

    assert [bool(mask >> lane & 1) for lane in range(NUM_LANES)] == [bool(value) for value in LEFT]
    assert above == count
