"""``gliomap evaluate``: tables of what gliomap's parts achieve, on this machine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from gliomap.cli.console import ForceOption, JsonOption, print_result, progress_bars, user_errors

app = typer.Typer(help="Measure gliomap's parts on this machine: error against cost.", no_args_is_help=True)


@app.command("solver")
def solver_command(
    atlas: Annotated[str, typer.Option(help="Atlas name or folder.")] = "sri24",
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
    out: Annotated[Path | None, typer.Option(help="Also write the tables to this file (.md).")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Error against cost of the growth models, and how they scale with grid and threads.

    Conditions come first. Prefer a machine with nothing else to do; it takes some minutes.
    """
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliomap.anatomy import load_atlas
        from gliomap.errors import ParameterError
        from gliomap.experiments import SolverEvaluationSettings, evaluate_solver
        from gliomap.output import atomic_file, require_absent
        from gliomap.report import solver_report

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
