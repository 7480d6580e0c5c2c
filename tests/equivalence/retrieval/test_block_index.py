"""The exact indexes give the hits of a comparison with every tumor, voxel by voxel: indices, order and floats."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from level_database import database_of_levels
from plain_search import nearest_by_reference

from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.retrieval import ExhaustiveIndex, index_cache
from gliofield.retrieval.block_index import BlockIndex
from gliofield.retrieval.free_thresholds import FreeThresholdIndex, ThresholdRanges
from gliofield.retrieval.overlap_metric import OverlapMetric, dice_similarity, jaccard_similarity
from gliofield_papers.indexes.full_scan import dice_of_all

SHAPES = [(12, 12, 12), (8, 16, 24), (9, 7, 70), (3, 20, 1), (17, 8, 65)]


def _tversky(tumor, query, shared):
    """0.7 of the weight on what the tumor has too much; monotone in the shared voxels."""
    missing = 0.7 * (tumor - shared) + 0.3 * (query - shared)
    return shared / np.maximum(shared + missing, 1e-300)


def _root_of_shared(tumor, query, shared):
    """Depends on the tumor's size in no way."""
    return np.sqrt(shared / query)


METRICS = [
    OverlapMetric.dice(),
    OverlapMetric.dice(flair_weight=1.7, t1gd_weight=0.3),
    OverlapMetric.dice(flair_weight=0.1, t1gd_weight=0.7),
    OverlapMetric.jaccard(),
    OverlapMetric.jaccard(flair_weight=3.0),
    OverlapMetric(name="tversky", similarity=_tversky),
    OverlapMetric(name="root", similarity=_root_of_shared, t1gd_weight=0.0),
]


def _blob(rng, shape, *, dust):
    """Levels that fall from a random center, with holes; sometimes noise everywhere."""
    if dust:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    offset = np.moveaxis(np.indices(shape), 0, -1) - rng.random(3) * shape
    radius = np.linalg.norm(offset / (1.0 + 6.0 * rng.random(3)), axis=-1)
    return np.clip(255.0 * (1.5 - radius) * (rng.random(shape) > 0.05), 0, 255).astype(np.uint8)


def _random_database(rng, shape, num_tumors):
    """Blobs, some of them twice, some nearly so, an empty and a full one now and then."""
    tumors = []
    for _ in range(num_tumors):
        kind = rng.integers(8)
        if kind == 0 and tumors:
            tumors.append(tumors[rng.integers(len(tumors))])
        elif kind == 1 and tumors:
            tumors.append(np.roll(tumors[-1], 1, axis=0))
        elif kind == 2:
            tumors.append(np.full(shape, rng.choice([0, 255]), dtype=np.uint8))
        else:
            tumors.append(_blob(rng, shape, dust=kind == 3))
    return database_of_levels(tumors, Grid.axis_aligned(shape, 2.0, (0.0, 0.0, 0.0)))


def _query_of(levels, grid, flair=51, t1gd=153):
    whole = levels > flair
    whole.flat[0] |= not whole.any()
    return Observation(tumor_core=whole & (levels > t1gd), whole_tumor=whole, grid=grid)


