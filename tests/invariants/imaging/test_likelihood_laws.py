"""What must hold of the likelihoods whatever the images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gliofield.imaging import independent_voxel_fraction, log_visibility, mask_log_likelihood, pet_log_likelihood

_THRESHOLD = st.floats(0.05, 0.95)
_WIDTH = st.floats(1e-3, 1.0)
_FORMULA = st.sampled_from(["paper", "published-code"])


@given(density=st.floats(0, 1), threshold=_THRESHOLD, width=_WIDTH, formula=_FORMULA)
def test_probabilities_of_inside_and_outside_sum_to_one(density, threshold, width, formula):
    """α + (1 − α), from two logarithms."""
    inside, outside = log_visibility([density], threshold=threshold, visibility_width=width, formula=formula)

    assert np.exp(inside[0]) + np.exp(outside[0]) == pytest.approx(1.0, rel=1e-12)


@given(threshold=_THRESHOLD, width=_WIDTH)
def test_more_cells_are_never_less_visible(threshold, width):
    """log α increases with the density."""
    inside, outside = log_visibility(np.linspace(0, 1, 101), threshold=threshold, visibility_width=width)

    assert (np.diff(inside) >= 0).all()
    assert (np.diff(outside) <= 0).all()


@given(seed=st.integers(0, 10**6), formula=_FORMULA)
def test_voxels_are_independent_and_have_no_order(seed, formula):
    """The sum over all is the sum over parts, in any order, for masks and PET."""
    rng = np.random.default_rng(seed)
    density, mask, pet = rng.random(90).astype(np.float32), rng.random(90) < 0.4, rng.random(90)
    order = rng.permutation(90)

    def both(part):
        return mask_log_likelihood(
            mask[part], density[part], threshold=0.4, visibility_width=0.1, formula=formula
        ) + pet_log_likelihood(pet[part], density[part], pet_scale=0.8, pet_noise_std=0.2, formula=formula)

    assert both(order[:30]) + both(order[30:]) == pytest.approx(both(slice(None)), rel=1e-10)


@given(scale=st.floats(0.1, 2.0), noise=st.floats(0.01, 1.0))
def test_no_scale_explains_pet_better_than_the_true_one(scale, noise):
    """Noise-free PET: the residual is smallest at the scale it was made with."""
    density = np.linspace(0, 1, 50)

    true = pet_log_likelihood(0.8 * density, density, pet_scale=0.8, pet_noise_std=noise)
    assert pet_log_likelihood(0.8 * density, density, pet_scale=scale, pet_noise_std=noise) <= true + 1e-9


@given(length=st.floats(0.1, 20.0), stride=st.integers(1, 4))
def test_more_correlation_leaves_fewer_independent_voxels(length, stride):
    """And a stride raises the share of those that are used."""
    share = independent_voxel_fraction((2, 2, 2), correlation_length_mm=length, stride=stride)

    assert 0 < share <= 1
    assert independent_voxel_fraction((2, 2, 2), correlation_length_mm=1.1 * length, stride=stride) <= share
    assert independent_voxel_fraction((2, 2, 2), correlation_length_mm=length, stride=stride + 1) >= share
