"""``gliofield papers inverse``: trained inverse networks on test tumors and on real masks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.outputs import write_tables
from gliofield_papers.cli.options import Checkpoints
from gliofield_papers.cli.outputs import require_tables_and_figures

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.database import SimulationDatabase
    from gliofield.progress import Reporter
    from gliofield_papers.inverse.comparison import MethodAnswer
    from gliofield_papers.queries.matching_queries import MatchingQueries


def evaluate_inverse(
    console: Console,
    database: options.Database,
    checkpoint: Checkpoints,
    tumors: Annotated[int | None, typer.Option(min=1, help="Test tumors; default 500, or 30 with --quick.")] = None,
    queries: Annotated[
        list[Path] | None, typer.Option(help="File of queries with names (.npz), by infer and query; repeatable.")
    ] = None,
    patients: options.Patients = None,
    atlas: options.DatabaseAtlas = None,
    registration: options.Registration = options.DEFAULT_REGISTRATION,
    quick: options.Quick = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of thresholds and errors of the masks.")] = 0,
    out: options.Tables = None,
    figures: options.Figures = None,
    force: options.Force = False,
    t1gd_thresholds: options.T1gdThresholds = (0.5, 0.85),
    flair_thresholds: options.FlairThresholds = (0.05, 0.5),
    perturb: options.Perturb = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
) -> None:
    """Test inverse networks: errors of what they predict, as in the paper's Table 1, seconds, and real patients."""
    from gliofield_papers.inverse.folder import INVERSE_MARKER, write_inverse_figures

    require_tables_and_figures(console, out, figures, marker=INVERSE_MARKER, replace=force)
    if not patients:
        console.refuse("registration", because="without --patients")

    from gliofield.anatomy import load_atlas
    from gliofield.database import SimulationDatabase
    from gliofield.inverse import MaskPerturbation, ObservationSettings
    from gliofield_papers.inverse.evaluation import InverseEvaluationSettings
    from gliofield_papers.inverse.evaluation import evaluate_inverse as evaluate
    from gliofield_papers.inverse.figures import MOST_PAIRS
    from gliofield_papers.inverse.tables import inverse_record, inverse_report, methods_record, methods_report

    opened = SimulationDatabase.open(database)
    loaded = load_atlas(atlas or opened.header.atlas_name, report=console.report)
    preset = InverseEvaluationSettings.quick() if quick else InverseEvaluationSettings()
    observation = ObservationSettings(
        t1gd_thresholds=t1gd_thresholds,
        flair_thresholds=flair_thresholds,
        perturbation=MaskPerturbation() if perturb else None,
    )
    settings = dataclasses.replace(
        preset, num_tumors=tumors or preset.num_tumors, seed=seed, observation=observation, num_threads=threads
    )
    fitting, other = _by_growth_model(checkpoint, opened, has_masks=bool(queries or patients))
    evaluation = evaluate(
        opened,
        loaded,
        fitting,
        settings=settings,
        device=device,
        num_cases=0 if figures is None else MOST_PAIRS,
        report=console.report,
    )
    asked, left_out = _queries(opened, loaded, queries or [], patients or [], registration, threads, console.report)
    answers = _answers(
        opened, loaded, [*fitting, *other], asked, threads, device, 0 if figures is None else MOST_PAIRS, console.report
    )
    text = "\n\n".join([inverse_report(evaluation), *([methods_report(answers)] if answers else [])])
    write_tables(out, text, replace=force)
    notes = [f"{path} was trained on another grid or growth model: asked about the masks alone" for path in other]
    if figures is not None:
        notes += write_inverse_figures(
            evaluation, figures, atlas=loaded, grid=opened.header.grid, answers=answers, force=force
        )
    console.notes([*(f"left out: {name} ({reason})" for name, reason in left_out.items()), *notes])
    content = {
        "file": out,
        "figures": figures,
        **inverse_record(evaluation),
        "methods": methods_record(answers),
        "patients_left_out": left_out,
    }
    console.result(content, lambda: text)


def _answers(
    database: SimulationDatabase,
    atlas: Atlas,
    checkpoints: list[Path],
    asked: MatchingQueries | None,
    threads: int | None,
    device: str,
    num_slices: int,
    report: Reporter,
) -> tuple[MethodAnswer, ...]:
    """Answers of all methods to the masks, if there are any."""
    from gliofield_papers.inverse.comparison import compare_with_query

    if asked is None:
        return ()
    return compare_with_query(
        database, atlas, checkpoints, asked, num_threads=threads, device=device, num_slices=num_slices, report=report
    )


def _by_growth_model(
    checkpoints: list[Path], database: SimulationDatabase, *, has_masks: bool
) -> tuple[list[Path], list[Path]]:
    """Networks whose tumors are like the database's, and others, which can be asked about masks."""
    from gliofield.inverse import read_inverse_header

    own = database.header
    fitting: list[Path] = []
    other: list[Path] = []
    for path in checkpoints:
        origin = read_inverse_header(path).origin
        is_like = origin.model["name"] == own.model["name"] and origin.grid.is_same_as(own.grid)
        (fitting if is_like else other).append(path)
    # Without masks, or without any that fits, the evaluation says what is wrong.
    return (fitting, other) if has_masks and fitting else (checkpoints, [])


def _queries(
    database: SimulationDatabase,
    atlas: Atlas,
    files: list[Path],
    patients: list[Path],
    registration: str,
    threads: int | None,
    report: Reporter,
) -> tuple[MatchingQueries | None, dict[str, str]]:
    """Queries of files and of patients on the database's grid, and patients that were left out with the reason."""
    from gliofield.pipeline import PersonalizationSettings, find_patients
    from gliofield_papers.queries.matching_queries import MatchingQueries
    from gliofield_papers.queries.retrieval_queries import on_grid_of, register_patients

    sets = [on_grid_of(database, MatchingQueries.read(path)) for path in files]
    left_out: dict[str, str] = {}
    if patients:
        found, left_out = find_patients(patients)
        settings = PersonalizationSettings(registration=registration, num_threads=threads)
        real, _, not_registered = register_patients(database, atlas, found, settings=settings, report=report)
        left_out |= not_registered
        sets.extend([] if real is None else [real])
    return (MatchingQueries.joined(sets) if sets else None), left_out
