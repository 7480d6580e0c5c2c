"""How large the tumors of real patients are and where they lie, measured on segmentations in a folder.

A patient is a folder that directly holds label images: NIfTI files with ``seg`` as a word at the start of the name or
after ``_`` or ``-``. What the labels mean is told from the labels, as everywhere (`anatomy.segmentation`). Of several
segmentations of one patient the one with the middle whole tumor counts, so an odd one out has no say.

Only numbers leave this module: nothing is copied or written. Masks that are no segmentation (enhancement alone, true
voxel spacing lost) have other names and are left out: no volume in ml can be had from them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gliofield.anatomy import Segmentation, segmentation_from_labels
from gliofield.errors import ParameterError, SegmentationError
from gliofield.grid import Grid
from gliofield.nifti import read_volume

_IS_SEGMENTATION = re.compile(r"(^|[-_])seg([-_.]).*", re.IGNORECASE)
_NIFTI_ENDINGS = (".nii", ".nii.gz")


@dataclass(frozen=True, kw_only=True)
class PatientTumor:
    """Size and place of one patient's tumor.

    Parameters
    ----------
    name : str
        Name of the patient's folder.
    core_ml, whole_ml : float
        Tumor core (T1Gd) and whole tumor (FLAIR, core included) [ml].
    center_mm : 3 floats or None
        Center of mass of the whole tumor in the atlas' world [mm, RAS+]; None if the images do not lie in it.
    num_segmentations : int
        Segmentations found of this patient.
    """

    name: str
    core_ml: float
    whole_ml: float
    center_mm: tuple[float, float, float] | None
    num_segmentations: int

    @property
    def whole_to_core_ratio(self) -> float:
        """Whole tumor over tumor core; NaN without a core."""
        return self.whole_ml / self.core_ml if self.core_ml > 0.0 else float("nan")


def measure_patients(data: str | os.PathLike[str], *, atlas_grid: Grid) -> tuple[PatientTumor, ...]:
    """Tumors of all patients below a folder, by name.

    Parameters
    ----------
    data : path
        Folder with a folder per patient, at any depth.
    atlas_grid : Grid
        Grid of the atlas' own images. Images on it were brought into the atlas' world when they were prepared (BraTS
        aligns them rigidly to SRI24); only their centers are given.

    Raises
    ------
    ParameterError
        If there is no such folder, or no segmentation in it.
    SegmentationError
        If a segmentation cannot be understood; the file is named.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise ParameterError(f"{folder} is no folder: expected one with segmentations of patients. Check the path.")
    by_folder: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(_NIFTI_ENDINGS) and _IS_SEGMENTATION.search(path.name):
            by_folder.setdefault(path.parent, []).append(path)
    if not by_folder:
        raise ParameterError(
            f"{folder} holds no segmentation: expected NIfTI files with 'seg' in their names, such as case_seg.nii.gz."
        )
    return tuple(_measured(patient, paths, atlas_grid) for patient, paths in sorted(by_folder.items()))


def _measured(patient: Path, paths: Sequence[Path], atlas_grid: Grid) -> PatientTumor:
    """The patient's tumor by the segmentation with the middle whole tumor; the first in order of names in a tie."""
    by_size = sorted((_read(path) for path in paths), key=lambda segmentation: segmentation.whole_ml)
    middle = by_size[(len(by_size) - 1) // 2]
    return PatientTumor(
        name=patient.name,
        core_ml=middle.core_ml,
        whole_ml=middle.whole_ml,
        center_mm=_center_mm(middle) if middle.grid.is_same_as(atlas_grid) else None,
        num_segmentations=len(paths),
    )


def _read(path: Path) -> Segmentation:
    try:
        return segmentation_from_labels(read_volume(path))
    except SegmentationError as error:
        raise SegmentationError(f"{path}: {error}") from error


def _center_mm(segmentation: Segmentation) -> tuple[float, float, float]:
    x, y, z = segmentation.grid.world_of(np.argwhere(segmentation.whole_tumor).mean(axis=0))
    return float(x), float(y), float(z)
