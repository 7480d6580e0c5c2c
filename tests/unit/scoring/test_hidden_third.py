"""A third is hidden, and a ranking is scored by what it finds of it."""

import dataclasses
import math

import numpy as np

from gliofield.errors import NumericalError
from gliofield.imaging import Observation
from gliofield.scoring.hidden_third import HiddenThird, directions
from gliofield.scoring.third_rankings import METHOD_RANKINGS, coverage_of
from gliofield.testing.phantom_brain import PHANTOM_GRID, phantom_anatomy, phantom_observation

ANATOMY = phantom_anatomy()
SEEN = dataclasses.replace(phantom_observation(), space=None)
ALONG_X = np.array([1.0, 0.0, 0.0])


def third_of(seen=SEEN, direction=ALONG_X):
    return HiddenThird(seen=seen, anatomy=ANATOMY, direction=direction)


def test_a_third_of_the_tumor_is_hidden_on_one_side():
    """Between a fifth and two fifths in planes of 4 mm, all of it beyond what is visible."""
    third = third_of()
    share = np.count_nonzero(third.hidden_tumor) / np.count_nonzero(SEEN.whole_tumor)
    x = third.world[..., 0]

    assert 0.2 < share < 0.4
    assert x[third.hidden_tumor].min() > x[third.whole_tumor].max()
    np.testing.assert_array_equal(third.whole_tumor | third.hidden_tumor, SEEN.whole_tumor)
    assert not (third.region & third.where).any()


def test_coverage_is_the_share_at_the_hidden_volume():
    """1 for a ranking that knows the truth, 0 for its opposite; ties go to the voxel nearer to the core."""
    third = third_of()
    hidden, region = third.hidden_tumor, third.region
    number = np.count_nonzero(hidden)
    nearest = np.sort(third.from_core_mm[region])[number - 1]

    assert coverage_of(lambda one: hidden.astype(float), third) == 1.0
    assert coverage_of(lambda one: -hidden.astype(float), third) == 0.0
    by_distance = coverage_of(METHOD_RANKINGS["margin"], third)
    assert coverage_of(lambda one: np.zeros(PHANTOM_GRID.shape), third) == by_distance
    within = hidden & (third.from_core_mm < nearest)
    assert by_distance >= np.count_nonzero(within) / number


def test_a_ranking_that_cannot_be_made_is_undefined():
    """So is one of a sector that hides nothing."""

    def refuses(one):
        raise NumericalError("no tumor grows here")

    third = third_of()
    assert math.isnan(coverage_of(refuses, third))
    vars(third)["where"] = np.ones(PHANTOM_GRID.shape, bool)
    assert math.isnan(coverage_of(METHOD_RANKINGS["margin"], third))


def test_without_a_visible_core_the_whole_tumor_takes_its_place():
    """A tumor without core, and one whose core is hidden."""
    third = third_of(
        Observation(tumor_core=np.zeros_like(SEEN.tumor_core), whole_tumor=SEEN.whole_tumor, grid=PHANTOM_GRID)
    )

    np.testing.assert_array_equal(third.from_core_mm, third.from_whole_mm)


def test_the_directions_are_an_icosahedron():
    """Twelve unit vectors with their opposites; neighbors are 63.4 degrees apart."""
    found = directions()
    cosines = found @ found.T

    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0)
    np.testing.assert_allclose(np.sort(cosines, axis=1)[:, [0, -1]], [[-1.0, 1.0]] * 12, atol=1e-12)
    np.testing.assert_allclose(np.sort(cosines, axis=1)[:, 1:-1], [[-(5**-0.5)] * 5 + [5**-0.5] * 5] * 12)
