"""Which voxels are picked or set when an array is brought to fewer."""

import numpy as np
import pytest

from gliofield_papers.indexes.downsampling import majority, sample


def test_corners_are_kept():
    """Order 0 aligns the corner voxels: first and last stay first and last."""
    values = np.arange(9 * 7 * 5, dtype=np.int64).reshape(9, 7, 5).astype(np.uint8)
    picked = sample(values, 4)
    assert picked.shape == (4, 4, 4)
    assert picked[0, 0, 0] == values[0, 0, 0]
    assert picked[-1, -1, -1] == values[-1, -1, -1]


def test_half_is_not_more_than_half():
    """Of 2×2×2 voxels, four set do not set the new voxel, five do."""
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[0, :2, :2] = True
    assert not majority(mask, 2).any()
    mask[1, 0, 0] = True
    np.testing.assert_array_equal(np.argwhere(majority(mask, 2)), [[0, 0, 0]])


def test_new_voxels_divide_the_field_of_view():
    """Three voxels become two: the middle one belongs to both by halves, so each needs its outer one."""
    mask = np.zeros((3, 2, 2), dtype=bool)
    mask[0] = True
    np.testing.assert_array_equal(majority(mask, 2)[:, 0, 0], [1, 0])
    mask[:] = False
    mask[1] = True
    assert not majority(mask, 2).any()


@pytest.mark.parametrize("size", [5, 12, 19])
def test_all_and_nothing_stay_so(size):
    """Fewer voxels or more."""
    assert majority(np.ones((12, 11, 13), dtype=bool), size).all()
    assert not majority(np.zeros((12, 11, 13), dtype=bool), size).any()
