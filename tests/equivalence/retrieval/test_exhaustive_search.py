"""The threaded search by counts equals the plain loop over masks, to the last bit."""

import numpy as np
import pytest
from growing_ball import build_balls
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_search import nearest_by_reference

from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.retrieval import ExhaustiveIndex
from gliofield.retrieval.query import on_database_grid


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """40 balls on 12³ voxels."""
    return build_balls(tmp_path_factory.mktemp("equivalence") / "db", num_tumors=40)


def _ellipsoid(shape, center, radii):
    offset = (np.moveaxis(np.indices(shape), 0, -1) - np.array(center)) / np.array(radii)
    return np.linalg.norm(offset, axis=-1) <= 1.0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    center=st.tuples(*[st.floats(0, 11)] * 3),
    radii=st.tuples(*[st.floats(1.0, 6.0)] * 3),
    core_share=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    k=st.integers(1, 50),
    levels=st.tuples(st.integers(1, 254), st.integers(1, 254)).map(sorted),
    num_threads=st.sampled_from([1, 3]),
)
def test_search_equals_the_reference(database, center, radii, core_share, k, levels, num_threads):
    """Any ellipsoid, with and without core, any thresholds, any number of threads: equal hits."""
    shape = database.header.grid.shape
    whole = _ellipsoid(shape, center, radii)
    whole[tuple(np.rint(center).astype(int))] = True
    core = whole & _ellipsoid(shape, center, np.array(radii) * core_share + 1e-3)
    query = Observation(tumor_core=core, whole_tumor=whole, grid=database.header.grid)
    thresholds = VisibilityThresholds(flair_threshold=levels[0] / 255, t1gd_threshold=levels[1] / 255)
    index = ExhaustiveIndex(
        database,
        thresholds=thresholds,
        num_threads=num_threads,
    )
    assert index.search(query, k).hits == nearest_by_reference(database, query, k, thresholds=thresholds)


def test_a_query_on_another_grid_is_resampled_by_the_mask_rule(database):
    """A query at half the spacing gives the hits of the same query brought to the grid beforehand."""
    grid = database.header.grid
    fine = Grid.axis_aligned((24, 24, 24), 1.0, grid.world_of([0, 0, 0]) - 0.5)
    whole = _ellipsoid(fine.shape, (11, 12, 10), (6, 7, 5))
    query = Observation(
        tumor_core=whole & _ellipsoid(fine.shape, (11, 12, 10), (3, 3, 3)), whole_tumor=whole, grid=fine
    )
    index = ExhaustiveIndex(database)
    assert index.search(query, 10).hits == index.search(on_database_grid(query, grid), 10).hits
    thresholds = VisibilityThresholds()
    assert index.search(query, 10).hits == nearest_by_reference(database, query, 10, thresholds=thresholds)


def test_every_tumor_finds_itself(database):
    """At distance 0, or an equal tumor of lower index does; tumors without voxels above the threshold aside."""
    index = ExhaustiveIndex(database)
    for tumor in range(database.num_tumors):
        levels = database.density_levels(tumor)
        if not (levels > 51).any():
            continue
        query = Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)
        best = index.search(query, 1).hits[0]
        assert best.distance == 0.0
        assert best.index <= tumor
