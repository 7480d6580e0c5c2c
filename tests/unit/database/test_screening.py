"""Draws that a cheap run on a coarse grid shows to be far too large or too small are not simulated."""

import dataclasses

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters

from gliofield.anatomy.coarsening import coarsened_anatomy
from gliofield.database.design import Screening, TumorDraw
from gliofield.database.screening import SCREENING_MODEL, passes_screening

ANATOMY = mixed_anatomy()


def _draw(**sizes: float) -> TumorDraw:
    return TumorDraw(
        parameters=tumor_parameters(ANATOMY), times_days=(150.0,), screening=Screening(threshold=0.6, **sizes)
    )


def test_without_a_coarse_anatomy_everything_passes():
    """A domain too thin for the coarse grid screens nothing."""
    assert passes_screening(ANATOMY, None, _draw(min_volume_ml=1e6, max_volume_ml=2e6))


def test_a_draw_passes_if_its_coarse_volume_is_in_range():
    """The volume of the coarse run decides, on both sides."""
    coarse = coarsened_anatomy(ANATOMY)
    volume_ml = SCREENING_MODEL.simulate(coarse, tumor_parameters(ANATOMY), [150.0]).volume_ml(0.6)[0]

    assert passes_screening(ANATOMY, coarse, _draw(min_volume_ml=0.9 * volume_ml, max_volume_ml=1.1 * volume_ml))
    assert not passes_screening(ANATOMY, coarse, _draw(min_volume_ml=1.1 * volume_ml, max_volume_ml=1.2 * volume_ml))
    assert not passes_screening(ANATOMY, coarse, _draw(min_volume_ml=0.1 * volume_ml, max_volume_ml=0.3 * volume_ml))


def test_draws_that_ask_for_no_screening_pass():
    """A design without it simulates everything."""
    draw = dataclasses.replace(_draw(min_volume_ml=1e6, max_volume_ml=2e6), screening=None)

    assert passes_screening(ANATOMY, coarsened_anatomy(ANATOMY), draw)


def test_a_seed_without_coarse_tissue_is_simulated():
    """A seed that the coarse grid has no tissue for is left to the full run."""
    coarse = coarsened_anatomy(ANATOMY)
    elsewhere = dataclasses.replace(
        _draw(min_volume_ml=1.0, max_volume_ml=2.0),
        parameters=tumor_parameters(ANATOMY, seed_mm=tuple(ANATOMY.grid.world_of([0.0, 0.0, 0.0]))),
    )

    assert passes_screening(ANATOMY, coarse, elsewhere)


def test_a_seed_that_the_coarse_grid_holds_little_of_is_simulated():
    """It starts late there, so its tumor looks too small; at the edge of the tissue, on any grid."""
    coarse = coarsened_anatomy(ANATOMY)
    edge = np.argwhere(ANATOMY.domain)[0]
    draw = dataclasses.replace(
        _draw(min_volume_ml=1e3, max_volume_ml=2e3),
        parameters=tumor_parameters(ANATOMY, seed_mm=tuple(ANATOMY.grid.world_of(edge))),
    )
    believing = dataclasses.replace(draw, screening=dataclasses.replace(draw.screening, seed_share=0.0))

    assert passes_screening(ANATOMY, coarse, draw)
    assert not passes_screening(ANATOMY, coarse, believing)


@pytest.mark.parametrize(("spacing_mm", "is_screened"), [(2.6, True), (2.8, False), (4.0, False)])
def test_grids_on_which_a_seed_may_lie_between_all_voxels_screen_nothing(spacing_mm, is_screened):
    """Twice the spacing has voxels whose corners are farther from their centers than the seed reaches."""
    anatomy = mixed_anatomy(spacing_mm=spacing_mm)
    draw = TumorDraw(
        parameters=tumor_parameters(anatomy),
        times_days=(150.0,),
        screening=Screening(threshold=0.6, min_volume_ml=0.0, max_volume_ml=0.01),
    )

    assert passes_screening(anatomy, coarsened_anatomy(anatomy), draw) != is_screened
