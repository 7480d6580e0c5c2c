"""No mask at m/255 changes by storing one byte per voxel."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gliofield.database import dequantize, level_of_threshold, quantize_density

THRESHOLDS = (np.arange(1, 256, dtype=np.float32) / np.float32(255)).astype(np.float32)


def test_every_threshold_separates_its_neighbors_within_ulps():
    """u > m/255 ⇔ level > m for every m ≥ 1 and u up to 8 ulp to either side, also after decoding."""
    for m, threshold in enumerate(THRESHOLDS, start=1):
        bits = threshold.view(np.int32) + np.arange(-8, 9, dtype=np.int32)
        density = np.minimum(bits.view(np.float32), np.float32(1))
        levels = quantize_density(density)
        np.testing.assert_array_equal(density > threshold, levels > m, err_msg=f"m = {m}")
        np.testing.assert_array_equal(density > threshold, dequantize(levels) > threshold, err_msg=f"m = {m}")


def test_a_dense_sweep_agrees_with_every_threshold():
    """Every 97th float32 between 1/600 and 1, about 1.4 million of them, against the counts above each threshold."""
    first, last = np.array([1 / 600, 1.0], dtype=np.float32).view(np.int32)
    density = np.arange(first, last + 1, 97, dtype=np.int32).view(np.float32)
    # Both are sorted, so masks agree when they begin at the same place.
    begin_of_mask = np.searchsorted(density, THRESHOLDS, side="right")
    begin_of_levels = np.searchsorted(quantize_density(density), np.arange(1, 256), side="right")
    np.testing.assert_array_equal(begin_of_levels, begin_of_mask)


def test_the_papers_thresholds_as_floats_are_exact():
    """0.2 and 0.6 written as Python floats give the masks of the stored levels 51 and 153."""
    for threshold, level in ((0.2, 51), (0.6, 153)):
        bits = np.float32(threshold).view(np.int32) + np.arange(-1000, 1001, dtype=np.int32)
        density = bits.view(np.float32)
        assert level_of_threshold(threshold) == (level, True)
        np.testing.assert_array_equal(density > threshold, quantize_density(density) > level)


def test_values_below_half_of_the_first_level_are_stored_as_zero():
    """u < 1/510 gives level 0, 1/510 and more give at least 1."""
    edge = np.float32(1 / 510)
    density = np.array([0.0, 1e-38, np.nextafter(edge, np.float32(0)), edge], dtype=np.float32)
    np.testing.assert_array_equal(quantize_density(density), [0, 0, 0, 1])


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50), st.integers(1, 254))
def test_masks_survive_storage(values, m):
    """For any densities and any m, thresholding before and after storage gives one mask, and decoding errs ≤ 1/510."""
    density = np.array(values, dtype=np.float32)
    decoded = dequantize(quantize_density(density))
    np.testing.assert_array_equal(density > THRESHOLDS[m - 1], decoded > THRESHOLDS[m - 1])
    assert np.abs(decoded.astype(np.float64) - density).max() <= 1 / 510 + 1e-7


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50))
def test_storing_what_was_stored_changes_nothing(values):
    """Quantizing a decoded density gives the same levels: a database can be rebuilt from its own densities."""
    levels = quantize_density(np.array(values, dtype=np.float32))
    np.testing.assert_array_equal(quantize_density(dequantize(levels)), levels)
