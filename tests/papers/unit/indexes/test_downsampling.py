"""Which voxels are picked when an array is brought to fewer."""

import numpy as np

from gliofield_papers.indexes.downsampling import sample


def test_corners_are_kept():
    """Order 0 aligns the corner voxels: first and last stay first and last."""
    values = np.arange(9 * 7 * 5, dtype=np.int64).reshape(9, 7, 5).astype(np.uint8)
    picked = sample(values, 4)
    assert picked.shape == (4, 4, 4)
    assert picked[0, 0, 0] == values[0, 0, 0]
    assert picked[-1, -1, -1] == values[-1, -1, -1]
