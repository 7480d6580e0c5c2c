"""``gliofield personalize``: from a patient's files to a result folder.

Options that belong to one method are those of its class in `gliofield.pipeline.method_options`; they are there only
with that method.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import EXIT_DOUBTED, Console
from gliofield.cli.options import panel
from gliofield.cli.settings_options import OptionGroup
from gliofield.concern import verdict_of
from gliofield.pipeline.method_options import DEFAULT_METHOD, METHOD_OPTIONS, method_names, options_class, uses_pet

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.cores import Meanwhile
    from gliofield.pipeline import Case, MethodOptions, PersonalizationResult
    from gliofield.progress import Reporter

_SPELLINGS = {
    "num_candidates": "-k, --candidates",
    "num_densities": "--candidate-densities",
    "tempering_exponent": "--posterior-tempering",
    "num_samples": "--samples",
    "num_members": "--members",
}

# What takes over a second to import.
_NEEDED_LATER = (
    "gliofield.pipeline.run",
    "matplotlib.backends.backend_agg",
    "gliofield.report.result_folder",
    "gliofield.report.report_page",
)

_method, _method_choice = panel("Method and output")


_Method = Annotated[
    str,
    _method_choice(
        *method_names(), kind="method", help="How the tumor is found; --method NAME --help has its options."
    ),
]
_Space = Annotated[
    str | None,
    _method_choice(
        "atlas", "patient", kind="space", help="Whose brain the tumor grows in; default: what the method prefers."
    ),
]
_Spacing = Annotated[float | None, _method(help="Voxel spacing in the patient's brain [mm]; default 1.875.")]
_Registration = Annotated[
    str,
    _method_choice(
        *options.REGISTRATIONS, kind="registration preset", help="How the patient is registered to the atlas."
    ),
]
_Deterministic = Annotated[
    bool, _method("--deterministic", help="The same result to the last bit from the same inputs; slower.")
]
_Strict = Annotated[
    bool,
    _method("--strict", help="End with code 3 unless the verdict is no-concern; the result is written all the same."),
]
_DryRun = Annotated[
    bool, _method("--dry-run", help="Read and check the inputs, say what would be done, and do nothing.")
]


def personalize(
    console: Console,
    folder: options.PatientFolder = None,
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
    out: Annotated[Path | None, _method(help="Folder of the result; not needed with --dry-run.")] = None,
    method: _Method = DEFAULT_METHOD,
    space: _Space = None,
    spacing_mm: _Spacing = None,
    atlas: Annotated[str, _method(help="Name or folder of the atlas.")] = "sri24",
    registration: _Registration = options.DEFAULT_REGISTRATION,
    t1gd_threshold: Annotated[float, _method(help="Cell density above which T1Gd shows tumor, in (0, 1).")] = 0.6,
    flair_threshold: Annotated[float, _method(help="Cell density above which FLAIR shows tumor, in (0, 1).")] = 0.2,
    seed: Annotated[int, _method(help="Seed of whatever is random.")] = 0,
    deterministic: _Deterministic = False,
    strict: _Strict = False,
    dry_run: _DryRun = False,
    force: Annotated[bool, _method("--force", help="Replace a result that exists.")] = False,
    num_threads: options.Threads = None,
    *,
    method_options: Any,
) -> None:
    """Map the tumor cells of one patient, in the patient's own space.

    Give a BraTS folder, single files, or both: files given by options complete or replace those of the folder.
    """
    _require_place(out, dry_run=dry_run, force=force)

    from gliofield.anatomy import label_scheme
    from gliofield.cores import meanwhile, require_threads
    from gliofield.imaging import VisibilityThresholds
    from gliofield.pipeline import PersonalizationSettings, read_case
    from gliofield.progress import StageClock

    settings = PersonalizationSettings(
        registration=registration,
        thresholds=VisibilityThresholds(t1gd_threshold=t1gd_threshold, flair_threshold=flair_threshold),
        space=space,  # type: ignore[arg-type]
        spacing_mm=spacing_mm,
        seed=seed,
        deterministic=deterministic,
        num_threads=num_threads,
    )
    clock = StageClock(console.report)
    console.steps = ("read", "load atlas", "prepare", "register", "observe", method, "move densities", "score", "write")
    with meanwhile(require_threads(num_threads)) as beside:
        with clock.stage("read"):
            scheme = None if labels is None else label_scheme(labels)
            files = options.case_files(
                folder, t1c=t1c, flair=flair, t1=t1, t2=t2, pet=pet, segmentation=seg, tumor_core=core,
                whole_tumor=whole, brain_mask=brain_mask,
            )  # fmt: skip
            _require_place(out, dry_run=dry_run, force=force, inputs=files.given.values())
            loaded = None if out is None or dry_run else _load_meanwhile(beside, atlas, console.report)
            case = read_case(files, scheme=scheme, num_threads=num_threads)
        if pet is not None and not uses_pet(method_options):
            others = "assimilate and sample do, and query with --posterior"
            console.notes([f"method {method!r} does not use the PET image; {others}"])
        if out is None or loaded is None:
            _print_plan(console, case, method_options, atlas, strict=strict)
            return
        with clock.stage("load atlas"):
            ready = loaded()
        from gliofield.pipeline import personalize as run

        result = run(case, method=method_options, atlas=ready, settings=settings, report=console.report)
    result = dataclasses.replace(result, seconds={**result.seconds, **clock.seconds})
    with clock.stage("write"):
        name = (folder if folder is not None else out).resolve().name
        inputs = files.given.values()
        _write(console, result, out, name=name, force=force, inputs=inputs, num_threads=num_threads)
    _print_outcome(console, result, out, strict=strict)


def _load_meanwhile(beside: Meanwhile, atlas: str, report: Reporter) -> Callable[[], Atlas]:
    """The atlas, and the modules that a run needs, loaded while images are unpacked and registered."""
    from gliofield.anatomy import load_atlas

    loaded = beside.begin(functools.partial(load_atlas, atlas, report=report))
    for module in _NEEDED_LATER:
        beside.begin(importlib.import_module, module)
    return loaded


def _write(console: Console, result: PersonalizationResult, out: Path, **how: Any) -> None:
    from gliofield.report import write_result_folder
    from gliofield.report.report_page import ViewerSource

    write_result_folder(result, out, viewer=ViewerSource.fetched(console.report, in_passing=True), **how)


def _require_place(out: Path | None, *, dry_run: bool, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuse a result folder that is missing, cannot be written or holds an input, before anything is read."""
    from gliofield.errors import ParameterError
    from gliofield.output import require_absent

    if out is None:
        if not dry_run:
            raise ParameterError("the result needs a folder: give --out RESULT, or --dry-run to check the inputs only.")
        return
    require_absent(out, replace=force, inputs=inputs)
    if force:  # what it may replace is known only to a slow import
        from gliofield.report.result_folder import RESULT_MARKER

        require_absent(out, replace=force, marker=RESULT_MARKER, inputs=inputs)


