import math

import numpy as np
import pytest

from gliofield.errors import GridMismatchError, ImageError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging import equal_volume_sphere, independent_voxel_fraction

GRID = Grid.axis_aligned((21, 21, 21), 2.0, (-20.0, -20.0, -20.0))
DISTANCE_MM = np.linalg.norm(GRID.world_of(np.stack(np.meshgrid(*[np.arange(21)] * 3, indexing="ij"), -1)), axis=-1)


def test_a_ball_is_its_own_sphere():
    """Center at the origin, radius to half a voxel."""
    sphere = equal_volume_sphere(DISTANCE_MM <= 12.0, GRID)

    assert sphere.center_mm == pytest.approx((0, 0, 0), abs=1e-9)
    assert sphere.radius_mm == pytest.approx(12.0, abs=0.5)


def test_the_region_holds_voxels_within_the_factor_times_the_radius():
    """Voxel centers, the factor counted in radii."""
    sphere = equal_volume_sphere(DISTANCE_MM <= 6.0, GRID)

    assert np.array_equal(sphere.region(GRID, radius_factor=1.5), DISTANCE_MM <= 1.5 * sphere.radius_mm)


def test_a_sphere_of_nothing_is_refused():
    """An empty mask has no center, a mask of another shape no grid, and a factor is positive."""
    with pytest.raises(ImageError, match="mask is empty"):
        equal_volume_sphere(np.zeros(GRID.shape, dtype=bool), GRID)
    with pytest.raises(GridMismatchError, match="mask must have the grid's shape"):
        equal_volume_sphere(np.ones((2, 2, 2), dtype=bool), GRID)
    with pytest.raises(ParameterError, match="radius_factor must be positive"):
        equal_volume_sphere(DISTANCE_MM < 5, GRID).region(GRID, radius_factor=0.0)


def test_the_fraction_follows_the_variance_of_a_correlated_sum(rng):
    """Sums over a smoothed noise field vary by 1/w times as much as over independent voxels."""
    length, number = 2.0, 4000  # in voxels, along one axis; the others are uncorrelated by their spacing
    kernel = np.exp(-0.5 * (np.arange(-20, 21) / (length / math.sqrt(2))) ** 2)
    kernel /= np.linalg.norm(kernel)
    sums = [np.convolve(rng.normal(size=2000), kernel, mode="same")[100:-100].sum() for _ in range(number)]

    fraction = independent_voxel_fraction((1.0, 1000.0, 1000.0), correlation_length_mm=length)

    assert np.var(sums) / 1800 == pytest.approx(1 / fraction, rel=0.1)


def test_no_correlation_is_no_weight():
    """w → 1 as the length goes to 0, and (h/ℓ)³ (2π)^(−3/2) for long ones."""
    assert independent_voxel_fraction((2, 2, 2), correlation_length_mm=0.0) == 1.0
    assert independent_voxel_fraction((2, 2, 2), correlation_length_mm=0.1) == pytest.approx(1.0)
    assert independent_voxel_fraction((1, 1, 1), correlation_length_mm=5.0) == pytest.approx(
        (2 * math.pi) ** -1.5 / 125, rel=1e-6
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"spacing_mm": (1, 1)}, "three positive numbers"),
        ({"spacing_mm": (1, 1, 0)}, "three positive numbers"),
        ({"correlation_length_mm": -1.0}, "finite and ≥ 0"),
        ({"correlation_length_mm": 5000.0}, "Check the unit"),
        ({"stride": 0}, "stride must be at least 1"),
    ],
)
def test_impossible_lengths_are_refused(change, complaint):
    """Spacings, lengths and strides, each by name."""
    settings = {"spacing_mm": (1, 1, 1), "correlation_length_mm": 3.0} | change
    with pytest.raises(ParameterError, match=complaint):
        independent_voxel_fraction(settings.pop("spacing_mm"), **settings)
