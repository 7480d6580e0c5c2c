"""Every strategy of the papers beside the exact index, on one database: what ``gliofield papers retrieval`` measures.

The papers' Tables 1 and 2 (Ezhov et al. 2022, "Casting the inverse problem as a database query"), their Figures 3 and 4
(also "A for-loop is all you need"), and the extras of the thesis (Rosier 2022, chapter 4): ranks, the intersection of
the top 15, Dice lost, five cases, reconstructions, learning curves. All strategies are asked the same queries, one
strategy after the other; then one more pass ranks every tumor exactly (`retrieval_ranking`) and places their answers.

Everything is computed; nothing is printed or drawn.
"""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import available_cores, require_threads
from gliofield.database import SimulationDatabase
from gliofield.errors import GliofieldError, ParameterError
from gliofield.progress import Reporter, ignore_progress
from gliofield_papers.measuring import MeasuredUnderLoad, timed
from gliofield_papers.queries.matching_queries import REAL_GROUP, MatchingQueries
from gliofield_papers.queries.retrieval_queries import (
    RegisteredPatient,
    on_grid_of,
    require_distinct_names,
    require_held_out,
)
from gliofield_papers.retrieval.answers import DATABASE_GROUP, StrategyAnswers, ask
from gliofield_papers.retrieval.cases import RetrievalCase, pick_cases
from gliofield_papers.retrieval.pipeline import PatientPipeline, measure_way_back
from gliofield_papers.retrieval.ranking import ExactRanking, Matches, rank_answers
from gliofield_papers.retrieval.scores import (
    PairedScore,
    ReconstructionScore,
    StrategyResult,
    StrategyScore,
    StrategyTiming,
    paired_score,
    reconstruction_of,
    score_of,
    timing_of,
)
from gliofield_papers.retrieval.strategies import RetrievalStrategy, distinct_labels

_MEASURED_PACKAGES = ("gliofield", "numpy", "scipy", "numba", "scikit-image", "torch", "antspyx")


