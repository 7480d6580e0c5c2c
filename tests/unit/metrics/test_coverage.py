import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.metrics import cells_covered_at_equal_volume

GRID = Grid.axis_aligned((21, 21, 21), 1.0, (0, 0, 0))


def _one_sided_tumor():
    """A visible voxel in the middle; all invisible cells lie to the right of it."""
    truth = np.zeros(GRID.shape, dtype=np.float32)
    truth[10:19, 10, 10] = np.linspace(1.0, 0.1, 9)
    visible = truth > 0.95
    return truth, visible


def test_a_perfect_density_covers_all_cells_a_margin_misses():
    """At equal volume the true isoline holds everything, a symmetric margin only its own radius."""
    truth, visible = _one_sided_tumor()
    brain = np.ones(GRID.shape, dtype=bool)

    result = cells_covered_at_equal_volume(truth, truth, visible, brain, GRID, margin_mm=2.0)

    assert result.covered_by_density == pytest.approx(1.0)
    assert result.covered_by_margin == pytest.approx(truth[10:13, 10, 10].sum() / truth.sum())
    assert result.volume_ml == pytest.approx(33e-3)  # the 33 voxels within 2 mm of a voxel


def test_an_empty_prediction_falls_back_to_the_margin():
    """With no predicted cell the region fills up by distance, so it covers exactly what the margin does."""
    truth, visible = _one_sided_tumor()
    brain = np.ones(GRID.shape, dtype=bool)

    result = cells_covered_at_equal_volume(truth, np.zeros_like(truth), visible, brain, GRID, margin_mm=3.0)

    assert result.covered_by_density == pytest.approx(result.covered_by_margin)


def test_both_regions_are_cut_to_the_brain():
    """Cells outside the brain count neither inside the regions nor in the total."""
    truth, visible = _one_sided_tumor()
    brain = np.zeros(GRID.shape, dtype=bool)
    brain[:14] = True

    result = cells_covered_at_equal_volume(truth, truth, visible, brain, GRID, margin_mm=15.0)

    assert result.covered_by_margin == pytest.approx(1.0)


@pytest.mark.parametrize("empty", ["truth", "visible"])
def test_coverage_without_a_tumor_is_undefined(empty):
    """No visible tumor or no true cells: an error, not a number."""
    truth, visible = _one_sided_tumor()
    if empty == "truth":
        truth = np.zeros_like(truth)
    else:
        visible = np.zeros_like(visible)

    with pytest.raises(ParameterError, match="undefined"):
        cells_covered_at_equal_volume(truth, truth, visible, np.ones(GRID.shape, dtype=bool), GRID)


def test_a_negative_margin_is_refused():
    """A margin is a distance."""
    truth, visible = _one_sided_tumor()

    with pytest.raises(ParameterError, match="margin_mm must be ≥ 0"):
        cells_covered_at_equal_volume(truth, truth, visible, np.ones(GRID.shape, dtype=bool), GRID, margin_mm=-1)
