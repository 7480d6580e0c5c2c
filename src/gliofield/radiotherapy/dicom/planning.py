"""From the case's frame to that of a planning series: identity, a given transform, or one that is found and judged.

Series of one Frame of Reference lie in one world, and nothing is computed. Otherwise the T1Gd of the case is laid on
the planning series: rigid, and on an MR deformable, with the tumor and a cavity left out, because anatomy moves between
two scans and a tumor that was removed has no counterpart. The residual says how far structures still lie apart [mm,
median and 95 %]. Where there is neither a common frame nor a way to compute or be given a transform, nothing is
exported.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gliofield.errors import DicomError
from gliofield.file_hash import file_sha256
from gliofield.grid import Grid
from gliofield.nifti import read_volume
from gliofield.pipeline.read_provenance import read_provenance
from gliofield.progress import Reporter, ignore_progress
from gliofield.radiotherapy.dicom.alignment import Alignment, align
from gliofield.radiotherapy.dicom.case_import import HEAD_FILE, RECORD_FILE, patient_key
from gliofield.radiotherapy.dicom.conversion import convert_series
from gliofield.radiotherapy.dicom.series import DicomSeries
from gliofield.registration import Transform, read_itk_affine, read_transform
from gliofield.volume import Volume

#: What `transform` may be instead of a file: the two worlds are one, whatever the UIDs say.
IDENTITY = "identity"
#: Radiodensities beyond these are air and dense bone, which would take the whole range of a CT [HU].
_CT_WINDOW = (-200.0, 300.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImportedRecord:
    """What a case keeps of the series it was made of.

    Parameters
    ----------
    folder : Path
        The case.
    content : dict
        Of its ``dicom.json``.
    """

    folder: Path
    content: dict[str, Any]

    @property
    def frame_uid(self) -> str:
        """Frame of Reference UID of the T1Gd."""
        return str(self.content["frame_of_reference_uid"])

    def require_patient(self, series: DicomSeries) -> None:
        """Refuse a series of somebody else.

        Raises
        ------
        DicomError
            If the patient's number is another one.
        """
        if self.content["patient"] != patient_key(series, salt=self.content["salt"]):
            raise DicomError(
                f"series {series.label} is of another patient than the case: their Patient IDs differ. If it is the "
                "same one under two numbers, pass is_other_id_accepted=True."
            )

    def head(self) -> Volume:
        """The T1Gd as the scanner gave it, else the stripped one."""
        whole = self.folder / HEAD_FILE
        return read_volume(whole if whole.is_file() else self.folder / "case_t1c.nii.gz")


def read_record(folder: str | os.PathLike[str]) -> ImportedRecord:
    """What `import_case` kept.

    Raises
    ------
    DicomError
        If the folder is no such case, or of another version.
    """
    path = Path(folder) / RECORD_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        is_known = content["format_version"] == 1 and isinstance(content["frame_of_reference_uid"], str)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DicomError(
            f"{folder} is no case that gliofield import has written: it holds no usable {RECORD_FILE}. Give that case, "
            "or a transform to the planning series."
        ) from error
    if not is_known:
        raise DicomError(f"{path} is of another version: import the series again.")
    return ImportedRecord(folder=Path(folder), content=content)


def require_same_case(record: ImportedRecord, result: str | os.PathLike[str]) -> None:
    """Refuse a result that was made of other images than the case holds.

    Raises
    ------
    DicomError
        If the T1Gd differs, by its hash in the result's provenance.
    """
    try:
        used = read_provenance(result, parts=("inputs",))["inputs"]["sha256"].get("t1c")
        own = file_sha256(record.folder / "case_t1c.nii.gz")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DicomError(f"{result} or {record.folder} is incomplete ({error}). Make it again.") from error
    if used != own:
        raise DicomError(
            f"{result} was not made of the case {record.folder}: their T1Gd differ. Give the case that it was made of."
        )


def find_alignment(
    series: DicomSeries | None,
    *,
    record: ImportedRecord | None,
    transform: str | os.PathLike[str] | None = None,
    lesion: Volume | None = None,
    is_deformable: bool | None = None,
    is_other_id_accepted: bool = False,
    seed: int = 0,
    report: Reporter = ignore_progress,
) -> Alignment:
    """How the case lies in the frame of a planning series; its ``patient`` is the series.

    Parameters
    ----------
    series : DicomSeries or None
        The planning series; None with a given transform alone.
    record : ImportedRecord or None
        What the case keeps of its series; None for a case that did not come from DICOM.
    transform : path or ``"identity"``, optional
        Transform folder or ITK affine that maps points of the planning series to the case, if it is known.
    lesion : Volume, optional
        Tumor and cavity in the case, left out of a deformation.
    is_deformable : bool, optional
        Add a deformation; default: on an MR, not on a CT.
    is_other_id_accepted : bool
        Accept a series whose Patient ID is another one.
    seed : int
        Seed of the registration.
    report : Reporter
        Told about the stages.

    Raises
    ------
    DicomError
        If the series is of another patient, or there is no way to its frame.
    RegistrationError
        If a given transform cannot be read, or the registration fails.
    """
    if record is not None and series is not None and not is_other_id_accepted:
        record.require_patient(series)
    if transform is not None:
        return Alignment(transform=_given(transform), kind="given", residual=None, residual_before=None)
    if record is None or series is None:
        raise DicomError(
            "the result and the planning series have no frame of reference in common that is known: give the case that "
            "gliofield import has written (--case), or the transform (--transform)."
        )
    if record.frame_uid and record.frame_uid == series.frame_uid:
        return Alignment(transform=Transform.identity(), kind=IDENTITY, residual=None, residual_before=None)
    fixed = convert_series(series)
    if series.modality == "CT":
        fixed = Volume(np.clip(fixed.data, *_CT_WINDOW), fixed.grid)
    found = align(
        fixed,
        record.head(),
        lesion=lesion,
        is_deformable=series.modality == "MR" if is_deformable is None else is_deformable,
        seed=seed,
        report=report,
    )
    if found.residual is None:
        raise DicomError(
            "the error of the alignment with the planning series cannot be told: too few places agree. Look at both "
            "images; give a transform that you have checked (--transform)."
        )
    return found


def carried(volume: Volume, alignment: Alignment, series: DicomSeries, *, name: str) -> Volume:
    """A mask or map of the case on the grid of the series, averaged over each slice.

    Parameters
    ----------
    volume : Volume
        On the grid of the case; its values count as 0 outside.
    alignment : Alignment
        The way to the series.
    series : DicomSeries
        The planning series.
    name : str
        What it is, for errors.

    Raises
    ------
    DicomError
        If a part of it lies beyond the series.
    """
    own = Volume(np.ascontiguousarray(volume.data, dtype=np.float32), volume.grid)
    _require_covered(own, alignment, series, name)
    if alignment.kind == IDENTITY and own.grid.is_same_as(series.grid):
        return Volume(own.data, series.grid)
    # A slice stands for its whole thickness: as many planes inside it as the case resolves.
    voxels_across = own.grid.voxel_from_world[:3, :3] @ alignment.transform.atlas_from_patient[:3, :3]
    count = max(1, int(np.ceil(np.abs(voxels_across @ series.grid.world_from_voxel[:3, 2]).max() - 0.01)))
    total = np.zeros(series.grid.shape, dtype=np.float32)
    for offset in (np.arange(count) + 0.5) / count - 0.5:
        shifted = series.grid.world_from_voxel.copy()
        shifted[:3, 3] = series.grid.world_of((0.0, 0.0, offset))
        total += alignment.transform.to_patient(own, Grid(series.grid.shape, shifted)).data
    return Volume(total / count, series.grid)


def _require_covered(volume: Volume, alignment: Alignment, series: DicomSeries, name: str) -> None:
    """Refuse a series whose field of view ends inside a mask."""
    is_set = volume.data > 0.5
    if not is_set.any():
        return
    points = alignment.transform.patient_points_of(volume.grid.world_of(np.argwhere(is_set)))
    voxels = series.grid.voxel_of(points)
    outside = ((voxels < -0.5) | (voxels > np.array(series.grid.shape) - 0.5)).any(axis=1)
    if outside.any():
        beyond_ml = float(np.count_nonzero(outside)) * volume.grid.voxel_volume_ml
        raise DicomError(
            f"the planning series does not cover {name}: {beyond_ml:.2f} ml of it lie outside the series. Give a "
            "series of the whole head, or check the transform."
        )


def _given(transform: str | os.PathLike[str]) -> Transform:
    if str(transform) == IDENTITY:
        return Transform.identity()
    path = Path(transform)
    return read_transform(path) if path.is_dir() else Transform.affine(read_itk_affine(path))
