"""``gliofield evaluate``: tables of what gliofield's parts achieve, on this machine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command, make_group
from gliofield.cli.console import Console
from gliofield.cli.evaluate_bayes import evaluate_bayes
from gliofield.cli.evaluate_learned import evaluate_inverse, evaluate_surrogate
from gliofield.cli.outputs import require_output_file, write_tables
from gliofield.cli.settings_options import choice, with_given

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.database import SimulationDatabase
    from gliofield.experiments import MatchingQueries, RegisteredPatient, RetrievalStrategy
    from gliofield.progress import Reporter

app = make_group("evaluate", "Measure gliofield's parts on this machine: error against cost.")


def evaluate_solver(
    console: Console,
    atlas: options.Atlas = "sri24",
    spacing_mm: Annotated[
        float, typer.Option(help="Voxel spacing [mm]; the table of grids spans 2/3 to 2 times as much.")
    ] = 1.875,
    num_tumors: Annotated[
        int | None, typer.Option("--tumors", min=1, help="Random tumors; default 8, or 3 with --quick.")
    ] = None,
    num_mass_effect_tumors: Annotated[
        int | None,
        typer.Option(
            "--mass-effect-tumors", min=0, help="Tumors with mass effect, 0: none; default 2, or 1 with --quick."
        ),
    ] = None,
    num_repeats: Annotated[
        int | None,
        typer.Option("--repeats", min=1, help="Timed repeats of reaction-diffusion; default 3, or 1 with --quick."),
    ] = None,
    quick: options.Quick = False,
    seed: Annotated[int, typer.Option(min=0, help="Root seed of the tumors.")] = 0,
    out: options.Tables = None,
    force: options.Force = False,
    threads: Annotated[int, typer.Option(min=1, help="Most threads of one run; mass effect always takes them.")] = 2,
) -> None:
    """Measure the error against the cost of the growth models, and how they scale with grid and threads.

    Prefer a machine with nothing else to do; it takes some minutes.
    """
    if out is None:
        console.refuse("force", because="without --out")
    require_output_file(out, ending=".md", replace=force)

    from gliofield.anatomy import load_atlas
    from gliofield.experiments import SolverEvaluationSettings
    from gliofield.experiments import evaluate_solver as evaluate
    from gliofield.report import solver_report

    settings = with_given(
        SolverEvaluationSettings.quick() if quick else SolverEvaluationSettings(),
        spacing_mm=spacing_mm,
        max_threads=threads,
        seed=seed,
        num_tumors=num_tumors,
        num_mass_effect_tumors=num_mass_effect_tumors,
        num_repeats=num_repeats,
    )
    evaluation = evaluate(load_atlas(atlas, report=console.report), settings, report=console.report)
    text = solver_report(evaluation)
    write_tables(out, text, replace=force)
    if evaluation.conditions.is_machine_busy:
        console.notes([evaluation.conditions.busy_warning])
    console.result({"file": out, **dataclasses.asdict(evaluation)}, lambda: text)


_Queries = Annotated[list[Path] | None, typer.Option(help="File of further queries with names (.npz); repeatable.")]
_Synthetic = Annotated[
    int | None,
    typer.Option(min=0, help="Held-out tumors of the database's design; default 1,000, or 50 with --quick."),
]
_Indexes = Annotated[
    list[str] | None,
    choice(*options.INDEXES, kind="index", help="Index to compare; repeatable. Default: all that need no training."),
]
_Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Bit-identical registrations, which take longer.")
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
    checkpoint: Annotated[list[Path] | None, typer.Option(help="Trained networks (ae, vae, hash); repeatable.")] = None,
    index: _Indexes = None,
    compare: Annotated[Path | None, typer.Option(help="Database of another growth model, compared at equal N.")] = None,
    atlas: options.DatabaseAtlas = None,
    registration: options.Registration = options.DEFAULT_REGISTRATION,
    deterministic: _Deterministic = False,
    quick: options.Quick = False,
    seed: _Seed = None,
    force: options.Force = False,
    threads: options.Threads = None,
) -> None:
    """Compare every way to search with the exact one: the papers' tables and figures about retrieval.

    It takes minutes to hours, depending on the size of the database; prefer a machine with nothing else to do.
    """
    from gliofield.output import require_absent
    from gliofield.report.retrieval_folder import RETRIEVAL_MARKER

    require_absent(out, replace=force, marker=RETRIEVAL_MARKER)
    if not patients:
        console.refuse("registration", "deterministic", because="without --patients")

    from gliofield.anatomy import load_atlas
    from gliofield.database import SimulationDatabase
    from gliofield.experiments import RetrievalEvaluationSettings
    from gliofield.experiments import evaluate_retrieval as evaluate
    from gliofield.experiments.measuring import timed
    from gliofield.report import retrieval_record, retrieval_report, write_retrieval_folder

    strategies = _strategies(index, checkpoint)
    opening_s, opened = timed(lambda: SimulationDatabase.open(database))
    for strategy in strategies:
        strategy.check(opened)
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
        settings=preset(num_threads=threads),
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
        from gliofield.experiments import MatchingQueries, find_patients, register_patients
        from gliofield.experiments.retrieval_queries import DEFAULT_SEED, require_distinct_names, require_drawable
        from gliofield.pipeline import PersonalizationSettings

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
        from gliofield.experiments import MatchingQueries, on_grid_of
        from gliofield.experiments.retrieval_queries import (
            is_drawn_from,
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
        from gliofield.experiments import held_out_tumors

        return held_out_tumors(
            self.opened,
            self.atlas,
            num_tumors=self.num_synthetic,
            seed=seed,
            workers=LocalWorkers(require_threads(self.num_threads)),
            report=report,
        )


def _strategies(names: list[str] | None, checkpoints: list[Path] | None) -> list[RetrievalStrategy]:
    from gliofield.experiments import CLASSICAL_NAMES, named_strategy, network_strategy

    named = [named_strategy(name) for name in dict.fromkeys(names or CLASSICAL_NAMES)]
    return [*named, *(network_strategy(path) for path in checkpoints or ())]


add_command(
    app,
    "solver",
    evaluate_solver,
    examples=["gliofield evaluate solver --quick", "gliofield evaluate solver --threads 8 --out solver.md"],
    runs_long=True,
)
add_command(
    app,
    "retrieval",
    evaluate_retrieval,
    examples=[
        "gliofield evaluate retrieval DB --out tables --quick",
        "gliofield evaluate retrieval DB --patients PATIENTS --synthetic 0 --out tables",
    ],
    runs_long=True,
    reads_images=True,
)
add_command(
    app,
    "inverse",
    evaluate_inverse,
    examples=["gliofield evaluate inverse DB --checkpoint inverse.safetensors --quick --out inverse.md"],
    runs_long=True,
    reads_images=True,
)
add_command(
    app,
    "surrogate",
    evaluate_surrogate,
    examples=["gliofield evaluate surrogate --checkpoint surrogate.safetensors --quick --figures figures"],
    runs_long=True,
)
add_command(
    app,
    "bayes",
    evaluate_bayes,
    examples=[
        "gliofield evaluate bayes --out bayes --small",
        "gliofield evaluate bayes --out bayes --patients PATIENTS --threads 16",
    ],
    runs_long=True,
    resumes=True,
    reads_images=True,
)
