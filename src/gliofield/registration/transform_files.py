"""Transforms as standard ITK files, readable by antsApplyTransforms, 3D Slicer and ITK-SNAP.

A transform folder holds

- ``atlas_from_patient.mat``: the affine part in LPS, in the binary form ANTs writes itself (antspyx inverts no other);
- ``displacement.nii.gz``, ``inverse_displacement.nii.gz``: NIfTI vector fields (5-D, intent 1007) of LPS
  displacements [mm] in patient space; absent for a purely affine map;
- ``transform.json``: format version, and the antsApplyTransforms arguments for both directions.

gliofield's worlds are RAS+, ITK's LPS+: x and y change sign at this border and nowhere else. ITK transforms map
points of the fixed image (the patient) to the moving one (the atlas), as `Transform` does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, savemat

from gliofield.errors import GridMismatchError, ParameterError, RegistrationError
from gliofield.grid import Grid
from gliofield.output import FolderMarker, atomic_file, atomic_folder
from gliofield.registration.transform import Transform

FORMAT_VERSION = 1
AFFINE_FILE = "atlas_from_patient.mat"
DISPLACEMENT_FILE = "displacement.nii.gz"
INVERSE_DISPLACEMENT_FILE = "inverse_displacement.nii.gz"
DESCRIPTION_FILE = "transform.json"
#: How a transform folder is known, and what it holds.
TRANSFORM_MARKER = FolderMarker(DESCRIPTION_FILE, files=(AFFINE_FILE, DISPLACEMENT_FILE, INVERSE_DISPLACEMENT_FILE))

_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_VECTOR_INTENT = 1007
_AFFINE_KIND = "AffineTransform_double_3_3"


def write_transform(folder: str | os.PathLike[str], transform: Transform, *, replace: bool = False) -> None:
    """Write a transform folder; it appears whole or not at all.

    Parameters
    ----------
    folder : path
        Target folder.
    transform : Transform
        What to write.
    replace : bool
        Replace an existing transform folder; otherwise one that is not empty is an error.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    """
    with atomic_folder(folder, replace=replace, marker=TRANSFORM_MARKER) as partial:
        write_itk_affine(partial / AFFINE_FILE, transform.atlas_from_patient)
        if transform.displacement_grid is not None:
            grid = transform.displacement_grid
            write_displacement(partial / DISPLACEMENT_FILE, transform.displacement_mm, grid)
            write_displacement(partial / INVERSE_DISPLACEMENT_FILE, transform.inverse_displacement_mm, grid)
        text = json.dumps(_description(transform), indent=2)
        (partial / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")


def read_transform(folder: str | os.PathLike[str]) -> Transform:
    """Transform of a folder written by `write_transform`.

    Raises
    ------
    RegistrationError
        If the folder, its description or a file it names is missing, damaged or of another format version.
    """
    place = Path(folder)
    description = _read_description(place / DESCRIPTION_FILE)
    affine = read_itk_affine(place / AFFINE_FILE)
    displacement = inverse = grid = None
    if description["has_displacement"]:
        displacement, grid = read_displacement(place / DISPLACEMENT_FILE)
        inverse, inverse_grid = read_displacement(place / INVERSE_DISPLACEMENT_FILE)
    try:
        if grid is not None:
            inverse_grid.require_same_as(grid, self_name=INVERSE_DISPLACEMENT_FILE, other_name=DISPLACEMENT_FILE)
        return Transform(
            atlas_from_patient=affine,
            displacement_mm=displacement,
            inverse_displacement_mm=inverse,
            displacement_grid=grid,
        )
    except (GridMismatchError, ParameterError) as error:
        raise RegistrationError(f"{place}: the files do not make one transform: {error}") from error


def write_itk_affine(path: str | os.PathLike[str], moving_from_fixed: NDArray[np.float64]) -> None:
    """Write an affine [mm, RAS+] as ITK transform (LPS), by atomic rename: `.mat`, or text for any other ending.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    lps = _LPS_FROM_RAS @ moving_from_fixed @ _LPS_FROM_RAS
    parameters = np.concatenate([lps[:3, :3].ravel(), lps[:3, 3]])
    with atomic_file(path) as partial:
        if partial.suffix == ".mat":
            # Version 4, columns, the transform before its center: what ITK's reader expects.
            content = {_AFFINE_KIND: parameters[:, None], "fixed": np.zeros((3, 1))}
            savemat(partial, content, format="4", appendmat=False)
            return
        numbers = " ".join(repr(float(value)) for value in parameters)
        partial.write_text(
            f"#Insight Transform File V1.0\n#Transform 0\nTransform: {_AFFINE_KIND}\n"
            f"Parameters: {numbers}\nFixedParameters: 0 0 0\n",
            encoding="ascii",
        )


