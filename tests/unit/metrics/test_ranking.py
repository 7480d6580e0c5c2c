"""The first voxels of a ranking: scores, then distances, then places."""

import numpy as np
import pytest

from gliofield.metrics import best_first, highest_voxels

SCORE = np.array([0.3, 0.9, 0.0, 0.0, 0.0, 0.7]).reshape(1, 2, 3)
DISTANCE_MM = np.array([9.0, 9.0, 3.0, 1.0, 3.0, 9.0]).reshape(1, 2, 3)
ALL = np.ones(SCORE.shape, bool)


@pytest.mark.parametrize(
    ("count", "places"),
    [(0, []), (1, [1]), (2, [1, 5]), (3, [0, 1, 5]), (4, [0, 1, 3, 5]), (5, [0, 1, 2, 3, 5]), (6, [*range(6)])],
)
def test_scores_first_then_distance_then_place(count, places):
    """Of three zeros the nearest comes first, and of two equally near ones the first of the array."""
    chosen = highest_voxels(SCORE, count, within=ALL, distance_mm=DISTANCE_MM)

    assert np.flatnonzero(chosen).tolist() == places


def test_nothing_outside_is_chosen():
    """More voxels than there are inside: all of them."""
    within = SCORE > 0.5
    chosen = highest_voxels(SCORE, 5, within=within, distance_mm=DISTANCE_MM)

    np.testing.assert_array_equal(chosen, within)


def test_a_constant_score_is_ranked_by_distance():
    """As a margin of that volume."""
    chosen = highest_voxels(np.zeros_like(SCORE), 3, within=ALL, distance_mm=DISTANCE_MM)

    assert np.flatnonzero(chosen).tolist() == [2, 3, 4]


@pytest.mark.parametrize("count", range(7))
def test_the_whole_order_begins_with_the_highest_voxels(count):
    """The same rule in both functions."""
    order = best_first(SCORE.ravel(), DISTANCE_MM.ravel())
    chosen = highest_voxels(SCORE, count, within=ALL, distance_mm=DISTANCE_MM)

    assert sorted(order[:count].tolist()) == np.flatnonzero(chosen).tolist()
