import dataclasses

import numpy as np
import pytest
from phantom_brain import GRID, LESION_CENTER_MM, phantom_tissue_maps, radius_in
from scipy import ndimage

from gliofield.errors import ParameterError
from gliofield.virtual.images import TumorSigns
from gliofield_evaluation.virtual.edema import FALSE_EDEMA, false_edema

MAPS = phantom_tissue_maps()
WHOLE = (radius_in(GRID, LESION_CENTER_MM, 16.0) < 1) & MAPS.brain
CORE = radius_in(GRID, LESION_CENTER_MM, 9.0) < 1
SIGNS = TumorSigns(whole_tumor=WHOLE, tumor_core=CORE, necrotic=np.zeros_like(CORE))
DISTANCE_MM = ndimage.distance_transform_edt(~WHOLE, sampling=4.0)


def edema(condition, signs=SIGNS, seed=0):
    return false_edema(condition, signs, MAPS, MAPS, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("condition", FALSE_EDEMA)
def test_water_runs_in_white_matter_outside_the_tumor(condition):
    """Under every condition, and there is some under all but one."""
    wet = edema(condition)

    assert wet.any() == (condition != "none")
    assert not (wet & WHOLE).any()
    assert MAPS.white_matter[wet].min(initial=1.0) > 0.5


def test_severe_edema_is_around_and_one_sided_on_one_side():
    """Within 20 mm, and within 12 mm in a half-space through the middle of the tumor."""
    severe, one_sided = edema("severe"), edema("one-sided")
    center = np.argwhere(WHOLE).mean(axis=0)
    directions = np.argwhere(one_sided) - center

    assert DISTANCE_MM[severe].max() <= 24
    assert DISTANCE_MM[one_sided].max() <= 16
    assert not (one_sided & ~severe).any()
    assert 0.2 < np.count_nonzero(one_sided) / np.count_nonzero(severe & (DISTANCE_MM <= 12)) < 0.8
    mean = directions.mean(axis=0)
    assert (directions @ mean > 0).mean() > 0.9


def test_tracts_run_far():
    """Farther than other edema, in pieces that begin at the tumor."""
    tracts = edema("tracts")
    pieces, number = ndimage.label(tracts | WHOLE, np.ones((3, 3, 3)))

    assert DISTANCE_MM[tracts].max() > 28
    assert number == 1
    assert np.count_nonzero(tracts) < 0.2 * np.count_nonzero(MAPS.white_matter > 0.5)


def test_no_water_in_a_cavity():
    """It has its own."""
    cavity = (radius_in(GRID, np.add(LESION_CENTER_MM, (0, 28, 0)), 8.0) < 1) & ~WHOLE

    assert (edema("severe") & cavity).any()
    assert not (edema("severe", dataclasses.replace(SIGNS, cavity=cavity)) & cavity).any()


def test_the_generator_draws_side_and_tracts():
    """The same one gives the same water."""
    for condition in ("one-sided", "tracts"):
        assert np.array_equal(edema(condition, seed=1), edema(condition, seed=1))
        assert not np.array_equal(edema(condition, seed=1), edema(condition, seed=2))


def test_no_tumor_has_no_edema():
    """There is nothing that it could surround."""
    nothing = TumorSigns(whole_tumor=0 * WHOLE > 0, tumor_core=0 * WHOLE > 0, necrotic=0 * WHOLE > 0)

    assert not edema("severe", nothing).any()


def test_an_unknown_condition_is_refused():
    """With the closest name."""
    with pytest.raises(ParameterError, match="severe"):
        edema("sever")