@dataclass(frozen=True, kw_only=True)
class RetrievalEvaluationSettings:
    """How much is measured.

    Parameters
    ----------
    num_direct_queries : int
        Queries per group for strategies that read the whole database for each, ≥ 1.
    num_reconstructed : int
        Queries per group, and tumors of the database, that networks reconstruct, ≥ 0.
    num_threads : int or None
        Threads of the searches; None: all cores this process may use.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    num_direct_queries: int = 3
    num_reconstructed: int = 200
    num_threads: int | None = None

    def __post_init__(self) -> None:
        if self.num_direct_queries < 1:
            raise ParameterError(f"num_direct_queries must be at least 1, got {self.num_direct_queries}.")
        if self.num_reconstructed < 0:
            raise ParameterError(f"num_reconstructed must be ≥ 0, got {self.num_reconstructed}.")
        require_threads(self.num_threads)

    @classmethod
    def quick(cls, *, num_threads: int | None = None) -> RetrievalEvaluationSettings:
        """Fewer of everything: a first look."""
        return cls(num_direct_queries=1, num_reconstructed=10, num_threads=num_threads)


@dataclass(frozen=True, kw_only=True)
class DatabaseDescription:
    """What was searched.

    Parameters
    ----------
    name : str
        Name of the folder.
    num_tumors : int
        Tumors in it.
    design, model, atlas, grid, domain_rule : str
        What they were made of.
    root_seed : int
        Root of its random numbers.
    t1gd_threshold, flair_threshold : float
        Densities above which a tumor shows.
    """

    name: str
    num_tumors: int
    design: str
    model: str
    atlas: str
    grid: str
    domain_rule: str
    root_seed: int
    t1gd_threshold: float
    flair_threshold: float


@dataclass(frozen=True, kw_only=True)
class RetrievalConditions(MeasuredUnderLoad):
    """What was measured on.

    Parameters
    ----------
    architecture : str
        Of the processor.
    num_cores, num_threads : int
        Cores this process may use, and threads of the searches.
    load_average_before, load_average_after : float
        Processes that were running or waiting on the machine in the minute before and in the last minute.
    network_devices : tuple of str
        Where networks ran, ``cpu`` or the name of the CUDA device; empty without networks.
    database_opening_s : float
        Wall time of opening the database, a part of every strategy's loading [s].
    num_passes : int
        Passes over the store for the exact ranking.
    ranking_s : float
        Their wall time [s].
    versions : dict of str to str
        Of Python and of what computes, as far as it is installed.
    """

    busy_advice: ClassVar[str] = "Only orders of magnitude can be compared."
    architecture: str
    num_cores: int
    num_threads: int
    load_average_before: float
    load_average_after: float
    network_devices: tuple[str, ...]
    database_opening_s: float
    num_passes: int
    ranking_s: float
    versions: dict[str, str] = field(hash=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelComparison:
    """Best matches in two databases, among as many tumors of each.

    Parameters
    ----------
    num_tumors : int
        The first so many of each.
    databases : pair of DatabaseDescription
        The one evaluated, and the other.
    best : pair of Matches
        The exact best of every query in each.
    """

    num_tumors: int
    databases: tuple[DatabaseDescription, DatabaseDescription]
    best: tuple[Matches, Matches]


@dataclass(frozen=True, kw_only=True, eq=False)
class RetrievalEvaluation:
    """All that was measured; tables are drawn from it by the methods.

    `notes` tell what is missing and why.
    """

    settings: RetrievalEvaluationSettings
    database: DatabaseDescription
    conditions: RetrievalConditions
    queries: MatchingQueries
    strategies: tuple[StrategyResult, ...]
    best: Matches
    cases: tuple[RetrievalCase, ...]
    patients: tuple[PatientPipeline, ...]
    comparison: ModelComparison | None
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of queries, real patients first."""
        kinds = tuple(dict.fromkeys(self.queries.groups))
        return tuple(sorted(kinds, key=lambda kind: kind != REAL_GROUP))

    def with_notes(self, notes: Sequence[str]) -> RetrievalEvaluation:
        """The same with more notes."""
        return dataclasses.replace(self, notes=(*self.notes, *notes))

    def rows_of(self, group: str) -> NDArray[np.intp]:
        """Numbers of the queries of a group."""
        return rows_of_group(self.queries, group)

    def scores(self) -> tuple[StrategyScore, ...]:
        """Accuracy of every strategy on every group that it was asked queries of."""
        scores = [score_of(result, group, self.rows_of(group)) for result in self.strategies for group in self.groups]
        return tuple(score for score in scores if score.num_queries)

    def timings(self) -> tuple[StrategyTiming, ...]:
        """What every strategy costs."""
        opening_s = self.conditions.database_opening_s
        return tuple(timing_of(result, self.patients, opening_s) for result in self.strategies)

    def gains(self) -> tuple[PairedScore, ...]:
        """Every trained network against controls that learned nothing: itself untrained, and a random projection."""
        return tuple(
            paired_score(result, control, group, self.rows_of(group))
            for group in self.groups
            for result in self.strategies
            for control in self.strategies
            if control.strategy.is_control_of(result.strategy)
        )

    def reconstructions(self) -> tuple[ReconstructionScore, ...]:
        """Reconstruction by every network, on every group that it was shown queries of."""
        groups = (*self.groups, DATABASE_GROUP)
        scores = [
            reconstruction_of(result, group, self.rows_of(group)) for result in self.strategies for group in groups
        ]
        return tuple(score for score in scores if score.num_flair)


