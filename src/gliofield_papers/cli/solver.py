"""``gliofield papers solver``: error against cost of the growth models."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.outputs import require_output_file, write_tables
from gliofield.cli.settings_options import with_given


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
    from gliofield_papers.solver.evaluation import SolverEvaluationSettings
    from gliofield_papers.solver.evaluation import evaluate_solver as evaluate
    from gliofield_papers.solver.tables import solver_report

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
