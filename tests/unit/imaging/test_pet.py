import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from gliofield.errors import ImageError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging import blurred_density, explained_share, move_pet, normalized_pet, pet_log_likelihood
from gliofield.resample import resample
from gliofield.volume import Volume

GRID = Grid.axis_aligned((2, 2, 1), 2.0, (0.0, 0.0, 0.0))
PET = np.array([0.7, 0.0, 0.3, 1.0])
DENSITY = np.array([0.9, 0.1, 0.2, 1.0], dtype=np.float32)


def volume(values):
    return Volume(np.array(values, dtype=np.float32).reshape(GRID.shape), GRID)


def test_the_paper_compares_pet_with_the_scaled_density():
    """Eq. 7: the normal density of y − b u, all voxels."""
    expected = norm.logpdf(PET - 0.8 * DENSITY.astype(float), scale=0.1).sum()

    found = pet_log_likelihood(PET, DENSITY, pet_scale=0.8, pet_noise_std=0.1)

    assert found == pytest.approx(expected, rel=1e-12)


def test_the_published_code_scales_pet_and_leaves_out_zeros():
    """Normal density of u − b y where y > 0."""
    used = PET > 0
    expected = norm.logpdf(DENSITY[used].astype(float) - 0.8 * PET[used], scale=0.1).sum()

    found = pet_log_likelihood(PET, DENSITY, pet_scale=0.8, pet_noise_std=0.1, formula="published-code")

    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("noise", [1e-12, 1e6])
def test_extreme_noise_leaves_the_sum_finite(noise):
    """No square under- or overflows."""
    assert np.isfinite(pet_log_likelihood(PET, DENSITY, pet_scale=0.8, pet_noise_std=noise))


def test_a_background_is_added_to_the_scaled_density():
    """Σ log N(y − b u − a; 0, σ²) over all voxels, by SciPy."""
    expected = norm.logpdf(PET - 0.6 * DENSITY.astype(float) - 0.25, scale=0.1).sum()

    found = pet_log_likelihood(PET, DENSITY, pet_scale=0.6, pet_background=0.25, pet_noise_std=0.1)

    assert found == pytest.approx(expected, rel=1e-12)


def test_a_background_the_model_has_no_place_for_is_refused():
    """Below 0, not finite, or with the published code's formula."""
    for background in (-0.1, float("nan")):
        with pytest.raises(ParameterError, match="pet_background must be finite and ≥ 0"):
            pet_log_likelihood(PET, DENSITY, pet_scale=0.8, pet_noise_std=0.1, pet_background=background)
    with pytest.raises(ParameterError, match="published code's formula knows no background, got pet_background = 0.3"):
        pet_log_likelihood(PET, DENSITY, pet_scale=0.8, pet_noise_std=0.1, pet_background=0.3, formula="published-code")


def test_what_is_explained_is_the_share_of_the_best_line():
    """1 − residual of the least-squares line over the variance, whatever the unit; 0 where PET falls with density."""
    rng = np.random.default_rng(0)
    density = rng.random(50)
    pet = 0.6 * density + 0.3 + 0.1 * rng.normal(size=50)
    (residual,) = np.linalg.lstsq(np.column_stack([density, np.ones(50)]), pet, rcond=None)[1]

    assert explained_share(pet, density) == pytest.approx(1.0 - residual / (50 * pet.var()))
    assert explained_share(7.0 * pet, density) == pytest.approx(explained_share(pet, density))
    assert explained_share(pet, -density) == 0.0
    assert explained_share(pet, np.zeros(50)) == explained_share(np.ones(50), density) == 0.0