def evaluate_retrieval(
    database: SimulationDatabase,
    queries: MatchingQueries,
    strategies: Sequence[RetrievalStrategy],
    *,
    settings: RetrievalEvaluationSettings | None = None,
    compare: SimulationDatabase | None = None,
    patients: Sequence[RegisteredPatient] = (),
    notes: Sequence[str] = (),
    database_opening_s: float = 0.0,
    report: Reporter = ignore_progress,
) -> RetrievalEvaluation:
    """Ask every strategy every query and place the answers in the exact ranking.

    Parameters
    ----------
    database : SimulationDatabase
        What is searched.
    queries : MatchingQueries
        Tumors that are not in it, on any grid of its atlas space.
    strategies : sequence of RetrievalStrategy
        At least one.
    settings : RetrievalEvaluationSettings, optional
        How much is measured.
    compare : SimulationDatabase, optional
        Another database, normally of another growth model, whose best matches are compared at equal N.
    patients : sequence of RegisteredPatient
        Those of the queries that are real patients, to time the way back; one for whom it fails is noted.
    notes : sequence of str
        What readers of the results have to know beforehand, such as patients left out.
    database_opening_s : float
        What it took to open the database, to be counted as loading [s].
    report : Reporter
        Told of every step.

    Raises
    ------
    ParameterError
        If there is no strategy or query, two queries have one name, or queries are not held out.
    DatabaseError
        If a network was trained for other tumors, which is found first of all, or a tumor cannot be read.
    """
    chosen = RetrievalEvaluationSettings() if settings is None else settings
    load_before = os.getloadavg()[0]
    asked, asked_of_other = _prepare_queries(database, queries, strategies, compare)
    row_of_patient = {patient.name: asked.names.index(patient.name) for patient in patients}
    labels = distinct_labels(strategies)
    answers = [
        _ask(strategy, label, database, asked, chosen, report)
        for strategy, label in zip(strategies, labels, strict=True)
    ]
    num_first = None if compare is None else min(database.num_tumors, compare.num_tumors)
    ranking_s, ranking = timed(lambda: _rank(database, asked, answers, num_first, chosen, report))
    comparison = None
    if compare is not None and asked_of_other is not None:
        comparison = _compare_models(database, compare, ranking.best_of_first, asked_of_other, chosen, report)
    nearest = [int(ranking.best.tumor[row_of_patient[patient.name]]) for patient in patients]
    pipelines, failures = _ways_back(database, patients, nearest, report)
    return RetrievalEvaluation(
        settings=chosen,
        database=describe_database(database),
        conditions=_conditions(
            chosen,
            load_before,
            strategies,
            database_opening_s=database_opening_s,
            num_passes=ranking.num_passes,
            ranking_s=ranking_s,
        ),
        queries=asked,
        strategies=tuple(
            StrategyResult(label=label, strategy=strategy, answers=answer, ranked=ranked)
            for label, strategy, answer, ranked in zip(labels, strategies, answers, ranking.answers, strict=True)
        ),
        best=ranking.best,
        cases=pick_cases(asked, ranking.best),
        patients=pipelines,
        comparison=comparison,
        notes=(*notes, *failures),
    )


def _prepare_queries(
    database: SimulationDatabase,
    queries: MatchingQueries,
    strategies: Sequence[RetrievalStrategy],
    compare: SimulationDatabase | None,
) -> tuple[MatchingQueries, MatchingQueries | None]:
    """The queries on the grids of both databases, once all that can be refused is refused: hours are spent later."""
    if not strategies:
        raise ParameterError("strategies is empty: expected at least one way to search.")
    for strategy in strategies:
        strategy.check(database)
    require_distinct_names(queries.names)
    asked = on_grid_of(database, queries)
    asked_of_other = None if compare is None else on_grid_of(compare, queries)
    for each in (database, compare):
        if each is not None:
            require_held_out(each, queries)
    return asked, asked_of_other


def _rank(
    database: SimulationDatabase,
    queries: MatchingQueries,
    answers: Sequence[StrategyAnswers],
    num_first: int | None,
    settings: RetrievalEvaluationSettings,
    report: Reporter,
) -> ExactRanking:
    """The exact ranking with the answers of all strategies placed in it."""
    return rank_answers(
        database,
        queries.packed,
        [answer.hits for answer in answers],
        asked=[answer.asked for answer in answers],
        num_first=num_first,
        num_threads=settings.num_threads,
        report=report,
    )


