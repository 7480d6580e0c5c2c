"""``gliofield compare``: all methods on one patient, in one sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import Console
from gliofield.cli.settings_options import choice
from gliofield.pipeline.method_options import method_names

if TYPE_CHECKING:
    from gliofield.scoring import MethodComparison


def compare(
    console: Console,
    out: Annotated[Path, typer.Option(help="New folder for the sheet: comparison.html, .json and .csv.")],
    patient: options.PatientFolder = None,
    t1c: options.T1c = None,
    flair: options.Flair = None,
    t1: options.T1 = None,
    t2: options.T2 = None,
    pet: options.Pet = None,
    seg: options.Seg = None,
    core: options.Core = None,
    whole: options.Whole = None,
    brain_mask: options.BrainMask = None,
    labels: options.Labels = None,
    method: Annotated[
        list[str] | None,
        choice(*method_names(), kind="method", help="Method to compare; repeatable. Default: all that are ready."),
    ] = None,
    sectors: Annotated[int, typer.Option(min=0, max=12, help="Directions of the masked third; 0 leaves it out.")] = 3,
    atlas: options.Atlas = "sri24",
    registration: options.Registration = options.DEFAULT_REGISTRATION,
    force: options.Force = False,
    threads: options.Threads = None,
) -> None:
    """Run all methods and controls on one patient, and put them side by side: numbers, targets, pictures.

    Give a BraTS folder, single files, or both, as to gliofield personalize. One registration serves all. What cannot
    run is listed with its reason; no ranking is made.
    """
    from gliofield.output import require_absent

    require_absent(out, replace=force)
    from gliofield.anatomy import label_scheme, load_atlas
    from gliofield.pipeline import PersonalizationSettings, read_case
    from gliofield.scoring import compare_methods, comparison_record, write_comparison
    from gliofield.scoring.comparison_sheet import COMPARISON_MARKER

    files = options.case_files(
        patient, t1c=t1c, flair=flair, t1=t1, t2=t2, pet=pet, segmentation=seg, tumor_core=core,
        whole_tumor=whole, brain_mask=brain_mask,
    )  # fmt: skip
    inputs = list(files.given.values())
    require_absent(out, replace=force, marker=COMPARISON_MARKER, inputs=inputs)
    case = read_case(files, scheme=None if labels is None else label_scheme(labels))
    comparison = compare_methods(
        case,
        atlas=load_atlas(atlas, report=console.report),
        methods=method,
        settings=PersonalizationSettings(registration=registration, num_threads=threads),
        num_sectors=sectors,
        report=console.report,
    )
    page = write_comparison(
        comparison, out, name=(out if patient is None else patient).resolve().name, force=force, inputs=inputs
    )
    content = {"page": page, **comparison_record(comparison)}
    console.result(content, lambda: _lines(comparison, page))


def _lines(comparison: MethodComparison, page: Path) -> str:
    from gliofield.scoring import comparison_rows

    lines = [
        "method        verdict       Dice T1Gd, FLAIR   not covered   seconds   (before any correction; no ranking)"
    ]
    for name, row in comparison_rows(comparison).items():
        core = "none" if row["dice_t1gd"] is None else f"{row['dice_t1gd']:.2f}"
        lines.append(
            f"{name:<13} {row['verdict']:<13} {core:>5}, {row['dice_flair']:.2f} {row['not_covered_ml']:>16.1f} ml "
            f"{row['seconds']:>8.1f}"
        )
    lines += [f"not run: {name} ({reason})" for name, reason in comparison.not_run.items()]
    return "\n".join([*lines, f"sheet: {page}", "For research use only; not a medical device."])


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        "compare",
        compare,
        examples=[
            "gliofield compare PATIENT --out SHEET",
            "gliofield compare PATIENT --method assimilate --method margin --out SHEET",
            "gliofield compare --t1c T1C.nii.gz --flair FLAIR.nii.gz --seg SEG.nii.gz --out SHEET",
        ],
        runs_long=True,
        reads_images=True,
    )
