"""Methods scored on a virtual cohort: every case once, in several processes, going on where an earlier run stopped.

What it cannot tell: how a method does on real patients. The cohort's truth is growth as the methods assume it, more or
less, and its false edema is a guess; order and robustness are what to read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gliofield.anatomy import Atlas
from gliofield.bayes.simulation_workers import SimulationWorkers
from gliofield.errors import ParameterError
from gliofield.pipeline import MethodOptions, PersonalizationSettings
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.scoring.method_inputs import method_inputs
from gliofield_evaluation.scoring.case_scorer import CONTROLS, CaseScorer, MethodScores

if TYPE_CHECKING:
    from gliofield_evaluation.virtual import CohortCase

#: Patients of a quick look; cohorts are ordered so that every part of them has its share of each kind.
QUICK_PATIENTS = 12
_TASK = "score cases"


@dataclass(frozen=True, kw_only=True)
class ScoredCase:
    """A case and what was found in it.

    Parameters
    ----------
    name, split, kind, condition : str
        Which one.
    scores : mapping of str to MethodScores
        By method, ``controls`` among them.
    """

    name: str
    split: str
    kind: str
    condition: str
    scores: Mapping[str, MethodScores]

    def value(self, ranking: str, metric: str) -> float:
        """A number of one ranking (``"assimilate, priority"``, or the name of a control); NaN if there is none."""
        for method, scores in self.scores.items():
            for name, found in scores.rankings.items():
                if ranking == ranking_name(method, name):
                    return found.get(metric, float("nan"))
        return float("nan")


@dataclass(frozen=True, kw_only=True)
class VirtualEvaluation:
    """What was found in a cohort.

    Parameters
    ----------
    methods : tuple of str
        The methods that were scored.
    cases : tuple of ScoredCase
        In the order of the cohort.
    settings : PersonalizationSettings
        Registration and thresholds.
    """

    methods: tuple[str, ...]
    cases: tuple[ScoredCase, ...]
    settings: PersonalizationSettings = field(default_factory=PersonalizationSettings)

    @property
    def conditions(self) -> tuple[str, ...]:
        """In their order."""
        return tuple(dict.fromkeys(case.condition for case in self.cases))

    @property
    def kinds(self) -> tuple[str, ...]:
        """In the order in which they first come."""
        return tuple(dict.fromkeys(case.kind for case in self.cases))

    @property
    def rankings(self) -> tuple[str, ...]:
        """Names of all rankings that some case has: controls first, then by method."""
        names = (
            ranking_name(method, name)
            for method in (CONTROLS, *self.methods)
            for case in self.cases
            for name in case.scores[method].rankings
        )
        return tuple(dict.fromkeys(names))

    def under(self, condition: str, kind: str | None = None) -> tuple[ScoredCase, ...]:
        """Cases of a condition, and of a kind if one is given."""
        return tuple(case for case in self.cases if case.condition == condition and kind in (None, case.kind))


def ranking_name(method: str, name: str) -> str:
    """Name of a ranking in tables: with the method it is of, unless it is a control."""
    return name if method == CONTROLS else f"{method}, {name}"


def evaluate_virtual(
    cases: Sequence[CohortCase],
    folder: str | os.PathLike[str],
    methods: Mapping[str, MethodOptions],
    *,
    atlas: Atlas,
    settings: PersonalizationSettings | None = None,
    num_workers: int = 1,
    report: Reporter = ignore_progress,
) -> VirtualEvaluation:
    """Score methods on cases whose truth is known; what the folder holds already is not computed again.

    Parameters
    ----------
    cases : sequence of CohortCase
        Patients under their conditions (`gliofield.virtual.read_cohort`).
    folder : path
        Where registrations and scores are kept; made if missing.
    methods : mapping of str to MethodOptions
        By the name that tables give them.
    atlas : Atlas
        The atlas they work with.
    settings : PersonalizationSettings, optional
        Registration and thresholds; each process has one thread, and registrations are deterministic.
    num_workers : int
        Processes.
    report : Reporter
        Told of every case.

    Raises
    ------
    ParameterError
        If there is no case or method, or a method is called as the controls are.
    DatabaseError, CheckpointError
        If a method cannot be prepared.
    OutputError
        If the folder cannot be written.
    """
    if not cases or not methods or CONTROLS in methods:
        raise ParameterError(
            f"there is nothing to score: expected cases and methods, none of them called {CONTROLS!r}, got "
            f"{len(cases)} cases and the methods {list(methods)}."
        )
    chosen = _one_thread(PersonalizationSettings() if settings is None else settings)
    scorer = CaseScorer(
        cases=tuple(cases),
        methods=dict(methods),
        identities={name: method_inputs(options, atlas, chosen, report) for name, options in methods.items()},
        atlas=atlas,
        settings=chosen,
        folder=Path(folder),
    )
    scored = []
    report(ProgressEvent(task=_TASK, completed=0, total=len(cases)))
    with SimulationWorkers(scorer, min(num_workers, len(cases))) as workers:
        found = workers.map("score", list(range(len(cases))))
        for done, (case, scores) in enumerate(zip(cases, found, strict=True), start=1):
            named = {name: getattr(case, name) for name in ("name", "split", "kind", "condition")}
            scored.append(ScoredCase(**named, scores=scores))
            message = f"{case.name}, {case.condition}"
            report(ProgressEvent(task=_TASK, completed=done, total=len(cases), message=message))
    return VirtualEvaluation(methods=tuple(methods), cases=tuple(scored), settings=chosen)


def first_patients(cases: Sequence[CohortCase], number: int) -> tuple[CohortCase, ...]:
    """All cases of the first patients of a cohort."""
    names = list(dict.fromkeys(case.name for case in cases))[:number]
    return tuple(case for case in cases if case.name in names)


def _one_thread(settings: PersonalizationSettings) -> PersonalizationSettings:
    return replace(settings, num_threads=1, deterministic=True)
