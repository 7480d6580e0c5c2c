"""Smooth random fields have the same spread everywhere, and are alike at nearby places only."""

import numpy as np

from gliofield.assimilation.smooth_noise import smooth_noise

SHAPE, SPACING_MM = (12, 10, 14), (2.0, 2.0, 3.0)


def fields(number=400, correlation_mm=9.0):
    rng = np.random.default_rng(3)
    return np.array([smooth_noise(rng, SHAPE, SPACING_MM, correlation_mm) for _ in range(number)])


def test_the_spread_is_one_at_every_voxel():
    """Mean 0, standard deviation 1, within what 400 fields can tell (five standard errors)."""
    drawn = fields()

    assert drawn.dtype == np.float32
    assert np.abs(drawn.mean(axis=0)).max() < 5.0 / np.sqrt(400)
    assert np.abs(drawn.std(axis=0) - 1.0).max() < 5.0 / np.sqrt(2 * 400)


def test_neighbors_are_alike_and_far_voxels_are_not():
    """Correlation falls from nearly 1 at a voxel's distance to about a half at the correlation length and to 0."""
    drawn = fields()
    line = drawn[:, :, 5, 7]

    def correlation(first, second):
        return np.corrcoef(line[:, first], line[:, second])[0, 1]

    assert correlation(3, 4) > 0.9
    assert 0.4 < correlation(1, 6) < 0.85
    assert abs(np.corrcoef(drawn[:, 0, 0, 0], drawn[:, -1, -1, -1])[0, 1]) < 0.2


def test_the_generator_says_which_field_it_is():
    """The same state gives the same field, another one another."""
    first, again, other = (smooth_noise(np.random.default_rng(seed), SHAPE, SPACING_MM, 9.0) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.5
