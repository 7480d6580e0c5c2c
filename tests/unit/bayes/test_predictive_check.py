import numpy as np
import pytest

from gliofield.bayes.predictive_check import check_mask

DISTANCE = np.abs(np.arange(2000) - 1000.0)
NUM_SAMPLES = 40


def density(radius):
    """A blurred ball on a line."""
    return np.clip((radius - DISTANCE) / 100.0 + 0.5, 0.0, 1.0)


def check(observed, radii, seed=0):
    return check_mask(
        observed,
        [density(radius) for radius in radii],
        thresholds=np.full(len(radii), 0.5),
        visibility_widths=np.full(len(radii), 0.06),
        voxel_volume_ml=0.01,
        rng=np.random.default_rng(seed),
    )


def test_a_mask_of_the_model_is_explained():
    """Volume among the drawn ones, overlap with it as large as theirs."""
    radii = np.random.default_rng(1).normal(300.0, 20.0, NUM_SAMPLES)

    found = check(density(305.0) > 0.5, radii)

    low, middle, high = found.predicted_volume_ml
    assert low < found.observed_volume_ml < high
    assert found.observed_volume_ml == pytest.approx(6.09, abs=0.02)
    assert low < middle < high
    assert found.volume_tail_probability > 0.3
    assert found.dice_with_observed == pytest.approx(found.dice_with_each_other, abs=0.03)


def test_a_mask_elsewhere_is_not():
    """Same volume, another place: overlap with it falls behind that of the drawn masks with each other."""
    radii = np.random.default_rng(1).normal(300.0, 20.0, NUM_SAMPLES)
    moved = np.roll(density(300.0) > 0.5, 200)

    found = check(moved, radii)

    assert found.dice_with_observed < found.dice_with_each_other - 0.2


def test_a_mask_too_large_is_not():
    """No drawn mask reaches its volume."""
    found = check(density(500.0) > 0.5, np.full(NUM_SAMPLES, 300.0))

    assert found.volume_tail_probability == 0.0


def test_the_generator_reproduces_a_check():
    """The same seed, the same numbers."""
    radii = np.full(5, 300.0)
    observed = density(300.0) > 0.5

    assert check(observed, radii, seed=3) == check(observed, radii, seed=3) != check(observed, radii, seed=4)


def test_two_empty_masks_agree():
    """A modality that shows nothing, and samples that show nothing."""
    found = check(np.zeros(2000, bool), np.full(4, -500.0))

    assert (found.dice_with_observed, found.observed_volume_ml) == (1.0, 0.0)
