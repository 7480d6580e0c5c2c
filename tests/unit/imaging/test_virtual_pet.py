import numpy as np
import pytest

from gliofield.errors import GridMismatchError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging import PET_FWHM_MM, blurred_density, independent_voxel_fraction, make_virtual_pet
from gliofield.volume import Volume

GRID = Grid.axis_aligned((32, 30, 28), 2.0, (0.0, 0.0, 0.0))
BRAIN = np.zeros(GRID.shape, dtype=bool)
BRAIN[2:-2, 2:-2, 2:-2] = True
BALL = (np.linalg.norm(np.indices(GRID.shape).T - [14, 14, 16], axis=-1).T < 8).astype(np.float32)


def pet_of(density=BALL, seed=0, **changes):
    return make_virtual_pet(Volume(density, GRID), BRAIN, rng=np.random.default_rng(seed), **changes).data


def test_tumor_brain_and_what_is_stripped_have_their_uptake():
    """1 in the middle of the tumor, the background far from it up to the edge of the brain, 0 outside."""
    pet = pet_of(noise_std=0.0, background=0.25)

    assert pet[14, 14, 16] == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(pet[2:4][BRAIN[2:4]], 0.25, rtol=2e-3)
    assert not pet[~BRAIN].any()
    assert pet.dtype == np.float32


def test_the_blur_has_its_width_in_millimeters():
    """A point becomes a normal curve whose half maximum lies half the width away, along each axis."""
    point = np.zeros(GRID.shape, dtype=np.float32)
    point[15, 15, 15] = 1.0
    pet = pet_of(point, noise_std=0.0, background=0.0, blur_fwhm_mm=8.0)

    for axis in range(3):
        beside = [15, 15, 15]
        beside[axis] += 2  # 4 mm
        assert pet[tuple(beside)] / pet[15, 15, 15] == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(pet_of(noise_std=0.0, blur_fwhm_mm=0.0) > 0.5, BALL > 0.5)


def test_a_tumor_at_the_border_is_seen_as_the_model_of_pet_sees_it():
    """No cells beyond the image for either, or the scale of PET would be missed where a tumor is cut off."""
    cut = np.roll(BALL, -14, axis=0)
    pet = make_virtual_pet(
        Volume(cut, GRID), np.ones(GRID.shape, bool), rng=np.random.default_rng(0), noise_std=0.0, background=0.25
    ).data

    seen = 0.25 + 0.75 * blurred_density(cut, GRID.spacing_mm, PET_FWHM_MM)
    np.testing.assert_allclose(pet, seen, atol=1e-3)
    assert pet[0].max() < 0.8


def test_noise_has_its_standard_deviation_and_the_correlation_of_the_blur():
    """exp(−r²/(2ℓ²)) with ℓ = 3 mm for 5 mm, which is what voxels are weighed by."""
    empty = np.zeros(GRID.shape, dtype=np.float32)
    noise = np.stack([pet_of(empty, seed, noise_std=0.05, background=0.5) - 0.5 for seed in range(8)])[:, BRAIN]
    full = noise.reshape(8, 28, 26, 24)

    assert full.std() == pytest.approx(0.05, rel=0.03)
    correlation = np.mean(full[:, 1:] * full[:, :-1]) / full.var()
    assert correlation == pytest.approx(np.exp(-(2.0**2) / (2 * 3.0**2)), abs=0.03)
    worth = np.var(full.mean(axis=(1, 2, 3))) / full.var() * full[0].size
    assert worth == pytest.approx(1.0 / independent_voxel_fraction((2.0,) * 3, correlation_length_mm=3.0), rel=0.7)


def test_the_unit_scales_everything_and_equal_seeds_give_equal_images():
    """SUV or ratio to brain: the same image."""
    np.testing.assert_allclose(pet_of(unit=4.5), 4.5 * pet_of(), rtol=1e-6)
    assert not np.array_equal(pet_of(), pet_of(seed=1))


@pytest.mark.parametrize(
    "change", [{"background": 1.0}, {"background": -0.1}, {"blur_fwhm_mm": -1.0}, {"noise_std": -1.0}, {"unit": 0.0}]
)
def test_numbers_out_of_range_are_refused(change):
    """By name."""
    with pytest.raises(ParameterError, match="a virtual PET needs background in"):
        pet_of(**change)


def test_another_grid_is_refused():
    """The brain is that of the density."""
    with pytest.raises(GridMismatchError, match="brain must have the density's shape"):
        make_virtual_pet(Volume(BALL, GRID), BRAIN[1:], rng=np.random.default_rng(0))
