import numpy as np
import pytest
from scipy.stats import norm

from gliofield.errors import ImageError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging import normalized_pet, pet_log_likelihood
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
