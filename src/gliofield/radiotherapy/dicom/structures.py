"""RTSTRUCT: structures written on the slices of a planning series, and read from a clinic's files.

What importing systems refuse is avoided by construction: every contour names the slice it lies on, by the SOP Instance
UID of that file; Frame of Reference, Study and Series UIDs are the series' own; points lie in the plane of the slice
also where that is oblique; names have at most 16 characters and are unique; coordinates fit a decimal string of 16
bytes; an empty structure is left out and named. The references are those of DICOM PS3.3, C.8.8.5 and C.8.8.6.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gliofield import __version__
from gliofield.errors import DicomError, ParameterError
from gliofield.grid import Grid
from gliofield.output import atomic_file
from gliofield.radiotherapy.dicom.contours import Loop, solid_of, trace
from gliofield.radiotherapy.dicom.series import RAS_FROM_LPS, DicomSeries, read_header
from gliofield.radiotherapy.targets import MAX_NAME
from gliofield.resample import resample
from gliofield.volume import Volume

RESEARCH_ONLY = "For research use only; not a medical device."
Holes = Literal["nested", "keyhole"]
InterpretedType = Literal["GTV", "CTV", "PTV", "CAVITY", "ORGAN", "CONTROL"]
_SERIES_NUMBER = 9001
_RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
_STUDY_COMPONENT_CLASS = "1.2.840.10008.3.1.2.3.1"
_COPIED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "StudyDescription", "PositionReferenceIndicator"),
)
_COLORS = (
    (230, 60, 60),
    (60, 150, 230),
    (240, 170, 40),
    (90, 190, 90),
    (170, 100, 210),
    (60, 190, 190),
    (220, 110, 170),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """A structure on the grid of a series.

    Parameters
    ----------
    name : str
        At most 16 characters.
    kind : {"GTV", "CTV", "PTV", "CAVITY", "ORGAN", "CONTROL"}
        RT ROI Interpreted Type.
    field : (columns, rows, slices) array
        Values at the voxels of the series; the structure is where they are above `level`.
    description : str
        What it is.
    level : float
        Threshold, > 0.

    Raises
    ------
    ParameterError
        If the name is empty or longer than 16 characters.
    """

    name: str
    kind: InterpretedType
    field: NDArray[np.floating]
    description: str = ""
    level: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MAX_NAME:
            raise ParameterError(
                f"a structure's name must have 1 to {MAX_NAME} characters, which planning systems demand, got "
                f"{self.name!r}."
            )

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Voxels whose center is inside."""
        return np.asarray(self.field > self.level)


@dataclass(frozen=True, kw_only=True, eq=False)
class Roi:
    """A structure as it was read: closed contours in the world.

    Parameters
    ----------
    name, kind : str
        Name, and interpreted type (empty where the file has none).
    loops_mm : tuple of (n, 3) array
        Closed contours [mm, RAS+].
    """

    name: str
    kind: str
    loops_mm: tuple[Loop, ...]

    def solid(self, *, thickness_mm: float | None = None) -> Volume:
        """Signed depth [mm], positive inside; see `contours`."""
        return solid_of(self.loops_mm, name=self.name, thickness_mm=thickness_mm)

    def mask_on(self, grid: Grid, *, thickness_mm: float | None = None) -> NDArray[np.bool_]:
        """Voxels of a grid whose center lies inside the solid."""
        depth = self.solid(thickness_mm=thickness_mm)
        # Beyond the solid's box `resample` reads 0, which must be outside.
        lifted = resample(Volume(np.clip(depth.data, -_FAR_MM, _FAR_MM) + _FAR_MM, depth.grid), grid)
        return np.asarray(lifted.data > _FAR_MM)


