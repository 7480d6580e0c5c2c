import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.imaging import VisibilityThresholds


def test_comparison_is_strict_at_both_thresholds():
    """A density equal to a threshold is not visible."""
    density = np.array([0.2, 0.21, 0.6, 0.61])
    thresholds = VisibilityThresholds()

    assert thresholds.whole_tumor(density).tolist() == [False, True, True, True]
    assert thresholds.tumor_core(density).tolist() == [False, False, False, True]


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, float("nan")])
def test_a_threshold_outside_the_unit_interval_is_refused(value):
    """Thresholds lie strictly between 0 and 1."""
    with pytest.raises(ParameterError, match="strictly between 0 and 1"):
        VisibilityThresholds(t1gd_threshold=value)


def test_swapped_thresholds_are_refused():
    """T1Gd shows the denser part, so its threshold may not be the lower one."""
    with pytest.raises(ParameterError, match="swapped"):
        VisibilityThresholds(t1gd_threshold=0.2, flair_threshold=0.6)
