"""Distances through tissue against shapes whose shortest ways are known."""

import numpy as np
import pytest
from scipy import ndimage, optimize

from gliofield.metrics import dice, surface_agreement
from gliofield.radiotherapy import geodesic_distance_mm

MARGIN_MM = 15.0


def ball(shape, center, radius_mm, spacing_mm=(1.0, 1.0, 1.0)):
    """Voxels whose center lies in a ball."""
    places = [(np.arange(n) - c) * s for n, c, s in zip(shape, center, spacing_mm, strict=True)]
    x, y, z = np.meshgrid(*places, indexing="ij")
    return x**2 + y**2 + z**2 <= radius_mm**2


def test_the_margin_of_a_ball_is_a_ball():
    """Nothing in the way: the margin of 15 mm around a ball of 10 mm is the one of 25 mm; surface Dice at 1 mm is 1."""
    shape, center = (56, 56, 56), (28, 28, 28)
    source = ball(shape, center, 10.0)

    margin = geodesic_distance_mm(source, np.ones(shape, bool), (1.0, 1.0, 1.0), largest_mm=MARGIN_MM) <= MARGIN_MM

    expected = ball(shape, center, 25.0)
    assert dice(margin, expected, if_both_empty=0.0) > 0.98
    assert surface_agreement(margin, expected, (1.0, 1.0, 1.0), tolerance_mm=1.0).surface_dice >= 0.98


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (1.0, 1.0, 5.0), (0.7, 1.3, 2.0)])
def test_without_obstacles_it_is_the_euclidean_distance(spacing_mm, rng):
    """Between voxel centers, for a ragged source and voxels that are no cubes: to a tenth of a voxel."""
    noise = ndimage.gaussian_filter(rng.normal(size=(40, 40, 24)), 3.0)
    source = noise > np.quantile(noise, 0.97)

    found = geodesic_distance_mm(source, np.ones(source.shape, bool), spacing_mm, largest_mm=20.0)

    straight = ndimage.distance_transform_edt(~source, sampling=spacing_mm)
    near = np.isfinite(found)
    assert np.abs(found - straight)[near].max() <= 0.1 * max(spacing_mm)
    assert np.count_nonzero((straight <= 20.0) & ~near) <= 1e-3 * np.count_nonzero(near)


@pytest.mark.parametrize("target", [(40, 10, 30), (45, 20, 40), (35, 10, 10), (55, 55, 30), (32, 10, 30)])
def test_behind_a_wall_the_way_leads_through_its_window(target):
    """A wall one voxel thick with a window of 10 × 10 mm: the taut string through it, to less than a voxel."""
    region = np.ones((60, 60, 60), bool)
    region[30] = False
    region[30, 25:35, 25:35] = True
    source = np.zeros_like(region)
    source[20, 10, 30] = True

    found = geodesic_distance_mm(source, region, (1.0, 1.0, 1.0))[target]

    def string(window):
        near, far = np.array([29.5, *window[:2]]), np.array([30.5, *window[2:]])
        ends = np.array([20.0, 10.0, 30.0]), np.array(target, dtype=float)
        return np.linalg.norm(near - ends[0]) + np.linalg.norm(far - near) + np.linalg.norm(ends[1] - far)

    exact = optimize.minimize(string, [25.0, 30.0, 25.0, 30.0], bounds=[(24.5, 34.5)] * 4).fun
    assert abs(found - exact) <= 1.0


def test_a_wall_between_compartments_has_no_thickness_and_no_holes():
    """Two halves with a bridge of 6 mm between them: straight on one side, around through the bridge to the other."""
    shape = (41, 41, 41)
    compartments = np.ones(shape, np.uint8)
    compartments[21:] = 2
    compartments[18:24, :, 38:] = 0
    source = np.zeros(shape, bool)
    source[15, 20, 10] = True

    found = geodesic_distance_mm(source, np.ones(shape, bool), (1.0, 1.0, 1.0), compartments=compartments)

    assert found[20, 20, 10] == pytest.approx(5.0)
    # Up to the bridge, and down again: the string through its edge (z = 37.5) between x = 18 and 23.
    over = np.hypot(20 - 15, 37.5 - 10) + np.hypot(25 - 20, 37.5 - 10)
    assert found[25, 20, 10] == pytest.approx(over, abs=1.5)


def test_a_slanted_wall_of_compartments_does_not_leak():
    """A wall that runs diagonally through the voxels: nothing passes it, where a sheet of voxels would have gaps."""
    x, y, z = np.indices((30, 30, 30))
    compartments = np.where(x + 0.7 * y + 0.4 * z < 30.0, 1, 2).astype(np.uint8)
    source = np.zeros((30, 30, 30), bool)
    source[3, 3, 3] = True

    found = geodesic_distance_mm(source, np.ones(source.shape, bool), (1.0, 1.0, 1.0), compartments=compartments)

    assert np.all(np.isfinite(found[compartments == 1]))
    assert np.all(np.isinf(found[compartments == 2]))
