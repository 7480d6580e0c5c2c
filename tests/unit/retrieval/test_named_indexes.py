"""Indexes by name: all of them answer, and the exact ones agree."""

import pytest
from growing_ball import build_balls

from gliofield.errors import ParameterError
from gliofield.imaging import VisibilityThresholds
from gliofield.imaging.observation import Observation
from gliofield.pipeline import QueryMethod
from gliofield.retrieval import DEFAULT_INDEX, FreeThresholdIndex, OverlapMetric, index_names, open_index
from gliofield_papers.indexes.embedding import EMBEDDING_KINDS

THRESHOLDS = VisibilityThresholds()
# Those of networks are in unit/retrieval/embedding.
WITHOUT_NETWORK = [name for name in index_names() if name not in EMBEDDING_KINDS]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Thirty balls."""
    return build_balls(tmp_path_factory.mktemp("balls") / "db", num_tumors=30)


def _query(database, tumor=3):
    levels = database.density_levels(tumor)
    return Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)


@pytest.mark.parametrize("name", WITHOUT_NETWORK)
def test_every_name_opens_an_index_of_that_name(database, name):
    """It finds a tumor of the database that was asked for, and keeps its own name."""
    tumor = int(database.volume_ml[:, 1].argmax())
    index = open_index(name, database, thresholds=THRESHOLDS, num_threads=1)
    hits = index.search(_query(database, tumor), 5).hits
    assert index.name == name
    assert len(hits) == 5
    assert hits[0].index == tumor


def test_exact_and_direct_agree(database):
    """Same tumors, same order, same numbers."""
    answers = [
        open_index(name, database, thresholds=THRESHOLDS).search(_query(database), 15).hits
        for name in ("exact", "direct")
    ]
    assert answers[0] == answers[1]


def test_thresholds_reach_the_index(database):
    """Rounded to levels, and said so."""
    thresholds = VisibilityThresholds(t1gd_threshold=0.7, flair_threshold=0.25)
    for name in WITHOUT_NETWORK:
        index = open_index(name, database, thresholds=thresholds, num_threads=1)
        assert index.is_rounded
        assert index.effective_thresholds.flair_threshold == 64 / 255


def test_an_unknown_name_lists_the_known_ones(database):
    """Also where an inverse method is made, before anything is registered."""
    for make in (
        lambda: open_index("exakt", database, thresholds=THRESHOLDS),
        lambda: QueryMethod(database=database, index="exakt"),
    ):
        with pytest.raises(ParameterError, match=r"index 'exakt' is unknown: .*Did you mean 'exact'\?"):
            make()
    assert DEFAULT_INDEX == "exact"


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        (3, {}, r"index must be str, got 3 \(int\)\. Name one of exact, direct"),
        ("exact", {"database": "tumors"}, r"database must be SimulationDatabase, got 'tumors' \(str\)\. Open one with"),
        ("exact", {"thresholds": 0.2}, r"thresholds must be VisibilityThresholds, got 0\.2 \(float\)\. The usual ones"),
    ],
)
def test_an_argument_of_another_type_is_refused(database, name, changes, complaint):
    """With what was expected, what came and what to do."""
    call = {"database": database, "thresholds": THRESHOLDS, **changes}
    with pytest.raises(ParameterError, match=complaint):
        open_index(name, call.pop("database"), **call)


@pytest.mark.parametrize("name", WITHOUT_NETWORK)
def test_a_search_for_something_else_is_refused(database, name):
    """A segmentation is no query yet, and a number of hits is an integer."""
    index = open_index(name, database, thresholds=THRESHOLDS, num_threads=1)
    with pytest.raises(ParameterError, match=r"query must be Observation, got ndarray\. Make one with Observation"):
        index.search(database.density_levels(0) > 51, 5)
    with pytest.raises(ParameterError, match=r"k must be int or integer, got '5' \(str\)\. It is the number of hits"):
        index.search(_query(database), "5")


def test_another_metric_reaches_the_exact_index(database):
    """Jaccard with weights; one of its distances by hand."""
    metric = OverlapMetric.jaccard(flair_weight=2.0)
    query = _query(database)
    hit = open_index("exact", database, thresholds=THRESHOLDS, metric=metric).search(query, 3).hits[2]
    flair, t1gd = (dice / (2 - dice) for dice in (hit.dice_flair, hit.dice_t1gd or 0.0))
    expected = 2 * (1 - flair) + (1 - t1gd if query.has_core else 0.0)
    assert hit.distance == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["direct", "ds64", "radiomics"])
def test_other_indexes_know_no_other_metric(database, name):
    """They compare as their names say."""
    with pytest.raises(ParameterError, match=rf"another metric .* needs index 'exact', got '{name}'"):
        open_index(name, database, thresholds=THRESHOLDS, metric=OverlapMetric.jaccard())


@pytest.mark.parametrize("name", [*WITHOUT_NETWORK, "exact-free-thresholds"])
def test_a_smaller_database_that_begins_alike_uses_the_same_files(tmp_path, monkeypatch, name):
    """Twelve of thirty tumors: no hit lies beyond them, and the answer is that of an index of their own."""
    larger = build_balls(tmp_path / "larger", num_tumors=30)
    smaller = build_balls(tmp_path / "smaller", num_tumors=12)

    def answer(database, cache):
        monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(tmp_path / cache))
        if name == "exact-free-thresholds":
            return FreeThresholdIndex.open(database, num_threads=1).search(_query(smaller), 30).hits.hits
        return open_index(name, database, thresholds=THRESHOLDS, num_threads=1).search(_query(smaller), 30).hits

    answer(larger, "shared")
    hits = answer(smaller, "shared")
    assert hits == answer(smaller, "own")
    assert {hit.index for hit in hits} <= set(range(12))
