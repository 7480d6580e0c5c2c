"""Many queries in one pass give the hits of one search per query, and of the plain loop over masks, to the last bit."""

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_search import nearest_by_reference

from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.retrieval import ExhaustiveIndex
from gliofield_papers.indexes.full_scan import PackedQueries, dice_of_all, dice_of_levels

NUM_TUMORS = 30


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """Balls on 12³ voxels, and on 66³, where a row along z takes two words, the second mostly beyond the grid."""
    folder = tmp_path_factory.mktemp("full-scan")
    fine = ball_anatomy(66, 0.5)
    return [
        build_balls(folder / "small", num_tumors=NUM_TUMORS),
        build_balls(folder / "two-words", num_tumors=8, anatomy=fine),
    ]


def _ellipsoid(shape, center, radii):
    offset = (np.moveaxis(np.indices(shape), 0, -1) - np.array(center)) / np.array(radii)
    return np.linalg.norm(offset, axis=-1) <= 1.0


def _ellipsoid_query(grid, center, radii, core_share):
    whole = _ellipsoid(grid.shape, center, radii)
    whole[tuple(np.rint(center).astype(int))] = True
    core = whole & _ellipsoid(grid.shape, center, np.array(radii) * core_share + 1e-3)
    return Observation(tumor_core=core, whole_tumor=whole, grid=grid)


def _adversarial_queries(grid, rng):
    """One voxel in every corner, everything, all faces, no core, a random dust, a single row along z."""
    nothing, everything = np.zeros(grid.shape, dtype=bool), np.ones(grid.shape, dtype=bool)
    queries = [
        Observation(tumor_core=everything, whole_tumor=everything, grid=grid),
        Observation(tumor_core=nothing, whole_tumor=everything, grid=grid),
    ]
    for corner in np.ndindex(2, 2, 2):
        voxel = nothing.copy()
        voxel[tuple(-1 if end else 0 for end in corner)] = True
        queries.append(Observation(tumor_core=voxel, whole_tumor=voxel, grid=grid))
    faces = everything.copy()
    faces[1:-1, 1:-1, 1:-1] = False
    dust = rng.random(grid.shape) < 0.3
    row = nothing.copy()
    row[grid.shape[0] // 2, grid.shape[1] // 2] = True
    queries.append(Observation(tumor_core=nothing, whole_tumor=faces, grid=grid))
    queries.append(Observation(tumor_core=dust & (rng.random(grid.shape) < 0.5), whole_tumor=dust, grid=grid))
    queries.append(Observation(tumor_core=row, whole_tumor=row, grid=grid))
    return queries


def test_adversarial_queries_get_the_hits_of_the_search_and_of_the_plain_loop(databases, rng):
    """Corners, everything, faces, dust, no core: indices, Dice and order are equal."""
    for database in databases:
        queries = _adversarial_queries(database.header.grid, rng)
        table = dice_of_all(database, queries, num_threads=2)
        index = ExhaustiveIndex(database)
        for number, query in enumerate(queries):
            hits = table.hits(number, NUM_TUMORS, database)
            assert hits == index.search(query, NUM_TUMORS).hits
            assert hits == nearest_by_reference(database, query, NUM_TUMORS, thresholds=VisibilityThresholds())


@settings(max_examples=40)
@given(
    ellipsoids=st.lists(
        st.tuples(
            st.tuples(*[st.floats(0, 11)] * 3), st.tuples(*[st.floats(1.0, 6.0)] * 3), st.sampled_from([0.0, 0.3, 1.0])
        ),
        min_size=1,
        max_size=4,
    ),
    k=st.integers(1, 40),
    levels=st.tuples(st.integers(1, 254), st.integers(1, 254)).map(sorted),
    num_threads=st.sampled_from([1, 3]),
)
def test_any_queries_get_the_hits_of_the_search(databases, ellipsoids, k, levels, num_threads):
    """Several ellipsoids at once, any thresholds, any number of threads."""
    database = databases[0]
    queries = [_ellipsoid_query(database.header.grid, *ellipsoid) for ellipsoid in ellipsoids]
    thresholds = VisibilityThresholds(flair_threshold=levels[0] / 255, t1gd_threshold=levels[1] / 255)
    index = ExhaustiveIndex(database, thresholds=thresholds)

    table = dice_of_all(database, queries, num_threads=num_threads, thresholds=thresholds)

    for number, query in enumerate(queries):
        assert table.hits(number, k, database) == index.search(query, k).hits


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 63, 64, 65, 127, 128, 130])),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
)
def test_counts_are_those_of_the_masks_on_any_grid(shape, seed, share):
    """Rows along z of any length, random levels and masks: sizes and common voxels equal NumPy's."""
    rng = np.random.default_rng(seed)
    grid = Grid.axis_aligned(shape, 1.0, (0.0, 0.0, 0.0))
    tumors = [rng.integers(0, 256, shape, dtype=np.uint8) * (rng.random(shape) <= share) for _ in range(3)]
    whole = rng.random(shape) < 0.6
    whole.flat[0] = True
    query = Observation(tumor_core=whole & (rng.random(shape) < 0.5), whole_tumor=whole, grid=grid)

    table = dice_of_levels(tumors, PackedQueries.pack([query, query], grid), num_threads=1)

    for number, tumor in enumerate(tumors):
        masks = (tumor > 51, tumor > 153)
        assert table.tumor_sizes[number].tolist() == [np.count_nonzero(mask) for mask in masks]
        common = [np.count_nonzero(masks[0] & query.whole_tumor), np.count_nonzero(masks[1] & query.tumor_core)]
        assert table.shared[:, number].tolist() == [common, common]


def test_levels_outside_a_database_get_the_counts_of_those_inside(databases, rng):
    """The same tumors as arrays and from the store."""
    database = databases[0]
    packed = PackedQueries.pack(_adversarial_queries(database.header.grid, rng), database.header.grid)

    stored = dice_of_all(database, packed)
    loose = dice_of_levels([database.density_levels(index) for index in range(NUM_TUMORS)], packed)

    np.testing.assert_array_equal(stored.shared, loose.shared)
    np.testing.assert_array_equal(stored.tumor_sizes, loose.tumor_sizes)
