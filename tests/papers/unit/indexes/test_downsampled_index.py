"""Settings, limits and bookkeeping of ds64 and ds32; their rankings are in tests/equivalence."""

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls

from gliofield.errors import ParameterError
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.retrieval import ExhaustiveIndex
from gliofield_papers.indexes.downsampled_index import DownsampledIndex


def _build(path, num_tumors):
    return build_balls(path, num_tumors=num_tumors, anatomy=ball_anatomy(24, 1.0))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """20 balls on 24³ voxels."""
    return _build(tmp_path_factory.mktemp("downsampled") / "db", 20)


def _query_of(database, tumor):
    levels = database.density_levels(tumor)
    return Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)


def _with_core(database):
    return int(np.flatnonzero(database.volume_ml[:, 1] > 0.05)[2])


def _indexes(hits):
    return [hit.index for hit in hits.hits]


def test_the_name_says_how_it_was_made(database, tmp_path):
    """Its size."""
    both = [DownsampledIndex.open(database, size=size, folder=tmp_path) for size in (64, 32)]
    assert [index.name for index in both] == ["ds64", "ds32"]


def test_a_tumor_of_the_database_finds_itself(database, tmp_path):
    """At distance 0, or an equal one of lower index does."""
    tumor = _with_core(database)
    best = DownsampledIndex.open(database, size=16, folder=tmp_path).search(_query_of(database, tumor), 1).hits[0]
    assert best.distance == 0.0
    assert best.index <= tumor
    assert best.parameters == database.parameters_of(best.index)


def test_more_hits_than_tumors_gives_all(database, tmp_path):
    """k beyond N is no error."""
    index = DownsampledIndex.open(database, size=16, folder=tmp_path)
    assert sorted(_indexes(index.search(_query_of(database, _with_core(database)), 99))) == list(range(20))


def test_rescored_hits_carry_their_full_dice(database, tmp_path):
    """Same order and distances; Dice are those of the exact search."""
    query = _query_of(database, _with_core(database))
    plain = DownsampledIndex.open(database, size=8, folder=tmp_path).search(query, 5)
    answer = DownsampledIndex.open(database, size=8, rescore=True, folder=tmp_path).search(query, 5)
    exact = {hit.index: hit for hit in ExhaustiveIndex(database).search(query, 20).hits}
    assert [(hit.index, hit.distance) for hit in answer.hits] == [(hit.index, hit.distance) for hit in plain.hits]
    assert [(hit.dice_t1gd, hit.dice_flair) for hit in answer.hits] == [
        (exact[hit.index].dice_t1gd, exact[hit.index].dice_flair) for hit in answer.hits
    ]
    assert (plain.num_candidates_evaluated, answer.num_candidates_evaluated) == (0, 5)


def test_rescoring_without_a_core_leaves_t1gd_out(database, tmp_path):
    """dice_t1gd stays None."""
    whole = _query_of(database, _with_core(database)).whole_tumor
    query = Observation(tumor_core=np.zeros_like(whole), whole_tumor=whole, grid=database.header.grid)
    answer = DownsampledIndex.open(database, size=8, rescore=True, folder=tmp_path).search(query, 3)
    assert [hit.dice_t1gd for hit in answer.hits] == [None] * 3


def test_a_tumor_between_the_samples_is_refused(database, tmp_path):
    """One voxel that no sample hits leaves nothing to rank by."""
    whole = np.zeros(database.header.grid.shape, dtype=bool)
    whole[11, 11, 11] = True
    query = Observation(tumor_core=whole, whole_tumor=whole, grid=database.header.grid)
    with pytest.raises(ParameterError, match="no voxel of the whole tumor is left at 8³ voxels"):
        DownsampledIndex.open(database, size=8, folder=tmp_path).search(query, 1)


def test_a_core_between_the_samples_counts_nothing(database, tmp_path):
    """Dice 0 in T1Gd with every tumor: FLAIR decides."""
    whole = _query_of(database, _with_core(database)).whole_tumor
    core = np.zeros_like(whole)
    index = DownsampledIndex.open(database, size=8, folder=tmp_path)
    sampled = np.isin(np.argwhere(whole), [0, 3, 7, 10, 13, 16, 20, 23]).all(axis=1)
    core[tuple(np.argwhere(whole)[~sampled][0])] = True
    hits = index.search(Observation(tumor_core=core, whole_tumor=whole, grid=database.header.grid), 20).hits
    assert {hit.dice_t1gd for hit in hits} == {0.0}
    assert [hit.distance for hit in hits] == [2.0 - hit.dice_flair for hit in hits]


def test_tumors_are_read_once(database, tmp_path):
    """The second opening finds the bits; progress of the first ends with all tumors."""
    events = []
    first = DownsampledIndex.open(database, size=16, folder=tmp_path, report=events.append)
    second = DownsampledIndex.open(database, size=16, folder=tmp_path)
    assert (first.prepared.num_tumors_read, second.prepared.num_tumors_read) == (20, 0)
    assert (events[-1].completed, events[-1].total) == (20, 20)
    query = _query_of(database, _with_core(database))
    assert first.search(query, 20).hits == second.search(query, 20).hits


def test_a_grown_database_extends_the_index(tmp_path):
    """Only new tumors are read, and the answer is that of an index made at once."""
    small = _build(tmp_path / "db", 12)
    assert DownsampledIndex.open(small, size=16, folder=tmp_path).prepared.num_tumors_read == 12
    grown = _build(tmp_path / "db", 20)
    extended = DownsampledIndex.open(grown, size=16, folder=tmp_path)
    anew = DownsampledIndex.open(grown, size=16, folder=tmp_path / "other")
    assert (extended.prepared.num_tumors_read, extended.prepared.notices) == (8, ())
    query = _query_of(grown, _with_core(grown))
    assert extended.search(query, 20).hits == anew.search(query, 20).hits


def test_a_damaged_index_is_made_again(database, tmp_path):
    """A flipped byte is noticed, said, and does no harm."""
    first = DownsampledIndex.open(database, size=16, folder=tmp_path)
    file = next(first.prepared.folder.iterdir())
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(bytes(content))
    again = DownsampledIndex.open(database, size=16, folder=tmp_path)
    assert again.prepared.num_tumors_read == 20
    assert "made again" in again.prepared.notices[0]
    query = _query_of(database, _with_core(database))
    assert again.search(query, 20).hits == first.search(query, 20).hits


def test_thresholds_make_another_index(database, tmp_path):
    """0.25 is rounded to 64/255 and kept apart from 0.2."""
    assert not DownsampledIndex.open(database, size=16, folder=tmp_path).is_rounded
    other = DownsampledIndex.open(
        database, size=16, thresholds=VisibilityThresholds(flair_threshold=0.25), folder=tmp_path
    )
    assert other.prepared.num_tumors_read == 20
    assert other.is_rounded
    assert other.effective_thresholds.flair_threshold == 64 / 255


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 1}, "size must be at least 2"),
        ({"num_threads": 0}, "num_threads must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(database, tmp_path, settings, message):
    """The message names the setting."""
    with pytest.raises(ParameterError, match=message):
        DownsampledIndex.open(database, folder=tmp_path, **settings)


def test_no_hits_cannot_be_asked_for(database, tmp_path):
    """At least one."""
    with pytest.raises(ParameterError, match="k must be at least 1"):
        DownsampledIndex.open(database, size=16, folder=tmp_path).search(_query_of(database, 0), 0)
