"""The container contract of PREDICT-GBM: tissue maps and a segmentation in, one ranking of all voxels out.

    IN/Patient-00000/00000-{gm,wm,csf,tumorseg}.nii.gz      also -brain_mask, where it is given
    OUT/00000.nii.gz                                        float32, in (0, 1), no two voxels of the brain alike

The released arrays carry an identity affine that says nothing about where the patient's left is, and are stored in an
order of their own. So no affine is read, and nothing is registered: growth happens in the tissue maps that are given,
voxel by voxel, where left and right do not matter. The answer is the target priority (`assimilation.priority`), which
comes from outlines and tissue alone: no atlas, no database, no network, no GPU.

Whoever evaluates it clips to [0, 1] and drops an order with a value that is not positive; ranks survive both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy import Atlas, Segmentation, normalized_tissue_maps, segmentation_from_labels
from gliofield.assimilation import distance_mm
from gliofield.box import box_of, slices_of
from gliofield.errors import GridMismatchError, ImageError, ParameterError, SegmentationError
from gliofield.grid import Grid
from gliofield.imaging import VisibilityThresholds
from gliofield.output import atomic_file, require_absent
from gliofield.pipeline import Case, PatientSpace, target_priority
from gliofield.registration import Transform
from gliofield.volume import Volume

_MODALITIES = ("gm", "wm", "csf", "tumorseg")
# Voxels with less of all three tissues are outside the brain, unless they are tumor.
_LEAST_TISSUE = 0.05
_LARGEST_SPACING_MM = 10.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ContractPatient:
    """One patient as the contract gives it.

    Parameters
    ----------
    identifier : str
        ``00000`` of ``Patient-00000``.
    scan : PatientSpace
        Brain, outlines and given tissue, in a world of its own: voxel spacing, and nothing else.
    header, affine : nibabel header and (4, 4) array
        Of the segmentation, for the output.
    """

    identifier: str
    scan: PatientSpace
    header: Any
    affine: NDArray[np.float64]


def read_contract_patient(folder: str | os.PathLike[str]) -> ContractPatient:
    """The one patient of an input folder.

    Raises
    ------
    ParameterError
        If there is no folder ``Patient-…`` in it, or more than one, or a file is missing.
    ImageError
        If an image is no 3-D NIfTI of finite numbers, or tissue is negative.
    GridMismatchError
        If the images differ in shape.
    SegmentationError
        If the labels are unknown, or there is no tumor.
    """
    place = _patient_folder(Path(folder))
    identifier = place.name.removeprefix("Patient-")
    images = {name: _read(place / f"{identifier}-{name}.nii.gz") for name in _MODALITIES}
    header, affine, labels = images["tumorseg"]
    mask_path = place / f"{identifier}-brain_mask.nii.gz"
    given_brain = _read(mask_path)[2] > 0.5 if mask_path.is_file() else None
    grid = Grid.axis_aligned(labels.shape, _spacing_mm(header), 0.0)
    for name, (_, _, data) in images.items():
        _require_shape(name, data, labels)
    if given_brain is not None:
        _require_shape("brain_mask", given_brain, labels)
    segmentation = segmentation_from_labels(Volume(labels, grid), scheme=_scheme_of(labels))
    scan = _scan({name: _tissue(name, images[name][2]) for name in ("gm", "wm", "csf")}, segmentation, given_brain)
    return ContractPatient(identifier=identifier, scan=scan, header=header, affine=affine)


def contract_ranking(patient: ContractPatient) -> NDArray[np.float32]:
    """Which voxel to treat first, (X, Y, Z): in (0, 1), higher first, no two alike."""
    case = patient.scan.case
    seen, spacing_mm = case.segmentation, patient.scan.grid.spacing_mm
    outline = seen.tumor_core if seen.has_core else seen.whole_tumor
    near = slices_of(box_of(case.brain))
    priority = target_priority(patient.scan, distance_mm(outline[near], spacing_mm), VisibilityThresholds())
    return np.asarray(priority.data, dtype=np.float32)


def write_contract_ranking(
    ranking: NDArray[np.float32], patient: ContractPatient, folder: str | os.PathLike[str], *, force: bool = False
) -> Path:
    """Write the output file, and return its path; the folder is made if it is missing.

    Raises
    ------
    OutputError
        If the file exists and may not be replaced, or cannot be written.
    """
    import nibabel as nib

    path = Path(folder) / f"{patient.identifier}.nii.gz"
    require_absent(path, replace=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = patient.header.copy()
    header.set_data_dtype(np.float32)
    header.set_slope_inter(1.0, 0.0)
    header["descrip"] = b"gliofield target priority, ranks; research use only"
    with atomic_file(path, replace=force or None) as partial:
        nib.save(nib.Nifti1Image(ranking, patient.affine, header), partial)
    return path


def _patient_folder(folder: Path) -> Path:
    found = sorted(each for each in folder.glob("Patient-*") if each.is_dir()) if folder.is_dir() else []
    if len(found) != 1:
        raise ParameterError(
            f"{folder}: expected one folder Patient-00000 in it, found {len(found)}. The contract is "
            "IN/Patient-00000/00000-{gm,wm,csf,tumorseg}.nii.gz."
        )
    return found[0]


def _read(path: Path) -> tuple[Any, NDArray[np.float64], NDArray[np.float32]]:
    """Header, affine and values of an image; the affine is kept for the output and used for nothing."""
    import nibabel as nib

    if not path.is_file():
        raise ParameterError(f"{path.name} is missing in {path.parent}: expected gm, wm, csf and tumorseg.")
    try:
        image: Any = nib.load(path)
        data = np.asarray(image.dataobj, dtype=np.float32)
    except Exception as error:  # nibabel and zlib raise many types for broken files; the cause is chained
        raise ImageError(f"{path}: cannot be read as NIfTI ({error}). Make it again.") from error
    data = data.reshape(data.shape[:3]) if data.ndim > 3 and data.shape[3:] == (1,) * (data.ndim - 3) else data
    if data.ndim != 3 or not np.all(np.isfinite(data)):
        raise ImageError(f"{path}: expected a 3-D image of finite numbers, got shape {data.shape}.")
    return image.header, np.asarray(image.affine, dtype=np.float64), data


def _require_shape(name: str, data: NDArray[Any], labels: NDArray[Any]) -> None:
    if data.shape != labels.shape:
        raise GridMismatchError(
            f"{name} has the shape {data.shape} and tumorseg {labels.shape}: expected one grid. Resample it first."
        )


def _spacing_mm(header: Any) -> tuple[float, ...]:
    """Voxel sizes where they make sense, else 1 mm, which the contract means."""
    sizes = tuple(float(size) for size in header.get_zooms()[:3])
    return sizes if all(0.1 <= size <= _LARGEST_SPACING_MM for size in sizes) else (1.0, 1.0, 1.0)


def _scheme_of(labels: NDArray[np.float32]) -> Any:
    """The contract's labels; others are told apart as everywhere."""
    from gliofield.anatomy import LABEL_SCHEMES

    return LABEL_SCHEMES["brats2023"] if labels.max() <= 3.5 else None


