"""DICOM series of images: found in a folder, told apart by their UIDs, and refused where their slices make no grid.

A `DicomSeries` is what planning systems ask about: the UIDs, the slices in order, and the `Grid` on which they lie. Its
array axes are column, row, slice; slices run along the normal, row direction × column direction. DICOM's world is
LPS+, gliofield's RAS+: x and y change sign here and in `structures`, nowhere else.

Voxels are not read here (`conversion` does, by dcm2niix), so compressed files need no decoder.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import DicomError, ParameterError
from gliofield.grid import Grid

#: Signs that turn positions of DICOM (LPS+) into those of gliofield (RAS+), and back.
RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])
IMAGE_MODALITIES = ("MR", "CT", "PT")
# Gaps between slices that differ by more than this part of the usual one are unequal; headers round to 0.1 %.
_SPACING_TOLERANCE = 0.02
_DIRECTION_TOLERANCE = 1e-3
_FEWEST_SLICES = 3
_DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
_REQUIRED = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")
_NEEDED = {"pydicom": "pydicom", "highdicom": "highdicom", "dcm2niix": "dcm2niix"}


def require_dicom() -> None:
    """Refuse to go on without the packages of the extra ``dicom``; loads none of them.

    Raises
    ------
    ParameterError
        If one of them is not installed.
    """
    missing = [name for module, name in _NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ParameterError(f"DICOM needs {', '.join(missing)}, not installed: pip install 'gliofield[dicom]'.")


@dataclass(frozen=True, kw_only=True, eq=False)
class DicomSeries:
    """Images of one series as they came; `grid` checks and orders them.

    Parameters
    ----------
    headers : sequence of pydicom.Dataset
        One per image, without its voxels.
    files : sequence of Path
        Where they lie, in the same order.
    """

    headers: tuple[Any, ...]
    files: tuple[Path, ...]

    def text(self, keyword: str) -> str:
        """An attribute of the first image as text; empty where there is none."""
        value = self.headers[0].get(keyword)
        return "" if value is None else str(value).strip()

    @property
    def uid(self) -> str:
        """Series Instance UID."""
        return self.text("SeriesInstanceUID")

    @property
    def modality(self) -> str:
        """``MR``, ``CT`` or ``PT``."""
        return self.text("Modality")

    @property
    def frame_uid(self) -> str:
        """Frame of Reference UID; series of one frame lie in one world."""
        return self.text("FrameOfReferenceUID")

    @property
    def label(self) -> str:
        """A line for lists: number, description, modality, slices, end of the UID."""
        number, words = self.text("SeriesNumber") or "-", self.text("SeriesDescription") or "no description"
        return f"{number}: {words} ({self.modality}, {len(self.files)} images, UID …{self.uid[-8:]})"

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Images by their place along the normal, checked.

        Raises
        ------
        DicomError
            If the images lie in two frames, or make no grid: other sizes or directions, two at one place, missing
            slices, unequal spacing, a tilt, too few.
        """
        return _checked_order(self)

    @property
    def slices(self) -> tuple[Any, ...]:
        """Headers in order of the slices."""
        return tuple(self.headers[number] for number in self.order)

    @cached_property
    def grid(self) -> Grid:
        """Where the voxels lie, axes column, row, slice [mm, RAS+].

        Raises
        ------
        DicomError
            As `order`.
        """
        first, last = self.slices[0], self.slices[-1]
        row_step, column_step = (float(value) for value in first.PixelSpacing)
        directions = np.array(first.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
        start, end = (np.array(each.ImagePositionPatient, dtype=np.float64) for each in (first, last))
        affine = np.eye(4)
        affine[:3, 0] = directions[0] * column_step
        affine[:3, 1] = directions[1] * row_step
        affine[:3, 2] = (end - start) / (len(self.slices) - 1)
        affine[:3, 3] = start
        affine[:3] *= RAS_FROM_LPS[:, None]
        return Grid((int(first.Columns), int(first.Rows), len(self.slices)), affine)

    def lps_of(self, slice_index: int, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions [mm, LPS+] of (column, row) in the plane of one slice, by its own header: (n, 2) → (n, 3)."""
        header = self.slices[slice_index]
        row_step, column_step = (float(value) for value in header.PixelSpacing)
        directions = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
        start = np.array(header.ImagePositionPatient, dtype=np.float64)
        return np.asarray(start + pixels * (column_step, row_step) @ directions)


@dataclass(frozen=True, kw_only=True, eq=False)
class DicomFolder:
    """What a folder holds.

    Parameters
    ----------
    series : tuple of DicomSeries
        Series of images (MR, CT, PET), by number.
    objects : tuple of (str, Path)
        Modality (``RTSTRUCT``, ``SEG``, ``RTDOSE`` …) and file of what else there is.
    """

    series: tuple[DicomSeries, ...]
    objects: tuple[tuple[str, Path], ...]


def read_dicom_folder(folder: str | os.PathLike[str]) -> DicomFolder:
    """Series of a folder and of those inside it.

    Parameters
    ----------
    folder : path
        Files that are not DICOM are passed over.

    Raises
    ------
    ParameterError
        If the extra is not installed.
    DicomError
        If there is no such folder, or a file in it is damaged.
    """
    require_dicom()
    place = Path(folder)
    if not place.is_dir():
        raise DicomError(f"{folder} is no folder: expected one with the files of a DICOM series. Check the path.")
    images: dict[str, list[tuple[Any, Path]]] = {}
    objects: list[tuple[str, Path]] = []
    for path in sorted(each for each in place.rglob("*") if each.is_file() and _is_dicom(each)):
        header = read_header(path)
        modality = str(header.get("Modality", ""))
        if modality in IMAGE_MODALITIES and "SeriesInstanceUID" in header:
            images.setdefault(str(header.SeriesInstanceUID), []).append((header, path))
        elif modality:
            objects.append((modality, path))
        elif header.file_meta.get("MediaStorageSOPClassUID") != _DICOMDIR_CLASS:
            raise DicomError(f"{path} cannot be read as DICOM (it has no modality). Fetch it again, or move it away.")
    found = [
        DicomSeries(headers=tuple(header for header, _ in pairs), files=tuple(path for _, path in pairs))
        for pairs in images.values()
    ]
    found.sort(key=lambda series: (int(series.headers[0].get("SeriesNumber") or 0), series.uid))
    return DicomFolder(series=tuple(found), objects=tuple(objects))


def read_planning_series(folder: str | os.PathLike[str], *, name: str | None = None) -> DicomSeries:
    """The one series of a folder, MR or CT, on which structures are to be drawn; its slices are checked.

    Parameters
    ----------
    folder : path
        Its files.
    name : str, optional
        Number or end of the UID of the series that is meant, if there are several.

    Raises
    ------
    DicomError
        If there is none, several and no name, or its slices make no grid.
    """
    found = [series for series in read_dicom_folder(folder).series if series.modality != "PT"]
    if not found:
        raise DicomError(f"{folder} holds no MR or CT series: expected the planning series. Check the folder.")
    chosen = found if name is None else [named_series(found, name)]
    if len(chosen) > 1:
        raise DicomError(
            f"{folder} holds {len(chosen)} series: expected the planning series alone. Name the one that is meant by "
            f"its number (--planning-series):\n{listed(chosen)}"
        )
    series = chosen[0]
    _ = series.grid
    if not series.frame_uid:
        raise DicomError(f"series {series.label} has no Frame of Reference UID, so no structure can refer to it.")
    return series


def named_series(series: Iterable[DicomSeries], name: str) -> DicomSeries:
    """The series of a number, or of a UID or its end.

    Raises
    ------
    DicomError
        If it is not exactly one.
    """
    candidates = list(series)
    found = [each for each in candidates if each.text("SeriesNumber") == name]
    if len(found) != 1:
        found = [each for each in candidates if len(name) >= 4 and each.uid.endswith(name)] or found
    if len(found) != 1:
        raise DicomError(
            f"{len(found)} series are called {name}: expected one. Give the number, or the last 8 digits of the UID, "
            f"of one of these:\n{listed(candidates)}"
        )
    return found[0]


def listed(series: Iterable[DicomSeries]) -> str:
    """Series as lines of a list."""
    return "\n".join(f"  {each.label}" for each in series)


def read_header(path: Path, *, with_pixels: bool = False) -> Any:
    """The dataset of a DICOM file, by default without its voxels.

    Raises
    ------
    DicomError
        If the file is missing or damaged.
    """
    import pydicom

    try:
        return pydicom.dcmread(path, stop_before_pixels=not with_pixels)
    except Exception as error:  # pydicom raises many types for damaged files; the cause is chained
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
        raise DicomError(f"{path} cannot be read as DICOM ({reason}). Fetch it again, or check the path.") from error


def _is_dicom(path: Path) -> bool:
    with open(path, "rb") as handle:
        return handle.read(132)[128:] == b"DICM"


def _checked_order(series: DicomSeries) -> tuple[int, ...]:
    headers, label = series.headers, f"series {series.label}"
    if any(int(header.get("NumberOfFrames") or 1) > 1 for header in headers):
        raise DicomError(f"{label} holds multi-frame images: expected one image a file. Export it in the classic form.")
    for keyword in _REQUIRED:
        if any(header.get(keyword) is None for header in headers):
            raise DicomError(f"{label}: an image has no {keyword}, so its place is unknown. Export the series again.")
    if len({str(header.get("FrameOfReferenceUID", "")) for header in headers}) > 1:
        raise DicomError(f"{label} lies in two frames of reference: expected one. Export the scans one by one.")
    if len(headers) < _FEWEST_SLICES:
        raise DicomError(f"{label}: expected at least {_FEWEST_SLICES} slices, got {len(headers)}.")
    for keyword in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
        values = np.array([np.atleast_1d(np.asarray(header.get(keyword), dtype=np.float64)) for header in headers])
        if np.abs(values - values[0]).max() > _DIRECTION_TOLERANCE:
            raise DicomError(
                f"{label}: {keyword} differs between images: expected one stack of parallel slices (a scout, or two "
                "series in one?). Name another series, or export it again."
            )
    directions = np.array(headers[0].ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    normal = np.cross(*directions)
    positions = np.array([header.ImagePositionPatient for header in headers], dtype=np.float64)
    order = np.argsort(positions @ normal, kind="stable")
    _check_gaps(label, positions[order], normal)
    return tuple(int(number) for number in order)


def _check_gaps(label: str, positions: NDArray[np.float64], normal: NDArray[np.float64]) -> None:
    """Refuse slices that are not evenly stacked along the normal."""
    steps = np.diff(positions, axis=0)
    gaps = steps @ normal
    usual = float(np.median(gaps))
    tolerance = _SPACING_TOLERANCE * usual
    if gaps.min() < 0.1 * max(usual, 1e-3):
        raise DicomError(
            f"{label}: two images lie at one place: expected one a slice (echoes, time points or b-values in one "
            "series?). Export them as series of their own."
        )
    wrong = np.flatnonzero(np.abs(gaps - usual) > tolerance)
    if wrong.size:
        gap, ratio = float(gaps[wrong[0]]), float(gaps[wrong[0]]) / usual
        place = f"between slices {wrong[0] + 1} and {wrong[0] + 2} of {len(positions)}"
        if ratio > 1.5 and abs(ratio - round(ratio)) <= _SPACING_TOLERANCE * round(ratio):
            raise DicomError(f"{label}: {round(ratio) - 1} slices are missing {place}. Fetch the whole series.")
        raise DicomError(
            f"{label}: unequal spacing: {gap:.3g} mm {place}, {usual:.3g} mm elsewhere. Export an evenly spaced series."
        )
    aside = np.linalg.norm(positions - positions[0] - np.outer((positions - positions[0]) @ normal, normal), axis=1)
    if aside.max() > max(tolerance, 0.01):
        raise DicomError(
            f"{label}: slices are shifted by up to {aside.max():.2g} mm in their plane (a tilted gantry?): expected a "
            "straight stack. Export the series without tilt."
        )