def _print_plan(console: Console, case: Case, options: MethodOptions, atlas: str, *, strict: bool) -> None:
    """Say what was read, whether it fits together, and what a run would do."""
    from gliofield.pipeline import check_case

    segmentation, concerns = case.segmentation, check_case(case).concerns
    needs = _needs(options, atlas)
    content: dict[str, Any] = {
        "images": sorted(case.images),
        "label_scheme": segmentation.scheme,
        "tumor_core_ml": segmentation.core_ml,
        "whole_tumor_ml": segmentation.whole_ml,
        "grid": case.stored_grid.to_dict(),
        "missing_modalities": list(case.missing_modalities),
        "method": options.name,
        "needs": needs,
        "concerns": [dataclasses.asdict(concern) for concern in concerns],
    }
    text = (
        f"would read {', '.join(content['images'])} (labels: {segmentation.scheme}; core {segmentation.core_ml:.2f} "
        f"ml, whole tumor {segmentation.whole_ml:.2f} ml)\n{case.stored_grid.describe()}\n"
        f"would use method {options.name}: {options.summary}\n"
    ) + "\n".join((*needs, *(f"{concern.level}: {concern.text}" for concern in concerns)))
    console.result(content, lambda: console.spell(text.rstrip()))
    _end_with(verdict_of(concerns), strict=strict)


