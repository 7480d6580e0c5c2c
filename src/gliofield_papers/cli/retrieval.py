"""``gliofield papers retrieval``: every way to search a database beside the exact one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.settings_options import choice, with_given
from gliofield_papers.cli.options import CLASSICAL_INDEXES, NETWORK_INDEXES

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.database import SimulationDatabase
    from gliofield.progress import Reporter
    from gliofield_papers.queries.matching_queries import MatchingQueries
    from gliofield_papers.queries.retrieval_queries import RegisteredPatient
    from gliofield_papers.retrieval.strategies import RetrievalStrategy

_Queries = Annotated[list[Path] | None, typer.Option(help="File of further queries with names (.npz); repeatable.")]
_Synthetic = Annotated[
    int | None,
    typer.Option(min=0, help="Held-out tumors of the database's design; default 1,000, or 50 with --quick."),
]
_Indexes = Annotated[
    list[str] | None,
    choice(
        *CLASSICAL_INDEXES,
        *NETWORK_INDEXES,
        kind="index",
        help="Index to compare; repeatable. Default: all that need no training.",
    ),
]
_Networks = Annotated[
    list[Path] | None,
    typer.Option(help="Trained network (ae, vae, hash), asked beside itself untrained; repeatable."),
]
_Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Bit-identical registrations, which take longer.")
]
_Reconstructed = Annotated[
    int | None,
    typer.Option(min=0, help="Queries per group and tumors of the database that networks reconstruct; default 200."),
]
_Seed = Annotated[
    int | None, typer.Option(min=0, help="Root seed of the held-out tumors; not the database's. Default 20,000.")
]


def evaluate_retrieval(
    console: Console,
    database: options.Database,
    out: Annotated[Path, typer.Option(help="Folder to write: page, record, a CSV per table, figures, sheets.")],
    queries: _Queries = None,
    patients: options.Patients = None,
    synthetic: _Synthetic = None,
    checkpoint: _Networks = None,
    index: _Indexes = None,
    compare: Annotated[Path | None, typer.Option(help="Database of another growth model, compared at equal N.")] = None,
    atlas: options.DatabaseAtlas = None,
    registration: options.Registration = options.DEFAULT_REGISTRATION,
    deterministic: _Deterministic = False,
    reconstructed: _Reconstructed = None,
    quick: options.Quick = False,
    seed: _Seed = None,
    force: options.Force = False,
    threads: options.Threads = None,
) -> None:
    """Compare every way to search with the exact one: the papers' tables and figures about retrieval.

    It takes minutes to hours, depending on the size of the database; prefer a machine with nothing else to do.
    """
    from gliofield.output import require_absent
    from gliofield_papers.retrieval.folder import RETRIEVAL_MARKER

    require_absent(out, replace=force, marker=RETRIEVAL_MARKER)
    if not patients:
        console.refuse("registration", "deterministic", because="without --patients")

    from gliofield.anatomy import load_atlas
    from gliofield.database import SimulationDatabase
    from gliofield_papers.measuring import timed
    from gliofield_papers.retrieval.evaluation import RetrievalEvaluationSettings
    from gliofield_papers.retrieval.evaluation import evaluate_retrieval as evaluate
    from gliofield_papers.retrieval.folder import write_retrieval_folder
    from gliofield_papers.retrieval.report import retrieval_record, retrieval_report

    strategies = _strategies(index, checkpoint)
    opening_s, opened = timed(lambda: SimulationDatabase.open(database))
    _check(strategies, opened)
    sources = _QuerySources(
        opened=opened,
        compare=None if compare is None else SimulationDatabase.open(compare),
        atlas=load_atlas(atlas or opened.header.atlas_name, report=console.report),
        files=tuple(queries or ()),
        patients=tuple(patients or ()),
        num_synthetic=(50 if quick else 1000) if synthetic is None else synthetic,
        seed=seed,
        registration=registration,
        deterministic=deterministic,
        num_threads=threads,
    )
    asked, registered, left_out = sources.gather(console.report)
    preset = RetrievalEvaluationSettings.quick if quick else RetrievalEvaluationSettings
    evaluation = evaluate(
        opened,
        asked,
        strategies,
        settings=with_given(preset(num_threads=threads), num_reconstructed=reconstructed),
        compare=sources.compare,
        patients=registered,
        notes=[f"Left out: {name} ({reason})" for name, reason in left_out.items()],
        database_opening_s=opening_s,
        report=console.report,
    )
    not_drawn = write_retrieval_folder(
        evaluation,
        out,
        database=opened,
        atlas=sources.atlas,
        patients=registered,
        force=force,
        report=console.report,
    )
    evaluation = evaluation.with_notes(not_drawn)
    busy = [evaluation.conditions.busy_warning] if evaluation.conditions.is_machine_busy else []
    console.notes([*evaluation.notes, *busy])
    content = {"folder": out, "patients_left_out": left_out, **retrieval_record(evaluation)}
    console.result(content, lambda: retrieval_report(evaluation))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _QuerySources:
    """Where the queries of an evaluation come from."""

    opened: SimulationDatabase
    compare: SimulationDatabase | None
    atlas: Atlas
    files: tuple[Path, ...]
    patients: tuple[Path, ...]
    num_synthetic: int
    seed: int | None
    registration: str
    deterministic: bool
    num_threads: int | None

    def gather(self, report: Reporter) -> tuple[MatchingQueries, tuple[RegisteredPatient, ...], dict[str, str]]:
        """All queries on the database's grid, the patients among them, and why other patients were left out.

        What can be refused is refused before the first registration.
        """
        from gliofield.errors import ParameterError
        from gliofield.pipeline import PersonalizationSettings, find_patients
        from gliofield_papers.queries.matching_queries import MatchingQueries
        from gliofield_papers.queries.retrieval_queries import (
            DEFAULT_SEED,
            register_patients,
            require_distinct_names,
            require_drawable,
        )

        sets = self._read_files()
        files, left_out = find_patients(self.patients)
        require_distinct_names([*files, *(name for read in sets for name in read.names)])
        seed = DEFAULT_SEED if self.seed is None else self.seed
        if self.num_synthetic:
            require_drawable(self.opened, self.atlas, seed=seed, compare=self.compare)
        registered: tuple[RegisteredPatient, ...] = ()
        if files:
            settings = PersonalizationSettings(
                registration=self.registration, deterministic=self.deterministic, num_threads=self.num_threads
            )
            real, registered, not_registered = register_patients(
                self.opened, self.atlas, files, settings=settings, report=report
            )
            left_out |= not_registered
            if real is not None:
                sets.insert(0, real)
        if self.num_synthetic:
            sets.insert(len(registered) > 0, self._draw(seed, report))
        if not sets:
            reasons = "".join(f"\nLeft out: {name} ({reason})" for name, reason in left_out.items())
            raise ParameterError(f"there is nothing to ask: give --synthetic, --patients or --queries.{reasons}")
        return MatchingQueries.joined(sets), registered, left_out

    def _read_files(self) -> list[MatchingQueries]:
        """Queries of files, refused where they do not fit a database that is searched."""
        from gliofield_papers.queries.matching_queries import MatchingQueries
        from gliofield_papers.queries.retrieval_queries import (
            is_drawn_from,
            on_grid_of,
            require_atlas_of,
            require_held_out,
            with_synthetic_renamed,
        )

        sets = []
        for path in self.files:
            read = on_grid_of(self.opened, MatchingQueries.read(path))
            is_own = not self.num_synthetic and is_drawn_from(read, self.opened.header)
            sets.append(read if is_own else with_synthetic_renamed(read, path.stem))
        for searched in [self.opened] if self.compare is None else [self.opened, self.compare]:
            require_atlas_of(searched.header, self.atlas)
            for read in sets:
                require_held_out(searched, read)
        return sets

    def _draw(self, seed: int, report: Reporter) -> MatchingQueries:
        """Tumors of the database's design that are not in it."""
        from gliofield.cores import require_threads
        from gliofield.database import LocalWorkers
        from gliofield_papers.queries.retrieval_queries import held_out_tumors

        return held_out_tumors(
            self.opened,
            self.atlas,
            num_tumors=self.num_synthetic,
            seed=seed,
            workers=LocalWorkers(require_threads(self.num_threads)),
            report=report,
        )


def _check(strategies: list[RetrievalStrategy], database: SimulationDatabase) -> None:
    for strategy in strategies:
        strategy.check(database)


def _strategies(names: list[str] | None, checkpoints: list[Path] | None) -> list[RetrievalStrategy]:
    from gliofield_papers.retrieval.strategies import CLASSICAL_NAMES, named_strategy, network_strategies

    named = [named_strategy(name) for name in dict.fromkeys(names or CLASSICAL_NAMES)]
    return [*named, *network_strategies(checkpoints or ())]
