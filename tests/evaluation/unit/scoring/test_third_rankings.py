"""No ranking looks at the hidden third, and each is another one."""

import dataclasses
from itertools import combinations

import numpy as np
import pytest

from gliofield.assimilation import FitSettings
from gliofield.imaging import Observation
from gliofield.scoring import hidden_third
from gliofield.scoring.hidden_third import HiddenThird, directions
from gliofield.scoring.third_rankings import METHOD_RANKINGS, coverage_of
from gliofield.testing.phantom_brain import PHANTOM_GRID, phantom_anatomy, phantom_observation, radius_in
from gliofield_evaluation.scoring import third_rankings
from gliofield_evaluation.scoring.third_rankings import CONTROLS, RANKINGS, fit_straight_ellipsoid

ANATOMY = phantom_anatomy()
SEEN = dataclasses.replace(phantom_observation(), space=None)
ALONG_X = np.array([1.0, 0.0, 0.0])
ALL_RANKINGS = {**RANKINGS, "distance": METHOD_RANKINGS["distance"]}


def third_of(seen=SEEN, direction=ALONG_X):
    return HiddenThird(seen=seen, anatomy=ANATOMY, direction=direction)


@pytest.fixture
def _quick_fits(monkeypatch):
    """Few simulations, whatever a ranking asks for."""

    def quick(seen, anatomy, *, settings, **more):
        few = {"num_starts": 1, "num_evaluations": 8, "num_refinements": 0}
        settings = dataclasses.replace(settings, **few, num_stretched=min(settings.num_stretched, 8))
        return fit(seen, anatomy, settings=settings, **more)

    fit = hidden_third.fit_tumor
    monkeypatch.setattr(hidden_third, "fit_tumor", quick)


def tilted_tumor():
    """An ellipsoid along no axis of the grid, with a core that is not in its middle."""
    along = PHANTOM_GRID.world_of(np.moveaxis(np.indices(PHANTOM_GRID.shape), 0, -1)) - np.array([26.0, 4.0, 12.0])
    first, second = np.array([2.0, 2.0, 1.0]) / 3.0, np.array([-2.0, 1.0, 2.0]) / 3.0
    parts = (along @ first, along @ second, along @ np.cross(first, second))
    radius = np.sqrt(sum((part / length) ** 2 for part, length in zip(parts, (34.0, 22.0, 16.0), strict=True)))
    brain = ANATOMY.tissue_maps.brain
    core = (radius < 0.6) & (parts[0] < 8.0) & brain
    return Observation(tumor_core=core, whole_tumor=(radius < 1.0) & brain, grid=PHANTOM_GRID)


@pytest.mark.usefixtures("_quick_fits")
@pytest.mark.parametrize("seen", [SEEN, tilted_tumor()], ids=["ball", "tilted"])
def test_no_ranking_looks_at_what_is_hidden(seen):
    """With all the hidden region made tumor, or none of it, every ranking is the same there."""
    third = third_of(seen, directions()[2])
    region = third.region
    found = []
    for whole in (third.whole_tumor | region, third.whole_tumor):
        core = seen.tumor_core & third.where | (region & whole)
        changed = third_of(Observation(tumor_core=core, whole_tumor=whole, grid=PHANTOM_GRID), directions()[2])
        vars(changed)["where"] = third.where
        found.append({name: ranking(changed)[region] for name, ranking in ALL_RANKINGS.items()})

    unlike = [name for name in ALL_RANKINGS if not np.array_equal(found[0][name], found[1][name])]
    assert unlike == []


@pytest.mark.usefixtures("_quick_fits")
def test_rankings_differ_from_each_other():
    """No name stands for another's values."""
    third = third_of()
    scores = {name: ranking(third)[third.region] for name, ranking in RANKINGS.items()}
    alike = [pair for pair in combinations(RANKINGS, 2) if np.allclose(scores[pair[0]], scores[pair[1]])]

    assert alike == []
    assert all(np.isfinite(values).all() for values in scores.values())


def test_an_ellipsoid_is_found_by_its_visible_part():
    """Half-axes of 28, 40 and 32 mm with a third hidden: it ranks the hidden part better than distances do."""
    inside = radius_in(PHANTOM_GRID, (4.0, -6.0, 2.0), (28.0, 40.0, 32.0)) <= 1.0
    third = third_of(Observation(tumor_core=inside, whole_tumor=inside, grid=PHANTOM_GRID))
    level = np.sqrt(fit_straight_ellipsoid(third.whole_tumor, third.where, third.world))
    visible = (level < 1.0) & third.where

    overlap = 2.0 * np.count_nonzero(visible & inside)
    assert overlap / (np.count_nonzero(visible) + np.count_nonzero(third.whole_tumor)) > 0.9
    found = {name: coverage_of(RANKINGS[name], third) for name in CONTROLS}
    assert found["ellipsoid"] > found["whole-tumor distance"] + 0.05


def test_controls_are_rankings_and_need_no_fit():
    """They are part of every table."""
    assert set(CONTROLS) < set(RANKINGS)
    assert third_rankings._TENSOR == FitSettings()
    assert set(METHOD_RANKINGS.values()) - {METHOD_RANKINGS["distance"]} < set(RANKINGS.values())
