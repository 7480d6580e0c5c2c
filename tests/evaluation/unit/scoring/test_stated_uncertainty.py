"""Stated intervals and probabilities against truths, by hand."""

import math

import numpy as np
import pytest
from volume_rows import mask, row, tumor_of

from gliofield_evaluation.scoring.stated_uncertainty import (
    NUM_BINS,
    ReliabilityBins,
    best_relative_error,
    constant_interval,
    interval_score,
    pooled_bins,
    reliability_bins,
)


def test_probabilities_are_put_in_bins_with_what_is_true():
    """Stated 0.95, 1.0 and 0.05 in three voxels that count: the core and what is 32 mm away do not."""
    truth = tumor_of(
        cell_density=row(v3=1.0, v6=0.3, v7=0.2, v8=0.21, v39=0.5), tumor_core=mask(3), whole_tumor=mask(3, 4)
    )
    stated = row(v3=1.0, v6=0.95, v7=1.0, v8=0.05, v39=1.0)
    bins = reliability_bins(stated, truth)

    # Within 30 mm of voxel 3 or 4: the voxels 0 to 19, without the core.
    assert sum(bins.num_voxels) == 19
    assert (bins.num_voxels[9], bins.stated[9], bins.true[9]) == (2, pytest.approx(1.95), 1)
    assert (bins.num_voxels[0], bins.stated[0], bins.true[0]) == (17, pytest.approx(0.05), 1)
    assert bins.gaps()[9] == pytest.approx((1.95 - 1) / 2)
    assert math.isnan(bins.gaps()[4])


def test_bins_of_several_cases_are_added():
    """Voxel by voxel."""
    one = ReliabilityBins(num_voxels=(1,) * NUM_BINS, stated=(0.5,) * NUM_BINS, true=(1,) * NUM_BINS)
    both = pooled_bins([one, one])

    assert both.num_voxels == (2,) * NUM_BINS
    assert both.gaps() == [-0.5] * NUM_BINS
    assert sum(pooled_bins([]).num_voxels) == 0


def test_a_reliable_probability_has_no_gap():
    """Truths drawn with the stated probability: every gap is small. With p² for p they are not."""
    rng = np.random.default_rng(1)
    stated = rng.random((60, 60, 20), dtype=np.float32)
    whole = np.ones(stated.shape, bool)
    truth = np.where(rng.random(stated.shape) < stated, 0.5, 0.0).astype(np.float32)
    tumor = tumor_of(
        cell_density=truth, tumor_core=~whole, whole_tumor=whole, treatable=whole, grid=_cube(stated.shape)
    )

    assert max(map(abs, reliability_bins(stated, tumor).gaps())) < 0.02
    assert max(map(abs, reliability_bins(stated**2, tumor).gaps())) > 0.1


def _cube(shape):
    from gliofield.grid import Grid

    return Grid(shape, np.eye(4))


@pytest.mark.parametrize(("truth", "score"), [(2.0, 2.0), (1.0, 2.0), (0.5, 22.0), (3.25, 12.0)])
def test_an_interval_is_scored_by_width_and_misses(truth, score):
    """2 wide; a miss costs forty times its distance."""
    assert interval_score(1.0, 3.0, truth) == pytest.approx(score)


def test_the_best_relative_error_is_that_of_the_farthest_truth_or_less():
    """Truths off by 10 and 20 %: 0.2 covers both; with one of forty far off the miss is cheaper."""
    assert best_relative_error([10.0, 20.0], [11.0, 16.0]) == pytest.approx(0.2)
    assert best_relative_error([10.0] * 41, [11.0] * 40 + [20.0]) == pytest.approx(0.1)
    assert math.isnan(best_relative_error([], []))
    assert constant_interval(10.0, 1.5) == (0.0, 25.0)
