import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gliofield.grid import Grid
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

SOURCE = Grid.axis_aligned((8, 9, 10), (1.0, 1.5, 2.0), (-4.0, -6.0, -10.0))


def ramp_at(points_mm: np.ndarray) -> np.ndarray:
    """A linear function of world position, which linear interpolation reproduces exactly."""
    return points_mm @ np.array([0.5, -0.25, 0.125]) + 3.0


def ramp_on(grid: Grid) -> Volume:
    return Volume(ramp_at(centers_of(grid)).astype(np.float32), grid)


def centers_of(grid: Grid) -> np.ndarray:
    return grid.world_of(np.moveaxis(np.indices(grid.shape), 0, -1))


def rotated_grid() -> Grid:
    angle = np.deg2rad(30.0)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, 3] = (-1.0, -1.0, -4.0)
    return Grid((4, 4, 6), affine)


def permuted_grid() -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = [[0, -1.1, 0], [0, 0, 1.3], [0.7, 0, 0]]
    affine[:3, 3] = (2.0, -5.0, -8.0)
    return Grid((9, 5, 6), affine)


@pytest.mark.parametrize(
    "target",
    [
        Grid.axis_aligned((5, 6, 7), (0.7, 1.1, 1.9), (-3.7, -5.3, -8.2)),
        Grid((4, 5, 4), np.array([[-1.2, 0, 0, 2.5], [0, -1.4, 0, 3.0], [0, 0, 2.2, -6.0], [0, 0, 0, 1]])),
        permuted_grid(),
        rotated_grid(),
    ],
    ids=["aligned", "flipped", "permuted", "rotated"],
)
def test_a_linear_ramp_is_reproduced_exactly(target):
    """On any target inside the source, whichever way its axes run."""
    moved = resample(ramp_on(SOURCE), target)

    assert moved.grid == target
    assert moved.data.dtype == np.float32
    assert np.allclose(moved.data, ramp_at(centers_of(target)), atol=2e-6)


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_a_shift_by_whole_voxels_moves_values_untouched(interpolation, rng):
    """Shifted by (1, 2, 0) voxels: the overlap is bit-equal, the rest is 0."""
    source = Volume(rng.random(SOURCE.shape, dtype=np.float32), SOURCE)
    target = Grid.axis_aligned(SOURCE.shape, SOURCE.spacing_mm, SOURCE.world_of((1, 2, 0)))

    moved = resample(source, target, interpolation=interpolation).data

    assert np.array_equal(moved[:-1, :-2, :], source.data[1:, 2:, :])
    assert not moved[-1].any()
    assert not moved[:, -2:].any()


def test_a_flip_reverses_the_array(rng):
    """The same voxels stored LPS: reversed along x and y, bit-equal."""
    source = Volume(rng.random((4, 5, 6), dtype=np.float32), Grid.axis_aligned((4, 5, 6), 1.0, (0, 0, 0)))
    flipped = Grid((4, 5, 6), np.array([[-1, 0, 0, 3.0], [0, -1, 0, 4.0], [0, 0, 1, 0], [0, 0, 0, 1]]))

    assert np.array_equal(resample(source, flipped).data, source.data[::-1, ::-1])


def test_the_same_grid_returns_the_same_values():
    """No interpolation, only the type becomes float32; the source keeps its own array."""
    source = Volume(np.arange(8, dtype=np.int16).reshape(2, 2, 2), Grid.axis_aligned((2, 2, 2), 1.0, (0, 0, 0)))

    moved = resample(source, source.grid)
    moved.data[0, 0, 0] = 99.0

    assert moved.data.dtype == np.float32
    assert source.data[0, 0, 0] == 0


def test_nearest_takes_the_closest_voxel():
    """At 0.49 the value of voxel 0, at 0.51 of voxel 1; beyond half a voxel outside nothing."""
    values = np.array([10.0, 20.0, 30.0], np.float32).reshape(3, 1, 1)
    source = Volume(values, Grid.axis_aligned((3, 1, 1), 1.0, (0, 0, 0)))

    def nearest_at(x_mm):
        target = Grid.axis_aligned((1, 1, 1), 1.0, (x_mm, 0, 0))
        return float(resample(source, target, interpolation="nearest").data[0, 0, 0])

    assert [nearest_at(x) for x in (-0.51, -0.49, 0.49, 0.51, 2.49, 2.51)] == [0.0, 10.0, 10.0, 20.0, 30.0, 0.0]