def _compare_models(
    database: SimulationDatabase,
    other: SimulationDatabase,
    best: Matches,
    queries: MatchingQueries,
    settings: RetrievalEvaluationSettings,
    report: Reporter,
) -> ModelComparison:
    """Best matches beside those of another database, of whose grid the queries are, among as many tumors of each."""
    number = min(database.num_tumors, other.num_tumors)
    ranking = rank_answers(
        other, queries.packed, [], asked=[], num_first=number, num_threads=settings.num_threads, report=report
    )
    return ModelComparison(
        num_tumors=number,
        databases=(describe_database(database), describe_database(other)),
        best=(best, ranking.best_of_first),
    )


def rows_of_group(queries: MatchingQueries, group: str) -> NDArray[np.intp]:
    """Numbers of the queries of a group."""
    return np.flatnonzero([own == group for own in queries.groups])


def describe_database(database: SimulationDatabase) -> DatabaseDescription:
    """What tables and records say about a database."""
    header = database.header
    return DatabaseDescription(
        name=database.path.resolve().name,
        num_tumors=database.num_tumors,
        design=str(header.design["name"]),
        model=str(header.model["name"]),
        atlas=header.atlas_name,
        grid=header.grid.describe(),
        domain_rule=header.domain_rule,
        root_seed=header.root_seed,
        t1gd_threshold=header.thresholds.t1gd_threshold,
        flair_threshold=header.thresholds.flair_threshold,
    )


def _ask(
    strategy: RetrievalStrategy,
    label: str,
    database: SimulationDatabase,
    queries: MatchingQueries,
    settings: RetrievalEvaluationSettings,
    report: Reporter,
) -> StrategyAnswers:
    def first_of_groups(number: int) -> list[int]:
        groups = dict.fromkeys(queries.groups)
        return sorted(int(row) for group in groups for row in rows_of_group(queries, group)[:number])

    return ask(
        strategy,
        label,
        database,
        queries.packed,
        rows=first_of_groups(settings.num_direct_queries) if strategy.is_exhaustive else None,
        reconstructed_rows=first_of_groups(settings.num_reconstructed),
        num_reconstructed=settings.num_reconstructed,
        num_threads=settings.num_threads,
        report=report,
    )


def _ways_back(
    database: SimulationDatabase, patients: Sequence[RegisteredPatient], tumors: Sequence[int], report: Reporter
) -> tuple[tuple[PatientPipeline, ...], list[str]]:
    """Every patient's way around the query, and notes on those of whom it cannot be measured."""
    pipelines, failures = [], []
    for patient, tumor in zip(patients, tumors, strict=True):
        try:
            pipelines.append(measure_way_back(database, patient, tumor, report=report))
        except GliofieldError as error:
            failures.append(f"{patient.name}: the way back to the patient could not be measured ({error})")
    return tuple(pipelines), failures


def _conditions(
    settings: RetrievalEvaluationSettings,
    load_before: float,
    strategies: Sequence[RetrievalStrategy],
    *,
    database_opening_s: float,
    num_passes: int,
    ranking_s: float,
) -> RetrievalConditions:
    return RetrievalConditions(
        architecture=platform.machine(),
        num_cores=available_cores(),
        num_threads=require_threads(settings.num_threads),
        load_average_before=load_before,
        load_average_after=os.getloadavg()[0],
        network_devices=tuple(dict.fromkeys(each.network.device for each in strategies if each.network is not None)),
        database_opening_s=database_opening_s,
        num_passes=num_passes,
        ranking_s=ranking_s,
        versions={"python": platform.python_version(), **_installed(_MEASURED_PACKAGES)},
    )


def _installed(names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
