"""DICOM series as scanners write them, made by the tests: any orientation, spacing, modality, and their mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from gliofield.grid import Grid
from gliofield.volume import Volume

_CLASSES = {
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
}
_OF_MODALITY: dict[str, dict[str, Any]] = {
    "MR": {
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "ScanningSequence": "GR",
        "SequenceVariant": "SP",
        "ScanOptions": "",
        "MRAcquisitionType": "3D",
        "RepetitionTime": "8",
        "EchoTime": "3",
        "EchoTrainLength": "1",
    },
    "CT": {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "KVP": "120", "RescaleType": "HU"},
    "PT": {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "Units": "BQML",
        "CountsSource": "EMISSION",
        "SeriesType": ["STATIC", "IMAGE"],
        "CorrectedImage": ["DECY", "ATTN"],
        "DecayCorrection": "START",
        "CollimatorType": "NONE",
    },
}


def write_series(
    folder: Path,
    volume: Volume,
    *,
    modality: str = "MR",
    frame_uid: str | None = None,
    study_uid: str | None = None,
    number: int = 1,
    description: str = "t1 mprage gd",
    patient_id: str = "phantom",
    changes: dict[int, dict[str, Any]] | None = None,
    without: tuple[int, ...] = (),
    **tags: Any,
) -> Path:
    """One file a slice; slices along the last axis of the volume, whose own axes may be turned as a scanner's.

    `changes` are attributes of single slices, `without` slices that are left out, `tags` attributes of all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.world_from_voxel
    column, row, step = (lps[:3, axis] / volume.grid.spacing_mm[axis] for axis in range(3))
    scale = max(float(np.abs(volume.data).max()), 1e-6) / 4000.0
    shared = {
        "PatientName": "Phantom^Digital",
        "PatientID": patient_id,
        "PatientBirthDate": "",
        "PatientSex": "",
        "StudyInstanceUID": study_uid or generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": frame_uid or generate_uid(),
        "StudyDate": "20260101",
        "StudyTime": "120000",
        "StudyID": "1",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "SeriesDate": "20260101",
        "SeriesTime": "120000",
        "AcquisitionNumber": "1",
        "PositionReferenceIndicator": "",
        "PatientPosition": "HFS",
        "Manufacturer": "none",
        "SeriesNumber": number,
        "SeriesDescription": description,
        "Modality": modality,
        "SliceThickness": f"{volume.grid.spacing_mm[2]:.6f}",
        **_OF_MODALITY[modality],
        **tags,
    }
    for k in range(volume.grid.shape[2]):
        if k in without:
            continue
        dataset = _image(_CLASSES[modality], volume.data[:, :, k].T / scale, scale)
        for keyword, value in shared.items():
            setattr(dataset, keyword, value)
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in (lps @ [0, 0, k, 1])[:3]]
        dataset.ImageOrientationPatient = [f"{value:.10f}" for value in (*column, *row)]
        dataset.PixelSpacing = [f"{volume.grid.spacing_mm[axis]:.6f}" for axis in (1, 0)]
        dataset.InstanceNumber = k + 1
        for keyword, value in (changes or {}).get(k, {}).items():
            setattr(dataset, keyword, value)
        dataset.save_as(folder / f"s{number:02d}_{k:04d}.dcm", enforce_file_format=True)
    del step
    return folder


def write_dose(path: Path, volume: Volume, *, frame_uid: str, **tags: Any) -> Path:
    """An RTDOSE [Gy] on a grid."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.world_from_voxel
    column, row = (lps[:3, axis] / volume.grid.spacing_mm[axis] for axis in range(2))
    scaling = max(float(volume.data.max()), 1e-6) / 2**31
    dataset = _image("1.2.840.10008.5.1.4.1.1.481.2", np.zeros((2, 2)), 1.0)
    for keyword, value in {
        "PatientName": "Phantom^Digital",
        "PatientID": "phantom",
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": frame_uid,
        "Modality": "RTDOSE",
        "DoseUnits": "GY",
        "DoseType": "PHYSICAL",
        "DoseSummationType": "PLAN",
        "DoseGridScaling": f"{scaling:.10e}",
        "NumberOfFrames": volume.grid.shape[2],
        "FrameIncrementPointer": 0x3004000C,
        "GridFrameOffsetVector": [f"{k * volume.grid.spacing_mm[2]:.6f}" for k in range(volume.grid.shape[2])],
        "ImagePositionPatient": [f"{value:.6f}" for value in lps[:3, 3]],
        "ImageOrientationPatient": [f"{value:.10f}" for value in (*column, *row)],
        "PixelSpacing": [f"{volume.grid.spacing_mm[axis]:.6f}" for axis in (1, 0)],
    }.items():
        setattr(dataset, keyword, value)
    stored = np.round(np.transpose(volume.data, (2, 1, 0)) / float(dataset.DoseGridScaling)).astype(np.uint32)
    dataset.Rows, dataset.Columns = stored.shape[1:]
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, 0
    dataset.PixelData = stored.tobytes()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _image(sop_class: str, values: np.ndarray, scale: float) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = f"{scale:.10g}", "0"
    dataset.PixelData = np.round(values).astype(np.int16).tobytes()
    return dataset


def scanner_grid(
    turn: np.ndarray,
    *,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    center_mm: tuple = (0, 0, 0),
) -> Grid:
    """A grid whose axes are the columns of a rotation, about a center [mm, RAS+]."""
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing_mm
    affine[:3, 3] = np.asarray(center_mm) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


#: Scanner axes, right-handed in LPS as DICOM demands of column, row and slice: axial, coronal and sagittal, and turned.
def orientations() -> dict[str, np.ndarray]:
    """Eight orientations of column, row and normal, as columns in RAS+, the last oblique in all axes."""
    from scipy.spatial.transform import Rotation

    left, back, up = np.diag([-1.0, -1.0, 1.0]).T  # directions of LPS in RAS+
    frames = {
        "axial": (left, back, up),
        "axial, feet up": (-left, back, -up),
        "axial, prone": (-left, -back, up),
        "coronal": (left, -up, back),
        "coronal, turned": (-up, -left, back),
        "sagittal": (back, -up, -left),
        "sagittal, from left": (-back, -up, left),
    }
    found = {name: np.stack(axes, axis=1) for name, axes in frames.items()}
    for name, axes in found.items():
        assert np.isclose(np.linalg.det(axes), 1.0), name
    found["oblique"] = Rotation.from_euler("xyz", [17, -23, 31], degrees=True).as_matrix() @ found["axial"]
    return found
