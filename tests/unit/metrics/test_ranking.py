"""The first voxels of a ranking: scores, then distances, then places."""

import numpy as np
import pytest

from gliofield.metrics import CoverageCurve, best_first, highest_voxels

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


def test_a_curve_says_what_first_voxels_hold_and_how_many_it_takes():
    """5, 3, 1, 1 of 10: half in the first, 90 % in three; beyond the last there is no more."""
    curve = CoverageCurve.of(np.array([5.0, 3.0, 1.0, 1.0]))

    assert (curve.at(1), curve.at(2), curve.at(9)) == (0.5, 0.8, 1.0)
    assert (curve.count_for(0.5), curve.count_for(0.85), curve.count_for(1.0)) == (1.0, 3.0, 4.0)


def test_a_curve_of_nothing_is_undefined():
    """No amount, no count, no voxel: NaN."""
    for curve in (CoverageCurve.of(np.zeros(3)), CoverageCurve.of(np.zeros(0))):
        assert np.isnan(curve.at(1))
        assert np.isnan(curve.count_for(0.95))
    assert np.isnan(CoverageCurve.of(np.ones(3)).at(0))
