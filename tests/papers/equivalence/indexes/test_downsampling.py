"""Downsampling by picked voxels and counted shares equals scipy's zoom and plain averages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from gliofield_papers.indexes.downsampling import majority, sample, sample_positions


@pytest.mark.parametrize("shape", [(128, 128, 128), (129, 129, 129), (97, 115, 97), (40, 64, 65)])
@pytest.mark.parametrize("size", [64, 32])
def test_order_0_is_that_of_scipy(shape, size):
    """The papers' call on each axis: zoom(volume, size / n, order=0)."""
    for length in shape:
        expected = ndimage.zoom(np.arange(length), size / length, order=0)
        np.testing.assert_array_equal(sample_positions(length, size), expected)


def test_a_sampled_mask_is_the_mask_of_the_sample():
    """Three axes at once, and thresholding before or after makes no difference."""
    levels = np.random.default_rng(0).integers(0, 256, (20, 17, 23)).astype(np.uint8)
    factors = [9 / length for length in levels.shape]
    np.testing.assert_array_equal(sample(levels, 9), ndimage.zoom(levels, factors, order=0))
    expected = ndimage.zoom((levels > 51).astype(np.uint8), factors, order=0)
    np.testing.assert_array_equal(sample(levels, 9) > 51, expected.astype(bool))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    size=st.integers(2, 9),
    share=st.sampled_from([0.2, 0.5, 0.8]),
    seed=st.integers(0, 1000),
)
def test_shares_are_those_of_a_finer_grid(shape, size, share, seed):
    """Each old voxel is cut into size³ cubes, each new one collects those that are its own."""
    mask = np.random.default_rng(seed).random(shape) < share
    fine = mask.repeat(size, 0).repeat(size, 1).repeat(size, 2)
    x, y, z = shape
    mean = fine.reshape(size, x, size, y, size, z).mean(axis=(1, 3, 5))
    np.testing.assert_array_equal(majority(mask, size), mean > 0.5)


def test_the_bounding_box_changes_nothing():
    """It only says where to look."""
    mask = np.zeros((15, 14, 13), dtype=bool)
    mask[3:9, 2:11, 5:12] = np.random.default_rng(1).random((6, 9, 7)) < 0.7
    box = np.array([3, 9, 2, 11, 5, 12], dtype=np.int16)
    np.testing.assert_array_equal(majority(mask, 7, box=box), majority(mask, 7))
