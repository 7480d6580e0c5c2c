"""``gliofield demo``: a virtual patient end to end, truth known."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_result, progress_bars, user_errors
from gliofield.cli.options import ThreadsOption


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the patient and its result.")] = Path("gliofield-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Draws the patient: brain shape, tumor position, noise.")] = 0,
    database: Annotated[
        Path | None, typer.Option(help="Simulation database; default: one of 5,000 tumors, built once and cached.")
    ] = None,
    registration: Annotated[str | None, typer.Option(help="Registration preset.")] = None,
    threads: ThreadsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a virtual patient, personalize it from its files, and score it against its known truth."""
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import load_atlas
        from gliofield.experiments import run_demo
        from gliofield.experiments.virtual_patient import TRUTH_FILE
        from gliofield.output import require_absent
        from gliofield.personalize import PersonalizationSettings, QueryMethod, open_or_build_database
        from gliofield.registration import DEFAULT_PRESET
        from gliofield.report import write_result_folder
        from gliofield.report.result_folder import RESULT_MARKER

        patient_folder, result_folder = out / "patient", out / "result"
        require_absent(patient_folder, replace=force, marker=TRUTH_FILE)
        require_absent(result_folder, replace=force, marker=RESULT_MARKER)
        atlas = load_atlas("sri24", report=report)
        opened = open_or_build_database(database, atlas, num_workers=threads, report=report)
        outcome = run_demo(
            patient_folder,
            atlas=atlas,
            method=QueryMethod(database=opened, num_threads=threads),
            seed=seed,
            settings=PersonalizationSettings(
                registration=registration or DEFAULT_PRESET, seed=seed, num_threads=threads
            ),
            force=force,
            report=report,
        )
        write_result_folder(outcome.result, result_folder, name=f"virtual patient {seed}", force=force)
    content = {
        "patient": patient_folder,
        "result": result_folder,
        "overview": result_folder / "overview.png",
        "score": dataclasses.asdict(outcome.score),
        "concerns": list(outcome.result.concerns),
        "seconds": dict(outcome.result.seconds),
    }
    print_result(content, as_json=as_json, text=lambda: _summary(outcome, result_folder))


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
        *(f"  note: {concern}" for concern in outcome.result.concerns),
        f"Picture: {result_folder / 'overview.png'}",
        "Your own patient (skull-stripped NIfTI, BraTS labels; research use only):",
        f"  {_program()} personalize --t1c T1C.nii.gz --flair FLAIR.nii.gz --seg SEG.nii.gz --out RESULT",
    ]
    return "\n".join(lines)


def _program() -> str:
    """The command as it was called, so that the printed line works where ``gliofield`` is not on the PATH."""
    return sys.argv[0] if Path(sys.argv[0]).name == "gliofield" else "gliofield"
