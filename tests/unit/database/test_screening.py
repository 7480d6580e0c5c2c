"""Draws that a cheap run on a coarse grid shows to be far too large or too small are not simulated."""

import dataclasses

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
