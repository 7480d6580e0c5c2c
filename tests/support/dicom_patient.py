"""The phantom's patient as a clinic has it: DICOM series, outlines and dose, and a case and a result made up of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dicom_series import orientations, scanner_grid, write_dose, write_series
from pydicom.uid import generate_uid
from scipy import ndimage

from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.radiotherapy.dicom import Structure, read_dicom_folder, write_structures
from gliofield.radiotherapy.dicom.case_import import RECORD_FILE, patient_key
from gliofield.resample import resample
from gliofield.testing import LESION_CENTER_MM, PHANTOM_GRID
from gliofield.testing.phantom_brain import phantom_t1, phantom_tissue_maps, radius_in
from gliofield.volume import Volume

CORE_MM, WHOLE_MM = 12.0, 22.0


@dataclass(frozen=True)
class Study:
    """Folder of the series, its outlines, and the frame they lie in."""

    folder: Path
    outlines: Path
    frame_uid: str
    study_uid: str
    grid: Grid


def phantom_scan(grid: Grid, contrast: str = "t1c") -> Volume:
    """T1Gd or FLAIR of the phantom with its tumor on any grid of its world, smooth."""
    maps = phantom_tissue_maps(grid)
    distance = radius_in(grid, LESION_CENTER_MM, 1.0)
    t1 = phantom_t1(maps).data
    if contrast == "t1c":
        values = t1 + 90.0 * np.clip((CORE_MM - distance) / 2.0 + 0.5, 0, 1)
    else:
        values = np.where(t1 > 0, 300.0 - t1, 0.0) + 120.0 * np.clip((WHOLE_MM - distance) / 2.0 + 0.5, 0, 1)
    return Volume(np.where(maps.brain, values, 0.0).astype(np.float32), grid)


def axial_grid(spacing_mm: float = 4.0) -> Grid:
    """An axial scanner's grid over the phantom."""
    extent = np.array(PHANTOM_GRID.shape) * 4.0
    shape = tuple(int(n) for n in extent / spacing_mm)
    return scanner_grid(
        orientations()["axial"], shape=shape, spacing_mm=(spacing_mm,) * 3, center_mm=tuple(PHANTOM_GRID.center_mm)
    )


def write_study(folder: Path, *, spacing_mm: float = 4.0, outlines: Path | None = None) -> Study:
    """T1Gd (series 7) and FLAIR (series 3) of one frame, and an RTSTRUCT of GTV, EDEMA and an empty structure."""
    grid, frame_uid, study_uid = axial_grid(spacing_mm), generate_uid(), generate_uid()
    shared = {"frame_uid": frame_uid, "study_uid": study_uid}
    write_series(folder, phantom_scan(grid), number=7, description="t1 mprage sag gd", **shared)
    write_series(
        folder, phantom_scan(grid, "flair"), number=3, description="flair tra", EchoTime="100", RepetitionTime="9000",
        InversionTime="2500", **shared,
    )  # fmt: skip
    drawn = next(each for each in read_dicom_folder(folder).series if each.text("SeriesNumber") == "7")
    distance = radius_in(grid, LESION_CENTER_MM, 1.0)
    structures = [
        Structure(name=name, kind=kind, field=np.clip((radius - distance) / 2.0 + 0.5, 0, 1))
        for name, kind, radius in (("GTV", "GTV", CORE_MM), ("EDEMA", "CONTROL", WHOLE_MM), ("Nothing", "ORGAN", -9.0))
    ]
    path = outlines or folder.with_name(f"{folder.name}_rtstruct.dcm")
    write_structures(path, structures, drawn)
    return Study(folder=folder, outlines=path, frame_uid=frame_uid, study_uid=study_uid, grid=grid)


def write_case(folder: Path, study: Study) -> Path:
    """What an import of the study gives, without the registration of FLAIR."""
    folder.mkdir()
    image = phantom_scan(study.grid).to_ras()
    write_volume(folder / "case_t1c.nii.gz", image)
    write_volume(folder / "case_flair.nii.gz", phantom_scan(study.grid, "flair").to_ras())
    distance = radius_in(image.grid, LESION_CENTER_MM, 1.0)
    labels = np.where(distance < CORE_MM, 3, np.where(distance < WHOLE_MM, 2, 0)).astype(np.uint8)
    write_volume(folder / "case_seg.nii.gz", Volume(labels, image.grid))
    series = next(each for each in read_dicom_folder(study.folder).series if each.text("SeriesNumber") == "7")
    record = {
        "format_version": 1,
        "frame_of_reference_uid": study.frame_uid,
        "patient": patient_key(series, salt=series.uid),
        "salt": series.uid,
    }
    (folder / RECORD_FILE).write_text(json.dumps(record), encoding="utf-8")
    return folder


def write_result(folder: Path, case: Path, grid: Grid) -> Path:
    """A density that falls off around the lesion, three targets, and the hash of the T1Gd."""
    (folder / "targets").mkdir(parents=True)
    distance = radius_in(grid, LESION_CENTER_MM, 1.0)
    write_volume(folder / "density_patient.nii.gz", Volume(np.exp(-distance / 15.0).astype(np.float32), grid))
    core = distance < CORE_MM
    away = ndimage.distance_transform_edt(~core, sampling=grid.spacing_mm)
    masks = {"GTV": ("GTV", core), "CTV_standard": ("CTV", away <= 15.0), "CTV_model": ("CTV", away <= 10.0)}
    listed = []
    for name, (kind, mask) in masks.items():
        write_volume(folder / "targets" / f"{name}.nii.gz", Volume(mask, grid))
        ml = float(mask.sum()) * grid.voxel_volume_ml
        listed.append(
            {"name": name, "file": f"targets/{name}.nii.gz", "kind": kind, "description": name, "volume_ml": ml}
        )
    (folder / "targets.json").write_text(json.dumps({"targets": listed}), encoding="utf-8")
    used = hashlib.sha256((case / "case_t1c.nii.gz").read_bytes()).hexdigest()
    (folder / "provenance.json").write_text(json.dumps({"inputs": {"sha256": {"t1c": used}}}), encoding="utf-8")
    return folder


def write_planning(folder: Path, *, turn: str = "axial", frame_uid: str | None = None, **given) -> Path:
    """A planning series over the whole phantom, in an orientation of `orientations`."""
    spacing = given.pop("spacing_mm", (3.0, 3.0, 3.0))
    shape = given.pop("shape", tuple(int(220 / h) for h in spacing))
    grid = scanner_grid(
        orientations()[turn], shape=shape, spacing_mm=spacing, center_mm=given.pop("center_mm", (0, 0, 0))
    )
    image = resample(phantom_scan(axial_grid()).to_ras(), grid)
    return write_series(folder, image, frame_uid=frame_uid, number=12, description="planning", **given)


def write_phantom_dose(path: Path, frame_uid: str, *, shape: tuple[int, int, int] = (110, 110, 110)) -> Path:
    """60 Gy in and around the lesion that fall off by 1 Gy/mm beyond 30 mm."""
    grid = Grid.axis_aligned(shape, 2.5, np.array(LESION_CENTER_MM) - 2.5 * (np.array(shape) - 1) / 2)
    distance = radius_in(grid, LESION_CENTER_MM, 1.0)
    return write_dose(path, Volume(np.clip(90.0 - distance, 0.0, 60.0), grid), frame_uid=frame_uid)
