"""Draws that a cheap run on a coarse grid shows to be far too large or too small are not simulated."""

import dataclasses

import numpy as np
import pytest
from growing_ball import ball_anatomy
from growth_phantoms import mixed_anatomy, tumor_parameters

from gliofield.database.design import Screening, TumorDraw
from gliofield.database.screening import SCREENING_MODEL, coarsened_anatomy, passes_screening

ANATOMY = mixed_anatomy()


def _draw(**sizes: float) -> TumorDraw:
    return TumorDraw(
        parameters=tumor_parameters(ANATOMY), times_days=(150.0,), screening=Screening(threshold=0.6, **sizes)
    )


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


def test_a_domain_too_thin_for_the_coarse_grid_screens_nothing():
    """Single voxels do not fill half of a block."""
    anatomy = ball_anatomy(num_voxels=6)
    corner = np.zeros_like(anatomy.domain)
    corner[0, 0, 0] = True
    thin = dataclasses.replace(
        anatomy, domain=corner, white_matter=corner.astype(np.float32), gray_matter=np.zeros(corner.shape, np.float32)
    )

    assert coarsened_anatomy(thin) is None
    assert passes_screening(None, _draw(min_volume_ml=1e6, max_volume_ml=2e6))


def test_a_draw_passes_if_its_coarse_volume_is_in_range():
    """The volume of the coarse run decides, on both sides."""
    coarse = coarsened_anatomy(ANATOMY)
    volume_ml = SCREENING_MODEL.simulate(coarse, tumor_parameters(ANATOMY), [150.0]).volume_ml(0.6)[0]

    assert passes_screening(coarse, _draw(min_volume_ml=0.9 * volume_ml, max_volume_ml=1.1 * volume_ml))
    assert not passes_screening(coarse, _draw(min_volume_ml=1.1 * volume_ml, max_volume_ml=1.2 * volume_ml))
    assert not passes_screening(coarse, _draw(min_volume_ml=0.1 * volume_ml, max_volume_ml=0.3 * volume_ml))


def test_draws_that_ask_for_no_screening_pass():
    """A design without it simulates everything."""
    draw = dataclasses.replace(_draw(min_volume_ml=1e6, max_volume_ml=2e6), screening=None)

    assert passes_screening(coarsened_anatomy(ANATOMY), draw)


def test_a_seed_without_coarse_tissue_is_simulated():
    """A seed that the coarse grid has no tissue for is left to the full run."""
    coarse = coarsened_anatomy(ANATOMY)
    elsewhere = dataclasses.replace(
        _draw(min_volume_ml=1.0, max_volume_ml=2.0),
        parameters=tumor_parameters(ANATOMY, seed_mm=tuple(ANATOMY.grid.world_of([0.0, 0.0, 0.0]))),
    )

    assert passes_screening(coarse, elsewhere)
