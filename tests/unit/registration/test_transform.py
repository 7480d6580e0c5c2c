"""Transform: points, images and masks both ways, on cases small enough to check by hand."""

import numpy as np
import pytest

from gliofield.errors import NumericalError, ParameterError
from gliofield.grid import Grid
from gliofield.registration import Transform, inverse_displacement
from gliofield.resample import resample
from gliofield.volume import Volume

GRID = Grid.axis_aligned((6, 5, 4), 1.0, (0.0, 0.0, 0.0))


def _shift(x=0.0, y=0.0, z=0.0):
    affine = np.eye(4)
    affine[:3, 3] = x, y, z
    return affine


def _constant_field(vector):
    return np.broadcast_to(np.asarray(vector, dtype=np.float32), (*GRID.shape, 3)).copy()


def _single_voxel(index, grid=GRID):
    data = np.zeros(grid.shape, dtype=np.float32)
    data[index] = 1.0
    return Volume(data, grid)


def test_the_identity_changes_nothing(rng):
    """Identity: points and voxels come back exactly."""
    volume = Volume(rng.random(GRID.shape, dtype=np.float32), GRID)
    transform = Transform.identity()

    assert np.array_equal(transform.to_atlas(volume, GRID).data, volume.data)
    assert np.array_equal(transform.to_patient(volume, GRID, "nearest").data, volume.data)
    assert np.array_equal(transform.atlas_points_of([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0])
    assert not transform.has_displacement


def test_a_shift_moves_points_and_images_the_same_way():
    """A patient point at (1, 2, 1) mm lands at (3, 2, 1) mm in the atlas, and so does the voxel there."""
    transform = Transform.affine(_shift(x=2.0))

    assert np.array_equal(transform.atlas_points_of([1.0, 2.0, 1.0]), [3.0, 2.0, 1.0])
    assert np.array_equal(transform.patient_points_of([3.0, 2.0, 1.0]), [1.0, 2.0, 1.0])
    assert np.array_equal(transform.to_atlas(_single_voxel((1, 2, 1)), GRID).data, _single_voxel((3, 2, 1)).data)
    assert np.array_equal(transform.to_patient(_single_voxel((3, 2, 1)), GRID).data, _single_voxel((1, 2, 1)).data)


def test_the_displacement_acts_before_the_affine_and_its_inverse_after():
    """Atlas = A (p + u): with A doubling and u = (1, 0, 0) mm, (1, 1, 1) goes to (4, 2, 2), and back."""
    transform = Transform(
        atlas_from_patient=np.diag([2.0, 2.0, 2.0, 1.0]),
        displacement_mm=_constant_field((1, 0, 0)),
        inverse_displacement_mm=_constant_field((-1, 0, 0)),
        displacement_grid=GRID,
    )

    assert np.allclose(transform.atlas_points_of([[1.0, 1.0, 1.0]]), [[4.0, 2.0, 2.0]])
    assert np.allclose(transform.patient_points_of([[4.0, 2.0, 2.0]]), [[1.0, 1.0, 1.0]])
    moved = transform.to_patient(_single_voxel((4, 2, 2)), GRID).data
    assert moved[1, 1, 1] == 1.0
    assert transform.to_atlas(_single_voxel((1, 1, 1)), GRID).data[4, 2, 2] == 1.0


def test_a_turn_shows_which_way_points_and_images_go():
    """Displaced by (1, 0, 1) mm, turned a quarter to the left and shifted: (2, 1, 0) is seen at (11, 23, 31) mm.

    By hand: (2, 1, 0) + (1, 0, 1) = (3, 1, 1), turned (−1, 3, 1), shifted by (12, 20, 30) mm. No part of the map is its
    own inverse, so neither is taken for the other, nor their order.
    """
    turned = np.array([[0.0, -1.0, 0.0, 12.0], [1.0, 0.0, 0.0, 20.0], [0.0, 0.0, 1.0, 30.0], [0.0, 0.0, 0.0, 1.0]])
    transform = Transform(
        atlas_from_patient=turned,
        displacement_mm=_constant_field((1, 0, 1)),
        inverse_displacement_mm=_constant_field((-1, 0, -1)),
        displacement_grid=GRID,
    )
    atlas_grid = Grid.axis_aligned((6, 5, 4), 1.0, (8.0, 20.0, 30.0))

    assert np.array_equal(transform.atlas_points_of([2.0, 1.0, 0.0]), [11.0, 23.0, 31.0])
    assert np.array_equal(transform.patient_points_of([11.0, 23.0, 31.0]), [2.0, 1.0, 0.0])
    in_patient, in_atlas = _single_voxel((2, 1, 0)), _single_voxel((3, 3, 1), atlas_grid)
    assert np.argwhere(transform.to_atlas(in_patient, atlas_grid).data == 1.0).tolist() == [[3, 3, 1]]
    assert np.argwhere(transform.to_patient(in_atlas, GRID).data == 1.0).tolist() == [[2, 1, 0]]


def test_outside_the_field_of_view_is_zero_and_outside_the_field_is_affine():
    """No image value is invented outside its grid, and no displacement outside its own."""
    ones = Volume(np.ones(GRID.shape, dtype=np.float32), GRID)
    field = _constant_field((1, 0, 0))
    transform = Transform(
        atlas_from_patient=np.eye(4), displacement_mm=field, inverse_displacement_mm=-field, displacement_grid=GRID
    )

    assert np.array_equal(Transform.affine(_shift(x=2.0)).to_atlas(ones, GRID).data[:, 0, 0], [0, 0, 1, 1, 1, 1])
    assert np.array_equal(Transform.affine(_shift(x=2.0)).to_atlas(ones, GRID, "nearest").data[:2, 0, 0], [0, 0])
    assert np.array_equal(transform.atlas_points_of([20.0, 0.0, 0.0]), [20.0, 0.0, 0.0])


def test_an_affine_map_agrees_with_resampling(rng):
    """A shift by fractions of a voxel gives what `resample` gives for the shifted grid."""
    volume = Volume(rng.random(GRID.shape, dtype=np.float32), GRID)
    shifted = Volume(volume.data, Grid(GRID.shape, _shift(0.3, -0.4, 0.25) @ GRID.world_from_voxel))

    for interpolation in ("linear", "nearest"):
        moved = Transform.affine(_shift(0.3, -0.4, 0.25)).to_atlas(volume, GRID, interpolation)
        assert np.allclose(moved.data, resample(shifted, GRID, interpolation=interpolation).data, atol=1e-6)


def test_masks_follow_the_rule_asked_for():
    """A mask moved by half a voxel: linear needs strictly more than half, nearest takes the upper voxel of a tie."""
    mask = Volume(np.zeros(GRID.shape, dtype=bool), GRID)
    mask.data[2:4] = True
    transform = Transform.affine(_shift(x=0.5))

    assert np.flatnonzero(transform.mask_to_atlas(mask, GRID).data[:, 0, 0]).tolist() == [3]
    assert np.flatnonzero(transform.mask_to_atlas(mask, GRID, "nearest").data[:, 0, 0]).tolist() == [2, 3]
    assert np.flatnonzero(transform.mask_to_patient(mask, GRID).data[:, 0, 0]).tolist() == [2]
    assert transform.mask_to_atlas(mask, GRID).data.dtype == bool


def test_an_unknown_interpolation_is_refused():
    """The message names the closest valid one."""
    with pytest.raises(ParameterError, match="Did you mean 'linear'"):
        Transform.identity().to_atlas(_single_voxel((0, 0, 0)), GRID, "linera")  # type: ignore[arg-type]


def test_jacobian_of_an_affine_map_is_its_determinant():
    """Doubling one axis doubles volume everywhere; without a grid there is no place to say so."""
    transform = Transform.affine(np.diag([2.0, 1.0, 1.0, 1.0]))

    assert np.array_equal(transform.jacobian_determinant(GRID).data, np.full(GRID.shape, 2.0))
    assert transform.affine_volume_ratio == 2.0
    with pytest.raises(ParameterError, match="has no grid of its own"):
        transform.jacobian_determinant()


def test_jacobian_on_another_grid_is_the_affine_part_outside_the_field():
    """Sampling det J on a larger grid keeps the inner values and falls back to det A outside."""
    field = np.zeros((*GRID.shape, 3), dtype=np.float32)
    field[..., 0] = 0.1 * np.arange(6)[:, None, None]
    transform = Transform(
        atlas_from_patient=np.diag([2.0, 1.0, 1.0, 1.0]),
        displacement_mm=field,
        inverse_displacement_mm=-field,
        displacement_grid=GRID,
    )
    larger = Grid.axis_aligned((10, 5, 4), 1.0, (-2.0, 0.0, 0.0))

    jacobian = transform.jacobian_determinant(larger).data

    assert np.allclose(jacobian[2:8], 2.2)
    assert np.allclose(jacobian[[0, 1, 8, 9]], 2.0)


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.eye(3), "finite 4 x 4 affine"),
        (np.full((4, 4), np.nan), "finite 4 x 4 affine"),
        (np.diag([1.0, 1.0, 0.0, 1.0]), "positive determinant"),
        (np.diag([-1.0, 1.0, 1.0, 1.0]), "mirrors the brain"),
    ],
)
def test_affines_that_are_no_map_of_brains_are_refused(affine, message):
    """Singular, mirrored, non-finite and misshapen affines never become a Transform."""
    with pytest.raises(ParameterError, match=message):
        Transform.affine(affine)


def test_fields_must_come_together_fit_their_grid_and_be_finite():
    """Half a displacement, a wrong shape and NaN are refused."""
    field = _constant_field((0, 0, 0))
    with pytest.raises(ParameterError, match="must be given together"):
        Transform(atlas_from_patient=np.eye(4), displacement_mm=field)
    with pytest.raises(ParameterError, match="must have the shape of its grid"):
        Transform.from_displacement(field[:-1], GRID)
    field[0, 0, 0, 0] = np.nan
    with pytest.raises(ParameterError, match="must be finite"):
        Transform.from_displacement(field, GRID)


def test_a_folding_field_has_no_inverse():
    """u = −2x around the center turns space inside out: the inversion says so."""
    centers = GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1)) - GRID.center_mm
    with pytest.raises(NumericalError, match="folds or is too steep"):
        inverse_displacement(-2.0 * centers, GRID)