def test_a_density_is_blurred_to_the_resolution_of_pet():
    """As SciPy does it in the whole image; nothing changes far from the tumor, with a width of 0, or without tumor."""
    density = np.zeros((24, 20, 18), dtype=np.float32)
    density[6:14, 5:12, 0:7] = np.random.default_rng(1).random((8, 7, 7)).astype(np.float32)
    density[23, 19, 17] = 5e-4
    spacing_mm = (1.5, 2.0, 2.5)
    widths = [5.0 / 2.3548 / spacing for spacing in spacing_mm]

    found = blurred_density(density, spacing_mm, 5.0)

    expected = gaussian_filter(density, widths, mode="constant", truncate=3.0)
    np.testing.assert_allclose(found[:20], expected[:20], atol=1e-5)
    assert found[23, 19, 17] == density[23, 19, 17]
    assert blurred_density(density, spacing_mm, 0.0) is density
    assert not blurred_density(np.zeros_like(density), spacing_mm, 5.0).any()


def test_moved_pet_is_0_where_a_value_would_come_from_voxels_not_measured():
    """Half a voxel further, those beside a hole or the border are left out; the maximum of the rest is 1."""
    values = np.array([4.0, 2.0, 6.0, 0.0, 3.0, 8.0, 5.0, 9.0]).reshape(8, 1, 1)
    grid = Grid.axis_aligned((8, 1, 1), 1.0, (0.0, 0.0, 0.0))
    other = Grid.axis_aligned((8, 1, 1), 1.0, (0.5, 0.0, 0.0))
    measured = np.arange(8).reshape(8, 1, 1) < 7

    moved = move_pet(Volume(values, grid), measured, lambda image: resample(image, other))

    means = np.array([3.0, 4.0, 0.0, 0.0, 5.5, 6.5, 0.0, 0.0])
    np.testing.assert_allclose(moved.data.reshape(-1), means / 6.5, rtol=1e-6)
    assert moved.grid.is_same_as(other)


def test_negative_pet_is_refused_before_it_is_moved():
    """With what was probably done to it: the uptake of healthy brain belongs to the model."""
    grid = Grid.axis_aligned((2, 1, 1), 1.0, (0.0, 0.0, 0.0))
    pet = Volume(np.array([1.0, -0.2]).reshape(2, 1, 1), grid)
    with pytest.raises(ImageError, match="a background that was subtracted.*uptake of healthy brain is part of the"):
        move_pet(pet, np.ones((2, 1, 1), bool), lambda image: image)


def test_normalized_pet_has_maximum_one():
    """Divided by its maximum, zeros stay."""
    assert normalized_pet(volume([0, 2, 4, 8])).data.reshape(-1).tolist() == [0.0, 0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([0, 1, -0.5, 2], "PET must be ≥ 0, got a minimum of -0.5"),
        ([0, 1, np.nan, 2], "1 voxels that are NaN or infinite"),
        ([0, 0, 0, 0], "PET is 0 everywhere"),
    ],
)
def test_impossible_pet_is_refused(values, complaint):
    """Uptake is finite, not negative, and somewhere above 0."""
    with pytest.raises(ImageError, match=complaint):
        normalized_pet(volume(values))


@pytest.mark.parametrize("change", [{"pet_scale": 0.0}, {"pet_noise_std": 0.0}, {"pet_noise_std": float("nan")}])
def test_scale_and_noise_are_positive(change):
    """A noise of 0 would make any residual impossible."""
    settings = {"pet_scale": 0.8, "pet_noise_std": 0.1} | change
    with pytest.raises(ParameterError, match=f"{next(iter(change))} must be finite and at least 1e-12"):
        pet_log_likelihood(PET, DENSITY, **settings)


def test_unknown_formulas_and_other_shapes_are_refused():
    """Names are checked, and voxels must correspond."""
    with pytest.raises(ParameterError, match="formula 'code' is unknown"):
        pet_log_likelihood(PET, DENSITY, pet_scale=0.8, pet_noise_std=0.1, formula="code")
    with pytest.raises(ParameterError, match="one shape"):
        pet_log_likelihood(PET, DENSITY[:2], pet_scale=0.8, pet_noise_std=0.1)
