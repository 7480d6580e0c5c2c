"""Controls: densities made of distances agree with the outlines and fall with the distance."""

import dataclasses

import numpy as np
import pytest

from gliofield.anatomy import SpaceRequest
from gliofield.errors import ParameterError, SegmentationError
from gliofield.grid import Grid
from gliofield.imaging import Observation
from gliofield.pipeline import Distance, DistanceMethod, Margin, MarginMethod, WholeMargin
from gliofield.progress import ignore_progress

GRID = Grid.axis_aligned((41, 37, 33), 2.0, (-40.0, -36.0, -32.0))
DISTANCE_MM = np.linalg.norm(GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1)), axis=-1)


@dataclasses.dataclass(frozen=True)
class Place:
    """A space whose anatomy nobody needs."""

    name: str = "patient"
    grid: Grid = GRID


def seen(core_mm=8.0, whole_mm=16.0):
    return Observation(tumor_core=DISTANCE_MM < core_mm, whole_tumor=DISTANCE_MM < whole_mm, grid=GRID, space=Place())


def density_of(method, observation):
    return method.estimate(observation, report=ignore_progress).cell_density.data


def test_the_distance_control_shows_both_outlines():
    """Above the thresholds it is exactly the two masks, for they are strict at every voxel."""
    observation = seen()
    density = density_of(DistanceMethod(), observation)

    np.testing.assert_array_equal(observation.thresholds.tumor_core(density), observation.tumor_core)
    np.testing.assert_array_equal(observation.thresholds.whole_tumor(density), observation.whole_tumor)


def test_without_a_core_it_shows_the_whole_tumor():
    """And stays below the threshold of T1Gd."""
    observation = seen(core_mm=0.0)
    density = density_of(DistanceMethod(), observation)

    np.testing.assert_array_equal(observation.thresholds.whole_tumor(density), observation.whole_tumor)
    assert not observation.thresholds.tumor_core(density).any()


@pytest.mark.parametrize(("around", "mask_mm"), [("tumor core", 8.0), ("whole tumor", 16.0)])
def test_a_margin_is_what_lies_above_the_flair_threshold(around, mask_mm):
    """The voxels nearer than the margin to the mask, and the mask."""
    observation = seen()
    method = MarginMethod(around=around, margin_mm=7.0)
    shown = observation.thresholds.whole_tumor(density_of(method, observation))
    mask = DISTANCE_MM < mask_mm
    centers, others = GRID.world_of(np.argwhere(mask)), np.argwhere(~mask)
    nearest = np.array([np.linalg.norm(centers - point, axis=1).min() for point in GRID.world_of(others)])
    within = mask.copy()
    # At exactly 7 mm the density is the threshold, which is not above it; float32 decides, so these are left out.
    within[tuple(others[nearest < 7.0 - 1e-3].T)] = True
    ties = np.zeros_like(mask)
    ties[tuple(others[np.abs(nearest - 7.0) <= 1e-3].T)] = True

    np.testing.assert_array_equal(shown[~ties], within[~ties])


@pytest.mark.parametrize("method", [MarginMethod(), MarginMethod(around="whole tumor"), DistanceMethod()])
def test_a_control_falls_outwards_and_has_no_parameters(method):
    """Along a ray from the center the density never rises; there is a density, and nothing else."""
    estimate = method.estimate(seen(), report=ignore_progress)
    ray = estimate.cell_density.data[20:, 18, 16]

    assert np.all(np.diff(ray) < 0.0)
    assert estimate.cell_density.data.dtype == np.float32
    assert (estimate.parameters, estimate.candidates, estimate.posterior, estimate.seed_mm) == ({}, (), None, None)


def test_controls_work_on_the_scan_unless_the_atlas_is_wanted():
    """They simulate nothing, so the grid of the images is the best one."""
    for method in (MarginMethod(), DistanceMethod()):
        assert method.request_space(None) == SpaceRequest(name="patient", on_scan=True)
        assert method.request_space("patient") == SpaceRequest(name="patient", on_scan=True)
        assert method.request_space("atlas") == SpaceRequest()


def test_a_margin_around_no_core_is_refused():
    """With the method that can help."""
    with pytest.raises(SegmentationError, match="this tumor has none. Use method 'whole-margin'"):
        MarginMethod().estimate(seen(core_mm=0.0), report=ignore_progress)


@pytest.mark.parametrize("options", [Margin, WholeMargin])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_margin_is_a_length(options, value):
    """Positive and finite."""
    with pytest.raises(ParameterError, match="margin_mm must be finite and > 0"):
        options(margin_mm=value)


def test_a_decay_length_is_a_length():
    """Positive and finite."""
    with pytest.raises(ParameterError, match="decay_length_mm must be finite and > 0"):
        Distance(decay_length_mm=0.0)
