"""``gliofield evaluate``: tables of what gliofield's parts achieve, on this machine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_result, progress_bars, user_errors
from gliofield.cli.evaluate_bayes import evaluate_bayes_command
from gliofield.cli.evaluate_learned import evaluate_inverse_command, evaluate_surrogate_command
from gliofield.cli.options import AtlasOption, DatabaseArgument, DatabaseAtlasOption, TablesOption, ThreadsOption
from gliofield.progress import Reporter

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.database import SimulationDatabase
    from gliofield.experiments import MatchingQueries, RegisteredPatient, RetrievalStrategy

app = typer.Typer(help="Measure gliofield's parts on this machine: error against cost.", no_args_is_help=True)


@app.command("solver")
def solver_command(
    atlas: AtlasOption = "sri24",
    spacing_mm: Annotated[
        float, typer.Option(help="Voxel spacing [mm]; the table of grids spans 2/3 to 2 times as much.")
    ] = 1.875,
    tumors: Annotated[int | None, typer.Option(min=1, help="Random tumors; default 8, or 3 with --quick.")] = None,
    mass_effect_tumors: Annotated[
        int | None, typer.Option(min=0, help="Tumors with mass effect, 0 for none; default 2, or 1 with --quick.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Timed repeats of reaction-diffusion; default 3, or 1 with --quick.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Most threads of one run; mass effect always takes them.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer tumors and cases, no fine grid.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Root seed of the tumors.")] = 0,
    out: TablesOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Error against cost of the growth models, and how they scale with grid and threads.

    Conditions come first. Prefer a machine with nothing else to do; it takes some minutes.
    """
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import load_atlas
        from gliofield.errors import ParameterError
        from gliofield.experiments import SolverEvaluationSettings, evaluate_solver
        from gliofield.output import atomic_file, require_absent
        from gliofield.report import solver_report

        if out is not None:
            if out.suffix.lower() != ".md":
                raise ParameterError(f"--out {out} must end in .md.")
            require_absent(out, replace=force)
        preset = SolverEvaluationSettings.quick() if quick else SolverEvaluationSettings()
        settings = dataclasses.replace(
            preset,
            spacing_mm=spacing_mm,
            max_threads=threads,
            seed=seed,
            num_tumors=preset.num_tumors if tumors is None else tumors,
            num_mass_effect_tumors=(
                preset.num_mass_effect_tumors if mass_effect_tumors is None else mass_effect_tumors
            ),
            num_repeats=preset.num_repeats if repeats is None else repeats,
        )
        evaluation = evaluate_solver(load_atlas(atlas, report=report), settings, report=report)
        text = solver_report(evaluation)
        if out is not None:
            with atomic_file(out) as partial:
                partial.write_text(text + "\n", encoding="utf-8")
    if evaluation.conditions.is_machine_busy:
        typer.echo(evaluation.conditions.busy_warning, err=True)
    print_result({"file": out, **dataclasses.asdict(evaluation)}, as_json=as_json, text=lambda: text)


