"""The box around a brain: margins, extents that halve, and the way there and back."""

import numpy as np
import pytest

from gliofield.growth.mechanics.brain_box import BrainBox


def mask(shape, *slices):
    """A box of True voxels."""
    brain = np.zeros(shape, bool)
    brain[slices] = True
    return brain


BRAINS = {
    "in the middle": mask((30, 34, 41), slice(5, 22), slice(9, 30), slice(7, 33)),
    "fills the grid": mask((21, 16, 18), slice(None), slice(None), slice(None)),
    "in a corner": mask((20, 20, 20), slice(0, 9), slice(11, 20), slice(3, 12)),
    "one voxel": mask((7, 7, 7), slice(3, 4), slice(3, 4), slice(3, 4)),
}
every_brain = pytest.mark.parametrize("brain", BRAINS.values(), ids=BRAINS.keys())


@every_brain
def test_the_inner_box_holds_the_brain_and_a_cell_more_on_every_side(brain):
    """Transport looks two cells back: one inner cell and the padding are outside the brain."""
    box = BrainBox.around(brain)
    padded = box.padded(brain)

    assert padded.shape == box.shape == tuple(n + 2 for n in box.inner_shape)
    assert np.count_nonzero(padded) == np.count_nonzero(brain)
    for axis in range(3):
        edge = np.moveaxis(padded, axis, 0)
        assert not edge[:2].any()
        assert not edge[-2:].any()


@every_brain
def test_extents_halve_down_to_the_coarsest_grid(brain):
    """Multiples of 2^(num_levels − 1), and the coarsest grid has at least as many cells as one level would need."""
    box = BrainBox.around(brain)

    assert box.num_levels >= 1
    assert all(extent % 2 ** (box.num_levels - 1) == 0 for extent in box.inner_shape)
    if box.num_levels > 1:
        assert min(box.inner_shape) // 2 ** (box.num_levels - 1) >= 4


def test_a_larger_brain_has_more_levels():
    """One level for each doubling."""
    levels = [BrainBox.around(np.ones((n, n, n), bool)).num_levels for n in (2, 6, 14, 30)]

    assert levels == [1, 2, 3, 4]


@every_brain
@pytest.mark.parametrize("dtype", [np.float32, np.int16, bool])
def test_a_volume_that_is_zero_outside_the_brain_comes_back(brain, dtype, rng):
    """Padded and unpadded, with its type; also where the box goes on beyond the grid."""
    volume = np.where(brain, rng.integers(1, 99, brain.shape), 0).astype(dtype)
    box = BrainBox.around(brain)

    back = box.unpadded(box.padded(volume))

    assert back.dtype == dtype
    np.testing.assert_array_equal(back, volume)


def test_beyond_the_grid_the_box_holds_zeros():
    """A brain that fills the grid has a margin that no array covers."""
    brain = BRAINS["fills the grid"]
    box = BrainBox.around(brain)

    assert min(box.first) < 0
    assert np.count_nonzero(box.padded(np.ones(brain.shape, np.float32))) == brain.size


def test_first_is_the_place_of_the_first_inner_cell():
    """Box index = grid index − first + 1, one for the padding."""
    brain = BRAINS["in the middle"]
    box = BrainBox.around(brain)
    marked = np.zeros(brain.shape, np.float32)
    marked[10, 20, 30] = 1.0

    index = np.argwhere(box.padded(marked))[0]

    np.testing.assert_array_equal(index, np.array([10, 20, 30]) - box.first + 1)
