"""The exact index on disk: kept, completed, found damaged and made again; settings and errors."""

import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from growing_ball import build_balls
from level_database import database_of_levels

from gliofield.database import SimulationDatabase
from gliofield.errors import DatabaseError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.retrieval import ExhaustiveIndex, index_cache, index_file
from gliofield.retrieval.block_index import BlockIndex
from gliofield.retrieval.free_thresholds import FreeThresholdIndex, ThresholdRanges
from gliofield.retrieval.index_file import IndexFileError, read_index_file, write_index_file
from gliofield.retrieval.overlap_metric import OverlapMetric

KINDS = [BlockIndex, FreeThresholdIndex]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """20 balls."""
    return build_balls(tmp_path_factory.mktemp("balls") / "db", num_tumors=20)


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    """Segments of 8 tumors: 20 balls make three, the last in part."""
    monkeypatch.setattr(index_cache, "SEGMENT_TUMORS", 8)


def _query_of(database, index):
    levels = database.density_levels(index)
    return Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)


def _first(database, num_tumors):
    """The database as it was when it held fewer tumors."""
    return replace(database, table=database.table.rows(0, num_tumors))


def _files(folder):
    return sorted(folder.rglob("*.index"))


def _indices(index, query, k=20):
    answer = index.search(query, k)
    return (
        [hit.index for hit in getattr(answer, "hits", answer).hits]
        if isinstance(index, FreeThresholdIndex)
        else [hit.index for hit in answer.hits]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_is_made_once(database, tmp_path, kind):
    """The second time no tumor is read, and the answers are the same."""
    made, found = kind.open(database, folder=tmp_path), kind.open(database, folder=tmp_path)

    assert (made.prepared.num_tumors_read, found.prepared.num_tumors_read) == (20, 0)
    assert found.prepared.notices == ()
    assert _indices(made, _query_of(database, 3)) == _indices(found, _query_of(database, 3))


def test_an_index_lies_in_the_users_cache(database):
    """Unless another folder is given, so that databases on read-only disks have one too."""
    index = BlockIndex.open(database)

    assert index.prepared.folder.parent == index_cache.cache_folder("indexes")
    assert len(_files(index.prepared.folder)) == 3


def test_other_thresholds_make_another_index(database, tmp_path):
    """Each has the hits of the direct query, and its own folder."""
    usual = BlockIndex.open(database, folder=tmp_path)
    other = BlockIndex.open(
        database, folder=tmp_path, thresholds=VisibilityThresholds(t1gd_threshold=0.5, flair_threshold=0.25)
    )
    query = _query_of(database, 3)

    assert usual.prepared.folder != other.prepared.folder
    assert (
        other.search(query, 20).hits
        == ExhaustiveIndex(database, thresholds=VisibilityThresholds(t1gd_threshold=0.5, flair_threshold=0.25))
        .search(query, 20)
        .hits
    )


def test_rounded_thresholds_are_reported(database, tmp_path):
    """0.25 lies between 63/255 and 64/255."""
    index = BlockIndex.open(database, folder=tmp_path, thresholds=VisibilityThresholds(flair_threshold=0.25))

    assert index.is_rounded
    assert index.effective_thresholds == VisibilityThresholds(t1gd_threshold=0.6, flair_threshold=64 / 255)
    assert not BlockIndex.open(database, folder=tmp_path).is_rounded


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [3, 8, 13])
def test_only_new_tumors_of_a_grown_database_are_read(database, tmp_path, kind, before):
    """Whether the last segment was in part or full; the files end up as those of an index made at once."""
    kind.open(_first(database, before), folder=tmp_path / "grown")
    grown = kind.open(database, folder=tmp_path / "grown")
    kind.open(database, folder=tmp_path / "at-once")

    assert grown.prepared.num_tumors_read == 20 - before
    assert grown.prepared.notices == ()
    contents = [[path.read_bytes() for path in _files(tmp_path / name)] for name in ("grown", "at-once")]
    assert contents[0] == contents[1]


