"""Half the resolution keeps volumes, places and fractions."""

import dataclasses

import numpy as np
import pytest
from growing_ball import ball_anatomy
from growth_phantoms import mixed_anatomy

from gliofield.anatomy.coarsening import block_means, coarsened_anatomy

ANATOMY = mixed_anatomy()


def test_the_coarse_anatomy_keeps_volume_place_and_fractions():
    """A cube of white and gray halves, cut at even voxels, has the same volumes and world bounds at half the grid."""
    fine = ball_anatomy(num_voxels=12)
    coarse = coarsened_anatomy(fine)

    assert coarse.grid.shape == (6, 6, 6)
    assert coarse.spacing_mm == pytest.approx(2 * fine.spacing_mm)
    np.testing.assert_allclose(coarse.grid.world_of([0, 0, 0]), fine.grid.world_of([0.5, 0.5, 0.5]))
    # Of the rim's blocks, a side has half of its voxels inside, an edge a quarter, a corner an eighth.
    assert coarse.domain.sum() == 4**3 + 6 * 4**2
    assert set(np.unique(coarse.white_matter)) == {0.0, 1.0}
    assert coarse.white_matter.sum() * 2 == coarse.domain.sum()


def test_fractions_are_means_over_the_tissue_of_a_block():
    """Mixed tissue stays mixed, and sums to 1 inside the coarse domain."""
    coarse = coarsened_anatomy(ANATOMY)

    block = ANATOMY.white_matter[10:12, 10:12, 10:12]
    inside = ANATOMY.domain[10:12, 10:12, 10:12]
    assert coarse.white_matter[5, 5, 5] == pytest.approx(block.sum() / inside.sum(), abs=1e-6)
    np.testing.assert_allclose((coarse.white_matter + coarse.gray_matter)[coarse.domain], 1.0, atol=1e-6)


def test_a_domain_too_thin_for_the_coarse_grid_leaves_nothing():
    """Single voxels do not fill half of a block."""
    anatomy = ball_anatomy(num_voxels=6)
    corner = np.zeros_like(anatomy.domain)
    corner[0, 0, 0] = True
    thin = dataclasses.replace(
        anatomy, domain=corner, white_matter=corner.astype(np.float32), gray_matter=np.zeros(corner.shape, np.float32)
    )

    assert coarsened_anatomy(thin) is None


def test_what_is_missing_at_an_odd_end_counts_as_0():
    """Three voxels of 1 along an axis are a full block and half of one."""
    assert block_means(np.ones((3, 2, 2))).ravel().tolist() == [1.0, 0.5]