def _adversarial_queries(database, rng):
    """A tumor of the database, one without core, everything, one voxel in each of two corners, faces, dust, one row."""
    grid, shape = database.header.grid, database.header.grid.shape
    nothing, everything = np.zeros(shape, dtype=bool), np.ones(shape, dtype=bool)
    own = _query_of(database.density_levels(int(rng.integers(database.num_tumors))), grid)
    corners = [nothing.copy(), nothing.copy()]
    corners[0][0, 0, 0] = corners[1][-1, -1, -1] = True
    faces = everything.copy()
    faces[1:-1, 1:-1, 1:-1] = False
    row = nothing.copy()
    row[shape[0] // 2, shape[1] // 2] = True
    masks = [own.whole_tumor, everything, faces, row, *corners]
    return [
        own,
        _query_of(_blob(rng, shape, dust=False), grid),
        _query_of(_blob(rng, shape, dust=True), grid),
        *(Observation(tumor_core=mask & core, whole_tumor=mask, grid=grid) for mask in masks for core in (False, True)),
    ]


def _distances(database, query, metric, flair_level=51, t1gd_level=153):
    """Distance of every tumor from its masks, (N,), and Dice of FLAIR and T1Gd."""
    counts = []
    for index in range(database.num_tumors):
        levels = database.density_levels(index)
        pairs = ((levels > flair_level, query.whole_tumor), (levels > t1gd_level, query.tumor_core))
        counts.append([(np.count_nonzero(a), np.count_nonzero(b), np.count_nonzero(a & b)) for a, b in pairs])
    sizes = np.array(counts, dtype=np.float64)
    values = [metric.similarity(*sizes[:, column].T) for column in range(2 if query.has_core else 1)]
    dice = [dice_similarity(*sizes[:, column].T) for column in range(2)]
    flair = metric.flair_weight * values[0]
    if not query.has_core:
        return metric.flair_weight - flair, dice
    return (metric.flair_weight + metric.t1gd_weight) - (metric.t1gd_weight * values[1] + flair), dice


def _ranked(distance, k):
    order = sorted(range(len(distance)), key=lambda index: (distance[index], index))[:k]
    return [(index, distance[index]) for index in order]


@pytest.fixture
def new_folder(tmp_path):
    """A folder no index lies in yet, as often as it is called."""
    numbers = itertools.count()
    return lambda: tmp_path / str(next(numbers))


@pytest.fixture
def no_folder(tmp_path):
    """A file where the folder should be: the index is kept in memory, which saves the time of flushing files."""
    (tmp_path / "file").touch()
    return tmp_path / "file"


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    """Segments of 5 tumors, so that small databases have several."""
    monkeypatch.setattr(index_cache, "SEGMENT_TUMORS", 5)


_ANY_CASE = {
    "seed": st.integers(0, 2**32 - 1),
    "shape": st.sampled_from(SHAPES),
    "num_tumors": st.integers(1, 14),
    "k": st.integers(1, 16),
    "num_threads": st.sampled_from([1, 3]),
}
_SETTINGS = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_SETTINGS
@given(**_ANY_CASE, levels=st.tuples(st.integers(1, 254), st.integers(1, 254)).map(sorted))
def test_the_hits_are_those_of_the_full_scan_and_of_the_direct_query(
    no_folder, seed, shape, num_tumors, k, num_threads, levels
):
    """Random databases and thresholds, adversarial queries, one by one and at once: equal hits, bit for bit."""
    rng = np.random.default_rng(seed)
    database = _random_database(rng, shape, num_tumors)
    queries = _adversarial_queries(database, rng)
    thresholds = VisibilityThresholds(flair_threshold=levels[0] / 255, t1gd_threshold=levels[1] / 255)
    index = BlockIndex.open(database, thresholds=thresholds, num_threads=num_threads, folder=no_folder)
    table = dice_of_all(database, queries, num_threads=1, thresholds=thresholds)
    direct = ExhaustiveIndex(database, thresholds=thresholds, num_threads=1)

    together = index.search_many(queries, k)

    assert together[0].hits == direct.search(queries[0], k).hits
    for number, query in enumerate(queries):
        assert together[number].hits == index.search(query, k).hits == table.hits(number, k, database)


@_SETTINGS
@given(**_ANY_CASE, metric=st.sampled_from(METRICS))
def test_every_metric_ranks_as_the_plain_loop(no_folder, seed, shape, num_tumors, k, num_threads, metric):
    """Weights, Jaccard, functions of the user's: indices and distances of a loop over masks, and both Dice values."""
    rng = np.random.default_rng(seed)
    database = _random_database(rng, shape, num_tumors)
    index = BlockIndex.open(database, metric=metric, num_threads=num_threads, folder=no_folder)

    for query in _adversarial_queries(database, rng)[:6]:
        hits = index.search(query, k).hits
        distance, dice = _distances(database, query, metric)
        assert [(hit.index, hit.distance) for hit in hits] == _ranked(distance, k)
        for hit in hits:
            assert hit.dice_flair == dice[0][hit.index]
            assert hit.dice_t1gd == (dice[1][hit.index] if query.has_core else None)


def _best_pairs(database, query, metric, ranges):
    """(distance, FLAIR level, T1Gd level) of every tumor by trying all pairs; ties by distance to 51 and 153."""
    best = []
    t1gd_levels = ranges.t1gd_levels if query.has_core else [None]
    for index in range(database.num_tumors):
        levels = database.density_levels(index)
        similarity = {}
        for column, (mask, chosen) in enumerate(
            [(query.whole_tumor, ranges.flair_levels), (query.tumor_core, t1gd_levels)]
        ):
            for level in chosen:
                if level is not None:
                    shown = levels > level
                    counts = [np.count_nonzero(shown), np.count_nonzero(mask), np.count_nonzero(shown & mask)]
                    similarity[column, level] = metric.similarity(*np.array(counts, dtype=np.float64)[:, np.newaxis])[0]
        pairs = []
        for flair, t1gd in itertools.product(ranges.flair_levels, t1gd_levels):
            weighted = metric.flair_weight * similarity[0, flair]
            if t1gd is None:
                pairs.append((metric.flair_weight - weighted, abs(flair - 51), flair, None))
            elif t1gd >= flair:
                distance = metric.flair_weight + metric.t1gd_weight
                distance -= metric.t1gd_weight * similarity[1, t1gd] + weighted
                pairs.append((distance, abs(flair - 51) + abs(t1gd - 153), flair, t1gd))
        distance, _, flair, t1gd = min(pairs)
        best.append((distance, flair, t1gd))
    return best


@_SETTINGS
@given(
    **_ANY_CASE,
    metric=st.sampled_from(METRICS),
    flair=st.tuples(st.integers(1, 254), st.integers(0, 20)),
    t1gd=st.tuples(st.integers(1, 254), st.integers(0, 20)),
)
def test_free_thresholds_are_those_of_trying_every_pair(
    no_folder, seed, shape, num_tumors, k, num_threads, metric, flair, t1gd
):
    """Ranges that overlap, touch or lie apart: indices, distances and thresholds by the stated rule of ties."""
    low, high = sorted([flair, t1gd])
    ranges = ThresholdRanges(
        flair=(low[0] / 255, min(sum(low), 254) / 255), t1gd=(high[0] / 255, min(sum(high), 254) / 255)
    )
    rng = np.random.default_rng(seed)
    database = _random_database(rng, shape, num_tumors)
    index = FreeThresholdIndex.open(database, ranges=ranges, metric=metric, num_threads=num_threads, folder=no_folder)

    for query in _adversarial_queries(database, rng)[:4]:
        found = index.search(query, k)
        best = _best_pairs(database, query, metric, ranges)
        expected = _ranked([distance for distance, _, _ in best], k)
        assert [(hit.index, hit.distance) for hit in found.hits.hits] == expected
        assert found.flair_thresholds == tuple(best[tumor][1] / 255 for tumor, _ in expected)
        assert found.t1gd_thresholds == tuple(
            None if best[tumor][2] is None else best[tumor][2] / 255 for tumor, _ in expected
        )


def test_free_thresholds_of_one_pair_are_the_search_at_it(new_folder, rng):
    """Ranges without width: the hits of the index at those thresholds."""
    database = _random_database(rng, (12, 12, 12), 14)
    ranges = ThresholdRanges(t1gd=(0.6, 0.6), flair=(0.2, 0.2))
    free, fixed = (
        FreeThresholdIndex.open(database, ranges=ranges, folder=new_folder()),
        BlockIndex.open(database, folder=new_folder()),
    )

    for query in _adversarial_queries(database, rng):
        assert free.search(query, 14).hits.hits == fixed.search(query, 14).hits


@pytest.mark.parametrize("level", [0, 255, 100])
def test_a_database_of_equal_tumors_is_ranked_by_index(new_folder, rng, level):
    """Empty, full, or the same half-visible tumor everywhere: the first k, whatever is asked."""
    shape = (12, 12, 12)
    tumor = np.full(shape, level, dtype=np.uint8)
    database = database_of_levels([tumor] * 13, Grid.axis_aligned(shape, 2.0, (0.0, 0.0, 0.0)))
    index, free = BlockIndex.open(database, folder=new_folder()), FreeThresholdIndex.open(database, folder=new_folder())

    for query in _adversarial_queries(database, rng):
        hits = index.search(query, 4).hits
        assert hits == nearest_by_reference(database, query, 4, thresholds=VisibilityThresholds())
        assert [hit.index for hit in hits] == [hit.index for hit in free.search(query, 4).hits.hits] == [0, 1, 2, 3]


def test_a_query_on_another_grid_is_brought_to_that_of_the_database(new_folder, rng):
    """A finer grid shifted by a fraction of a voxel: the hits of the direct query."""
    database = _random_database(rng, (12, 12, 12), 14)
    grid = Grid.axis_aligned((30, 30, 30), 1.0, (-2.3, -1.1, 0.4))
    query = _query_of(_blob(rng, grid.shape, dust=False), grid)

    hits = BlockIndex.open(database, folder=new_folder()).search(query, 14).hits

    assert hits == ExhaustiveIndex(database).search(query, 14).hits


def test_only_candidates_that_may_enter_are_compared(new_folder):
    """Of forty separate tumors, one query needs one comparison."""
    shape = (8, 8, 320)
    tumors = []
    for number in range(40):
        tumor = np.zeros(shape, dtype=np.uint8)
        tumor[2:6, 2:6, 8 * number + 1 : 8 * number + 6] = 200
        tumors.append(tumor)
    database = database_of_levels(tumors, Grid.axis_aligned(shape, 2.0, (0.0, 0.0, 0.0)))
    query = _query_of(tumors[17], database.header.grid)

    answer = BlockIndex.open(database, folder=new_folder()).search(query, 1)

    assert [hit.index for hit in answer.hits] == [17]
    assert answer.num_candidates_evaluated == 1


def test_jaccard_and_dice_of_one_modality_rank_alike(new_folder, rng):
    """J = D / (2 − D) grows with D, so FLAIR alone gives one order."""
    database = _random_database(rng, (12, 12, 12), 14)
    folder = new_folder()
    index = BlockIndex.open(database, folder=folder)
    of_jaccard = BlockIndex.open(database, metric=OverlapMetric.jaccard(), folder=folder)
    whole = _query_of(_blob(rng, (12, 12, 12), dust=False), database.header.grid).whole_tumor
    query = Observation(tumor_core=np.zeros_like(whole), whole_tumor=whole, grid=database.header.grid)

    jaccard = of_jaccard.search(query, 14).hits

    assert [hit.index for hit in jaccard] == [hit.index for hit in index.search(query, 14).hits]
    for hit in jaccard:
        assert 1.0 - hit.distance == pytest.approx(hit.dice_flair / (2.0 - hit.dice_flair), abs=1e-12)
    assert jaccard_similarity(0.0, 0.0, 0.0) == 0.0