def test_a_database_that_grew_on_disk_is_completed(tmp_path):
    """Built, indexed, grown by its own command, indexed again."""
    BlockIndex.open(build_balls(tmp_path / "db", num_tumors=9), folder=tmp_path / "index")
    grown = build_balls(tmp_path / "db", num_tumors=14)
    index = BlockIndex.open(grown, folder=tmp_path / "index")

    assert index.prepared.num_tumors_read == 5
    assert index.search(_query_of(grown, 12), 14).hits == ExhaustiveIndex(grown).search(_query_of(grown, 12), 14).hits


@pytest.mark.parametrize("num_tumors", [5, 8, 12])
def test_a_smaller_copy_of_a_database_uses_the_beginning_of_the_index(database, tmp_path, num_tumors):
    """Nothing is read, and tumors it does not hold are not found."""
    BlockIndex.open(database, folder=tmp_path)
    small = _first(database, num_tumors)
    index, query = BlockIndex.open(small, folder=tmp_path), _query_of(database, 13)

    assert index.prepared.num_tumors_read == 0
    assert index.search(query, 20).hits == ExhaustiveIndex(small).search(query, 20).hits


def _flip(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def _first_array(content):
    return -(-(16 + int.from_bytes(content[8:12], "little")) // 64) * 64


DAMAGES = {
    "no index file": lambda content: b"something else entirely",
    "header fails": lambda content: _flip(content, 40),
    "fails the checksum": lambda content: _flip(content, len(content) - 1),
    "array sizes fails the checksum": lambda content: _flip(content, _first_array(content)),
    "cut short": lambda content: content[:-3],
    "format version 99": lambda content: content,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reason", DAMAGES)
def test_a_damaged_or_outdated_segment_is_made_again_and_said_so(database, tmp_path, monkeypatch, kind, reason):
    """Only that segment is read anew; the reason is in the notices and the progress; the next time all is well."""
    answer = _indices(kind.open(database, folder=tmp_path), _query_of(database, 3))
    path = _files(tmp_path)[1]
    if reason.startswith("format version"):
        monkeypatch.setattr(index_file, "FORMAT_VERSION", 99)
        write_index_file(path, *read_index_file_of(path, monkeypatch))
        monkeypatch.setattr(index_file, "FORMAT_VERSION", 1)
    path.write_bytes(DAMAGES[reason](path.read_bytes()))
    events = []

    again = kind.open(database, folder=tmp_path, report=events.append)

    assert again.prepared.num_tumors_read == 8
    assert len(again.prepared.notices) == 1
    assert reason in again.prepared.notices[0]
    assert "is made again" in again.prepared.notices[0]
    assert again.prepared.notices[0] in {event.message for event in events}
    assert _indices(again, _query_of(database, 3)) == answer
    assert kind.open(database, folder=tmp_path).prepared.notices == ()


def read_index_file_of(path, monkeypatch):
    """Settings and copied arrays of a file of version 1."""
    monkeypatch.setattr(index_file, "FORMAT_VERSION", 1)
    settings, arrays = read_index_file(path)
    monkeypatch.setattr(index_file, "FORMAT_VERSION", 99)
    return settings, {name: values.copy() for name, values in arrays.items()}


def test_a_segment_of_other_tumors_is_made_again(database, tmp_path):
    """Equal headers, other checksums: a file copied from elsewhere does not answer."""
    BlockIndex.open(database, folder=tmp_path)
    files = _files(tmp_path)
    files[0].write_bytes(files[1].read_bytes())

    again = BlockIndex.open(database, folder=tmp_path)

    assert again.prepared.num_tumors_read == 8
    assert "other tumors" in again.prepared.notices[0]


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_can_be_written_the_index_stays_in_memory(database, tmp_path, kind):
    """A file stands where the folder should be: the answers are right, and the reason is said once."""
    blocked = tmp_path / "file"
    blocked.touch()
    index = kind.open(database, folder=blocked)

    assert len(index.prepared.notices) == 1
    assert "stays in memory" in index.prepared.notices[0]
    assert _indices(index, _query_of(database, 3), 1) == [3]


def test_several_openings_at_once_do_not_disturb_each_other(database, tmp_path):
    """Four threads make one index in one folder: all answer, and no temporary file is left."""
    answers = [None] * 4

    def open_and_search(number):
        index = BlockIndex.open(database, folder=tmp_path, num_threads=1)
        answers[number] = index.search(_query_of(database, 3), 20).hits

    threads = [threading.Thread(target=open_and_search, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [ExhaustiveIndex(database).search(_query_of(database, 3), 20).hits] * 4
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(_files(tmp_path)) == 3


def test_every_tumor_read_is_reported(database, tmp_path):
    """Up to the last one; and every query answered."""
    events = []
    index = BlockIndex.open(database, folder=tmp_path, report=events.append)
    index.search_many([_query_of(database, number) for number in range(3)], 2, report=events.append)

    assert [(event.completed, event.total) for event in events] == [(8, 20), (16, 20), (20, 20), (3, 3)]


def _open_in_process(path, folder):
    index = BlockIndex.open(SimulationDatabase.open(path), folder=folder, num_threads=1)
    return [hit.index for hit in index.search(_query_of(index.database, 3), 5).hits], index.notices


def test_processes_that_make_one_index_at_once_all_answer(database, tmp_path):
    """Three processes in one folder; whoever is last replaces the same by the same, and nothing temporary is left."""
    expected = [hit.index for hit in ExhaustiveIndex(database).search(_query_of(database, 3), 5).hits]
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as executor:
        answers = list(executor.map(_open_in_process, [database.path] * 3, [tmp_path] * 3))
    assert answers == [(expected, ())] * 3
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".index"}
    # Spawned processes know nothing of the small segments here: one segment of all tumors.
    assert len(list(tmp_path.rglob("*.index"))) == 1


def test_a_damaged_tumor_is_an_error_in_the_calling_thread(database, tmp_path, monkeypatch):
    """Not silence in a worker."""

    def fail(self, index, *, out=None):
        raise DatabaseError(f"tumor {index} is damaged")

    monkeypatch.setattr(type(database), "density_levels", fail)
    with pytest.raises(DatabaseError, match="is damaged"):
        BlockIndex.open(database, folder=tmp_path)


def test_a_query_without_core_has_no_dice_of_t1gd(database, tmp_path):
    """Its distance is that of FLAIR alone, and no threshold of T1Gd is reported."""
    levels = database.density_levels(3)
    whole = levels > 51
    query = Observation(tumor_core=np.zeros_like(whole), whole_tumor=whole, grid=database.header.grid)

    hit = BlockIndex.open(database, folder=tmp_path).search(query, 1).hits[0]
    free = FreeThresholdIndex.open(database, folder=tmp_path).search(query, 2)

    assert (hit.index, hit.distance, hit.dice_t1gd, hit.dice_flair) == (3, 0.0, None, 1.0)
    assert free.t1gd_thresholds == (None, None)


def test_a_tumor_at_other_thresholds_is_found_with_them(database, tmp_path):
    """Masks at 0.3 and 0.7 of a tumor of the database: distance 0 at levels that give the same masks."""
    tumor = int(np.argmax(database.volume_ml[:, 1]))
    levels = database.density_levels(tumor)
    query = Observation(tumor_core=levels > 178, whole_tumor=levels > 76, grid=database.header.grid)

    found = FreeThresholdIndex.open(database, folder=tmp_path).search(query, 3)

    assert (found.hits.hits[0].index, found.hits.hits[0].distance) == (tumor, 0.0)
    np.testing.assert_array_equal(levels > round(255 * found.flair_thresholds[0]), query.whole_tumor)
    np.testing.assert_array_equal(levels > round(255 * found.t1gd_thresholds[0]), query.tumor_core)


def test_a_grid_of_many_blocks_needs_larger_numbers(tmp_path):
    """Beyond 65,536 blocks their numbers take 4 bytes; the tumor is found."""
    shape = (1, 8 * 260, 8 * 260)
    levels = np.zeros(shape, dtype=np.uint8)
    levels[0, -4:, -6:] = 200
    database = database_of_levels([np.zeros_like(levels), levels], Grid.axis_aligned(shape, 2.0, (0.0, 0.0, 0.0)))
    index = BlockIndex.open(database, folder=tmp_path)

    assert index.prepared.segments[0]["flair_blocks"].tolist() == [260 * 260 - 1]
    assert index.search(_query_of(database, 1), 1).hits[0].distance == 0.0


def _falling(tumor, query, shared):
    return 1.0 - shared / (tumor + query + 1.0)


def _not_finite(tumor, query, shared):
    return np.full_like(shared, np.nan)


def _of_one_number(tumor, query, shared):
    return np.float64(0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("similarity", "complaint"),
    [(_falling, "falls while the shared voxels grow"), (_not_finite, "finite"), (_of_one_number, "of the shape")],
)
def test_a_similarity_that_has_no_bound_is_refused(database, tmp_path, kind, similarity, complaint):
    """One that falls with the overlap, one that is not finite, one of another shape."""
    index = kind.open(database, folder=tmp_path, metric=OverlapMetric(name="own", similarity=similarity))
    levels = database.density_levels(3)
    block = np.zeros(levels.shape, dtype=bool)
    block[1:10:2, 1:10, 1:10] = True

    with pytest.raises(ParameterError, match=complaint):
        index.search(Observation(tumor_core=block, whole_tumor=block, grid=database.header.grid), 20)


def _far_query(database):
    grid = Grid.axis_aligned((4, 4, 4), 1.0, (1000.0, 0.0, 0.0))
    mask = np.ones(grid.shape, dtype=bool)
    return Observation(tumor_core=mask, whole_tumor=mask, grid=grid)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda db, folder: BlockIndex.open(db, folder=folder, num_threads=0), "num_threads must be at least 1"),
        (lambda db, folder: BlockIndex.open(db, folder=folder).search(_query_of(db, 0), 0), "k must be at least 1"),
        (
            lambda db, folder: BlockIndex.open(db, folder=folder).search(_far_query(db), 1),
            "no voxel of the whole tumor",
        ),
        (lambda db, folder: FreeThresholdIndex.open(db, folder=folder).search(_query_of(db, 0), 0), "k must be"),
        (lambda db, folder: FreeThresholdIndex.open(db, folder=folder).search(_far_query(db), 1), "no voxel of the"),
        (lambda db, folder: ThresholdRanges(flair=(0.5, 0.2)), "range of flair thresholds"),
        (lambda db, folder: ThresholdRanges(t1gd=(0.5, 1.0)), "range of t1gd thresholds"),
        (lambda db, folder: ThresholdRanges(t1gd=(0.1, 0.2), flair=(0.5, 0.6)), "no pair of thresholds"),
        (lambda db, folder: OverlapMetric.dice(t1gd_weight=-1.0), "t1gd_weight must be finite"),
        (lambda db, folder: OverlapMetric.jaccard(flair_weight=np.inf), "flair_weight must be finite"),
        (lambda db, folder: OverlapMetric.dice(flair_weight=0.0), "flair_weight must be above 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(database, tmp_path, call, complaint):
    """Impossible settings, and a query that lies elsewhere in the world."""
    with pytest.raises(ParameterError, match=complaint):
        call(database, tmp_path)


def test_the_names_of_the_indexes(database, tmp_path):
    """As in results and on the command line."""
    assert [kind.open(database, folder=tmp_path).name for kind in KINDS] == ["exact", "exact-free-thresholds"]


def test_arrays_come_back_as_they_were(tmp_path):
    """Empty ones too, read-only, each at a multiple of 64 bytes."""
    arrays = {"empty": np.zeros((0, 8), dtype=np.uint64), "odd": np.arange(5, dtype=np.uint16), "one": np.array([7.0])}
    write_index_file(tmp_path / "a.index", {"x": 1}, arrays)
    settings, found = read_index_file(tmp_path / "a.index")

    assert settings == {"x": 1}
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
    assert not found["odd"].flags.writeable
    assert found["one"].ctypes.data % 64 == 0


def test_a_folder_is_no_index_file(tmp_path):
    """Said with the reason of the operating system."""
    with pytest.raises(IndexFileError, match="cannot be read"):
        read_index_file(tmp_path)
