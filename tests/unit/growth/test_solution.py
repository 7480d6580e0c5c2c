import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth import Solution


def make_solution(density, times=(1.0,)):
    """Solution on a 2 mm grid."""
    grid = Grid.axis_aligned((2, 2, 1), 2.0, (0, 0, 0))
    return Solution(
        cell_density=np.asarray(density, np.float32).reshape(-1, 2, 2, 1),
        times_days=times,
        grid=grid,
        num_steps=1,
        num_voxel_steps=4,
        scheme="strang-rkl2",
        backend="numpy",
        front_resolution=1.0,
    )


def test_volume_counts_strictly_above_the_threshold_at_each_time():
    """Voxels of 8 µl; a density equal to the threshold does not count."""
    solution = make_solution([[0.0, 0.25, 0.5, 0.75], [0.5, 0.5, 0.75, 1.0]], times=(1.0, 2.0))

    assert solution.volume_ml(0.5) == pytest.approx([0.008, 0.016])


def test_densities_must_match_times_and_grid():
    """One density per time."""
    with pytest.raises(ParameterError, match=r"\(num_times, X, Y, Z\) = \(2, 2, 2, 1\)"):
        make_solution([0.0, 0.0, 0.0, 0.0], times=(1.0, 2.0))


def test_a_threshold_that_is_no_number_is_refused():
    """NaN compares false with everything and would give a volume of 0."""
    with pytest.raises(ParameterError, match="threshold must be a finite cell density"):
        make_solution([0.0, 0.0, 0.0, 0.0]).volume_ml(float("nan"))
