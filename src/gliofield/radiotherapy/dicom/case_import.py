"""From a folder of DICOM series to a case: the folder that ``gliofield personalize`` reads.

The T1Gd gives the grid. The other images are laid on it (`alignment`), the outlines come from a NIfTI, an RTSTRUCT or a
DICOM SEG. Images with a skull are stripped by a brain mask that is given, or by a program on the PATH; what is still
missing is named with the program that makes it. ``dicom.json`` keeps what an export has to know: frame and UIDs of the
series, motions and residuals. Names and birth dates are not kept; the patient's number is, as a hash, so that an export
to the series of somebody else is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.checks import brain_of, require_brain_size
from gliofield.errors import DicomError, ImageError
from gliofield.nifti import read_volume, write_volume
from gliofield.output import FolderMarker, atomic_folder
from gliofield.progress import StageClock
from gliofield.radiotherapy.dicom.alignment import Alignment, align
from gliofield.radiotherapy.dicom.contrasts import assign_series
from gliofield.radiotherapy.dicom.conversion import convert_series
from gliofield.radiotherapy.dicom.outside_tools import SEGMENT_ADVICE, STRIP_ADVICE, segment_tumor, strip_skull
from gliofield.radiotherapy.dicom.segments import read_segments
from gliofield.radiotherapy.dicom.series import DicomFolder, DicomSeries, read_dicom_folder, read_header
from gliofield.radiotherapy.dicom.structures import RESEARCH_ONLY, read_structures
from gliofield.registration import Transform
from gliofield.volume import Volume

RECORD_FILE = "dicom.json"
#: The T1Gd with its skull, which is what a planning series can be compared with.
HEAD_FILE = "t1gd_head.nii.gz"
FORMAT_VERSION = 1
_EDEMA, _CORE, _CAVITY = 2, 3, 4
_OUTLINES = ("RTSTRUCT", "SEG")
_ALREADY_STRIPPED = "already stripped"
#: How a case of this module is known, and what it holds.
CASE_MARKER = FolderMarker(RECORD_FILE, files=("case_*.nii.gz", HEAD_FILE))


@dataclass(frozen=True, kw_only=True)
class Outlines:
    """Where the outlines of the tumor come from.

    Parameters
    ----------
    path : Path
        NIfTI of labels on the grid of the T1Gd, RTSTRUCT, or DICOM SEG.
    core, whole, cavity : str or None
        Of the last two: names of the structures that are the tumor core, the whole tumor (edema included), and the
        resection cavity.
    """

    path: Path
    core: str | None = None
    whole: str | None = None
    cavity: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class ImportedCase:
    """What became of a DICOM folder.

    Parameters
    ----------
    folder : Path
        The case.
    images : tuple of str
        Images that it holds, by the names of `CaseFiles`.
    alignments : mapping of str to Alignment
        How the others were laid on the T1Gd.
    missing : tuple of str
        What a personalization needs and the case lacks, with the program that makes it.
    notes : tuple of str
        What else to know.
    """

    folder: Path
    images: tuple[str, ...]
    alignments: Mapping[str, Alignment]
    missing: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def import_case(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    named: Mapping[str, str] | None = None,
    outlines: Outlines | None = None,
    brain_mask: Path | None = None,
    seed: int = 0,
    replace: bool = False,
    clock: StageClock | None = None,
) -> ImportedCase:
    """Make a case of a folder of DICOM series.

    Parameters
    ----------
    folder : path
        Series of one patient, in any order of folders.
    out : path
        The case to write.
    named : mapping of str to str
        Series by number or end of the UID, of images that are not to be told by their tags (`assign_series`).
    outlines : Outlines, optional
        Outlines of the tumor; without them a program on the PATH is asked.
    brain_mask : Path, optional
        Mask on the grid of the T1Gd; without it images that have a skull are given to a program on the PATH.
    seed : int
        Seed of the registrations.
    replace : bool
        Replace a case that exists.
    clock : StageClock, optional
        Told about the stages.

    Raises
    ------
    DicomError
        If series cannot be told apart, make no grid, are of two patients, or outlines belong to none of them.
    ImageError
        If a mask does not fit.
    GridMismatchError
        If a NIfTI lies on another grid than the T1Gd.
    OutputError
        If the case exists and may not be replaced, or cannot be written.
    """
    clock = clock or StageClock()
    with clock.stage("read"):
        found = read_dicom_folder(folder)
        chosen = assign_series(found.series, named or {})
        _require_one_patient(chosen)
        notes = _unused(found, chosen, outlines)
    with clock.stage("convert"):
        originals = {name: convert_series(series) for name, series in chosen.items()}
    head = originals["t1c"]
    with clock.stage("register"):
        alignments = {name: align(head, image, seed=seed) for name, image in originals.items() if name != "t1c"}
    images = {"t1c": head} | {
        name: each.transform.to_patient(originals[name], head.grid) for name, each in alignments.items()
    }
    with clock.stage("brain"):
        brain, brain_source = _brain(images["t1c"], brain_mask)
        if brain is not None:
            images = {name: Volume(np.where(brain, each.data, 0), each.grid) for name, each in images.items()}
    with clock.stage("outlines"):
        motions = {"t1c": Transform.identity()} | {name: each.transform for name, each in alignments.items()}
        grids = {name: image.grid for name, image in originals.items()}
        labels, source = _labels(outlines, chosen, motions, grids, head, images if brain is not None else {})
    missing = ([] if brain is not None else [STRIP_ADVICE]) + ([] if labels is not None else [SEGMENT_ADVICE])
    record = _record(chosen, alignments) | {"brain": brain_source, "outlines": source, "missing": missing}
    inputs = [Path(folder), *([outlines.path] if outlines else []), *([brain_mask] if brain_mask else [])]
    with clock.stage("write"), atomic_folder(out, replace=replace, marker=CASE_MARKER, inputs=inputs) as partial:
        kept_head = None if brain_source == _ALREADY_STRIPPED else head
        _write(partial, images, kept_head, labels, record)
    return ImportedCase(
        folder=Path(out), images=tuple(images), alignments=alignments, missing=tuple(missing), notes=tuple(notes)
    )


def _record(chosen: Mapping[str, DicomSeries], alignments: Mapping[str, Alignment]) -> dict[str, Any]:
    """What an export has to know of the series."""
    head = chosen["t1c"]
    return {
        "format_version": FORMAT_VERSION,
        "note": RESEARCH_ONLY,
        "frame_of_reference_uid": head.frame_uid,
        "patient": patient_key(head, salt=head.uid),
        "salt": head.uid,
        "series": {name: _series_record(series, alignments.get(name)) for name, series in chosen.items()},
    }


def _write(
    folder: Path, images: Mapping[str, Volume], head: Volume | None, labels: Volume | None, record: dict[str, Any]
) -> None:
    for name, image in images.items():
        write_volume(folder / f"case_{name}.nii.gz", image, dtype=np.float32)
    if head is not None:
        write_volume(folder / HEAD_FILE, head, dtype=np.float32)
    if labels is not None:
        write_volume(folder / "case_seg.nii.gz", labels, dtype=np.uint8)
    (folder / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def patient_key(series: DicomSeries, *, salt: str) -> str:
    """A hash by which the same patient is known again; the number itself cannot be had from it but by guessing."""
    return hashlib.sha256(f"{salt}|{series.text('PatientID')}".encode()).hexdigest()


def _require_one_patient(chosen: Mapping[str, DicomSeries]) -> None:
    numbers = {series.text("PatientID") for series in chosen.values()}
    if len(numbers) > 1:
        raise DicomError(
            f"the series are of {len(numbers)} patients: expected one. Import each from a folder of its own."
        )


def _unused(found: DicomFolder, chosen: Mapping[str, DicomSeries], outlines: Outlines | None) -> list[str]:
    """What the folder holds and the case does not use: series, and where no outlines were given, those."""
    used = {each.uid for each in chosen.values()}
    left = [each.label for each in found.series if each.uid not in used]
    drawn = [path.name for kind, path in found.objects if kind in _OUTLINES and outlines is None]
    notes = [f"not used: {'; '.join(left)}"] if left else []
    return notes + ([f"the folder holds outlines ({', '.join(drawn)}): name the file to use by --seg"] if drawn else [])


def _series_record(series: DicomSeries, alignment: Alignment | None) -> dict[str, Any]:
    return {
        "series_uid": series.uid,
        "study_uid": series.text("StudyInstanceUID"),
        "frame_of_reference_uid": series.frame_uid,
        "modality": series.modality,
        "number": series.text("SeriesNumber"),
        "alignment": None if alignment is None else alignment.to_json(),
    }


def _brain(head: Volume, given: Path | None) -> tuple[NDArray[np.bool_] | None, str | None]:
    """Brain mask, and where it comes from; None where it is missing."""
    if given is not None:
        mask = read_volume(given)
        mask.grid.require_same_as(head.grid, self_name=given.name, other_name="T1Gd")
        require_brain_size(given.name, mask.data > 0.5, mask)
        return mask.data > 0.5, "given"
    try:
        # Where a scan is 0 outside a volume that a brain has, somebody has stripped it.
        return brain_of("T1Gd", head), _ALREADY_STRIPPED
    except ImageError:
        made = strip_skull(head)
    if made is None:
        return None, None
    brain, tool = made
    require_brain_size(f"the mask of {tool}", brain, head)
    return brain, tool


def _labels(
    outlines: Outlines | None,
    chosen: Mapping[str, DicomSeries],
    motions: Mapping[str, Transform],
    grids: Mapping[str, Any],
    head: Volume,
    stripped: Mapping[str, Volume],
) -> tuple[Volume | None, str | None]:
    """Labels on the grid of the T1Gd (edema 2, core 3, cavity 4; of a NIfTI its own), and where they come from."""
    if outlines is None:
        made = segment_tumor(stripped)
        if made is None:
            return None, None
        edema, enhancing, tool = made
        return Volume(np.where(enhancing, _CORE, np.where(edema, _EDEMA, 0)).astype(np.uint8), head.grid), tool
    if outlines.path.name.lower().endswith((".nii", ".nii.gz")):
        if (outlines.core, outlines.whole, outlines.cavity) != (None, None, None):
            raise DicomError(
                "names of structures are for RTSTRUCT and DICOM SEG: leave them out with a NIfTI of labels."
            )
        labels = read_volume(outlines.path)
        labels.grid.require_same_as(head.grid, self_name=outlines.path.name, other_name="T1Gd")
        return labels, "NIfTI"
    modality = str(read_header(outlines.path).get("Modality", ""))
    readers = {"RTSTRUCT": _drawn_structures, "SEG": _drawn_segments}
    if modality not in readers:
        raise DicomError(
            f"{outlines.path} is {modality or 'of no modality'}: expected outlines as RTSTRUCT, DICOM SEG or NIfTI."
        )
    if outlines.whole is None:
        raise DicomError(
            "the whole tumor (what FLAIR shows) is not named: give the name of its structure (--whole), the "
            f"same as the core's if there is no edema. {outlines.path.name} holds {_names_in(outlines.path, modality)}."
        )
    named = {"whole": outlines.whole, "core": outlines.core, "cavity": outlines.cavity}
    home, drawn = readers[modality](outlines.path, {key: name for key, name in named.items() if name}, chosen, grids)
    masks = {key: motions[home].mask_to_patient(mask, head.grid).data for key, mask in drawn.items()}
    for key, mask in masks.items():
        if not mask.any():
            raise DicomError(f"structure {named[key]} is empty on the T1Gd: expected outlines of this patient's tumor.")
    values = np.zeros(head.grid.shape, dtype=np.uint8)
    for key, value in (("whole", _EDEMA), ("core", _CORE), ("cavity", _CAVITY)):
        if key in masks:
            values[masks[key]] = value
    return Volume(values, head.grid), modality


def _names_in(path: Path, modality: str) -> str:
    names = (
        [each.name for each in read_structures(path).rois] if modality == "RTSTRUCT" else list(read_segments(path)[2])
    )
    return ", ".join(names) or "none"


def _drawn_structures(
    path: Path, named: Mapping[str, str], chosen: Mapping[str, DicomSeries], grids: Mapping[str, Any]
) -> tuple[str, dict[str, Volume]]:
    """The image on which structures were drawn, and their masks on it."""
    structures = read_structures(path)
    home = _home_of(path, structures.series_uids, structures.frame_uid, chosen)
    grid, thickness_mm = grids[home], chosen[home].grid.spacing_mm[2]
    return home, {
        key: Volume(structures.roi(name).mask_on(grid, thickness_mm=thickness_mm), grid) for key, name in named.items()
    }


def _drawn_segments(
    path: Path, named: Mapping[str, str], chosen: Mapping[str, DicomSeries], grids: Mapping[str, Any]
) -> tuple[str, dict[str, Volume]]:
    """The image on which segments were drawn, and their masks as they lie in the file."""
    del grids  # a segment brings its own
    frame_uid, series_uids, segments = read_segments(path)
    home = _home_of(path, series_uids, frame_uid, chosen)
    lacking = [name for name in named.values() if name not in segments]
    if lacking:
        raise DicomError(f"{path} has no segment {lacking[0]}: expected one of {', '.join(segments) or 'none'}.")
    return home, {key: segments[name] for key, name in named.items()}


def _home_of(path: Path, series_uids: tuple[str, ...], frame_uid: str, chosen: Mapping[str, DicomSeries]) -> str:
    """The image on which outlines were drawn: by its series, else the T1Gd or another one of the same frame."""
    for name, series in chosen.items():
        if series.uid in series_uids:
            return name
    for name, series in chosen.items():
        if frame_uid and series.frame_uid == frame_uid:
            return name
    raise DicomError(
        f"{path} belongs to another series: its frame of reference is that of no image of this case. Give the outlines "
        "that were drawn on one of them, or add their series to the folder."
    )
