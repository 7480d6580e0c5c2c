import numpy as np
import pytest

from gliofield.bayes import (
    effective_number_of_distinct,
    effective_sample_size,
    rank_uniformity,
    truth_ranks,
)
from gliofield.errors import ParameterError


def test_equal_weights_count_fully_and_one_weight_counts_one():
    """(Σw)²/Σw², at any offset of the logarithms."""
    assert effective_sample_size(np.full(7, -1e6)) == pytest.approx(7)
    assert effective_sample_size(np.log([3.0, 1.0])) == pytest.approx(16 / 10)
    assert effective_sample_size(np.array([-np.inf, 4.0])) == 1.0


@pytest.mark.parametrize("weights", [[-np.inf, -np.inf], [0.0, np.nan], [np.inf, 0.0]])
def test_weights_of_nothing_are_refused(weights):
    """All −∞, NaN and +∞."""
    with pytest.raises(ParameterError, match="log weights must be numbers"):
        effective_sample_size(np.array(weights))


def test_duplicates_count_once_in_proportion():
    """Four rows of which three are one: 16/(9 + 1)."""
    assert effective_number_of_distinct(np.array([[1.0, 2], [1, 2], [1, 2], [3, 4]])) == pytest.approx(1.6)
    assert effective_number_of_distinct(np.arange(6.0).reshape(3, 2)) == pytest.approx(3)


def test_the_rank_is_the_number_of_samples_below():
    """Per parameter."""
    assert truth_ranks(np.array([0.5, 9.0]), np.array([[0.1, 1.0], [0.4, 2.0], [0.6, 3.0]])).tolist() == [2, 3]


def test_uniform_ranks_pass_and_ranks_at_the_ends_do_not(rng):
    """p-values of χ² over eight bins."""
    uniform = rng.integers(0, 32, size=800)
    ends = np.where(rng.random(800) < 0.2, 31, uniform)

    assert rank_uniformity(uniform, num_samples=31, num_bins=8) > 0.01
    assert rank_uniformity(ends, num_samples=31, num_bins=8) < 1e-6


def test_p_values_of_uniform_ranks_are_uniform(rng):
    """A twentieth of 2,000 tests is below 0.05."""
    values = [rank_uniformity(rng.integers(0, 32, 160), num_samples=31, num_bins=8) for _ in range(2000)]

    assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    ("ranks", "num_bins", "complaint"),
    [([1], 5, "divide num_samples"), ([1], 1, "at least 2"), ([33], 8, "must lie in 0"), ([], 8, "or none")],
)
def test_unequal_bins_and_impossible_ranks_are_refused(ranks, num_bins, complaint):
    """Bins of unequal size would not be uniform."""
    with pytest.raises(ParameterError, match=complaint):
        rank_uniformity(np.array(ranks, dtype=int), num_samples=31, num_bins=num_bins)
