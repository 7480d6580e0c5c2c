"""Laws of transforms that hold for any map and any way of storing a volume."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantom_brain import stored_orientation

from gliofield.grid import Grid
from gliofield.registration import Transform
from gliofield.volume import Volume

GRID = Grid.axis_aligned((20, 24, 18), 3.0, (-30.0, -34.0, -25.0))


def _smooth_transform(rng):
    points = GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1))
    field = np.zeros((*GRID.shape, 3))
    for _ in range(3):
        center = rng.uniform(-10, 10, 3)
        squared = np.sum((points - center) ** 2, axis=-1, keepdims=True)
        field += rng.uniform(-2, 2, 3) * np.exp(-squared / (2 * 9.0**2))
    affine = np.eye(4)
    affine[:3, :3] += rng.uniform(-0.1, 0.1, (3, 3))
    affine[:3, 3] = rng.uniform(-5, 5, 3)
    return Transform.from_displacement(field.astype(np.float32), GRID, atlas_from_patient=affine)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_there_and_back_is_the_identity_and_no_smooth_map_folds(seed):
    """T⁻¹ ∘ T = id and det J > 0 for random smooth maps well inside the field.

    Linear interpolation misses u by at most h²/8 Σ|∂²u/∂x²| ≤ 9/8 · 3 axes · 3 bumps · 3.5 mm / 9² = 0.44 mm.
    """
    rng = np.random.default_rng(seed)
    transform = _smooth_transform(rng)
    points = rng.uniform(-15, 15, (200, 3))

    back = transform.patient_points_of(transform.atlas_points_of(points))

    assert np.linalg.norm(back - points, axis=-1).max() < 0.44
    assert transform.jacobian_determinant().data.min() > 0


@pytest.mark.parametrize("letters", ["LPS", "LAS", "RPI"])
def test_the_stored_orientation_of_a_volume_does_not_matter(letters, rng):
    """The same voxels stored in another orientation, as source or as target, give the same values in the world."""
    transform = _smooth_transform(rng)
    volume = Volume(rng.random(GRID.shape, dtype=np.float32), GRID)
    stored_grid = stored_orientation(letters, GRID)
    stored = volume.reordered_as(stored_grid)

    expected = transform.to_atlas(volume, GRID)

    assert np.allclose(transform.to_atlas(stored, GRID).data, expected.data, atol=1e-5)
    assert np.allclose(transform.to_atlas(volume, stored_grid).to_ras().data, expected.data, atol=1e-5)
    there = transform.to_patient(stored, stored_grid, "nearest").to_ras().data
    assert np.mean(there == transform.to_patient(volume, GRID, "nearest").data) > 0.999


def test_the_stored_orientation_of_the_field_does_not_matter(rng):
    """Displacement vectors are world vectors: a field stored as LPS maps points like the same field stored as RAS."""
    transform = _smooth_transform(rng)
    stored_grid = stored_orientation("LPS", GRID)
    flipped = Transform(
        atlas_from_patient=transform.atlas_from_patient,
        displacement_mm=transform.displacement_mm[::-1, ::-1],
        inverse_displacement_mm=transform.inverse_displacement_mm[::-1, ::-1],
        displacement_grid=stored_grid,
    )
    points = rng.uniform(-15, 15, (100, 3))

    assert np.allclose(flipped.atlas_points_of(points), transform.atlas_points_of(points), atol=1e-5)
    assert np.allclose(flipped.jacobian_determinant(GRID).data, transform.jacobian_determinant(GRID).data, atol=1e-5)
