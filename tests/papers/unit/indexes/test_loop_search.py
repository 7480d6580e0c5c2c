"""The plain loop over densities: any distance, and the 95 % Hausdorff distance."""

import numpy as np
import pytest
from growing_ball import build_balls
from level_database import database_of_levels

from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.metrics.overlap import dice
from gliofield.retrieval import ExhaustiveIndex
from gliofield_papers.indexes.loop_search import LoopIndex, hausdorff_95_to

GRID = Grid.axis_aligned((9, 7, 8), (1.0, 2.0, 1.5), (0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """20 balls."""
    return build_balls(tmp_path_factory.mktemp("balls") / "db", num_tumors=20)


def _query_of(database, index):
    levels = database.density_levels(index)
    return Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)


def _dice_distance_to(query):
    def distance_of(density):
        core = dice(density > 0.6, query.tumor_core, if_both_empty=0.0)
        return 2.0 - (core + dice(density > 0.2, query.whole_tumor, if_both_empty=0.0))

    return distance_of


def test_a_distance_written_in_python_gives_the_hits_of_the_direct_query(database):
    """Two minus both Dice values, on one thread and on three."""
    query = _query_of(database, int(np.argmax(database.volume_ml[:, 1])))
    expected = ExhaustiveIndex(database).search(query, 20).hits

    for num_threads in (1, 3):
        index = LoopIndex(database, _dice_distance_to, name="own", num_threads=num_threads)
        assert index.search(query, 20).hits == expected
    assert index.name == "own"


def _surface(mask):
    padded = np.pad(mask, 1)
    inner = padded.copy()
    for axis in range(3):
        inner &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
    return np.argwhere(mask & ~inner[1:-1, 1:-1, 1:-1]) * np.array(GRID.spacing_mm)


def _hausdorff_95(a, b):
    distance = np.linalg.norm(_surface(a)[:, np.newaxis] - _surface(b)[np.newaxis, :], axis=-1)
    return max(np.percentile(distance.min(axis=1), 95.0), np.percentile(distance.min(axis=0), 95.0))


def test_the_hausdorff_distance_is_that_of_all_pairs_of_surface_voxels(rng):
    """Random masks on voxels that are no cubes, some of them on the border of the grid."""
    for _ in range(10):
        density = rng.random(GRID.shape, dtype=np.float32)
        whole = rng.random(GRID.shape) < 0.3
        core = whole & (rng.random(GRID.shape) < 0.5)
        query = Observation(tumor_core=core, whole_tumor=whole, grid=GRID)

        expected = _hausdorff_95(density > 0.2, whole) + _hausdorff_95(density > 0.6, core)

        assert hausdorff_95_to(query)(density) == pytest.approx(expected, rel=1e-12)


def test_a_tumor_is_nearest_to_itself_and_an_empty_one_comes_last():
    """Distance 0 and infinity; T1Gd is left out for a query without core."""
    full, empty = np.zeros(GRID.shape, dtype=np.uint8), np.zeros(GRID.shape, dtype=np.uint8)
    full[2:5, 2:5, 2:5] = 200
    database = database_of_levels([empty, full], GRID)
    mask = full > 51
    index = LoopIndex(database, hausdorff_95_to, name="hausdorff-95")

    for core in (mask, np.zeros_like(mask)):
        hits = index.search(Observation(tumor_core=core, whole_tumor=mask, grid=GRID), 5).hits
        assert [(hit.index, hit.distance) for hit in hits] == [(1, 0.0), (0, np.inf)]
    assert hits[0].dice_t1gd is None


def test_every_tumor_is_reported(database):
    """Up to the last one."""
    events = []
    LoopIndex(database, _dice_distance_to, name="own").search(_query_of(database, 0), 1, report=events.append)

    assert events[-1].completed == events[-1].total == 20


def test_what_is_no_distance_is_refused(database):
    """NaN, no hits, no threads."""
    with pytest.raises(ParameterError, match="distance to tumor 0 is NaN"):
        LoopIndex(database, lambda query: lambda density: float("nan"), name="own").search(_query_of(database, 0), 1)
    with pytest.raises(ParameterError, match="k must be at least 1"):
        LoopIndex(database, _dice_distance_to, name="own").search(_query_of(database, 0), 0)
    with pytest.raises(ParameterError, match="num_threads must be at least 1"):
        LoopIndex(database, _dice_distance_to, name="own", num_threads=0)