def read_itk_affine(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Affine [mm, RAS+] of an ITK transform file (`.txt`, `.tfm`, or binary `.mat` as ANTs writes it), (4, 4).

    y = M (x − c) + c + t, with matrix M, translation t and fixed center c of the file.

    Raises
    ------
    RegistrationError
        If the file is missing, damaged, or holds another kind of transform.
    """
    try:
        matlab = str(path).endswith(".mat")
        kind, parameters, center = _read_matlab_affine(path) if matlab else _read_text_affine(path)
    except Exception as error:  # scipy and numpy raise many types for broken files; the cause is chained
        raise RegistrationError(
            f"{path}: cannot be read as ITK affine transform ({type(error).__name__}: {error}). "
            "Write it again, or check the path."
        ) from error
    if "Affine" not in kind or parameters.size != 12 or center.size != 3 or not np.all(np.isfinite(parameters)):
        raise RegistrationError(
            f"{path}: expected a 3-D affine transform with 12 finite parameters, got {kind} with {parameters.size}."
        )
    lps = np.eye(4)
    lps[:3, :3] = parameters[:9].reshape(3, 3)
    lps[:3, 3] = parameters[9:] + center - lps[:3, :3] @ center
    return _LPS_FROM_RAS @ lps @ _LPS_FROM_RAS


def write_displacement(path: str | os.PathLike[str], displacement_mm: NDArray[np.float32] | None, grid: Grid) -> None:
    """Write a displacement field [mm, RAS+] of shape (X, Y, Z, 3) as ITK vector image (LPS), by atomic rename.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    lps = np.asarray(displacement_mm, dtype=np.float32) * np.array([-1, -1, 1], dtype=np.float32)
    image = nib.Nifti1Image(lps[:, :, :, None, :], grid.world_from_voxel)
    image.header.set_intent(_VECTOR_INTENT, (), "")
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(grid.world_from_voxel, code=1)
    image.set_qform(grid.world_from_voxel, code=1)
    with atomic_file(path) as partial:
        nib.save(image, partial)


def read_displacement(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], Grid]:
    """Displacement [mm, RAS+] of shape (X, Y, Z, 3) of an ITK vector image, and its grid as stored.

    Raises
    ------
    RegistrationError
        If the file is missing, damaged or no vector image of three components.
    """
    try:
        image: Any = nib.load(path)
        lps = np.asarray(image.dataobj, dtype=np.float32)
        grid = Grid(lps.shape[:3], image.affine)
    except Exception as error:  # nibabel and zlib raise many types for broken files; the cause is chained
        raise RegistrationError(f"{path}: cannot be read as displacement field ({error}). Write it again.") from error
    if lps.ndim != 5 or lps.shape[3:] != (1, 3):
        raise RegistrationError(f"{path}: expected a vector image of shape (X, Y, Z, 1, 3), got {lps.shape}.")
    return lps[:, :, :, 0, :] * np.array([-1, -1, 1], dtype=np.float32), grid


def _description(transform: Transform) -> dict[str, Any]:
    """Content of `transform.json`; the points of the output image pass the -t arguments from first to last."""
    to_patient = ["-t", AFFINE_FILE]
    to_atlas = ["-t", f"[{AFFINE_FILE},1]"]
    if transform.has_displacement:
        to_patient = ["-t", DISPLACEMENT_FILE, "-t", AFFINE_FILE]
        to_atlas = ["-t", f"[{AFFINE_FILE},1]", "-t", INVERSE_DISPLACEMENT_FILE]
    return {
        "format": "gliofield transform",
        "format_version": FORMAT_VERSION,
        "has_displacement": transform.has_displacement,
        "units": "mm, LPS in the files (ITK); RAS+ in gliofield",
        "antsApplyTransforms_atlas_image_to_patient": to_patient,
        "antsApplyTransforms_patient_image_to_atlas": to_atlas,
    }


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        version = description["format_version"]
        description["has_displacement"] = bool(description["has_displacement"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RegistrationError(
            f"{path.parent}: no transform folder ({type(error).__name__}: {error}): expected {DESCRIPTION_FILE} as "
            "written by write_transform. Check the path."
        ) from error
    if version != FORMAT_VERSION:
        raise RegistrationError(
            f"{path}: format version {version} is unknown: expected {FORMAT_VERSION}. "
            "It was probably written by a newer gliofield; update this one."
        )
    return dict(description)


def _read_text_affine(path: str | os.PathLike[str]) -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    fields: dict[str, str] = {}
    for line in Path(path).read_text(encoding="ascii").splitlines():
        key, separator, value = line.partition(":")
        if separator and not line.startswith("#"):
            if key in fields:
                raise ValueError("the file holds several transforms")
            fields[key] = value
    parameters = np.array(fields["Parameters"].split(), dtype=np.float64)
    center = np.array(fields["FixedParameters"].split(), dtype=np.float64)
    return fields["Transform"].strip(), parameters, center


def _read_matlab_affine(path: str | os.PathLike[str]) -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    content = loadmat(os.fspath(path))
    kind = next(name for name in content if "Transform" in name)
    center = np.asarray(content["fixed"], dtype=np.float64).ravel()
    return kind, np.asarray(content[kind], dtype=np.float64).ravel(), center