_FAR_MM = np.float32(1024.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class StructureSet:
    """What an RTSTRUCT file holds.

    Parameters
    ----------
    frame_uid : str
        Frame of Reference UID of its contours.
    series_uids : tuple of str
        Series on which they were drawn.
    rois : tuple of Roi
        Structures with contours.
    empty : tuple of str
        Names of those without.
    """

    frame_uid: str
    series_uids: tuple[str, ...]
    rois: tuple[Roi, ...]
    empty: tuple[str, ...]

    def roi(self, name: str) -> Roi:
        """The structure of a name, capitals aside.

        Raises
        ------
        DicomError
            If there is none, or it is empty; the message lists the names.
        """
        for each in self.rois:
            if each.name.casefold() == name.casefold():
                return each
        if name.casefold() in (each.casefold() for each in self.empty):
            raise DicomError(f"structure {name} has no contours: expected a drawn one. Choose another.")
        names = ", ".join(each.name for each in self.rois) or "none"
        raise DicomError(f"there is no structure {name}: expected one of {names}.")


def write_structures(
    path: str | os.PathLike[str],
    structures: Sequence[Structure],
    series: DicomSeries,
    *,
    holes: Holes = "nested",
    replace: bool = False,
) -> tuple[str, ...]:
    """Write an RTSTRUCT on the slices of a series; the names of structures that were left out because they are empty.

    Parameters
    ----------
    path : path
        Target file.
    structures : sequence of Structure
        On the grid of the series.
    series : DicomSeries
        The planning series.
    holes : {"nested", "keyhole"}
        A contour of its own inside the outer one, or one contour that reaches the hole by a channel of no width.
    replace : bool
        Replace a file that exists.

    Raises
    ------
    ParameterError
        If two names are the same, capitals aside.
    DicomError
        If all structures are empty.
    OutputError
        If the file cannot be written.
    """
    names = [each.name.casefold() for each in structures]
    if len(set(names)) < len(names):
        raise ParameterError(f"names of structures must differ, capitals aside, got {', '.join(sorted(names))}.")
    traced = {each.name: trace(each.field, each.level) for each in structures}
    drawn = [each for each in structures if traced[each.name]]
    if not drawn:
        raise DicomError("all structures are empty on this series, so there is nothing to write. Check their place.")
    dataset = _new_dataset(series)
    _refer_to(dataset, series)
    for number, structure in enumerate(drawn, start=1):
        _add(dataset, number, structure, _contours(traced[structure.name], series, holes))
    with atomic_file(path, replace=replace) as partial:
        dataset.save_as(partial, enforce_file_format=True)
    return tuple(each.name for each in structures if not traced[each.name])


def read_structures(path: str | os.PathLike[str]) -> StructureSet:
    """Structures of an RTSTRUCT file.

    Contours other than closed ones are passed over: points and open lines have no inside.

    Raises
    ------
    DicomError
        If the file is missing, damaged or no RTSTRUCT, or its structures lie in two frames.
    """
    dataset = read_header(Path(path), with_pixels=True)
    if str(dataset.get("Modality", "")) != "RTSTRUCT":
        raise DicomError(f"{path} is no RTSTRUCT but {dataset.get('Modality', 'of no modality')}. Give another file.")
    rois = {int(each.ROINumber): each for each in dataset.get("StructureSetROISequence", [])}
    kinds = {
        int(each.ReferencedROINumber): str(each.get("RTROIInterpretedType") or "")
        for each in dataset.get("RTROIObservationsSequence", [])
    }
    loops: dict[int, list[Loop]] = {number: [] for number in rois}
    for content in dataset.get("ROIContourSequence", []):
        for contour in content.get("ContourSequence", []):
            if str(contour.get("ContourGeometricType", "")).startswith("CLOSED_PLANAR") and contour.get("ContourData"):
                points = np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3) * RAS_FROM_LPS
                loops.setdefault(int(content.ReferencedROINumber), []).append(points)
    frames = {str(each.get("ReferencedFrameOfReferenceUID", "")) for number, each in rois.items() if loops[number]}
    frames |= {str(each.FrameOfReferenceUID) for each in dataset.get("ReferencedFrameOfReferenceSequence", [])}
    frames = {frame for frame in frames if frame}
    if len(frames) != 1:
        raise DicomError(f"{path}: its structures lie in {len(frames)} frames of reference: expected one.")
    series_uids = [
        str(series.SeriesInstanceUID)
        for frame in dataset.get("ReferencedFrameOfReferenceSequence", [])
        for study in frame.get("RTReferencedStudySequence", [])
        for series in study.get("RTReferencedSeriesSequence", [])
    ]
    named = {number: str(each.get("ROIName", number)) for number, each in rois.items()}
    return StructureSet(
        frame_uid=frames.pop(),
        series_uids=tuple(series_uids),
        rois=tuple(
            Roi(name=named[number], kind=kinds.get(number, ""), loops_mm=tuple(loops[number]))
            for number in rois
            if loops[number]
        ),
        empty=tuple(named[number] for number in rois if not loops[number]),
    )


