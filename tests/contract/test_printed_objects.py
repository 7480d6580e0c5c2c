"""Objects print in a few lines: what they are, how large, on which grid; never their arrays."""

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls
from level_database import database_of_levels
from mass_effect_phantoms import phantom_anatomy, pushing_tumor
from phantom_brain import GRID, phantom_atlas, phantom_labels

from gliofield.anatomy import segmentation_from_labels
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, MassEffect
from gliofield.retrieval import BlockIndex, ExhaustiveIndex
from gliofield.retrieval.query import Hit, Hits
from gliofield.volume import Volume


def _hits(number, dice_t1gd=0.5):
    found = [Hit(index=i, distance=0.1, dice_t1gd=dice_t1gd, dice_flair=0.75, parameters={}) for i in range(number)]
    return Hits(hits=tuple(found), num_candidates_evaluated=40, seconds=0.25)


def _solution(times_days):
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.05, proliferation_rate_per_day=0.05, seed_mm=(-10.0, 15.0, 11.0)
    )
    return FisherKolmogorov().simulate(ball_anatomy(), parameters, times_days)


def _database():
    return database_of_levels([np.zeros((4, 4, 4), np.uint8)] * 3, Grid.axis_aligned((4, 4, 4), 2.0, (0.0, 0.0, 0.0)))


CASES = {
    "a volume": (lambda: Volume(np.zeros(GRID.shape, np.float32), GRID), ["Volume(float32, shape (44, 50, 40)"]),
    "an atlas": (phantom_atlas, ["Atlas('phantom', analytic", "shape (44, 50, 40)"]),
    "an anatomy": (ball_anatomy, ["Anatomy(domain 8 ml by the rule 'cube', without tissue_maps", "shape (12, 12, 12)"]),
    "tissue maps": (
        lambda: phantom_atlas().tissue_maps,
        ["TissueMaps(white_matter ", " ml, brain 1", "spacing (4, 4, 4)"],
    ),
    "a segmentation": (
        lambda: segmentation_from_labels(phantom_labels()),
        ["Segmentation(scheme 'brats2023', tumor_core 7.", " ml, whole_tumor 4"],
    ),
    "a solution": (
        lambda: _solution(30.0),
        ["Solution(days 30; strang-rkl2 on numba, ", " steps", "shape (12, 12, 12)"],
    ),
    "a long solution": (lambda: _solution(np.arange(1, 9)), ["Solution(days 1, 2, 3, 4, 5, 6, … (8 times); "]),
    "a pushing solution": (
        lambda: MassEffect(num_coupling_steps=1).simulate(
            phantom_anatomy((12, 14, 13), 10.0), pushing_tumor(push_pa=0.0, seed_mm=(-25.0, 15.0, 0.0)), 5.0
        ),
        ["MassEffectSolution(days 5; strang-rkl2"],
    ),
    "a database": (
        _database,
        ["LevelDatabase('memory', 3 tumors", "model none, design none, atlas none", "shape (4, 4, 4)"],
    ),
    "the direct query": (lambda: ExhaustiveIndex(_database()), ["ExhaustiveIndex('memory', 3 tumors, shown above 0.2"]),
    "the exact index": (lambda: BlockIndex.open(_database()), ["BlockIndex('memory', 3 tumors, shown above 0.2"]),
    "hits": (
        lambda: _hits(2),
        ["Hits(2 tumors, 40 compared in full, 0.25 s", "1: distance 0.1000, Dice FLAIR 0.750, T1Gd"],
    ),
    "hits without core": (lambda: _hits(1, dice_t1gd=None), ["0: distance 0.1000, Dice FLAIR 0.750)"]),
    "many hits": (lambda: _hits(9), ["Hits(9 tumors, ", "4: distance", "and 4 more)"]),
}


@pytest.mark.parametrize("name", CASES)
def test_an_object_prints_in_a_few_lines(name):
    """Name and size are there, arrays are not."""
    make, parts = CASES[name]
    text = repr(make())

    assert [part for part in parts if part not in text] == []
    assert "array(" not in text
    assert len(text.splitlines()) <= 7
    assert all(len(line) <= 160 for line in text.splitlines())


def test_a_stopped_solution_says_so():
    """Where its volume ended it."""
    from gliofield.growth import VolumeLimit

    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.05, proliferation_rate_per_day=0.05, seed_mm=(-10.0, 15.0, 11.0)
    )
    limit = VolumeLimit(threshold=0.1, max_volume_ml=0.01)
    solution = FisherKolmogorov().simulate(ball_anatomy(), parameters, 30.0, volume_limit=limit)

    assert f"days none, stopped at day {solution.stopped_at_days:g} by its volume" in repr(solution)


def test_a_database_is_as_long_as_it_has_tumors(tmp_path):
    """And prints its folder."""
    database = build_balls(tmp_path / "db", num_tumors=3)

    assert len(database) == 3
    assert f"SimulationDatabase({str(tmp_path / 'db')!r}, 3 tumors\n  model growing-ball, design balls" in repr(
        database
    )


def test_hits_are_a_sequence():
    """Length, index, slice, iteration and membership are those of the tuple `hits`."""
    found = _hits(3)

    assert len(found) == 3
    assert found[0] is found.hits[0]
    assert found[-1].index == 2
    assert found[1:] == found.hits[1:]
    assert [hit.index for hit in found] == [0, 1, 2]
    assert found.hits[1] in found
