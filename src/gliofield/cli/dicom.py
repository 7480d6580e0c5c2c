"""``gliofield import``, ``gliofield export``, ``gliofield dose``: DICOM in, DICOM out, and what a planned dose does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli.commands import add_command, make_group
from gliofield.cli.console import Console
from gliofield.cli.options import Force, panel
from gliofield.cli.settings_options import choice

if TYPE_CHECKING:
    from gliofield.radiotherapy.dicom import Alignment, DicomSeries, ImportedCase

HOLES = ("nested", "keyhole")
REGISTRATIONS = ("default", "rigid", "deformable")
MAPS = ("density", "probability", "probability-t1gd")

export_app = make_group("export", "Write targets and maps of a result for a planning system.")

_images, _ = panel("Images")
_tumor, _ = panel("Outlines and brain")
_frame, _frame_choice = panel("Frame of the planning series")

_Result = Annotated[Path, typer.Argument(metavar="RESULT", help="Folder that gliofield personalize has written.")]
_Series = Annotated[Path, typer.Option(help="Folder of the planning series, MR or CT.")]
_Out = Annotated[Path, typer.Option(help="File to write (.dcm).")]
_Case = Annotated[Path | None, _frame(help="The case that gliofield import has written, of which the result was made.")]
_Transform = Annotated[
    str | None,
    _frame(
        metavar="PATH",
        help="Transform from the planning series to the case, if it is known: a folder or ITK file, or identity.",
    ),
]
_PlanningSeries = Annotated[
    str | None, _frame(metavar="N", help="Number, or end of the UID, of the series, if the folder holds several.")
]
_Registration = Annotated[
    str,
    _frame_choice(
        *REGISTRATIONS,
        kind="registration",
        help="How a series of another frame is aligned; default: deformable on MR, rigid on CT.",
    ),
]
_OtherId = Annotated[bool, _frame("--accept-other-id", help="The Patient ID differs, and it is the same patient.")]
_Isolines = Annotated[
    list[float] | None, typer.Option("--isoline", help="Add where the density is above this, in (0, 1); repeatable.")
]


def _series_option(image: str) -> Any:
    return Annotated[
        str | None, _images(metavar="N", help=f"Number, or end of the UID, of the {image} series; none: leave it out.")
    ]


def import_dicom(
    console: Console,
    folder: Annotated[Path, typer.Argument(metavar="DICOM", help="Folder with the DICOM series of one patient.")],
    out: Annotated[Path, typer.Option(help="Folder of the case to write.")],
    force: Force = False,
    t1c: _series_option("T1Gd") = None,  # type: ignore[valid-type]
    flair: _series_option("FLAIR") = None,  # type: ignore[valid-type]
    t1: _series_option("T1") = None,  # type: ignore[valid-type]
    t2: _series_option("T2") = None,  # type: ignore[valid-type]
    pet: _series_option("FET-PET") = None,  # type: ignore[valid-type]
    seg: Annotated[Path | None, _tumor(help="Tumor outlines: NIfTI of labels, RTSTRUCT or DICOM SEG.")] = None,
    core: Annotated[str | None, _tumor(metavar="NAME", help="Structure that is the tumor core (GTV).")] = None,
    whole: Annotated[str | None, _tumor(metavar="NAME", help="Structure that is the whole tumor, with edema.")] = None,
    cavity: Annotated[str | None, _tumor(metavar="NAME", help="Structure that is the resection cavity.")] = None,
    brain_mask: Annotated[Path | None, _tumor(help="Brain mask on the grid of the T1Gd.")] = None,
) -> None:
    """Make a case of a folder of DICOM series.

    The T1Gd gives the grid; FLAIR, T1, T2 and PET are laid on it. What a personalization needs and the case lacks is
    named, with the program that makes it; such a program is used if it is on the PATH.
    """
    from gliofield.output import require_absent
    from gliofield.radiotherapy.dicom import Outlines, import_case
    from gliofield.radiotherapy.dicom.case_import import CASE_MARKER

    read = [path for path in (folder, seg, brain_mask) if path is not None]
    require_absent(out, replace=force, marker=CASE_MARKER, inputs=read)
    if seg is None:
        for name, value in (("core", core), ("whole", whole), ("cavity", cavity)):
            if value is not None:
                console.refuse(name, because="without --seg")
    from gliofield.progress import StageClock

    named = {"t1c": t1c, "flair": flair, "t1": t1, "t2": t2, "pet": pet}
    console.steps = ("read", "convert", "register", "brain", "outlines", "write")
    made = import_case(
        folder,
        out,
        named={name: str(value) for name, value in named.items() if value is not None},
        outlines=None if seg is None else Outlines(path=seg, core=core, whole=whole, cavity=cavity),
        brain_mask=brain_mask,
        replace=force,
        clock=StageClock(console.report),
    )
    console.notes(made.notes)
    content = {
        "case": out,
        "images": list(made.images),
        "alignments": {name: each.to_json() for name, each in made.alignments.items()},
        "missing": list(made.missing),
    }
    console.result(content, lambda: _import_text(made))


def _import_text(made: ImportedCase) -> str:
    lines = [f"{made.folder}: {', '.join(made.images)}"]
    for name, each in made.alignments.items():
        residual = "cannot be told" if each.residual is None else each.residual.in_words()
        lines.append(f"  {name} on t1c: {each.kind}, residual {residual}")
    lines += [f"missing: {each}" for each in made.missing]
    if not made.missing:
        pet = f" --pet {made.folder / 'case_pet.nii.gz'}" if "pet" in made.images else ""
        lines.append(f"next: gliofield personalize {made.folder}{pet} --out RESULT")
    return "\n".join(lines)


def export_rtstruct(
    console: Console,
    result: _Result,
    series: _Series,
    out: _Out,
    isoline: _Isolines = None,
    holes: Annotated[str, choice(*HOLES, kind="way", help="How a contour says that it has a hole.")] = "nested",
    force: Force = False,
    case: _Case = None,
    transform: _Transform = None,
    planning_series: _PlanningSeries = None,
    registration: _Registration = "default",
    accept_other_id: _OtherId = False,
) -> None:
    """Write the targets as RTSTRUCT on the slices of a planning series.

    If the frame of reference is not that of the case, a transform is computed and its error stated, or given; without
    one nothing is written.
    """
    frame = _Frame(series, case, transform, planning_series, registration, accept_other_id)
    _export_structures(console, result, frame, out, kind="rtstruct", levels=isoline, holes=holes, force=force)


def export_seg(
    console: Console,
    result: _Result,
    series: _Series,
    out: _Out,
    isoline: _Isolines = None,
    force: Force = False,
    case: _Case = None,
    transform: _Transform = None,
    planning_series: _PlanningSeries = None,
    registration: _Registration = "default",
    accept_other_id: _OtherId = False,
) -> None:
    """Write the targets as binary DICOM SEG on the slices of a planning series; the frame as for an RTSTRUCT."""
    frame = _Frame(series, case, transform, planning_series, registration, accept_other_id)
    _export_structures(console, result, frame, out, kind="seg", levels=isoline, holes="nested", force=force)


def export_map(
    console: Console,
    result: _Result,
    series: _Series,
    out: _Out,
    what: Annotated[str, choice(*MAPS, kind="map", help="Which map of the result.")] = "density",
    force: Force = False,
    case: _Case = None,
    transform: _Transform = None,
    planning_series: _PlanningSeries = None,
    registration: _Registration = "default",
    accept_other_id: _OtherId = False,
) -> None:
    """Write a map as DICOM parametric map on the slices of a planning series; the frame as for an RTSTRUCT."""
    from gliofield.cli.outputs import require_output_file

    require_output_file(out, ending=".dcm", replace=force)
    from gliofield.radiotherapy.dicom import export_map as write
    from gliofield.radiotherapy.dicom.export import read_map

    read_map(result, what)  # type: ignore[arg-type]
    found, alignment = _Frame(series, case, transform, planning_series, registration, accept_other_id).find(
        console, result
    )
    write(out, result, found, alignment, name=what, replace=force)  # type: ignore[arg-type]
    content = {"file": out, "map": what, "alignment": alignment.to_json()}
    console.result(content, lambda: "\n".join([_alignment_text(alignment), f"map: {what}", f"file: {out}"]))


def dose(
    console: Console,
    result: _Result,
    dose: Annotated[Path, typer.Option(help="RTDOSE of the plan.")],
    structures: Annotated[Path | None, typer.Option(help="RTSTRUCT with organs, in the frame of the dose.")] = None,
    prescription: Annotated[float | None, typer.Option(help="Prescribed dose [Gy], for V95.")] = None,
    series: Annotated[Path | None, typer.Option(help="Folder of the planning series.")] = None,
    case: _Case = None,
    transform: _Transform = None,
    planning_series: _PlanningSeries = None,
    registration: _Registration = "default",
    accept_other_id: _OtherId = False,
) -> None:
    """Tell D98, D95, D2 and V95 of the targets, of the expected cells, and of organs of an RTSTRUCT [Gy].

    The dose is a given one; none is suggested. The planning series is needed where its frame is not that of the case.
    """
    from gliofield.radiotherapy.dicom import read_dose, read_targets
    from gliofield.radiotherapy.dicom.dose import tabulated
    from gliofield.radiotherapy.dicom.dose_report import tell_doses

    given, targets = read_dose(dose), read_targets(result)
    frame = _Frame(series, case, transform, planning_series, registration, accept_other_id)
    alignment = frame.of_dose(console, result, given.frame_uid)
    told = tell_doses(
        given, result, targets, structures=structures, prescription_gy=prescription, to_dose=alignment.transform
    )
    console.notes(told.left_out)
    content = {
        "prescription_gy": prescription,
        "figures": [dataclasses.asdict(each) for each in told.figures],
        "left_out": list(told.left_out),
        "alignment": alignment.to_json(),
    }
    console.result(content, lambda: tabulated(told.figures) + "\nFor research use only; not a medical device.")


@dataclasses.dataclass(frozen=True)
class _Frame:
    """The options that say how the case lies in the frame of a plan."""

    series: Path | None
    case: Path | None
    transform: str | None
    name: str | None
    registration: str
    accepts_other_id: bool

    def find(self, console: Console, result: Path) -> tuple[DicomSeries, Alignment]:
        """The planning series and the way to it."""
        from gliofield.progress import StageClock
        from gliofield.radiotherapy.dicom import find_alignment, read_planning_series, read_record
        from gliofield.radiotherapy.dicom.export import lesion_of
        from gliofield.radiotherapy.dicom.planning import require_same_case

        clock = StageClock(console.report)
        assert self.series is not None
        with clock.stage("read"):
            series = read_planning_series(self.series, name=self.name)
            record = None if self.case is None else read_record(self.case)
            if record is not None:
                require_same_case(record, result)
        with clock.stage("align"):
            alignment = find_alignment(
                series,
                record=record,
                transform=self.transform,
                lesion=None if record is None else lesion_of(record.folder),
                is_deformable=None if self.registration == "default" else self.registration == "deformable",
                is_other_id_accepted=self.accepts_other_id,
                report=console.report,
            )
        return series, alignment

    def of_dose(self, console: Console, result: Path, frame_uid: str) -> Alignment:
        """The way to the frame of a dose: by its planning series, or because it is that of the case."""
        from gliofield.errors import DicomError
        from gliofield.radiotherapy.dicom import find_alignment, read_record
        from gliofield.radiotherapy.dicom.planning import require_same_case

        if self.series is not None:
            series, alignment = self.find(console, result)
            if series.frame_uid != frame_uid:
                raise DicomError("the dose lies in another frame of reference than the planning series.")
            return alignment
        record = None if self.case is None else read_record(self.case)
        if record is not None:
            require_same_case(record, result)
        if self.transform is None and (record is None or not frame_uid or record.frame_uid != frame_uid):
            raise DicomError(
                "the result and the dose have no frame of reference in common that is known: give the case that "
                "gliofield import has written (--case), the planning series (--series), or the transform (--transform)."
            )
        return find_alignment(None, record=record, transform=self.transform or "identity", is_other_id_accepted=True)


def _export_structures(
    console: Console, result: Path, frame: _Frame, out: Path, *, kind: str, levels: Any, holes: str, force: bool
) -> None:
    from gliofield.cli.outputs import require_output_file

    require_output_file(out, ending=".dcm", replace=force)
    from gliofield.radiotherapy.dicom import export_structures, read_targets

    read_targets(result)
    series, alignment = frame.find(console, result)
    written = export_structures(
        out,
        result,
        series,
        alignment,
        kind=kind,  # type: ignore[arg-type]
        levels=tuple(levels or ()),
        holes=holes,  # type: ignore[arg-type]
        replace=force,
    )
    console.notes([f"{name} is empty on the planning series and was left out" for name in written.empty])
    content = {
        "file": out,
        "structures": list(written.names),
        "left_out": list(written.empty),
        "volumes_ml": {name: {"case": ml[0], "series": ml[1]} for name, ml in written.volumes_ml.items()},
        "alignment": alignment.to_json(),
    }

    def text() -> str:
        lines = [_alignment_text(alignment)]
        for name in written.names:
            ml = written.volumes_ml.get(name)
            lines.append(f"{name}" if ml is None else f"{name}: {ml[0]:.1f} ml, on the series {ml[1]:.1f} ml")
        return "\n".join([*lines, f"file: {out}"])

    console.result(content, text)


def _alignment_text(alignment: Alignment) -> str:
    if alignment.kind == "identity":
        return "frame: that of the case"
    if alignment.residual is None:
        return "frame: by the given transform, whose error is not known"
    return f"frame: {alignment.kind}, error {alignment.residual.in_words()}"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        "import",
        import_dicom,
        examples=[
            "gliofield import DICOM --out CASE --seg RTSTRUCT.dcm --core GTV --whole EDEMA",
            "gliofield import DICOM --out CASE --t1c 7 --flair none --seg SEG.nii.gz",
        ],
        runs_long=True,
        reads_images=True,
    )
    commands: dict[str, tuple[Callable[..., None], str]] = {
        "rtstruct": (export_rtstruct, "TARGETS"),
        "seg": (export_seg, "TARGETS"),
        "map": (export_map, "DENSITY"),
    }
    for name, (function, file) in commands.items():
        add_command(
            export_app,
            name,
            function,
            examples=[f"gliofield export {name} RESULT --series PLANNING --case CASE --out {file}.dcm"],
            runs_long=True,
            reads_images=True,
        )
    app.add_typer(export_app)
    add_command(
        app,
        "dose",
        dose,
        examples=[
            "gliofield dose RESULT --dose RTDOSE.dcm --structures RTSTRUCT.dcm --case CASE --prescription 60",
        ],
        runs_long=True,
        reads_images=True,
    )