def _tissue(name: str, data: NDArray[np.float32]) -> NDArray[np.float32]:
    """A tissue map in [0, 1]; interpolation leaves traces beyond."""
    if data.min() < -0.01 or data.max() > 1.5:
        raise ImageError(
            f"{name}: tissue must lie in [0, 1], got {data.min():.4g} to {data.max():.4g}. Divide the map by its scale."
        )
    return np.clip(data, 0.0, 1.0)


def _scan(
    tissue: dict[str, NDArray[np.float32]], segmentation: Segmentation, given_brain: NDArray[np.bool_] | None
) -> PatientSpace:
    """The patient's brain, whose atlas is its own tissue."""
    grid, seen = segmentation.grid, segmentation.whole_tumor
    brain = (sum(tissue.values()) > _LEAST_TISSUE) if given_brain is None else given_brain
    brain = np.asarray(ndimage.binary_fill_holes(brain | seen), dtype=np.bool_)
    if np.count_nonzero(brain & ~seen) == 0:
        raise SegmentationError("the tissue maps hold nothing but tumor: expected gray and white matter around it.")
    volumes = {name: Volume(data, grid) for name, data in tissue.items()}
    maps = normalized_tissue_maps(volumes["wm"], volumes["gm"], volumes["csf"], brain)
    own = Atlas(
        name="tissue of the patient",
        t1=Volume(brain.astype(np.float32), grid),
        tissue_maps=maps,
        licence="",
        source="given tissue maps",
    )
    case = Case(images={}, segmentation=segmentation, brain=brain, stored_grid=grid, file_hashes={})
    return PatientSpace(case=case, atlas=own, transform=Transform.identity(), grid=grid)
