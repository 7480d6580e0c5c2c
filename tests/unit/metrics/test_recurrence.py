"""PREDICT-GBM's measure on volumes small enough to write the answers down, and on its edge cases."""

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.metrics import equal_volume_plan, recurrence_coverage, score_recurrence, standard_plan

ROW = (1, 1, 8)


def row(*values):
    """Eight voxels in a row."""
    return np.array(values).reshape(ROW)


EVERYWHERE = np.ones(ROW, dtype=bool)


def test_the_plan_takes_the_largest_values():
    """Three of eight."""
    plan = equal_volume_plan(row(0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.05, 0.6), 3, EVERYWHERE)

    assert plan.ravel().tolist() == [False, True, False, True, False, True, False, False]


def test_of_equal_values_the_last_in_the_array_comes_first():
    """0.5 four times, two places left."""
    plan = equal_volume_plan(row(0.5, 0.9, 0.5, 0.1, 0.5, 0.1, 0.5, 0.1), 3, EVERYWHERE)

    assert np.flatnonzero(plan).tolist() == [1, 4, 6]


def test_a_constant_prediction_goes_by_the_order_of_the_array():
    """0.3 everywhere, which is not binary: the last three."""
    assert np.flatnonzero(equal_volume_plan(np.full(ROW, 0.3), 3, EVERYWHERE)).tolist() == [5, 6, 7]


def test_values_above_1_are_alike():
    """Clipping makes 1 of them: the last ones come first, not the largest."""
    plan = equal_volume_plan(row(7.0, 3.0, 2.0, 1.5, 0.4, 0.3, 0.2, 0.1), 2, EVERYWHERE)

    assert np.flatnonzero(plan).tolist() == [2, 3]


def test_fewer_positive_voxels_than_needed_bring_the_distance_fade():
    """Two positive, three wanted: all order is dropped; inside ties, then the nearest, of two equally near the last."""
    plan = equal_volume_plan(row(0.0, 0.0, 0.0, 0.2, 0.9, 0.0, 0.0, 0.0), 3, EVERYWHERE)

    assert np.flatnonzero(plan).tolist() == [3, 4, 5]


def test_a_binary_prediction_is_taken_for_its_distance_fade():
    """One voxel set: it, then its neighbors, the last first."""
    plan = equal_volume_plan(row(0, 0, 0, 1, 0, 0, 0, 0), 2, EVERYWHERE)

    assert np.flatnonzero(plan).tolist() == [3, 4]


def test_what_is_no_number_comes_last():
    """And brings the fade if it is needed."""
    plan = equal_volume_plan(row(np.nan, 0.9, 0.8, np.nan, 0.7, 0.6, 0.5, 0.4), 2, EVERYWHERE)

    assert np.flatnonzero(plan).tolist() == [1, 2]


def test_only_the_brain_is_chosen_and_no_more_than_it_has():
    """Two voxels of brain, five wanted."""
    brain = row(False, True, False, False, True, False, False, False)

    assert np.flatnonzero(equal_volume_plan(np.linspace(0.1, 0.8, 8).reshape(ROW), 5, brain)).tolist() == [1, 4]
    assert not equal_volume_plan(np.full(ROW, 0.5), 0, EVERYWHERE).any()


def test_the_standard_plan_counts_voxels():
    """A margin of 2 voxels, cut by the brain; none without a core."""
    core = row(False, False, False, True, False, False, False, False)
    brain = row(True, False, True, True, True, True, True, True)

    assert np.flatnonzero(standard_plan(core, brain, margin_voxels=2)).tolist() == [2, 3, 4, 5]
    assert not standard_plan(np.zeros(ROW, bool), brain).any()


def test_coverage_of_nothing_is_1():
    """As published; whoever reports it has to count it."""
    plan = row(True, True, False, False, False, False, False, False)

    assert recurrence_coverage(np.zeros(ROW, bool), plan) == 1.0
    assert recurrence_coverage(row(False, True, True, True, True, False, False, False), plan) == 0.25


def test_a_patient_is_scored_by_both_plans():
    """Core at 3 with edema beside it, 1 voxel of margin: K = 3; the model leans to the right."""
    labels = row(0, 0, 2, 3, 2, 0, 0, 0)
    later = row(0, 0, 0, 4, 2, 3, 1, 0)
    prediction = row(0.01, 0.02, 0.03, 0.9, 0.8, 0.7, 0.2, 0.1)

    found = score_recurrence(labels, later, prediction, EVERYWHERE, margin_voxels=1)

    assert found.plan_voxels == 3
    assert (found.enhancing, found.standard_enhancing) == (1.0, 0.0)
    assert found.any_recurrence == pytest.approx(2 / 3)
    assert found.standard_any == pytest.approx(1 / 3)
    assert (found.has_core, found.has_enhancing, found.has_any) == (True, True, True)


def test_without_a_core_everything_scores_0_and_says_so():
    """K = 0: the ceiling of a cohort is lower by such patients."""
    labels, later = row(0, 2, 2, 0, 0, 0, 0, 0), row(0, 3, 0, 0, 0, 0, 0, 0)

    found = score_recurrence(labels, later, np.linspace(0.1, 0.8, 8).reshape(ROW), EVERYWHERE)

    assert (found.plan_voxels, found.enhancing, found.has_core) == (0, 0.0, False)


def test_holes_of_the_brain_are_filled():
    """A voxel inside that its mask leaves out can be chosen."""
    brain = np.ones((5, 5, 5), bool)
    brain[2, 2, 2] = False
    labels = np.zeros((5, 5, 5), int)
    labels[2, 2, 1] = 1
    later = np.zeros((5, 5, 5), int)
    later[2, 2, 2] = 3
    prediction = np.full((5, 5, 5), 0.1)
    prediction[2, 2, 2] = 0.9

    assert score_recurrence(labels, later, prediction, brain, margin_voxels=1).enhancing == 1.0


def test_shapes_have_to_agree():
    """A prediction of another shape is not resampled here."""
    with pytest.raises(ParameterError, match="must have one shape"):
        score_recurrence(row(*[3] * 8), row(*[3] * 8), np.ones((1, 1, 4)), EVERYWHERE)


def test_a_margin_is_positive():
    """Zero is none."""
    with pytest.raises(ParameterError, match="margin_voxels must be > 0"):
        standard_plan(EVERYWHERE, EVERYWHERE, margin_voxels=0)
