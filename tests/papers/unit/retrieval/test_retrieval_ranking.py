"""Where answers of strategies stand in the exact ranking: ranks, ties, what is not defined."""

import numpy as np
import pytest
from growing_ball import build_balls
from level_database import database_of_levels
from retrieval_fakes import queries_of

from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.retrieval import ExhaustiveIndex
from gliofield_papers.retrieval.ranking import NO_TUMOR, rank_answers, rows_of

NUM_QUERIES = 4


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Twenty balls."""
    return build_balls(tmp_path_factory.mktemp("balls") / "db", num_tumors=20)


@pytest.fixture(scope="module")
def queries(tmp_path_factory):
    """Balls of another seed."""
    others = build_balls(tmp_path_factory.mktemp("others") / "db", num_tumors=NUM_QUERIES, seed=8)
    return queries_of(others, ("real",) * NUM_QUERIES, without_core=(1,))


def _exact_hits(database, queries):
    index = ExhaustiveIndex(database)
    found = [[hit.index for hit in index.search(queries.packed.query(row), 20).hits] for row in range(NUM_QUERIES)]
    return np.array(found, dtype=np.int64)


def _ranked(database, queries, hits, **settings):
    asked = [np.ones(len(each), dtype=bool) for each in hits]
    return rank_answers(database, queries.packed, hits, asked=asked, **settings)


def test_exact_answers_have_rank_one_and_share_all_hits(database, queries):
    """And lose nothing."""
    hits = _exact_hits(database, queries)

    ranking = _ranked(database, queries, [hits[:, :15]])

    answer = ranking.answers[0]
    np.testing.assert_array_equal(ranking.best.tumor, hits[:, 0])
    np.testing.assert_array_equal(answer.rank, 1.0)
    np.testing.assert_array_equal(answer.num_shared, 15.0)
    np.testing.assert_array_equal(answer.dice_lost, 0.0)


def test_rank_and_dice_lost_are_those_of_a_plain_loop(database, queries):
    """For answers that begin at the fourth tumor: tumors strictly nearer are counted one by one."""
    hits = _exact_hits(database, queries)[:, 3:18]

    answer = _ranked(database, queries, [hits]).answers[0]

    for row in range(NUM_QUERIES):
        distances = {
            hit.index: hit.distance for hit in ExhaustiveIndex(database).search(queries.packed.query(row), 20).hits
        }
        own = distances[hits[row, 0]]
        assert answer.rank[row] == 1 + sum(distance < own for distance in distances.values())
        assert answer.dice_lost[row] == own - min(distances.values())
        fifteenth = sorted(distances.values())[14]
        assert answer.num_shared[row] == sum(distances[tumor] <= fifteenth for tumor in hits[row])


def test_tumors_of_equal_dice_share_a_rank():
    """Whichever of three equal tumors is named, it is the best."""
    grid = Grid.axis_aligned((8, 8, 8), 2.0, (0.0, 0.0, 0.0))
    levels = np.zeros((8, 8, 8), dtype=np.uint8)
    levels[2:5, 2:5, 2:5] = 255
    other = np.roll(levels, 1, axis=0)
    database = database_of_levels([other, levels, levels, levels], grid)
    queries = queries_of(database_of_levels([levels], grid), ("real",))

    ranking = _ranked(database, queries, [np.array([[3, 0, NO_TUMOR]]), np.array([[0, 1, 2]])])

    assert ranking.best.tumor[0] == 1
    assert [answer.rank[0] for answer in ranking.answers] == [1.0, 4.0]
    assert ranking.answers[0].dice_lost[0] == 0.0
    assert [answer.num_shared[0] for answer in ranking.answers] == [2.0, 3.0]


def test_a_query_without_core_is_ranked_by_flair_alone(database, queries):
    """Its T1Gd and its sum are not defined; rank and Dice lost are."""
    answer = _ranked(database, queries, [_exact_hits(database, queries)[:, 2:17]])
    best = answer.best

    assert np.isnan(best.dice_t1gd[1])
    assert np.isnan(best.combined_dice[1])
    assert 0.0 < best.dice_flair[1] <= 1.0
    assert answer.answers[0].dice_lost[1] == best.dice_flair[1] - answer.answers[0].best.dice_flair[1]


def test_no_answer_is_an_infinite_rank(database, queries):
    """It shares no hit, and what it loses is not defined; a query that was not asked has no rank at all."""
    hits = np.full((NUM_QUERIES, 15), NO_TUMOR, dtype=np.int64)
    asked = np.array([True, True, False, True])

    answer = rank_answers(database, queries.packed, [hits], asked=[asked]).answers[0]

    assert np.isinf(answer.rank[asked]).all()
    assert np.isnan(answer.rank[2])
    np.testing.assert_array_equal(answer.num_shared[asked], 0.0)
    assert np.isnan(answer.dice_lost).all()


def test_fewer_tumors_than_hits_are_all_shared(tmp_path, queries):
    """Of five tumors all five are among the best fifteen."""
    few = build_balls(tmp_path / "db", num_tumors=5)

    answer = _ranked(few, queries, [np.tile(np.arange(5), (NUM_QUERIES, 1))]).answers[0]

    np.testing.assert_array_equal(answer.num_shared, 5.0)


def test_blocks_of_queries_change_nothing_but_the_passes(database, queries):
    """One query at a time costs a pass each."""
    hits = [_exact_hits(database, queries)[:, 1:16]]

    at_once, one_by_one = (_ranked(database, queries, hits, most_table_bytes=size) for size in (2**28, 1))

    assert (at_once.num_passes, one_by_one.num_passes) == (1, NUM_QUERIES)
    np.testing.assert_array_equal(at_once.best.dice_t1gd, one_by_one.best.dice_t1gd)
    np.testing.assert_array_equal(at_once.answers[0].rank, one_by_one.answers[0].rank)


def test_the_best_of_the_first_tumors_is_that_of_a_smaller_database(database, queries, tmp_path):
    """Tumor i depends on the seed and i alone, so seven tumors are a database of their own."""
    seven = build_balls(tmp_path / "db", num_tumors=7)

    of_first = _ranked(database, queries, [], num_first=7).best_of_first

    np.testing.assert_array_equal(of_first.tumor, _ranked(seven, queries, []).best.tumor)


def test_more_first_tumors_than_there_are_are_refused(database, queries):
    """And answers that do not fit the queries."""
    with pytest.raises(ParameterError, match="between 1 and the 20 tumors, got 21"):
        _ranked(database, queries, [], num_first=21)
    with pytest.raises(ParameterError, match="a row for each of the 4 queries"):
        _ranked(database, queries, [np.zeros((3, 15), dtype=np.int64)])


def test_consecutive_queries_keep_their_masks(queries):
    """A part of a set is the same queries."""
    part = rows_of(queries.packed, range(1, 3))

    assert len(part) == 2
    for row in range(2):
        np.testing.assert_array_equal(part.query(row).whole_tumor, queries.packed.query(row + 1).whole_tumor)
        np.testing.assert_array_equal(part.query(row).tumor_core, queries.packed.query(row + 1).tumor_core)
