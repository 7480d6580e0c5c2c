"""Errors of densities as the papers measure them, over the union, and where they are undefined."""

import math

import numpy as np
import pytest

from gliofield_papers.errors_by_tissue import INVERSE_LEVELS, SURROGATE_LEVELS, MeanValue, density_errors

ONES, ZEROS = np.ones((4, 1, 1), np.float32), np.zeros((4, 1, 1), np.float32)


def volume(*values):
    return np.array(values, np.float32).reshape(-1, 1, 1)


# Truth in voxels 0 and 1, prediction in 1 and 2, nothing in 3.
TRUTH, PREDICTED = volume(0.8, 0.4, 0.0, 0.0), volume(0.0, 0.6, 0.5, 0.0)


def errors_of(white_matter=ONES, csf=ZEROS):
    tissues = {"white_matter": white_matter, "gray_matter": ZEROS, "csf": csf}
    return density_errors(PREDICTED, TRUTH, tissues, levels=(0.2, 0.95))


def test_the_levels_are_the_papers():
    """Thirteen and three."""
    assert len(INVERSE_LEVELS) == 13
    assert SURROGATE_LEVELS == (0.2, 0.4, 0.8)


def test_the_published_error_in_tissue_is_over_the_true_tumor():
    """False tumor does not count: (0.8 + 0.2) / 2."""
    assert errors_of().published["white_matter"] == pytest.approx(0.5)


def test_the_published_error_in_csf_is_over_the_predicted_tumor():
    """Missed tumor does not count: (0.2 + 0.5) / 2."""
    assert errors_of(csf=ONES).published["csf"] == pytest.approx(0.35)


def test_the_union_counts_both():
    """(0.8 + 0.2 + 0.5) / 3, in the tissue and over all."""
    union = errors_of().union
    assert union["white_matter"] == pytest.approx(0.5)
    assert union["all"] == pytest.approx(0.5)
    part = errors_of(white_matter=volume(0.0, 0.5, 1.0, 1.0)).union
    assert part["white_matter"] == pytest.approx((0.2 + 0.5) / 2)


def test_errors_over_nothing_and_dice_of_nothing_are_undefined():
    """No gray matter; neither density exceeds 0.95."""
    errors = errors_of()
    assert math.isnan(errors.published["gray_matter"])
    assert math.isnan(errors.dice[0.95])
    assert errors.dice[0.2] == pytest.approx(0.5)


def test_means_leave_out_and_count_what_is_undefined():
    """Two of three values."""
    value = MeanValue.of([1.0, math.nan, 3.0])
    assert (value.mean, value.median, value.num_defined, value.num_undefined) == (2.0, 2.0, 2, 1)
    nothing = MeanValue.of([math.nan])
    assert math.isnan(nothing.mean)
    assert nothing.num_undefined == 1
