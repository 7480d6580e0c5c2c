import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gliofield.errors import GridMismatchError, ParameterError
from gliofield.grid import Grid, reoriented_to_ras

PLAIN = Grid.axis_aligned((4, 5, 6), (1.0, 2.0, 3.0), (-10.0, 20.0, 30.0))


def rotation(angle_deg: float, axis: int) -> np.ndarray:
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    first, second = [a for a in range(3) if a != axis]
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


def oblique_grid(shape=(4, 5, 6), angle_deg=20.0) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = rotation(angle_deg, 2) @ rotation(angle_deg / 2, 0) @ np.diag([1.0, 1.5, 2.0])
    affine[:3, 3] = (3.0, -4.0, 5.0)
    return Grid(shape, affine)


def signed_permutations() -> list[np.ndarray]:
    """The 48 ways to lay array axes along world axes."""
    matrices = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
                matrix[world, axis] = sign
            matrices.append(matrix)
    return matrices


def test_world_and_voxel_positions_are_inverse():
    """voxel (1, 2, 3) of a grid with spacing (1, 2, 3) mm lies at origin + (1, 4, 9) mm, and back."""
    assert PLAIN.world_of((1, 2, 3)).tolist() == [-9.0, 24.0, 39.0]
    assert PLAIN.voxel_of((-9.0, 24.0, 39.0)).tolist() == [1.0, 2.0, 3.0]


def test_positions_come_in_any_batch_shape():
    """(..., 3) in, (..., 3) out."""
    assert PLAIN.world_of(np.zeros((2, 7, 3))).shape == (2, 7, 3)
    assert PLAIN.voxel_of(np.zeros((0, 3))).shape == (0, 3)


def test_spacing_volume_and_center_follow_from_the_affine():
    """1 x 2 x 3 mm voxels hold 6 mm³; the center is half way between first and last voxel."""
    assert PLAIN.spacing_mm == (1.0, 2.0, 3.0)
    assert PLAIN.voxel_volume_ml == pytest.approx(0.006)
    assert PLAIN.num_voxels == 120
    assert PLAIN.center_mm.tolist() == [-8.5, 24.0, 37.5]


def test_rotation_changes_neither_spacing_nor_volume():
    """An oblique grid has the spacings it was rotated from."""
    grid = oblique_grid()

    assert grid.spacing_mm == pytest.approx((1.0, 1.5, 2.0))
    assert grid.voxel_volume_ml == pytest.approx(0.003)


@pytest.mark.parametrize(("last_spacing", "expected"), [(2.0, True), (2.0015, True), (2.01, False), (1.99, False)])
def test_isotropic_means_equal_to_a_thousandth(last_spacing, expected):
    """Header rounding is forgiven, a real difference is not."""
    assert Grid.axis_aligned((2, 2, 2), (2.0, 2.0, last_spacing), (0, 0, 0)).is_isotropic is expected


@pytest.mark.parametrize(
    ("diagonal", "expected"),
    [((1, 1, 1), "RAS"), ((-1, -1, 1), "LPS"), ((-1, 1, 1), "LAS"), ((1, -1, -1), "RPI")],
)
def test_orientation_letters_say_where_each_axis_runs(diagonal, expected):
    """R: the first index grows to the right; L: to the left; and so on."""
    assert Grid((3, 3, 3), np.diag([*diagonal, 1.0])).orientation == expected


def test_orientation_of_permuted_axes():
    """Axes stored as z, x, y with x reversed read S, L, A."""
    affine = np.eye(4)
    affine[:3, :3] = [[0, -1, 0], [0, 0, 1], [1, 0, 0]]

    assert Grid((3, 3, 3), affine).orientation == "SLA"


