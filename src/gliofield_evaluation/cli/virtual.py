"""``gliofield virtual``: patients whose truth is known, one or the whole cohort."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli.commands import add_command
from gliofield.cli.console import Console
from gliofield.cli.options import panel

if TYPE_CHECKING:
    from gliofield_evaluation.virtual import CohortCase, CohortPatient

#: Names of the splits, in their order.
SPLITS = ("tune", "test")
# Patients of --quick: the first of the tune split, among which every kind occurs.
_QUICK_NUMBER = 12

_one, _ = panel("One patient")
_cohort, _cohort_choice = panel("Cohort")


def virtual(
    console: Console,
    out: Annotated[Path, typer.Option(help="Folder of the patient, or of the cohort with --cohort.")],
    seed: Annotated[
        int | None, _one(min=0, help="Draws the patient: brain shape, tumor position, noise; default 0.")
    ] = None,
    force: Annotated[bool, _one("--force", help="Replace a virtual patient that exists.")] = False,
    cohort: Annotated[bool, _cohort("--cohort", help="Make patients of the virtual cohort.")] = False,
    split: Annotated[
        str | None,
        _cohort_choice(*SPLITS, "all", kind="split", help="Which patients; default: all, tune first."),
    ] = None,
    number: Annotated[int | None, _cohort(min=1, help="Only so many of them, the first ones.")] = None,
    quick: Annotated[bool, _cohort("--quick", help="Only 12 patients of the tune split, of every kind.")] = False,
    workers: Annotated[int | None, _cohort(min=1, help="Processes; default: all cores.")] = None,
) -> None:
    """Make virtual patients: BraTS folders with their truth beside them.

    Without --cohort one patient, as the demonstration makes it. A cohort takes less than half a minute a patient;
    finished ones are kept, and the same command goes on.
    """
    if not cohort:
        for name, value in (("split", split), ("number", number), ("quick", quick), ("workers", workers)):
            if value:
                console.refuse(name, because="without --cohort")
        _make_one(console, out, seed=seed or 0, force=force)
        return
    for name, is_given in (("seed", seed is not None), ("force", force)):
        if is_given:
            console.refuse(name, because="with --cohort")
    if quick:
        for name, value in (("split", split), ("number", number)):
            if value is not None:
                console.refuse(name, because="with --quick")

    from gliofield.cores import available_cores
    from gliofield_evaluation.virtual import cohort_design, read_cohort, write_cohort

    chosen = cohort_design("tune" if quick else None if split in (None, "all") else split)
    chosen = chosen[: _QUICK_NUMBER if quick else number]
    write_cohort(out, chosen, workers=workers or available_cores(), report=console.report)
    names = {patient.name for patient in chosen}
    made = {case.name: case for case in read_cohort(out) if case.name in names}
    content = _cohort_content(out, chosen, list(made.values()))
    console.result(content, lambda: _cohort_text(content))


def _make_one(console: Console, out: Path, *, seed: int, force: bool) -> None:
    from gliofield.output import require_absent
    from gliofield.virtual.patient import TRUTH_FILE

    require_absent(out, replace=force, marker=TRUTH_FILE)

    import numpy as np

    from gliofield.anatomy import load_atlas
    from gliofield.virtual import make_virtual_patient, write_virtual_patient

    patient = make_virtual_patient(load_atlas("mni152", report=console.report), rng=np.random.default_rng(seed))
    write_virtual_patient(patient, out, force=force)
    volumes = {
        "core_ml": float(patient.thresholds.tumor_core(patient.cell_density.data).sum()) / 1000.0,
        "whole_ml": float(patient.thresholds.whole_tumor(patient.cell_density.data).sum()) / 1000.0,
    }
    console.result(
        {"patient": out, "seed": seed, **volumes},
        lambda: f"{out}: core {volumes['core_ml']:.1f} ml, whole tumor {volumes['whole_ml']:.1f} ml",
    )


def _cohort_content(out: Path, chosen: Sequence[CohortPatient], made: Sequence[CohortCase]) -> dict[str, Any]:
    """What is there; of the margin, on which the design is tuned, the tune patients alone."""
    facts = [case.facts for case in made]
    margin = [each["cells_in_margin"] for each in facts if each["split"] == "tune" and each["cells_in_margin"]]
    kinds = {kind: sum(each["kind"] == kind for each in facts) for kind in dict.fromkeys(p.kind for p in chosen)}
    return {
        "cohort": out,
        "num_patients": len(facts),
        "kinds": kinds,
        "without_core": sum(not each["has_core"] for each in facts),
        "without_recurrence": sum(each["recurrence"]["reason"] != "" for each in facts),
        "unusable_attempts": sum(each["num_attempts"] - 1 for each in facts),
        "tune_cells_in_margin": sum(margin) / len(margin) if margin else None,
        "tune_num_with_core": len(margin),
    }


def _cohort_text(content: dict[str, Any]) -> str:
    lines = [
        f"{content['cohort']}: {content['num_patients']} virtual patients ("
        + ", ".join(f"{number} {kind}" for kind, number in content["kinds"].items())
        + ")",
        f"  without a core {content['without_core']}, without a recurrence {content['without_recurrence']}, unusable "
        f"attempts {content['unusable_attempts']}",
    ]
    if content["tune_cells_in_margin"] is not None:
        lines.append(
            f"  cells outside the core within 15 mm of it: {content['tune_cells_in_margin']:.1%} in the mean of "
            f"{content['tune_num_with_core']} tune patients with a core"
        )
    return "\n".join(lines)


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
add_command(
    app,
    "virtual",
    virtual,
    examples=[
        "gliofield virtual --out patient-3 --seed 3",
        "gliofield virtual --cohort --quick --out cohort",
        "gliofield virtual --cohort --split tune --out cohort",
    ],
    runs_long=True,
    resumes=True,
)
