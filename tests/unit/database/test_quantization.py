"""What is refused, and the decoded values; the threshold law is in tests/invariants."""

import numpy as np
import pytest

from gliofield.database import dequantize, level_of_threshold, quantize_density
from gliofield.errors import ParameterError


def test_levels_decode_to_the_middle_of_their_interval():
    """Level 0 is 0, level 1 is 0.5/255, level 255 is 254.5/255."""
    decoded = dequantize(np.array([0, 1, 255], dtype=np.uint8))
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, np.array([0.0, 0.5 / 255, 254.5 / 255], dtype=np.float32))


def test_an_empty_density_gives_no_levels():
    """An array without voxels is legitimate."""
    assert quantize_density(np.zeros((0, 3), dtype=np.float32)).shape == (0, 3)


def test_strided_input_is_quantized_in_its_own_order():
    """A transposed view gives the transposed levels, and the input stays as it was."""
    density = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    before = density.copy()
    np.testing.assert_array_equal(quantize_density(density.T), quantize_density(density).T)
    np.testing.assert_array_equal(density, before)


@pytest.mark.parametrize("value", [-1e-6, 1.0000002, np.nan, np.inf, -np.inf])
def test_densities_outside_the_unit_interval_are_refused(value):
    """Negative, above 1 and non-finite values name the range found."""
    with pytest.raises(ParameterError, match=r"density must lie in \[0, 1\], got values from"):
        quantize_density(np.array([0.5, value], dtype=np.float32))


def test_other_types_than_float32_are_refused():
    """A float64 would break the law silently."""
    with pytest.raises(ParameterError, match="density must be float32, got float64"):
        quantize_density(np.zeros(3))


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, float("nan"), float("inf")])
def test_thresholds_outside_the_open_unit_interval_are_refused(threshold):
    """0 and 1 would show everything or nothing."""
    with pytest.raises(ParameterError, match="threshold must lie strictly between 0 and 1"):
        level_of_threshold(threshold)


def test_thresholds_are_rounded_to_the_nearest_level_and_say_so():
    """The papers' thresholds are exact, 0.25 is not, and extremes stay within 1 and 254."""
    assert level_of_threshold(0.2) == (51, True)
    assert level_of_threshold(0.6) == (153, True)
    assert level_of_threshold(0.25) == (64, False)
    assert level_of_threshold(1e-6) == (1, False)
    assert level_of_threshold(0.9999) == (254, False)
