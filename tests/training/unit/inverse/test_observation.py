"""Masks as the inverse network sees them, and errors of masks."""

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.inverse import InverseNetworkSettings, MaskPerturbation
from gliofield.inverse.observation import InputLayout
from gliofield_training.inverse.drawn_masks import drawn_threshold_level, perturbed_masks, smooth_random_field

WHOLE_GRID = ((0, 24), (0, 24), (0, 24))


def ball(radius, shape=(24, 24, 24), center=(11.5, 11.5, 11.5)):
    distance = np.linalg.norm(np.moveaxis(np.indices(shape), 0, -1) - np.array(center), axis=-1)
    return distance < radius


def dice(a, b):
    return 2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_merged_masks_have_the_three_published_values():
    """0 outside, 0.333 in FLAIR alone, 0.999 in the core."""
    merged = InputLayout(box=WHOLE_GRID, pooling=1).volume(ball(4), ball(8))

    assert np.unique(merged).tolist() == pytest.approx([0.0, 0.333, 0.999])
    assert merged[12, 12, 12] == pytest.approx(0.999)
    assert merged[12, 12, 18] == pytest.approx(0.333)


def test_pooling_averages_blocks():
    """The mean of the merged volume is kept; a block with one FLAIR voxel of eight has 0.333 / 8."""
    whole = np.zeros((4, 4, 5), bool)
    whole[0, 0, 0] = True
    layout = InputLayout(box=((0, 4), (0, 4), (0, 5)), pooling=2)
    volume = layout.volume(np.zeros_like(whole), whole)

    assert volume.shape == layout.shape == (2, 2, 3)
    assert volume[0, 0, 0] == pytest.approx(0.333 / 8)
    assert np.count_nonzero(volume) == 1


def test_cropping_keeps_the_occupied_box_alone():
    """Of the whole grid nothing is cut off otherwise."""
    settings = InverseNetworkSettings(is_cropped=True)
    occupied = ((2, 5), (1, 7), (0, 4))

    assert InputLayout.of(settings, (16, 8, 8), occupied).box == occupied
    assert InputLayout.of(InverseNetworkSettings(), (16, 8, 8), occupied).box == ((0, 16), (0, 8), (0, 8))


def test_thresholds_fall_into_their_range(rng):
    """Levels of 0.5 to 0.85 are 127 to 217 of 255."""
    levels = [drawn_threshold_level(rng, (0.5, 0.85)) for _ in range(2000)]

    assert 127 <= min(levels) <= 129
    assert 215 <= max(levels) <= 217


@pytest.mark.parametrize("smoothness_voxels", [2.0, 8.0])
def test_random_fields_have_mean_zero_and_deviation_one(rng, smoothness_voxels):
    """Whatever the smoothness; they stay within three deviations."""
    fields = np.array([smooth_random_field((12, 14, 16), smoothness_voxels, rng) for _ in range(1500)])

    assert fields.mean() == pytest.approx(0.0, abs=0.05)
    assert fields.std() == pytest.approx(1.0, abs=0.05)
    assert np.abs(fields).max() <= 3.0


def test_smooth_fields_change_slowly(rng):
    """From voxel to voxel by much less than across the smoothness."""
    field = smooth_random_field((40, 40, 40), 10.0, rng)
    assert np.abs(np.diff(field, axis=0)).std() < 0.2 * field.std()


def test_perturbed_masks_are_near_the_true_ones(rng):
    """Different, but with high Dice; the core stays inside the whole tumor; no error, no difference."""
    core, whole = ball(4), ball(8)
    changed = [perturbed_masks(core, whole, MaskPerturbation(), 2.0, rng) for _ in range(10)]

    for new_core, new_whole in changed:
        assert not (new_core & ~new_whole).any()
        assert 0.6 < dice(new_whole, whole) < 1.0
    nothing = MaskPerturbation(displacement_mm=0.0, outline_mm=0.0)
    unchanged = perturbed_masks(core, whole, nothing, 2.0, rng)
    assert np.array_equal(unchanged[0], core)
    assert np.array_equal(unchanged[1], whole)


def test_outlines_shift_by_as_much_as_asked(rng):
    """Radii of a ball, from volumes, spread by about the outline error where it is the same all around."""
    whole = ball(8)
    errors = MaskPerturbation(displacement_mm=0.0, outline_mm=1.0, smoothness_mm=1000.0)
    volumes = [perturbed_masks(whole, whole, errors, 1.0, rng)[1].sum() for _ in range(200)]
    radii = np.cbrt(3.0 * np.array(volumes) / (4.0 * np.pi))

    assert radii.mean() == pytest.approx(8.0, abs=0.3)
    assert radii.std() == pytest.approx(1.0, abs=0.25)


def test_empty_masks_stay_empty(rng):
    """An empty core beside a whole tumor, and no tumor at all."""
    nothing = np.zeros((24, 24, 24), bool)

    assert not perturbed_masks(nothing, ball(8), MaskPerturbation(), 2.0, rng)[0].any()
    assert not perturbed_masks(nothing, nothing, MaskPerturbation(), 2.0, rng)[1].any()


def test_masks_of_different_shapes_are_refused(rng):
    """They cannot be moved together."""
    with pytest.raises(ParameterError, match="one shape"):
        perturbed_masks(ball(4), ball(4, shape=(24, 24, 20)), MaskPerturbation(), 2.0, rng)


def test_the_part_of_a_mask_outside_the_view_is_counted():
    """Between 0 and 1, by voxels; an empty mask has nothing outside."""
    layout = InputLayout(box=((0, 2), (0, 4), (0, 4)), pooling=1)
    mask = np.zeros((4, 4, 4), bool)
    assert layout.share_outside(mask) == 0.0
    mask[1:, 0, 0] = True
    assert layout.share_outside(mask) == pytest.approx(2.0 / 3.0)