@app.command("retrieval")
def retrieval_command(
    database: DatabaseArgument,
    out: Annotated[Path, typer.Option(help="Folder to write: page, record, a CSV per table, figures, sheets.")],
    queries: Annotated[
        list[Path] | None, typer.Option(help="File of further queries with names (.npz); repeatable.")
    ] = None,
    patients: Annotated[
        list[Path] | None, typer.Option(help="BraTS folder, or a folder of such, of real patients; repeatable.")
    ] = None,
    synthetic: Annotated[
        int | None,
        typer.Option(min=0, help="Held-out tumors of the database's design; default 1,000, or 50 with --quick."),
    ] = None,
    checkpoint: Annotated[list[Path] | None, typer.Option(help="Trained networks (ae, vae, hash); repeatable.")] = None,
    index: Annotated[
        list[str] | None, typer.Option(help="Index to compare; repeatable. Default: all that need no training.")
    ] = None,
    compare: Annotated[Path | None, typer.Option(help="Database of another growth model, compared at equal N.")] = None,
    atlas: DatabaseAtlasOption = None,
    registration: Annotated[
        str | None, typer.Option(help="Registration preset of the patients (fast, papers, affine, none).")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Bit-identical registrations, which take longer.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer queries: a first look.")] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Root seed of the held-out tumors; not the database's. Default 20,000.")
    ] = None,
    threads: ThreadsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Every way to search beside the exact one: the papers' tables and figures about retrieval.

    Takes minutes to hours, depending on the size of the database; prefer a machine with nothing else to do.
    """
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import load_atlas
        from gliofield.database import SimulationDatabase
        from gliofield.experiments import RetrievalEvaluationSettings, evaluate_retrieval
        from gliofield.experiments.measuring import timed
        from gliofield.output import require_absent
        from gliofield.report import retrieval_record, retrieval_report, write_retrieval_folder
        from gliofield.report.retrieval_folder import RETRIEVAL_MARKER

        require_absent(out, replace=force, marker=RETRIEVAL_MARKER)
        strategies = _strategies(index, checkpoint)
        opening_s, opened = timed(lambda: SimulationDatabase.open(database))
        for strategy in strategies:
            strategy.check(opened)
        other = None if compare is None else SimulationDatabase.open(compare)
        loaded = load_atlas(atlas or opened.header.atlas_name, report=report)
        asked, registered, left_out = _retrieval_queries(
            opened,
            other,
            loaded,
            _QuerySources(
                files=tuple(queries or ()),
                patients=tuple(patients or ()),
                num_synthetic=(50 if quick else 1000) if synthetic is None else synthetic,
                seed=seed,
                registration=registration,
                deterministic=deterministic,
                num_threads=threads,
            ),
            report,
        )
        settings = (
            RetrievalEvaluationSettings.quick(num_threads=threads)
            if quick
            else RetrievalEvaluationSettings(num_threads=threads)
        )
        evaluation = evaluate_retrieval(
            opened,
            asked,
            strategies,
            settings=settings,
            compare=other,
            patients=registered,
            notes=[f"Left out: {name} ({reason})" for name, reason in left_out.items()],
            database_opening_s=opening_s,
            report=report,
        )
        not_drawn = write_retrieval_folder(
            evaluation, out, database=opened, atlas=loaded, patients=registered, force=force, report=report
        )
        evaluation = evaluation.with_notes(not_drawn)
    for note in evaluation.notes:
        typer.echo(note, err=True)
    if evaluation.conditions.is_machine_busy:
        typer.echo(evaluation.conditions.busy_warning, err=True)
    content = {"folder": out, "patients_left_out": left_out, **retrieval_record(evaluation)}
    print_result(content, as_json=as_json, text=lambda: retrieval_report(evaluation))


app.command("inverse")(evaluate_inverse_command)
app.command("surrogate")(evaluate_surrogate_command)
app.command("bayes")(evaluate_bayes_command)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _QuerySources:
    """Where the queries of an evaluation come from."""

    files: tuple[Path, ...]
    patients: tuple[Path, ...]
    num_synthetic: int
    seed: int | None
    registration: str | None
    deterministic: bool
    num_threads: int | None


def _strategies(names: list[str] | None, checkpoints: list[Path] | None) -> list[RetrievalStrategy]:
    from gliofield.experiments import CLASSICAL_NAMES, named_strategy, network_strategy

    named = [named_strategy(name) for name in dict.fromkeys(names or CLASSICAL_NAMES)]
    return [*named, *(network_strategy(path) for path in checkpoints or ())]


def _retrieval_queries(
    database: SimulationDatabase,
    compare: SimulationDatabase | None,
    atlas: Atlas,
    sources: _QuerySources,
    report: Reporter,
) -> tuple[MatchingQueries, tuple[RegisteredPatient, ...], dict[str, str]]:
    """All queries on the database's grid, the patients among them, and patients that were left out with the reason.

    What can be refused is refused before the first registration.
    """
    from gliofield.cores import require_threads
    from gliofield.database import LocalWorkers
    from gliofield.errors import ParameterError
    from gliofield.experiments import MatchingQueries, find_patients, held_out_tumors, on_grid_of, register_patients
    from gliofield.experiments.retrieval_queries import (
        DEFAULT_SEED,
        is_drawn_from,
        require_atlas_of,
        require_distinct_names,
        require_drawable,
        require_held_out,
        with_synthetic_renamed,
    )
    from gliofield.personalize import PersonalizationSettings
    from gliofield.registration import DEFAULT_PRESET

    sets = []
    for path in sources.files:
        read = on_grid_of(database, MatchingQueries.read(path))
        is_own = not sources.num_synthetic and is_drawn_from(read, database.header)
        sets.append(read if is_own else with_synthetic_renamed(read, path.stem))
    for searched in [database] if compare is None else [database, compare]:
        require_atlas_of(searched.header, atlas)
        for read in sets:
            require_held_out(searched, read)
    files, left_out = find_patients(sources.patients)
    require_distinct_names([*files, *(name for read in sets for name in read.names)])
    seed = DEFAULT_SEED if sources.seed is None else sources.seed
    if sources.num_synthetic:
        require_drawable(database, atlas, seed=seed, compare=compare)
    registered: tuple[RegisteredPatient, ...] = ()
    if files:
        settings = PersonalizationSettings(
            registration=sources.registration or DEFAULT_PRESET,
            deterministic=sources.deterministic,
            num_threads=sources.num_threads,
        )
        real, registered, not_registered = register_patients(database, atlas, files, settings=settings, report=report)
        left_out |= not_registered
        if real is not None:
            sets.insert(0, real)
    if sources.num_synthetic:
        synthetic = held_out_tumors(
            database,
            atlas,
            num_tumors=sources.num_synthetic,
            seed=seed,
            workers=LocalWorkers(require_threads(sources.num_threads)),
            report=report,
        )
        sets.insert(len(registered) > 0, synthetic)
    if not sets:
        reasons = "".join(f"\nLeft out: {name} ({reason})" for name, reason in left_out.items())
        raise ParameterError(f"there is nothing to ask: give --synthetic, --patients or --queries.{reasons}")
    return MatchingQueries.joined(sets), registered, left_out