def copied_identity(series: DicomSeries) -> dict[str, Any]:
    """Attributes of patient and study that derived objects share with the series."""
    return {keyword: series.headers[0].get(keyword) for keyword in _COPIED}


def _new_dataset(series: DicomSeries) -> Any:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, ExplicitVRLittleEndian, generate_uid

    now = datetime.now(UTC).astimezone()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_RTSTRUCT_CLASS)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = _RTSTRUCT_CLASS
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.SpecificCharacterSet = series.headers[0].get("SpecificCharacterSet") or "ISO_IR 192"
    for keyword, value in copied_identity(series).items():
        setattr(dataset, keyword, "" if value is None else value)
    dataset.StudyInstanceUID = series.text("StudyInstanceUID")
    dataset.SeriesInstanceUID = generate_uid()
    dataset.FrameOfReferenceUID = series.frame_uid
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesNumber = _SERIES_NUMBER
    dataset.SeriesDescription = "gliofield targets, research use only"
    dataset.OperatorsName = ""
    dataset.InstanceCreationDate = dataset.SeriesDate = dataset.StructureSetDate = f"{now:%Y%m%d}"
    dataset.InstanceCreationTime = dataset.SeriesTime = dataset.StructureSetTime = f"{now:%H%M%S}"
    dataset.Manufacturer = dataset.ManufacturerModelName = "gliofield"
    dataset.SoftwareVersions = __version__
    dataset.StructureSetLabel = "gliofield"
    dataset.StructureSetDescription = RESEARCH_ONLY
    dataset.StructureSetROISequence, dataset.ROIContourSequence, dataset.RTROIObservationsSequence = [], [], []
    return dataset


def _refer_to(dataset: Any, series: DicomSeries) -> None:
    """The frame, study, series and all slices."""
    images = [_image_reference(series, number) for number in range(len(series.slices))]
    referenced = _item(SeriesInstanceUID=series.uid, ContourImageSequence=images)
    study = _item(
        ReferencedSOPClassUID=_STUDY_COMPONENT_CLASS,
        ReferencedSOPInstanceUID=series.text("StudyInstanceUID"),
        RTReferencedSeriesSequence=[referenced],
    )
    frame = _item(FrameOfReferenceUID=series.frame_uid, RTReferencedStudySequence=[study])
    dataset.ReferencedFrameOfReferenceSequence = [frame]


def _add(dataset: Any, number: int, structure: Structure, contours: list[Any]) -> None:
    dataset.StructureSetROISequence.append(
        _item(
            ROINumber=number,
            ReferencedFrameOfReferenceUID=dataset.FrameOfReferenceUID,
            ROIName=structure.name,
            ROIDescription=structure.description,
            ROIGenerationAlgorithm="AUTOMATIC",
            ROIGenerationDescription=f"gliofield {__version__}",
        )
    )
    color = list(_COLORS[(number - 1) % len(_COLORS)])
    dataset.ROIContourSequence.append(
        _item(ReferencedROINumber=number, ROIDisplayColor=color, ContourSequence=contours)
    )
    dataset.RTROIObservationsSequence.append(
        _item(
            ObservationNumber=number,
            ReferencedROINumber=number,
            ROIObservationLabel=structure.name,
            RTROIInterpretedType=structure.kind,
            ROIInterpreter="",
        )
    )


def _contours(pieces: list[Any], series: DicomSeries, holes: Holes) -> list[Any]:
    items: list[Any] = []
    for piece in pieces:
        for loop in [piece.with_keyholes()] if holes == "keyhole" else [piece.outer, *piece.holes]:
            points = series.lps_of(piece.slice_index, loop)
            items.append(
                _item(
                    ContourNumber=len(items) + 1,
                    ContourGeometricType="CLOSED_PLANAR",
                    ContourImageSequence=[_image_reference(series, piece.slice_index)],
                    NumberOfContourPoints=len(points),
                    # At most 16 bytes each: a tenth of a micrometer is more than any reader keeps.
                    ContourData=[f"{value:.4f}" for value in points.ravel()],
                )
            )
    return items


def _image_reference(series: DicomSeries, number: int) -> Any:
    header = series.slices[number]
    return _item(ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)


def _item(**values: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
