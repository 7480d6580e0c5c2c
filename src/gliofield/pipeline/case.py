"""A patient's scans and tumor outlines, checked and brought to one orientation.

A `Case` holds everything on one grid in RAS+ order and remembers the grid the files came with, so results return on
it. The minimum is one structural image and a segmentation; missing modalities are named, not guessed. Images must be
skull-stripped (0 outside the brain, BraTS style) unless a brain mask is given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.checks import brain_of, require_brain_size, require_structural_image
from gliofield.anatomy.segmentation import (
    LabelScheme,
    Segmentation,
    label_scheme,
    segmentation_from_labels,
    segmentation_from_masks,
)
from gliofield.cores import require_threads
from gliofield.errors import ImageError, ParameterError, SegmentationError, require_type
from gliofield.file_hash import file_sha256
from gliofield.grid import Grid
from gliofield.nifti import read_grid, read_volume
from gliofield.volume import Volume

# Order of preference for registration to a T1 atlas.
_STRUCTURAL_MODALITIES = ("t1", "t1c", "t2", "flair")
MODALITIES = (*_STRUCTURAL_MODALITIES, "pet")

# File name endings of BraTS 2018-2024 folders, separators included so that "t1" does not match "t1ce".
_BRATS_ENDINGS: dict[str, str] = {
    "t1c": r"[-_](t1ce|t1c|t1gd)",
    "flair": r"[-_](flair|t2f)",
    "t1": r"[-_](t1|t1n)",
    "t2": r"[-_](t2|t2w)",
    "segmentation": r"[-_]seg",
}


@dataclass(frozen=True, kw_only=True)
class CaseFiles:
    """Paths of one case. Either `segmentation`, or `whole_tumor` (and `tumor_core` if there is one).

    Parameters
    ----------
    t1c, flair, t1, t2, pet : path, optional
        Images; at least one of t1, t1c, t2, flair.
    segmentation : path, optional
        Label image.
    tumor_core, whole_tumor : path, optional
        Two masks instead of a label image.
    brain_mask : path, optional
        Brain mask; default: the non-zero voxels of the structural image.

    Raises
    ------
    ParameterError
        If no structural image, no outline, or both kinds of outline are given.
    """

    t1c: Path | None = None
    flair: Path | None = None
    t1: Path | None = None
    t2: Path | None = None
    pet: Path | None = None
    segmentation: Path | None = None
    tumor_core: Path | None = None
    whole_tumor: Path | None = None
    brain_mask: Path | None = None

    def __post_init__(self) -> None:
        if all(getattr(self, name) is None for name in _STRUCTURAL_MODALITIES):
            raise ParameterError(
                "a case needs at least one structural image: expected one of T1, T1Gd, T2, FLAIR, got none."
            )
        has_masks = self.tumor_core is not None or self.whole_tumor is not None
        if self.segmentation is None and not has_masks:
            raise ParameterError("a case needs tumor outlines: give a segmentation, or a core and a whole-tumor mask.")
        if self.segmentation is not None and has_masks:
            raise ParameterError("tumor outlines were given twice: give a segmentation or masks, not both.")
        if self.segmentation is None and self.whole_tumor is None:
            raise ParameterError("a core mask alone is not enough: give the whole-tumor (FLAIR) mask as well.")

    @property
    def given(self) -> dict[str, Path]:
        """The paths that were given, by field name."""
        fields = (*MODALITIES, "segmentation", "tumor_core", "whole_tumor", "brain_mask")
        return {name: Path(getattr(self, name)) for name in fields if getattr(self, name) is not None}

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file, by field name.

        Raises
        ------
        ParameterError
            If a file cannot be read.
        """
        return {name: _sha256(path) for name, path in self.given.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One patient, ready to be personalized.

    Parameters
    ----------
    images : mapping of str to Volume
        Modality (``t1``, ``t1c``, ``t2``, ``flair``, ``pet``) to image; all RAS+ on one grid.
    segmentation : Segmentation
        Masks on the same grid.
    brain : (X, Y, Z) bool array
        Brain mask; includes the tumor.
    stored_grid : Grid
        The grid of the input files, on which results are written.
    file_hashes : mapping of str to str
        SHA-256 of each input file, by field name.
    """

    images: Mapping[str, Volume]
    segmentation: Segmentation
    brain: NDArray[np.bool_]
    stored_grid: Grid
    file_hashes: Mapping[str, str]

    @property
    def grid(self) -> Grid:
        """RAS+ grid of images and masks."""
        return self.segmentation.grid

    @property
    def structural_modality(self) -> str:
        """Modality used for registration: T1 if there is one, else T1Gd, T2, FLAIR."""
        return _structural_modality(self.images)

    @property
    def structural_image(self) -> Volume:
        """The image used for registration."""
        return self.images[self.structural_modality]

    @property
    def missing_modalities(self) -> tuple[str, ...]:
        """Modalities that were not given, by name."""
        return tuple(name for name in MODALITIES if name not in self.images)


def find_case_files(folder: str | os.PathLike[str], *, given: Mapping[str, Path] | None = None) -> CaseFiles:
    """Files of a BraTS folder, recognized by their endings (``_t1ce``, ``-t1c``, ``_flair``, ``-t2f``, ``_seg``, …).

    Parameters
    ----------
    folder : path
        The folder of one patient.
    given : mapping of str to path, optional
        Files that complete or replace those of the folder, by field of `CaseFiles`, such as ``{"pet": path}``. Masks
        replace the folder's segmentation.

    Raises
    ------
    ParameterError
        If the folder does not exist or holds something else, an ending occurs twice, or too little is found.
    """
    path, replacing = Path(folder), dict(given or {})
    if not path.is_dir():
        raise ParameterError(_no_folder(path))
    # Hidden files are left out: macOS puts a "._" twin beside every file on foreign disks.
    visible = (file.name for file in path.iterdir() if not file.name.startswith("."))
    names = sorted(name for name in visible if re.search(r"\.nii(\.gz)?$", name, re.IGNORECASE))
    found: dict[str, Path] = {}
    for field, ending in _BRATS_ENDINGS.items():
        if field in replacing or (field == "segmentation" and {"tumor_core", "whole_tumor"} & replacing.keys()):
            continue
        matches = [name for name in names if re.search(ending + r"\.nii(\.gz)?$", name, re.IGNORECASE)]
        if len(matches) > 1:
            raise ParameterError(
                f"{path}: {len(matches)} files could be the {field} ({', '.join(matches)}). Name the one that is meant "
                "by its option, for example --seg SEG.nii.gz."
            )
        if matches:
            found[field] = path / matches[0]
    try:
        return CaseFiles(**(found | replacing))
    except ParameterError as error:
        raise ParameterError(
            f"{path} is not a folder of one patient as BraTS names its files: {error} {_content_of(path, names)}"
        ) from error


def _no_folder(path: Path) -> str:
    if path.is_file():
        return (
            f"{path} is a file: expected the folder of a patient. Name files by what they are, for example "
            f"--t1c {path.name} --seg SEG.nii.gz (in Python: CaseFiles(t1c=..., segmentation=...))."
        )
    return f"{path}: no such folder. Give a BraTS folder, or the files one by one."


def _content_of(path: Path, names: Sequence[str]) -> str:
    """What a folder holds instead of a patient, and what to do."""
    if names:
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        return f"It holds the NIfTI files {shown}. Name them by what they are: --t1c, --flair, --seg, …"
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        return f"It cannot be read: {error.strerror}."
    patients = [entry.name for entry in entries if entry.is_dir() and any(entry.glob("*.nii*"))]
    if patients:
        return f"It holds {len(patients)} folders with images, such as {patients[0]}: give one of them."
    if any(_is_dicom(entry) for entry in entries[:20] if entry.is_file()):
        return "It holds DICOM files: make a case of them first (gliofield import)."
    return "It holds no NIfTI files."


def _is_dicom(path: Path) -> bool:
    try:
        with open(path, "rb") as handle:
            return handle.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_case(
    patient: CaseFiles | str | os.PathLike[str],
    *,
    scheme: LabelScheme | str | None = None,
    num_threads: int | None = None,
) -> Case:
    """Read and check one case.

    Parameters
    ----------
    patient : CaseFiles or path
        What to read; a path is the BraTS folder of one patient.
    scheme : LabelScheme or str, optional
        Meaning of the labels, or its name (`label_scheme`); told from them if left out.
    num_threads : int, optional
        Threads that unpack images; None: all cores.

    Raises
    ------
    ParameterError
        If a scheme is given for masks, which have no labels, or the number is below 1.
    ImageError, SegmentationError, GridMismatchError
        If a file cannot be used, labels are unknown, there is no tumor, or files lie on different grids.
    """
    require_type(
        "patient",
        patient,
        (CaseFiles, str, os.PathLike),
        hint="Give the folder of a patient, or CaseFiles(t1c=..., ...).",
    )
    files = patient if isinstance(patient, CaseFiles) else find_case_files(patient)
    chosen = label_scheme(scheme) if isinstance(scheme, str) else scheme
    if chosen is not None and files.segmentation is None:
        raise ParameterError(
            f"a label scheme ({chosen.name}) was given, but the tumor comes as masks, which have no labels. Leave the "
            "scheme out, or give a segmentation."
        )
    given, threads = files.given, require_threads(num_threads)
    # First what is small and most often refused.
    segmentation = _read_outlines(files, chosen)
    images = _read_images({name: given[name] for name in MODALITIES if name in given}, threads)
    outline_file = files.segmentation or files.whole_tumor
    for name, image in images.items():
        segmentation.grid.require_same_as(
            image.grid, self_name=Path(str(outline_file)).name, other_name=given[name].name
        )
    brain = _read_brain(files, images, segmentation)
    return Case(
        images=images,
        segmentation=segmentation,
        brain=brain,
        stored_grid=read_grid(Path(str(outline_file))),
        file_hashes=files.hashes(),
    )


def _read_images(files: Mapping[str, Path], num_threads: int) -> dict[str, Volume]:
    """Images by modality, unpacked by one thread each as far as there are threads."""
    with ThreadPoolExecutor(min(len(files), num_threads)) as executor:
        images = dict(zip(files, executor.map(read_volume, files.values()), strict=True))
    for name, image in images.items():
        require_structural_image(str(files[name]), image)
    return images


def _read_outlines(files: CaseFiles, scheme: LabelScheme | None) -> Segmentation:
    if files.segmentation is not None:
        labels = read_volume(files.segmentation)
        try:
            # A folder's name counts, too: collections are told by it.
            names = [name for path in files.given.values() for name in (path.name, path.absolute().parent.name)]
            return segmentation_from_labels(labels, scheme=scheme, file_names=names)
        except SegmentationError as error:
            raise SegmentationError(f"{files.segmentation}: {error}") from error
    core = None if files.tumor_core is None else read_volume(files.tumor_core)
    whole = read_volume(Path(str(files.whole_tumor)))
    try:
        return segmentation_from_masks(core, whole)
    except SegmentationError as error:
        masks = ", ".join(str(path) for path in (files.tumor_core, files.whole_tumor) if path is not None)
        raise SegmentationError(f"{masks}: {error}") from error


def _read_brain(files: CaseFiles, images: Mapping[str, Volume], segmentation: Segmentation) -> NDArray[np.bool_]:
    structural = _structural_modality(images)
    if files.brain_mask is None:
        brain = brain_of(str(files.given[structural]), images[structural])
    else:
        mask = read_volume(files.brain_mask)
        segmentation.grid.require_same_as(
            mask.grid, self_name="segmentation", other_name=files.given["brain_mask"].name
        )
        brain = mask.data > 0.5
        require_brain_size(str(files.brain_mask), brain, mask)
    outside = np.count_nonzero(segmentation.whole_tumor & ~brain) / np.count_nonzero(segmentation.whole_tumor)
    if outside > 0.5:
        raise ImageError(
            f"{outside:.0%} of the tumor lies outside the brain of {files.given[structural].name}: expected the "
            "segmentation to belong to this image. Check that both are of the same patient and in the same space."
        )
    return brain | segmentation.whole_tumor


def _structural_modality(images: Mapping[str, Volume]) -> str:
    return next(name for name in _STRUCTURAL_MODALITIES if name in images)


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror}. Check the patient's folder.") from error
