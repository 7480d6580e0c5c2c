"""``gliofield evaluate masked-third``: how good maps are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.settings_options import choice

RANKINGS = (
    *("core distance", "whole-tumor distance", "ellipsoid", "distance map, corrected", "constant map, corrected"),
    *("growth, tensor", "growth, tensor, corrected", "growth, constant tensor", "growth, constant tensor, corrected"),
    *("growth, isotropic", "growth, isotropic, corrected", "growth, ratio 1", "growth, ratio 1, corrected"),
    "tensor, corrected, and ellipsoid",
)

_Out = Annotated[Path, typer.Option(help="Folder of all results; an interrupted evaluation goes on in it.")]
_Workers = Annotated[int, typer.Option(min=1, help="Processes.")]


def evaluate_masked_third(
    console: Console,
    patients: Annotated[
        list[Path], typer.Argument(metavar="PATIENT...", help="BraTS folder of a patient, or a folder of such folders.")
    ],
    out: _Out,
    sectors: Annotated[int, typer.Option(min=1, max=12, help="Directions of each patient.")] = 12,
    ranking: Annotated[
        list[str] | None, choice(*RANKINGS, kind="ranking", help="Ranking to score; repeatable. Default: all.")
    ] = None,
    atlas: options.Atlas = "sri24",
    registration: options.Registration = options.DEFAULT_REGISTRATION,
    workers: _Workers = 2,
) -> None:
    """Hide a third of the tumor and score what growth, an ellipsoid and margins find of it, on real patients."""
    from gliofield.anatomy import load_atlas
    from gliofield.experiments import find_patients
    from gliofield.output import require_writable_place
    from gliofield.scoring import MaskedThirdSettings, masked_third_record, masked_third_report, write_masked_third
    from gliofield.scoring import evaluate_masked_third as evaluate

    settings = MaskedThirdSettings(
        num_sectors=sectors, registration=registration, **({"rankings": tuple(ranking)} if ranking else {})
    )
    require_writable_place(out)
    found, left_out = find_patients(patients)
    loaded = load_atlas(atlas, report=console.report)
    evaluation = evaluate(found, out, settings, atlas=loaded, num_workers=workers, report=console.report)
    write_masked_third(evaluation, out)
    console.notes(f"left out: {name} ({reason})" for name, reason in {**left_out, **evaluation.left_out}.items())
    console.result({"folder": out, **masked_third_record(evaluation)}, lambda: masked_third_report(evaluation))
