"""``gliofield evaluate virtual`` and ``gliofield evaluate masked-third``: how good maps are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.settings_options import choice

if TYPE_CHECKING:
    from gliofield.pipeline import MethodOptions

CONDITIONS = ("none", "one-sided", "severe", "tracts")
RANKINGS = (
    *("core distance", "whole-tumor distance", "ellipsoid", "turned ellipsoid"),
    *("distance map, corrected", "constant map, corrected", "growth", "growth, corrected"),
    *("growth, isotropic", "growth, isotropic, corrected", "growth, ratio 1", "growth, ratio 1, corrected"),
    *("growth, tissue alone", "growth, tissue alone, corrected", "growth and turned ellipsoid"),
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
    from gliofield.output import require_writable_place
    from gliofield.pipeline import find_patients
    from gliofield_evaluation.scoring import (
        MaskedThirdSettings,
        masked_third_record,
        masked_third_report,
        write_masked_third,
    )
    from gliofield_evaluation.scoring import evaluate_masked_third as evaluate

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


def evaluate_virtual(
    console: Console,
    cohort: Annotated[Path, typer.Argument(metavar="COHORT", help="Folder of a virtual cohort.")],
    out: _Out,
    methods: Annotated[
        str, typer.Option(metavar="NAME,NAME", help="Methods to score, with commas between them.")
    ] = "assimilate,query",
    split: Annotated[
        str, choice("tune", "test", kind="split", help="Patients to score; nothing may be chosen by test.")
    ] = "tune",
    database: Annotated[
        Path | None, typer.Option(metavar="DB", help="Simulation database of method query; default: the default one.")
    ] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Ask method assimilate for its uncertainty, and score that, too.")
    ] = False,
    relative_error: Annotated[
        float | None,
        typer.Option(min=0.0, help="Relative error that intervals compete with; default: the best for these cases."),
    ] = None,
    condition: Annotated[
        list[str] | None, choice(*CONDITIONS, kind="condition", help="False edema; repeatable. Default: all there are.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The first 12 patients only.")] = False,
    atlas: options.Atlas = "sri24",
    registration: options.Registration = options.DEFAULT_REGISTRATION,
    workers: _Workers = 2,
) -> None:
    """Score methods on virtual patients: the true cells that plans of the same volume would hold, by every ranking.

    Each case is kept as soon as it is scored; the same command goes on with what is missing.
    """
    from gliofield.anatomy import load_atlas
    from gliofield.output import require_writable_place
    from gliofield.pipeline import PersonalizationSettings
    from gliofield_evaluation.scoring import (
        QUICK_PATIENTS,
        first_patients,
        virtual_record,
        virtual_report,
        write_virtual_scores,
    )
    from gliofield_evaluation.scoring import evaluate_virtual as evaluate
    from gliofield_evaluation.virtual import read_cohort

    named = _methods(methods, database, uncertainty=uncertainty)
    for option, needed in (("database", "query"), ("uncertainty", "assimilate")):
        if needed not in named:
            console.refuse(option, because=f"without method {needed}")
    require_writable_place(out)
    wanted = CONDITIONS if condition is None else condition
    cases = [case for case in read_cohort(cohort) if case.split == split and case.condition in wanted]
    evaluation = evaluate(
        first_patients(cases, QUICK_PATIENTS) if quick else cases,
        out,
        named,
        atlas=load_atlas(atlas, report=console.report),
        settings=PersonalizationSettings(registration=registration),
        num_workers=workers,
        report=console.report,
    )
    write_virtual_scores(evaluation, out, relative_error=relative_error)
    content = {"folder": out, **virtual_record(evaluation, relative_error=relative_error)}
    console.result(content, lambda: virtual_report(evaluation, relative_error=relative_error))


def _methods(names: str, database: Path | None, *, uncertainty: bool) -> dict[str, MethodOptions]:
    """Options of some methods, by name."""
    from gliofield.pipeline import Assimilate, Query, options_named

    own: dict[str, MethodOptions] = {
        "query": Query(database=database),
        "assimilate": Assimilate(uncertainty=uncertainty),
    }
    wanted = [name for name in (part.strip() for part in names.split(",")) if name]
    return {name: own[name] if name in own else options_named(name) for name in wanted}
