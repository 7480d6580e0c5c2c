"""Asking one strategy all queries: what it finds, how long that takes, and what its network can reconstruct.

Opening an index is timed twice. The first time may have to prepare it from the database, once for all; the second finds
it in the user's cache, which is the loading that a single query pays: opening the index and, for networks, reading the
checkpoint. The operating system may still hold the files in memory, as it would on a machine that answers queries all
day. One query is asked before the clock runs, so that nothing is compiled while it does (but of a strategy that reads
the whole database for each, where that would not show).

Some indexes rank by something else than overlap, and read the stored tumors of their hits for nothing but the Dice that
a hit carries. Of these the ranking alone is timed (`RankingIndex.nearest`), since the Dice is no part of finding them;
of the others the whole search. The answers are those of the search for all.

A query that a strategy refuses (nothing of the tumor is left after downsampling, say) is an unanswered one; the reason
is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.database import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.imaging.observation import Observation
from gliofield.metrics.overlap import dice
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.retrieval import Hit, Index
from gliofield_papers.indexes.full_scan import PackedQueries
from gliofield_papers.indexes.ranking_index import RankingIndex
from gliofield_papers.measuring import timed
from gliofield_papers.retrieval.ranking import NO_TUMOR, NUM_HITS
from gliofield_papers.retrieval.strategies import ReconstructingIndex, RetrievalStrategy

#: What reconstructions of the database's own tumors are called among the groups of queries.
DATABASE_GROUP = "database"


@dataclass(frozen=True, kw_only=True, eq=False)
class StrategyAnswers:
    """Answers of one strategy.

    Parameters
    ----------
    hits : (Q, K) int64 array
        Tumors found, nearest first, K = 15 or all; `NO_TUMOR` after the last.
    asked : (Q,) bool array
        Which queries it was asked.
    seconds : (Q,) float64 array
        Wall time of each query [s]; NaN where it was not asked or refused.
    is_ranking_alone : bool
        Whether the seconds are of the ranking without the Dice of its hits; otherwise of the whole search.
    first_opening_s, loading_s : float
        Wall time of opening the index the first time, and again from the cache [s]; the database is open already.
    reconstruction_dice : (Q, 2) float64 array
        Dice of each query's masks with their reconstruction, FLAIR and T1Gd; NaN where there is none, and for T1Gd of a
        query without core.
    database_dice : (M, 2) float64 array
        The same for the first tumors of the database itself, some of which a network may have learned from.
    problems : tuple of str
        Why queries were refused, each reason once.
    """

    hits: NDArray[np.int64]
    asked: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    is_ranking_alone: bool
    first_opening_s: float
    loading_s: float
    reconstruction_dice: NDArray[np.float64]
    database_dice: NDArray[np.float64]
    problems: tuple[str, ...]

    def reconstruction_of(self, group: str, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Dice of reconstructions, (n, 2): of the queries of a group by their numbers, or of the database's tumors."""
        return self.database_dice if group == DATABASE_GROUP else self.reconstruction_dice[rows]


def ask(
    strategy: RetrievalStrategy,
    label: str,
    database: SimulationDatabase,
    queries: PackedQueries,
    *,
    rows: Sequence[int] | None = None,
    reconstructed_rows: Sequence[int] = (),
    num_reconstructed: int = 0,
    num_threads: int | None = None,
    report: Reporter = ignore_progress,
) -> StrategyAnswers:
    """Open a strategy's index and ask it queries.

    Parameters
    ----------
    strategy : RetrievalStrategy
        What is asked.
    label : str
        Its name in progress messages.
    database : SimulationDatabase
        What is searched.
    queries : PackedQueries
        On its grid.
    rows : sequence of int or None
        Queries to ask; None: all.
    reconstructed_rows : sequence of int
        Queries to reconstruct, where the index can.
    num_reconstructed : int
        Tumors of the database, from the first on, to reconstruct as well.
    num_threads : int or None
        Threads; None: all cores this process may use.
    report : Reporter
        Told about preparation and queries.

    Raises
    ------
    GliofieldError
        If the index cannot be opened, or a search fails for another reason than the query.
    """
    number, task = len(queries), f"ask {label}"
    chosen = range(number) if rows is None else rows
    hits = np.full((number, min(NUM_HITS, database.num_tumors)), NO_TUMOR, dtype=np.int64)
    asked, seconds = np.zeros(number, dtype=bool), np.full(number, np.nan)
    overlap, problems = np.full((number, 2), np.nan), list[str]()
    of_database = np.full((min(num_reconstructed, database.num_tumors), 2), np.nan)
    first_opening_s, index = timed(lambda: _opened(strategy, database, num_threads, report))
    del index
    loading_s, index = timed(lambda: _opened(strategy, database, num_threads, report))
    if chosen and not strategy.is_exhaustive:
        _timed_search(index, queries.query(chosen[0]))
    for number_asked, row in enumerate(chosen):
        report(ProgressEvent(task=task, completed=number_asked, total=len(chosen)))
        asked[row] = True
        answer = _timed_search(index, queries.query(row))
        if isinstance(answer, str):
            problems.append(answer)
            continue
        seconds[row], found = answer
        hits[row, : len(found)] = [hit.index for hit in found]
    report(ProgressEvent(task=task, completed=len(chosen), total=len(chosen)))
    if isinstance(index, ReconstructingIndex):
        for row in reconstructed_rows:
            overlap[row] = reconstruction_dice(index, queries.query(row))
        for tumor in range(len(of_database)):
            of_database[tumor] = reconstruction_dice(index, masks_of(database, tumor))
    return StrategyAnswers(
        hits=hits,
        asked=asked,
        seconds=seconds,
        is_ranking_alone=isinstance(index, RankingIndex),
        first_opening_s=first_opening_s,
        loading_s=loading_s,
        reconstruction_dice=overlap,
        database_dice=of_database,
        problems=tuple(dict.fromkeys(problems)),
    )


def masks_of(database: SimulationDatabase, tumor: int) -> Observation:
    """What a tumor of a database shows at the database's thresholds."""
    levels, at = database.density_levels(tumor), database.header.threshold_levels
    return Observation(tumor_core=levels > at["t1gd"], whole_tumor=levels > at["flair"], grid=database.header.grid)


def reconstruction_dice(index: ReconstructingIndex, query: Observation) -> tuple[float, float]:
    """Dice of a query's masks with their reconstruction, FLAIR and T1Gd; T1Gd is NaN for a query without core."""
    core, whole = index.reconstruct(query)
    flair = dice(whole, query.whole_tumor, if_both_empty=float("nan"))
    t1gd = dice(core, query.tumor_core, if_both_empty=float("nan")) if query.has_core else float("nan")
    return flair, t1gd


def _opened(
    strategy: RetrievalStrategy, database: SimulationDatabase, num_threads: int | None, report: Reporter
) -> Index:
    return strategy.open(database, thresholds=database.header.thresholds, num_threads=num_threads, report=report)


def _timed_search(index: Index, query: Observation) -> tuple[float, tuple[Hit, ...]] | str:
    """Seconds of a query and its hits, or why the query was refused."""
    try:
        if isinstance(index, RankingIndex):
            seconds, _ = timed(lambda: index.nearest(query, NUM_HITS))
            return seconds, index.search(query, NUM_HITS).hits
        seconds, found = timed(lambda: index.search(query, NUM_HITS))
        return seconds, found.hits
    except ParameterError as error:
        return str(error)
