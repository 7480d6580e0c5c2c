"""Where the answers of approximate searches stand in the exact ranking of all tumors.

The exact ranking of a query comes from its Dice with every tumor of the database (`retrieval.dice_of_all`), which
takes 8 bytes per query and tumor. Queries are therefore ranked in blocks of at most `MOST_TABLE_BYTES`; each block is
one pass over the store.

A tumor's rank is one more than the number of tumors strictly nearer. Tumors with equal Dice share a rank, so a strategy
is not blamed for which of them it names; this is how top-n and the intersection of the top 15 count ties. What is not
defined: the rank of a search without an answer is infinite (never in any top n), that of a query never asked is NaN;
Dice of T1Gd, and with it the combined Dice, is NaN for a query without core, whose ranking is by FLAIR alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.database import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield_papers.indexes.full_scan import DiceTable, PackedQueries, dice_of_all

#: Hits compared; fewer in a database of fewer tumors.
NUM_HITS = 15
#: Memory of the Dice of one block of queries with all tumors [bytes].
MOST_TABLE_BYTES = 2**28
_BYTES_PER_PAIR = 8
NO_TUMOR = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """One tumor for each query, and its exact Dice.

    Parameters
    ----------
    tumor : (Q,) int64 array
        Its number; `NO_TUMOR` where there is none.
    dice_t1gd, dice_flair : (Q,) float64 arrays
        NaN where there is no tumor; `dice_t1gd` also for a query without core.
    """

    tumor: NDArray[np.int64]
    dice_t1gd: NDArray[np.float64]
    dice_flair: NDArray[np.float64]

    @property
    def combined_dice(self) -> NDArray[np.float64]:
        """Sum of both, (Q,); NaN without a core."""
        return self.dice_t1gd + self.dice_flair


@dataclass(frozen=True, kw_only=True, eq=False)
class RankedAnswers:
    """What a strategy's answers are worth.

    Parameters
    ----------
    best : Matches
        Its first hits.
    rank : (Q,) float64 array
        Rank of the first hit in the exact ranking, from 1; inf without a hit, NaN if the query was not asked.
    num_shared : (Q,) float64 array
        Hits among its first 15 whose exact rank is 15 or better; NaN if the query was not asked.
    dice_lost : (Q,) float64 array
        Δ, how much less its first hit's Dice sum is than that of the exact best (of FLAIR alone for a query without
        core); NaN without a hit.
    """

    best: Matches
    rank: NDArray[np.float64]
    num_shared: NDArray[np.float64]
    dice_lost: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactRanking:
    """The exact best of every query and what strategies answered.

    Parameters
    ----------
    best : Matches
        Among all tumors, ties by lower index.
    best_of_first : Matches
        Among the first tumors asked for.
    answers : tuple of RankedAnswers
        One per strategy.
    num_passes : int
        Passes over the store it took.
    """

    best: Matches
    best_of_first: Matches
    answers: tuple[RankedAnswers, ...]
    num_passes: int


def rank_answers(
    database: SimulationDatabase,
    queries: PackedQueries,
    hits: Sequence[NDArray[np.int64]],
    *,
    asked: Sequence[NDArray[np.bool_]],
    num_first: int | None = None,
    num_threads: int | None = None,
    most_table_bytes: int = MOST_TABLE_BYTES,
    report: Reporter = ignore_progress,
) -> ExactRanking:
    """Compare every query with every tumor and place the strategies' hits in that ranking.

    Parameters
    ----------
    database : SimulationDatabase
        What was searched.
    queries : PackedQueries
        On its grid.
    hits : sequence of (Q, K) int64 arrays
        Per strategy the tumors found, nearest first, `NO_TUMOR` after the last.
    asked : sequence of (Q,) bool arrays
        Per strategy which queries it was asked.
    num_first : int or None
        Tumors of `best_of_first`; None: all.
    num_threads : int or None
        Threads; None: all cores this process may use.
    most_table_bytes : int
        Memory of the Dice of one block of queries.
    report : Reporter
        Told about the passes.

    Raises
    ------
    ParameterError
        If `num_first` is out of range, or hits and asked do not fit the queries.
    DatabaseError
        If a tumor cannot be read.
    """
    number, first = len(queries), database.num_tumors if num_first is None else num_first
    if not 1 <= first <= database.num_tumors:
        raise ParameterError(f"num_first must lie between 1 and the {database.num_tumors} tumors, got {num_first}.")
    if len(hits) != len(asked) or any(len(each) != number for each in (*hits, *asked)):
        raise ParameterError(f"hits and asked must have a row for each of the {number} queries, and be equally many.")
    best, best_of_first = (_no_matches(number) for _ in range(2))
    answers = tuple(_no_answers(number) for _ in hits)
    block = max(1, most_table_bytes // (_BYTES_PER_PAIR * database.num_tumors))
    thresholds = database.header.thresholds
    blocks = [range(start, min(start + block, number)) for start in range(0, number, block)]
    for done, rows in enumerate(blocks):
        report(ProgressEvent(task="rank queries exactly", completed=done, total=len(blocks)))
        table = dice_of_all(
            database,
            rows_of(queries, rows),
            thresholds=thresholds,
            num_threads=num_threads,
            report=report,
        )
        for local, row in enumerate(rows):
            distance = table.distance(local)
            _set(best, row, table, local, int(np.argmin(distance)))
            _set(best_of_first, row, table, local, int(np.argmin(distance[:first])))
            for answer, found, was_asked in zip(answers, hits, asked, strict=True):
                if was_asked[row]:
                    _place(answer, row, table, local, distance, found[row])
    report(ProgressEvent(task="rank queries exactly", completed=len(blocks), total=len(blocks)))
    return ExactRanking(best=best, best_of_first=best_of_first, answers=answers, num_passes=len(blocks))


def rows_of(queries: PackedQueries, rows: range) -> PackedQueries:
    """Consecutive queries of a set, without copying masks that are not among them."""
    begin = int(queries.begins[rows.start, 0])
    end = int(queries.begins[rows.stop, 0]) if rows.stop < len(queries) else len(queries.words)
    part = slice(rows.start, rows.stop)
    return PackedQueries(
        grid=queries.grid,
        words=queries.words[begin:end],
        boxes=queries.boxes[part],
        begins=queries.begins[part] - begin,
        sizes=queries.sizes[part],
    )


def _no_matches(number: int) -> Matches:
    return Matches(
        tumor=np.full(number, NO_TUMOR, dtype=np.int64),
        dice_t1gd=np.full(number, np.nan),
        dice_flair=np.full(number, np.nan),
    )


def _no_answers(number: int) -> RankedAnswers:
    rank, shared, lost = (np.full(number, np.nan) for _ in range(3))
    return RankedAnswers(best=_no_matches(number), rank=rank, num_shared=shared, dice_lost=lost)


def _set(matches: Matches, row: int, table: DiceTable, local: int, tumor: int) -> None:
    core = table.dice_t1gd(local)
    matches.tumor[row] = tumor
    matches.dice_t1gd[row] = np.nan if core is None else core[tumor]
    matches.dice_flair[row] = table.dice_flair(local)[tumor]


def _place(
    answer: RankedAnswers,
    row: int,
    table: DiceTable,
    local: int,
    distance: NDArray[np.float64],
    hits: NDArray[np.int64],
) -> None:
    found = hits[hits != NO_TUMOR][:NUM_HITS]
    if len(found) == 0:
        answer.rank[row], answer.num_shared[row] = np.inf, 0.0
        return
    k = min(NUM_HITS, len(distance))
    furthest = np.partition(distance, k - 1)[k - 1]
    answer.num_shared[row] = np.count_nonzero(distance[found] <= furthest)
    answer.rank[row] = 1 + np.count_nonzero(distance < distance[found[0]])
    answer.dice_lost[row] = distance[found[0]] - distance.min()
    _set(answer.best, row, table, local, int(found[0]))
