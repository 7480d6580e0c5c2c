"""Packing, settings and errors of the full scan; that it equals the search is in tests/equivalence."""

import numpy as np
import pytest
from growing_ball import build_balls

from gliofield.errors import DatabaseError, GridMismatchError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging import Observation
from gliofield_papers.indexes.full_scan import PackedQueries, dice_of_all, dice_of_levels

GRID = Grid.axis_aligned((4, 3, 70), 2.0, (0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """20 balls."""
    return build_balls(tmp_path_factory.mktemp("scan") / "db", num_tumors=20)


def _query_of(database, index):
    levels = database.density_levels(index)
    return Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)


def _row_query(start, stop, *, core=True):
    """Voxels start … stop − 1 of one row along z."""
    whole = np.zeros(GRID.shape, dtype=bool)
    whole[1, 2, start:stop] = True
    return Observation(tumor_core=whole & core, whole_tumor=whole, grid=GRID)


def test_packed_masks_come_back_as_they_were():
    """Rows that begin, end and cross at the border of a word, with and without core."""
    queries = [_row_query(0, 1), _row_query(63, 65), _row_query(64, 70), _row_query(0, 70, core=False)]
    packed = PackedQueries.pack(queries, GRID)

    for number, query in enumerate(queries):
        np.testing.assert_array_equal(packed.query(number).whole_tumor, query.whole_tumor)
        np.testing.assert_array_equal(packed.query(number).tumor_core, query.tumor_core)
    assert packed.has_core.tolist() == [True, True, True, False]
    assert packed.sizes.tolist() == [[1, 1], [2, 2], [6, 6], [70, 0]]


def test_a_mask_takes_the_words_of_its_box_only():
    """One voxel takes one word per mask; a row across two words takes two."""
    assert len(PackedQueries.pack([_row_query(5, 6)], GRID).words) == 2
    assert len(PackedQueries.pack([_row_query(60, 66)], GRID).words) == 4


def test_sets_are_joined_in_order():
    """Each query of the joined set is that of its part."""
    parts = [PackedQueries.pack([_row_query(1, 9)], GRID), PackedQueries.pack([_row_query(60, 66)] * 2, GRID)]
    joined = PackedQueries.joined(parts)

    assert len(joined) == 3
    np.testing.assert_array_equal(joined.query(2).whole_tumor, _row_query(60, 66).whole_tumor)


def test_sets_on_different_grids_are_not_joined():
    """The second part is named."""
    elsewhere = Grid.axis_aligned(GRID.shape, 2.0, (1.0, 0.0, 0.0))
    other = PackedQueries.pack(
        [Observation(tumor_core=_row_query(0, 9).tumor_core, whole_tumor=_row_query(0, 9).whole_tumor, grid=elsewhere)],
        elsewhere,
    )

    with pytest.raises(GridMismatchError, match=r"parts\[1\]"):
        PackedQueries.joined([PackedQueries.pack([_row_query(0, 9)], GRID), other])


def test_a_written_set_is_read_as_it_was(tmp_path):
    """Grid and all arrays."""
    packed = PackedQueries.pack([_row_query(3, 68), _row_query(1, 2)], GRID)
    packed.write(tmp_path / "queries.npz")
    read = PackedQueries.read(tmp_path / "queries.npz")

    assert read.grid.is_same_as(GRID)
    for name, values in packed.arrays().items():
        np.testing.assert_array_equal(read.arrays()[name], values)


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_a_file_that_holds_no_queries_is_refused(tmp_path, content):
    """Missing, or something else."""
    path = tmp_path / "queries.npz"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ParameterError, match="cannot be read as packed queries"):
        PackedQueries.read(path)


def test_a_query_without_core_has_no_dice_of_t1gd(database):
    """Its combined Dice is that of FLAIR, its distance counts from 1."""
    query = _query_of(database, 3)
    coreless = Observation(tumor_core=np.zeros_like(query.tumor_core), whole_tumor=query.whole_tumor, grid=query.grid)
    table = dice_of_all(database, [coreless])

    assert table.dice_t1gd(0) is None
    np.testing.assert_array_equal(table.combined_dice(0), table.dice_flair(0))
    assert table.distance(0)[3] == 0.0


def test_a_tumor_of_the_database_is_its_own_best_match(database):
    """Both Dice are 1."""
    tumor = int(np.argmax(database.volume_ml[:, 1]))
    table = dice_of_all(database, [_query_of(database, tumor)])

    assert table.combined_dice(0)[tumor] == 2.0
    assert table.nearest(0, 1).tolist() == [tumor]


def test_every_tumor_is_reported(database):
    """Up to the last one."""
    events = []
    dice_of_all(database, [_query_of(database, 0)], report=events.append)

    assert events[-1].completed == events[-1].total == 20


def test_a_damaged_tumor_is_an_error_in_the_calling_thread(database, monkeypatch):
    """Not silence in a worker."""

    def fail(index, *, out):
        raise DatabaseError(f"tumor {index} is damaged")

    monkeypatch.setattr(type(database), "density_levels", lambda self, index, *, out: fail(index, out=out))
    with pytest.raises(DatabaseError, match="is damaged"):
        dice_of_all(
            database,
            [
                Observation(
                    tumor_core=np.ones((12, 12, 12), bool),
                    whole_tumor=np.ones((12, 12, 12), bool),
                    grid=database.header.grid,
                )
            ],
        )


def test_queries_packed_on_another_grid_are_refused(database):
    """Both grids are shown."""
    with pytest.raises(GridMismatchError, match="packed on another grid"):
        dice_of_all(database, PackedQueries.pack([_row_query(0, 5)], GRID))


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda db: PackedQueries.pack([], GRID), "queries is empty"),
        (lambda db: PackedQueries.joined([]), "parts is empty"),
        (lambda db: dice_of_all(db, [_query_of(db, 0)], num_threads=0), "num_threads must be at least 1"),
        (lambda db: dice_of_all(db, [_query_of(db, 0)]).nearest(0, 0), "k must be at least 1"),
        (lambda db: dice_of_levels([np.zeros(GRID.shape)], PackedQueries.pack([_row_query(0, 5)], GRID)), "uint8"),
        (lambda db: dice_of_levels([], PackedQueries.pack([_query_of(db, 0)], db.header.grid)).hits(0, 1, db), "holds"),
    ],
)
def test_what_cannot_be_compared_is_refused(database, call, complaint):
    """Empty sets, impossible settings, arrays of another type, a table of other tumors."""
    with pytest.raises(ParameterError, match=complaint):
        call(database)
