"""Settings, limits and bookkeeping of the exact search; its results are in tests/equivalence."""

import numpy as np
import pytest
from growing_ball import build_balls

from gliofield.errors import DatabaseError, ParameterError
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.retrieval import ExhaustiveIndex


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """40 balls."""
    return build_balls(tmp_path_factory.mktemp("exhaustive") / "db", num_tumors=40)


def _query_of(database, index):
    levels = database.density_levels(index)
    return Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)


def _index_with_core(database):
    return int(np.flatnonzero(database.volume_ml[:, 1] > 0)[3])


def test_a_tumor_of_the_database_finds_itself(database):
    """At distance exactly 0, with its own parameters."""
    tumor = _index_with_core(database)
    answer = ExhaustiveIndex(database).search(_query_of(database, tumor), 3)
    best = answer.hits[0]
    assert (best.index, best.distance, best.dice_t1gd, best.dice_flair) == (tumor, 0.0, 1.0, 1.0)
    assert best.parameters == database.parameters_of(tumor)
    assert answer.num_candidates_evaluated == 40
    assert answer.seconds > 0.0
    assert [hit.distance for hit in answer.hits] == sorted(hit.distance for hit in answer.hits)


def test_more_hits_than_tumors_gives_all(database):
    """k beyond N is no error."""
    hits = ExhaustiveIndex(database).search(_query_of(database, _index_with_core(database)), 1000).hits
    assert sorted(hit.index for hit in hits) == list(range(40))


def test_equal_distances_go_by_index(database):
    """Tumors that do not touch the query all have distance 2 and come in order."""
    corner = np.zeros(database.header.grid.shape, dtype=bool)
    corner[0, 0, 0] = True
    hits = (
        ExhaustiveIndex(database)
        .search(Observation(tumor_core=corner, whole_tumor=corner, grid=database.header.grid), 40)
        .hits
    )
    assert [hit.index for hit in hits] == list(range(40))
    assert {hit.distance for hit in hits} == {2.0}


def test_without_a_core_only_flair_counts(database):
    """dice_t1gd is None and the distance 1 − Dice_FLAIR; the tumor itself is still at 0."""
    tumor = _index_with_core(database)
    whole = database.density_levels(tumor) > 51
    query = Observation(tumor_core=np.zeros_like(whole), whole_tumor=whole, grid=database.header.grid)
    hits = ExhaustiveIndex(database).search(query, 40).hits
    assert (hits[0].index, hits[0].distance, hits[0].dice_t1gd) == (tumor, 0.0, None)
    assert all(hit.dice_t1gd is None and hit.distance == 1.0 - hit.dice_flair for hit in hits)


def test_progress_ends_with_all_tumors(database):
    """Every tumor is reported once, in order."""
    events = []
    ExhaustiveIndex(database).search(_query_of(database, 0), 1, report=events.append)
    assert [event.completed for event in events] == [32, 40]
    assert {event.total for event in events} == {40}


def test_rounded_thresholds_say_so(database):
    """0.2 and 0.6 are exact; 0.25 becomes 64/255, and the index tells."""
    assert not ExhaustiveIndex(database).is_rounded
    rounded = ExhaustiveIndex(database, thresholds=VisibilityThresholds(flair_threshold=0.25))
    assert rounded.is_rounded
    assert rounded.effective_thresholds.flair_threshold == 64 / 255
    assert rounded.effective_thresholds.t1gd_threshold == 153 / 255
    assert rounded.thresholds.flair_threshold == 0.25


def test_impossible_settings_are_refused(database):
    """The message names the setting."""
    with pytest.raises(ParameterError, match="num_threads must be at least 1"):
        ExhaustiveIndex(database, num_threads=0)


@pytest.mark.parametrize("k", [0, -1])
def test_no_hits_cannot_be_asked_for(database, k):
    """At least one."""
    with pytest.raises(ParameterError, match="k must be at least 1"):
        ExhaustiveIndex(database).search(_query_of(database, 0), k)


def test_a_damaged_tumor_stops_the_search(tmp_path):
    """No ranking leaves out a tumor silently; the message names it."""
    database = build_balls(tmp_path / "db", num_tumors=3)
    shard = tmp_path / "db" / "density" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[4:8] = bytes(4)
    shard.write_bytes(bytes(content))
    with pytest.raises(DatabaseError, match="tumor 0 of .* is damaged"):
        ExhaustiveIndex(database).search(_query_of(database, 1), 1)
