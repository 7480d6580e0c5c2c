"""NIfTI files in and out, with their affines honored.

`read_volume` brings every image to RAS+ by transposing and flipping, so the rest of gliofield meets one
orientation and the same patient stored as LPS, RAS or LAS gives the same numbers. `write_volume` takes the
grid the file shall have (`stored_as`), so results return on the patient's own grid and affine. Files appear by
atomic rename.

A header without any affine (both sform and qform code 0) is refused: its world position would be a guess.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gliofield.errors import ImageError, ParameterError
from gliofield.grid import Grid
from gliofield.output import atomic_file
from gliofield.volume import Volume


def read_volume(path: str | os.PathLike[str], *, dtype: DTypeLike = np.float32) -> Volume:
    """Image of a NIfTI file in RAS+ order, with scaling applied.

    Parameters
    ----------
    path : path
        A `.nii` or `.nii.gz` file with one 3-D volume (trailing axes of length 1 are dropped).
    dtype : dtype
        Type of the returned array.

    Raises
    ------
    ImageError
        If the file is missing, unreadable, not 3-D, not of real numbers, has no affine, a sheared one, or non-finite
        values.
    """
    image, grid = _open(path)
    data = np.asanyarray(_read_data(path, image))
    if data.dtype.kind not in "biuf":
        raise ImageError(
            f"{path}: expected one real number per voxel, got {data.dtype} (a color or complex image). "
            "Convert it to a scalar image first."
        )
    data = data.reshape(grid.shape)
    if np.issubdtype(data.dtype, np.floating) and not np.all(np.isfinite(data)):
        count = int(np.count_nonzero(~np.isfinite(data)))
        raise ImageError(
            f"{path}: {count} voxels are NaN or infinite: expected finite values. "
            "Replace them (usually by 0 outside the brain) and try again."
        )
    return Volume(data.astype(dtype, copy=False), grid).to_ras()


def read_grid(path: str | os.PathLike[str]) -> Grid:
    """Grid of a NIfTI file exactly as stored (not reoriented), from its header alone.

    Raises
    ------
    ImageError
        As `read_volume`, for everything the header shows.
    """
    return _open(path)[1]


def write_volume(
    path: str | os.PathLike[str],
    volume: Volume,
    *,
    stored_as: Grid | None = None,
    dtype: DTypeLike | None = None,
    description: str = "",
) -> None:
    """Write a NIfTI file by atomic rename.

    Parameters
    ----------
    path : path
        Target `.nii` or `.nii.gz`; replaced if it exists.
    volume : Volume
        What to write.
    stored_as : Grid, optional
        Grid (orientation and affine) of the file; must hold the same voxels as `volume.grid`. Default: as is.
    dtype : dtype, optional
        On-disk type; default that of the data (bool is stored as uint8).
    description : str
        Up to 79 bytes for the header's `descrip`.

    Raises
    ------
    ParameterError
        If the name does not end in `.nii` or `.nii.gz`.
    GridMismatchError
        If `stored_as` holds other voxels than the volume.
    OutputError
        If the file cannot be written.
    """
    import nibabel as nib

    require_nifti_name(path)
    stored = volume if stored_as is None else volume.reordered_as(stored_as)
    data = stored.data.astype(np.uint8) if stored.data.dtype == bool else stored.data
    if dtype is not None:
        data = data.astype(dtype, copy=False)
    image = nib.Nifti1Image(data, stored.grid.world_from_voxel)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = description.encode()[:79]
    image.set_sform(stored.grid.world_from_voxel, code=1)
    image.set_qform(stored.grid.world_from_voxel, code=1)
    with atomic_file(path) as partial:
        nib.save(image, partial)


def require_nifti_name(path: str | os.PathLike[str]) -> None:
    """Raise `ParameterError` unless a file name ends in `.nii` or `.nii.gz`."""
    if not Path(path).name.lower().endswith((".nii", ".nii.gz")):
        raise ParameterError(f"{path} is no name of a NIfTI file: expected it to end in .nii or .nii.gz.")


def _open(path: str | os.PathLike[str]) -> tuple[Any, Grid]:
    import nibabel as nib

    if not Path(path).is_file():
        raise ImageError(f"{path}: no such file. Check the path.")
    try:
        image = nib.load(path)
    except Exception as error:  # nibabel raises many types for broken files; the cause is chained
        raise ImageError(f"{path}: cannot be read as NIfTI ({_first_line(error)}).") from error
    if not isinstance(image, nib.Nifti1Image | nib.Nifti1Pair):
        raise ImageError(f"{path}: expected a NIfTI image, got {type(image).__name__}. Convert it to NIfTI first.")
    shape = image.shape
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise ImageError(
            f"{path}: expected one 3-D volume, got shape {shape}. "
            "Extract the volume to use (for a time series usually the first or the mean) and try again."
        )
    if int(image.header["sform_code"]) == 0 and int(image.header["qform_code"]) == 0:
        raise ImageError(
            f"{path}: the header has no affine (sform and qform code are 0), so position and left/right are "
            "unknown. Convert the image again from its source, or set the affine if you are sure of it."
        )
    unit = image.header.get_xyzt_units()[0]
    if unit in ("meter", "micron"):
        raise ImageError(
            f"{path}: the header gives positions in {unit}s: expected mm (or no unit, read as mm). "
            "Convert the image to mm first."
        )
    try:
        return image, Grid((shape[0], shape[1], shape[2]), image.affine)
    except ParameterError as error:
        raise ImageError(f"{path}: {error}") from error


def _read_data(path: str | os.PathLike[str], image: Any) -> np.ndarray:
    try:
        data = np.asanyarray(image.dataobj)
        _require_intact_stream(path)
        return data
    except (OSError, EOFError, ValueError, MemoryError) as error:
        raise ImageError(f"{path}: voxel data cannot be read ({_first_line(error)}). The file is damaged.") from error
    except Exception as error:  # zlib.error is no OSError
        raise ImageError(f"{path}: voxel data cannot be decompressed ({_first_line(error)}).") from error


def _require_intact_stream(path: str | os.PathLike[str]) -> None:
    """Read a gzip file to its end, where its checksum is compared; nibabel stops at the last voxel, before it."""
    if Path(path).suffix.lower() == ".gz":
        with gzip.open(path) as stream:
            while stream.read(1 << 20):
                pass


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
