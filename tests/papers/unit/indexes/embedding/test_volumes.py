"""Masks as the networks see them."""

import numpy as np
import pytest

from gliofield_papers.indexes.embedding.settings import NetworkSettings
from gliofield_papers.indexes.embedding.volumes import VolumeLayout


def _layout(shape, *, pooling=1, channels=(2, 4), box=None):
    settings = NetworkSettings(kind="ae", pooling=pooling, channels=channels)
    return VolumeLayout(settings, shape, box if box is not None else tuple((0, length) for length in shape))


@pytest.fixture
def mask():
    """An irregular mask on 10×12×9 voxels."""
    return np.random.default_rng(1).random((10, 12, 9)) < 0.4


def test_a_full_resolution_volume_is_the_mask_with_empty_margins(mask):
    """Padded to multiples of four for two halvings."""
    volume = _layout(mask.shape).volume(mask)
    assert volume.shape == (12, 12, 12)
    assert np.array_equal(volume[:10, :12, :9], mask)
    assert volume.sum() == mask.sum()


@pytest.mark.parametrize("pooling", [2, 3, 7])
def test_pooled_voxels_hold_the_share_that_is_covered(mask, pooling):
    """The mean of each cube of voxels, those beyond the grid empty; 7³ voxels do not fit a byte."""
    layout = _layout(mask.shape, pooling=pooling)
    padded = np.zeros([length * pooling for length in layout.shape])
    padded[:10, :12, :9] = mask
    x, y, z = layout.shape
    expected = padded.reshape(x, pooling, y, pooling, z, pooling).mean(axis=(1, 3, 5))
    assert layout.volume(mask) == pytest.approx(expected, abs=1e-7)


def test_a_crop_keeps_what_is_inside_and_drops_the_rest(mask):
    """And puts it back where it was."""
    layout = _layout(mask.shape, box=((2, 9), (1, 8), (0, 5)))
    back = layout.mask(layout.volume(mask))
    assert np.array_equal(back[2:9, 1:8, 0:5], mask[2:9, 1:8, 0:5])
    assert back.sum() == mask[2:9, 1:8, 0:5].sum()


def test_a_mask_survives_the_way_there_and_back_at_full_resolution(mask):
    """Nothing is lost without pooling."""
    layout = _layout(mask.shape)
    assert np.array_equal(layout.mask(layout.volume(mask)), mask)


def test_pooling_keeps_voxels_that_are_more_than_half_covered():
    """Exactly half is not enough."""
    layout = _layout((2, 2, 4), pooling=2, channels=(1,))
    mask = np.zeros((2, 2, 4), dtype=bool)
    mask[0, :, :2] = True  # 4 of 8
    mask[:, :, 2:] = True
    mask[0, 0, 2] = False  # 7 of 8
    back = layout.mask(layout.volume(mask))
    assert not back[:, :, :2].any()
    assert back[:, :, 2:].all()
