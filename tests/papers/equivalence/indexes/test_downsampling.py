"""Downsampling by picked voxels equals scipy's zoom."""

import numpy as np
import pytest
from scipy import ndimage

from gliofield_papers.indexes.downsampling import sample, sample_positions


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
