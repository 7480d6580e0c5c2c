"""``gliofield demo``: a virtual patient end to end, truth known."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import Console
from gliofield.cli.settings_options import choice
from gliofield.pipeline.method_options import DEFAULT_METHOD, METHOD_OPTIONS


def demo(
    console: Console,
    out: Annotated[Path, typer.Option(help="Folder for the patient and its result.")] = Path("gliofield-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Draws the patient: brain shape, tumor position, noise.")] = 0,
    method: Annotated[
        str, choice(*METHOD_OPTIONS, kind="method", help="How the tumor is found, with its default settings.")
    ] = DEFAULT_METHOD,
    registration: options.Registration = options.DEFAULT_REGISTRATION,
    threads: options.Threads = None,
    force: options.Force = False,
) -> None:
    """Make a virtual patient, personalize it from its files, and score it against its known truth."""
    from gliofield.output import require_absent
    from gliofield.report.result_folder import RESULT_MARKER
    from gliofield.virtual.patient import TRUTH_FILE

    patient_folder, result_folder = out / "patient", out / "result"
    require_absent(patient_folder, replace=force, marker=TRUTH_FILE)
    require_absent(result_folder, replace=force, marker=RESULT_MARKER)

    from gliofield.anatomy import load_atlas
    from gliofield.pipeline import PersonalizationSettings
    from gliofield.report import write_result_folder
    from gliofield.virtual import run_demo

    atlas = load_atlas("sri24", report=console.report)
    outcome = run_demo(
        patient_folder,
        atlas=atlas,
        method=method,
        seed=seed,
        settings=PersonalizationSettings(registration=registration, seed=seed, num_threads=threads),
        force=force,
        report=console.report,
    )
    write_result_folder(outcome.result, result_folder, name=f"virtual patient {seed}", force=force)
    content = {
        "patient": patient_folder,
        "result": result_folder,
        "overview": result_folder / "overview.png",
        "score": dataclasses.asdict(outcome.score),
        "concerns": [dataclasses.asdict(concern) for concern in outcome.result.concerns],
        "seconds": dict(outcome.result.seconds),
    }
    console.result(content, lambda: _summary(outcome, result_folder))


def _summary(outcome: Any, result_folder: Path) -> str:
    score, coverage = outcome.score, outcome.score.coverage
    lines = [
        "Virtual patient against its known truth:",
        f"  Dice of the visible tumor        T1Gd {score.dice_t1gd:.2f}, FLAIR {score.dice_flair:.2f} "
        f"(sum {score.dice_t1gd + score.dice_flair:.2f} of 2)",
        f"  Dice of all tumor above 2 %      {score.dice_infiltration:.2f}",
        f"  mean error of the density        {score.mean_absolute_error:.3f}",
        f"  distance of the seeds            {score.seed_error_mm:.1f} mm",
        f"  true cells inside {coverage.volume_ml:4.0f} ml        {coverage.covered_by_density:.1%} by the density "
        f"map, {coverage.covered_by_margin:.1%} by a {coverage.margin_mm:.0f} mm margin around the core",
        *(f"  {concern.level}: {concern.text}" for concern in outcome.result.concerns),
        f"Picture: {result_folder / 'overview.png'}",
        "Your own patient (skull-stripped NIfTI, BraTS labels; research use only):",
        f"  {_program()} personalize --t1c T1C.nii.gz --flair FLAIR.nii.gz --seg SEG.nii.gz --out RESULT",
    ]
    return "\n".join(lines)


def _program() -> str:
    """The command as it was called, so that the printed line works where ``gliofield`` is not on the PATH."""
    return sys.argv[0] if Path(sys.argv[0]).name == "gliofield" else "gliofield"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        "demo",
        demo,
        examples=["gliofield demo", "gliofield demo --out my-demo --seed 7 --threads 2"],
        runs_long=True,
    )
