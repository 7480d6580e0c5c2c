"""``gliofield demo``: a virtual patient end to end, truth known."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import Console
from gliofield.cli.settings_options import choice
from gliofield.concern import verdict_in_words
from gliofield.pipeline.method_options import DEFAULT_METHOD, METHOD_OPTIONS

if TYPE_CHECKING:
    from gliofield.virtual import DemoOutcome


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
    from gliofield.report.report_page import ViewerSource
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
    viewer = ViewerSource.fetched(console.report, in_passing=True)
    write_result_folder(outcome.result, result_folder, name=f"virtual patient {seed}", force=force, viewer=viewer)
    cells = _cells_by_ranking(outcome)
    content = {
        "patient": patient_folder,
        "result": result_folder,
        "overview": result_folder / "overview.png",
        "verdict": outcome.result.verdict,
        "score": dataclasses.asdict(outcome.score),
        "cells_outside_core": cells,
        "concerns": [dataclasses.asdict(concern) for concern in outcome.result.concerns],
        "seconds": dict(outcome.result.seconds),
    }
    console.result(content, lambda: _summary(outcome, cells, result_folder))


def _cells_by_ranking(outcome: DemoOutcome) -> dict[str, float]:
    """Share of the true cells outside the core in regions of one volume, that of the core margin, by ranking."""
    from gliofield.anatomy import segmentation_from_labels
    from gliofield.scoring import KnownTumor, control_rankings, method_rankings, score_ranking

    patient, rankings = outcome.patient, outcome.result.rankings
    seen = segmentation_from_labels(patient.labels)
    tumor = KnownTumor(
        cell_density=patient.cell_density.data,
        tumor_core=seen.tumor_core,
        whole_tumor=seen.whole_tumor,
        treatable=patient.brain,
        grid=patient.cell_density.grid,
    )
    found = {name: ranked.values for name, ranked in control_rankings(tumor).items()}
    found |= {name: ranked.values for name, ranked in method_rankings(outcome.result).items()}
    found |= {"priority": rankings.priority.data} if rankings is not None else {}
    return {name: score_ranking(values, tumor).cells for name, values in found.items() if values is not None}


def _summary(outcome: DemoOutcome, cells: Mapping[str, float], result_folder: Path) -> str:
    score, result = outcome.score, outcome.result
    agreement = result.agreement_patient
    corrected = "" if result.agreement_corrected is None else " before the correction; after it 2, by construction"
    shown = ("core margin", "whole-tumor margin", "density", "priority", "oracle")
    rows = [f"    {name:<30} {cells[name]:.1%}" for name in shown if name in cells]
    volume_ml = 0.0 if result.rankings is None else result.rankings.volume_ml or 0.0
    lines = [
        verdict_in_words(result.concerns),
        "Virtual patient against its known truth:",
        f"  Dice of T1Gd and FLAIR           {agreement.combined:.2f} of {agreement.num_modalities}{corrected}",
        f"  Dice of all tumor above 2 %      {score.dice_infiltration:.2f}",
        f"  mean error of the density        {score.mean_absolute_error:.3f}",
        f"  true cells outside the core inside the first {volume_ml:.0f} ml (the core with 15 mm) by",
        *rows,
        *(f"  {concern.level}: {concern.text}" for concern in result.concerns),
        f"Report: {result_folder / 'report.html'}",
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