def test_outside_the_field_of_view_there_is_nothing():
    """Linear interpolation ends at the last voxel center; no value is extrapolated."""
    far = Grid.axis_aligned((2, 2, 2), 1.0, (100.0, 0.0, 0.0))

    assert not resample(ramp_on(SOURCE), far).data.any()
    assert not resample_mask(Volume(np.ones(SOURCE.shape, bool), SOURCE), far).data.any()


@given(shift=st.tuples(*[st.floats(-2.0, 2.0)] * 3), spacing=st.floats(0.6, 2.5))
def test_interpolation_never_leaves_the_range_of_the_values(shift, spacing):
    """Linear weights are convex: nothing below the minimum (or 0 outside) or above the maximum appears."""
    source = ramp_on(SOURCE)
    target = Grid.axis_aligned((6, 6, 6), spacing, np.array([-4.0, -6.0, -10.0]) + shift)

    moved = resample(source, target).data

    assert moved.max() <= source.data.max() + 1e-5
    assert moved.min() >= min(0.0, source.data.min()) - 1e-5


def test_aligned_and_general_interpolation_agree(rng):
    """The separable path and the general one give the same values where the target lies inside."""
    source = Volume(rng.random(SOURCE.shape, dtype=np.float32), SOURCE)
    aligned = Grid.axis_aligned((5, 5, 5), 1.1, (-3.3, -4.1, -8.7))
    # The same centers with the first two array axes exchanged: no longer diagonal, so the general path is taken.
    exchanged = Grid((5, 5, 5), aligned.world_from_voxel[:, [1, 0, 2, 3]])

    separable = resample(source, aligned).data
    general = resample(source, exchanged).data.transpose(1, 0, 2)

    assert np.allclose(separable, general, atol=1e-6)


def test_a_mask_needs_more_than_half_of_its_indicator():
    """Half way between a set and an unset voxel the indicator is 0.5, which is not enough; a hair nearer is."""
    mask = Volume(np.array([True, False]).reshape(2, 1, 1), Grid.axis_aligned((2, 1, 1), 1.0, (0, 0, 0)))

    def is_set_at(x_mm):
        return bool(resample_mask(mask, Grid.axis_aligned((1, 1, 1), 1.0, (x_mm, 0, 0))).data[0, 0, 0])

    assert is_set_at(0.0)
    assert is_set_at(0.49)
    assert not is_set_at(0.5)
    assert not is_set_at(0.51)


def test_a_mask_keeps_its_volume_on_a_finer_grid():
    """A ball of 40 mm diameter at 2 mm has the same volume at 1 mm, to 3 %."""
    coarse = Grid.axis_aligned((30, 30, 30), 2.0, (-29.0, -29.0, -29.0))
    fine = Grid.axis_aligned((58, 58, 58), 1.0, (-28.5, -28.5, -28.5))
    ball = Volume(np.linalg.norm(centers_of(coarse), axis=-1) < 20.0, coarse)

    moved = resample_mask(ball, fine)

    assert moved.data.dtype == bool
    volumes_ml = [v.data.sum() * v.grid.voxel_volume_ml for v in (ball, moved)]
    assert volumes_ml[1] == pytest.approx(volumes_ml[0], rel=0.03)


def test_a_mask_on_its_own_grid_is_returned_as_bool():
    """A label image of zeros and ones becomes a mask."""
    mask = Volume(np.array([0, 1], np.uint8).reshape(2, 1, 1), Grid.axis_aligned((2, 1, 1), 1.0, (0, 0, 0)))

    assert resample_mask(mask, mask.grid).data.ravel().tolist() == [False, True]


def test_grids_one_voxel_thick_are_interpolated():
    """A volume with a single slice has values on that slice only."""
    source = Volume(np.full((3, 3, 1), 7.0, np.float32), Grid.axis_aligned((3, 3, 1), 1.0, (0, 0, 0)))
    target = Grid.axis_aligned((3, 3, 3), 1.0, (0, 0, -1))

    assert resample(source, target).data[1, 1].tolist() == [0.0, 7.0, 0.0]