def test_an_oblique_grid_names_each_world_axis_once():
    """At 45 degrees, where two axes tie, the letters still are a permutation of the world axes."""
    affine = np.eye(4)
    affine[:3, :3] = rotation(45.0, 2) @ rotation(45.0, 0)

    letters = Grid((3, 3, 3), affine).orientation

    assert sorted({"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}[letter] for letter in letters) == [0, 1, 2]


def test_the_field_of_view_ends_half_a_voxel_beyond_the_centers():
    """-0.5 voxel is inside, -0.6 voxel is outside."""
    assert PLAIN.contains(PLAIN.world_of((-0.5, 0, 0)))
    assert PLAIN.contains(PLAIN.world_of((3.5, 4.5, 5.5)))
    assert not PLAIN.contains(PLAIN.world_of((-0.6, 0, 0)))
    assert not PLAIN.contains(PLAIN.world_of((0, 0, 5.6)))


def test_a_grid_survives_its_stored_form():
    """to_dict and from_dict are inverse, and the form is the documented one."""
    grid = oblique_grid()
    stored = grid.to_dict()

    assert set(stored) == {"shape", "world_from_voxel"}
    assert stored["shape"] == [4, 5, 6]
    assert Grid.from_dict(stored) == grid


def test_grids_are_values():
    """Equal content is equal and hashes alike; the affine cannot be written to or aliased."""
    affine = np.eye(4)
    first, second = Grid((2, 2, 2), affine), Grid((2, 2, 2), np.eye(4))
    affine[0, 3] = 5.0

    assert first == second
    assert hash(first) == hash(second)
    assert first != Grid((2, 2, 3), np.eye(4))
    assert first != "a grid"
    with pytest.raises(ValueError, match="read-only"):
        first.world_from_voxel[0, 3] = 1.0


def test_grids_are_the_same_within_a_fiftieth_of_a_voxel():
    """Rounding of headers is forgiven, more is not; the smallest spacing and the farthest corner count."""

    def shifted(gap_mm):
        return Grid.axis_aligned(PLAIN.shape, PLAIN.spacing_mm, np.array([-10.0, 20.0, 30.0]) + gap_mm)

    stretched = Grid.axis_aligned((4, 5, 6), (1.0, 2.0, 3.01), (-10.0, 20.0, 30.0))
    assert PLAIN.is_same_as(shifted(0.011))
    assert not PLAIN.is_same_as(shifted(0.012))
    assert not PLAIN.is_same_as(stretched)
    assert not PLAIN.is_same_as(Grid.axis_aligned((4, 5, 7), (1.0, 2.0, 3.0), (-10.0, 20.0, 30.0)))


def test_a_mismatch_names_both_grids_and_what_to_do():
    """Shape, spacing, orientation and origin of both, one line each."""
    other = Grid((4, 5, 6), np.diag([-1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(GridMismatchError, match="lie on different grids") as caught:
        PLAIN.require_same_as(other, self_name="t1", other_name="segmentation")

    lines = str(caught.value).splitlines()
    assert "t1" in lines[1]
    assert "spacing (1, 2, 3) mm  RAS  origin (-10, 20, 30) mm" in lines[1]
    assert "segmentation  shape (4, 5, 6)  spacing (1, 1, 1) mm  LPS" in lines[2]
    assert "Resample" in lines[3]
    PLAIN.require_same_as(PLAIN, self_name="t1", other_name="t1")


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 0), (4, -1, 4), (2, 2, 2, 2)])
def test_a_shape_is_three_positive_numbers(shape):
    """Anything else is refused with what was given."""
    with pytest.raises(ParameterError, match="shape must be three positive integers"):
        Grid(shape, np.eye(4))


def test_an_affine_is_four_by_four_and_finite():
    """A 3 x 4 matrix and a NaN are refused."""
    with pytest.raises(ParameterError, match="finite 4 x 4 affine"):
        Grid((2, 2, 2), np.eye(4)[:3])
    with pytest.raises(ParameterError, match="finite 4 x 4 affine"):
        Grid((2, 2, 2), np.diag([1.0, np.nan, 1.0, 1.0]))


def test_the_last_row_of_an_affine_is_fixed():
    """A transposed affine (translation in the last row) is found out."""
    affine = np.eye(4)
    affine[3, 0] = 5.0
    with pytest.raises(ParameterError, match="last row of world_from_voxel must be 0 0 0 1"):
        Grid((2, 2, 2), affine)


def test_a_singular_affine_is_refused():
    """A spacing of zero has no voxel."""
    with pytest.raises(ParameterError, match="singular"):
        Grid((2, 2, 2), np.diag([1.0, 0.0, 1.0, 1.0]))


def test_parallel_axes_are_refused():
    """Two array axes along one world axis have no volume, whatever their spacings."""
    affine = np.eye(4)
    affine[:3, 1] = affine[:3, 0]
    with pytest.raises(ParameterError, match="sheared: array axes must be orthogonal"):
        Grid((2, 2, 2), affine)


def test_shear_is_refused_and_header_rounding_is_not():
    """Half a degree of shear is an error; a cosine of 1e-4, as float32 headers give, is not."""

    def with_shear(cosine):
        affine = np.eye(4)
        affine[0, 1] = cosine
        return Grid((2, 2, 2), affine)

    with pytest.raises(ParameterError, match="got a cosine of 0.00873"):
        with_shear(np.tan(np.deg2rad(0.5)))
    assert with_shear(1e-4).orientation == "RAS"


@pytest.mark.parametrize("directions", signed_permutations())
def test_reorientation_keeps_every_voxel_in_place(directions):
    """For all 48 orientations: the result reads RAS and `order` and `flips` say which voxel went where."""
    affine = np.eye(4)
    affine[:3, :3] = directions @ np.diag([1.0, 2.0, 3.0])
    affine[:3, 3] = (7.0, -8.0, 9.0)
    grid = Grid((2, 3, 4), affine)

    ras, order, flips = reoriented_to_ras(grid)

    assert ras.orientation == "RAS"
    assert ras.shape == tuple(grid.shape[axis] for axis in order)
    positions = np.moveaxis(grid.world_of(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    moved = np.stack([np.flip(p.transpose(order), [w for w in range(3) if flips[w]]) for p in positions], axis=-1)
    assert np.allclose(moved, ras.world_of(np.moveaxis(np.indices(ras.shape), 0, -1)), atol=1e-12)


@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 5.0)] * 3),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
)
def test_reorienting_twice_is_reorienting_once(angles, spacing, shape):
    """Any rotated grid: its RAS form is its own RAS form, with the same corners and volume."""
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles[0], 0) @ rotation(angles[1], 1) @ rotation(angles[2], 2) @ np.diag(spacing)
    grid = Grid(shape, affine)

    ras, _, _ = reoriented_to_ras(grid)
    again, order, flips = reoriented_to_ras(ras)

    assert (order, flips) == ((0, 1, 2), (False, False, False))
    assert again.is_same_as(ras)
    assert ras.voxel_volume_ml == pytest.approx(grid.voxel_volume_ml)
    assert ras.center_mm == pytest.approx(grid.center_mm, abs=1e-9)