def _needs(options: MethodOptions, atlas: str) -> list[str]:
    """The atlas, database and networks of a run, and whether they are there; nothing is fetched or built."""
    from gliofield.anatomy import list_atlases, load_atlas
    from gliofield.database.manifest import MANIFEST_NAME
    from gliofield.pipeline import Query, default_database_path

    is_there = {entry.name: entry.is_available for entry in list_atlases()}.get(atlas, True)
    needs = [f"atlas {atlas}: {'ready' if is_there else 'will be fetched first'}"]
    path = getattr(options, "database", None)
    if path is None and isinstance(options, Query):
        path = default_database_path(load_atlas(atlas)) if is_there else None
        is_built = path is not None and (path / MANIFEST_NAME).is_file()
        needs.append(f"default database: {'ready' if is_built else 'will be built first, which takes minutes'}")
    elif path is not None:
        needs.append(f"database {path}: {'ready' if (path / MANIFEST_NAME).is_file() else 'not there'}")
    checkpoint = getattr(options, "checkpoint", None)
    if checkpoint is not None:
        needs.append(f"networks {checkpoint}: {'ready' if checkpoint.is_file() else 'not there'}")
    return needs


def _end_with(verdict: str, *, strict: bool) -> None:
    """The exit code of a verdict, where it was asked for."""
    if strict and verdict != "no-concern":
        raise typer.Exit(EXIT_DOUBTED)


def _print_outcome(console: Console, result: PersonalizationResult, out: Path, *, strict: bool) -> None:
    from gliofield.report import quality_summary
    from gliofield.report.report_page import REPORT_NAME

    content = {
        "folder": out,
        "overview": out / "overview.png",
        "report": out / REPORT_NAME,
        "method": result.method_name,
        "parameters": dict(result.estimate.parameters or {}),
        "quality": quality_summary(result),
        "seconds": dict(result.seconds),
    }
    lines = [
        console.spell(result.summary()),
        f"time: {', '.join(f'{stage} {value:.1f} s' for stage, value in result.seconds.items())}",
        f"result:  {out}",
        f"report:  {out / REPORT_NAME}",
    ]
    console.notes(result.estimate.details.get("index_notices", ()))
    console.result(content, lambda: "\n".join(lines))
    _end_with(result.verdict, strict=strict)


def options_of_method(name: str) -> OptionGroup:
    """The options that belong to a method alone."""
    return OptionGroup(
        settings=options_class(name),
        panel=f"Method {name} (another method has other options: --method NAME --help)",
        spellings=_SPELLINGS,
        choices={"index": options.INDEXES},
    )


def _named_method(arguments: Sequence[str]) -> str:
    """The method that a command line names, or the default one."""
    named = DEFAULT_METHOD
    for word, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if word == "--method":
            named = following
        elif word.startswith("--method="):
            named = word.removeprefix("--method=")
    return named


def options_of_command(arguments: Sequence[str]) -> OptionGroup:
    named = _named_method(arguments)
    return options_of_method(named if named in method_names() else DEFAULT_METHOD)


def explain_option(option: str, arguments: Sequence[str]) -> str | None:
    """Whose option an unknown one is, if it is that of another method."""
    from gliofield.errors import unknown_name

    named = _named_method(arguments)
    if named not in method_names():
        return unknown_name("method", named, method_names())
    owners = []
    for name in METHOD_OPTIONS:
        group = options_of_method(name)
        if any(option in group.spelling(field) for field in group.field_names):
            owners.append(name)
    if not owners:
        return None
    words = "method " + " or ".join(f"'{name}'" for name in owners)
    adding = " or ".join(f"--method {name}" for name in owners)
    return f"{option} belongs to {words}: add {adding}, or leave it out."


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        "personalize",
        personalize,
        examples=[
            "gliofield personalize PATIENT --out RESULT",
            "gliofield personalize --t1c T1C.nii.gz --flair FLAIR.nii.gz --seg SEG.nii.gz --out RESULT",
            "gliofield personalize PATIENT --pet PET.nii.gz --method sample --space patient --out RESULT",
        ],
        runs_long=True,
        options={"method_options": options_of_command},
        explain=explain_option,
        reads_images=True,
    )
