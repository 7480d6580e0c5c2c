"""NIfTI files in and out, with their affines honored.

`read_volume` brings every image to RAS+ by transposing and flipping, so the rest of gliofield meets one
orientation and the same patient stored as LPS, RAS or LAS gives the same numbers. `write_volume` takes the
grid the file shall have (`stored_as`), so results return on the patient's own grid and affine. Files appear by
atomic rename.

A header without any affine (both sform and qform code 0) is refused: its world position would be a guess. So is one
whose two affines lie more than a voxel apart, for other programs follow the other one.

Before anything is unpacked the header's number of voxels is compared with `MAX_VOXELS`; the environment variable
``GLIOFIELD_MAX_VOXELS``, or ``--max-voxels`` of commands that read images, sets another limit.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gliofield.errors import ImageError, ParameterError
from gliofield.grid import Grid
from gliofield.output import atomic_file
from gliofield.volume import Volume

#: Most voxels of an image that is read: 512³, fifteen heads of 1 mm. Unpacked they take half a gigabyte.
MAX_VOXELS = 512**3
#: Environment variable that sets another limit.
MAX_VOXELS_VARIABLE = "GLIOFIELD_MAX_VOXELS"
# Bytes before the first voxel, and behind the last: headers have extensions, and some writers pad.
_MAX_BYTES_BEFORE, _MAX_BYTES_BEHIND = 1 << 26, 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


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
        If the file is missing, unreadable, not 3-D, larger than the limit, not of real numbers, has no affine, a
        sheared one or two that disagree, or values that are not finite or beyond the range of `dtype`.
    ParameterError
        If the limit in the environment is no number.
    """
    image, grid = _open(path)
    data = np.asanyarray(_read_data(path, image))
    if data.dtype.kind not in "biuf":
        raise ImageError(
            f"{path}: expected one real number per voxel, got {data.dtype} (a color or complex image). "
            "Convert it to a scalar image first."
        )
    with np.errstate(all="ignore"):  # what overflows is found right below
        data = data.reshape(grid.shape).astype(dtype, copy=False)
    if np.issubdtype(data.dtype, np.floating) and not np.all(np.isfinite(data)):
        count = int(np.count_nonzero(~np.isfinite(data)))
        raise ImageError(
            f"{path}: {count} voxels are NaN or infinite, as {data.dtype}: expected finite values. "
            "Replace them (usually by 0 outside the brain) and try again."
        )
    return Volume(data, grid).to_ras()


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

    _require_file(path)
    try:
        image: Any = nib.load(path)
        is_nifti = isinstance(image, nib.Nifti1Image | nib.Nifti1Pair)
        stored = _stored_header(image) if is_nifti else None
    except Exception as error:  # nibabel raises many types for broken files; the cause is chained
        raise ImageError(f"{path}: cannot be read as NIfTI ({_first_line(error)}).") from error
    if stored is None:
        raise ImageError(f"{path}: expected a NIfTI image, got {type(image).__name__}. Convert it to NIfTI first.")
    shape = image.shape
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise ImageError(
            f"{path}: expected one 3-D volume, got shape {shape}. "
            "Extract the volume to use (for a time series usually the first or the mean) and try again."
        )
    _require_size(path, image, shape)
    _require_millimeters(path, stored)
    try:
        grid = Grid((shape[0], shape[1], shape[2]), image.affine)
    except ParameterError as error:
        raise ImageError(f"{path}: {error}") from error
    _require_one_affine(path, stored, grid)
    return image, grid


def _require_file(path: str | os.PathLike[str]) -> None:
    """Refuse what is no file, and a file whose name says compressed but which is not, or the other way round."""
    place = Path(path)
    if place.is_dir():
        raise ImageError(f"{path}: this is a folder, expected a file. Name the image inside it.")
    if place.is_symlink() and not place.exists():
        raise ImageError(
            f"{path}: this is a link to {os.readlink(place)}, which is not there (content that was not fetched?). "
            "Fetch it, or name another file."
        )
    if not place.is_file():
        raise ImageError(f"{path}: no such file. Check the path.")
    name = place.name.lower()
    try:
        with open(place, "rb") as handle:
            is_gzip = handle.read(2) == _GZIP_MAGIC
    except OSError as error:
        raise ImageError(f"{path}: cannot be read as NIfTI ({error.strerror}).") from error
    if is_gzip and name.endswith(".nii"):
        raise ImageError(f"{path}: the file is gzip-compressed, which its name does not say. Rename it to .nii.gz.")
    if not is_gzip and name.endswith(".nii.gz") and place.stat().st_size > 0:
        raise ImageError(
            f"{path}: cannot be read as NIfTI: the file is not compressed although its name ends in .gz. Rename it to "
            ".nii if it is an image, or fetch it again."
        )


def _stored_header(image: Any) -> Any:
    """The header as it lies in the file; the one of a loaded image has been repaired."""
    holder = image.file_map["header"] if "header" in image.file_map else image.file_map["image"]
    with holder.get_prepare_fileobj("rb") as handle:
        return type(image).header_class.from_fileobj(handle, check=False)


def _require_size(path: str | os.PathLike[str], image: Any, shape: tuple[int, ...]) -> None:
    """Refuse, before anything is unpacked, an image that would take gigabytes."""
    limit = _voxel_limit()
    if math.prod(shape) > limit:
        raise ImageError(
            f"{path}: the header says {' x '.join(map(str, shape[:3]))} voxels, {math.prod(shape):.3g} in all: "
            f"expected at most {limit:.3g}. Crop or resample the image, or raise the limit if you have the memory: by "
            f"--max-voxels where a command has it, or the environment variable {MAX_VOXELS_VARIABLE}."
        )
    offset = getattr(image.dataobj, "offset", 0)
    if not 0 <= offset <= _MAX_BYTES_BEFORE:
        raise ImageError(f"{path}: the header says that its voxels begin at byte {offset}. The file is damaged.")


def _voxel_limit() -> int:
    given = os.environ.get(MAX_VOXELS_VARIABLE, "")
    if given and not (given.isascii() and given.isdecimal() and len(given) < 19 and int(given) > 0):
        raise ParameterError(f"{MAX_VOXELS_VARIABLE} must be a number of voxels such as 134217728, got {given!r}.")
    return int(given) if given else MAX_VOXELS


def _require_millimeters(path: str | os.PathLike[str], stored: Any) -> None:
    if int(stored["sform_code"]) == 0 and int(stored["qform_code"]) == 0:
        raise ImageError(
            f"{path}: the header has no affine (sform and qform code are 0), so position and left/right are "
            "unknown. Convert the image again from its source, or set the affine if you are sure of it."
        )
    try:
        unit = stored.get_xyzt_units()[0]
    except KeyError as error:
        raise ImageError(
            f"{path}: the header gives positions in a unit that NIfTI does not know (code {error}): expected mm. "
            "Convert the image again from its source."
        ) from error
    if unit in ("meter", "micron"):
        raise ImageError(
            f"{path}: the header gives positions in {unit}s: expected mm (or no unit, read as mm). "
            "Convert the image to mm first."
        )


def _require_one_affine(path: str | os.PathLike[str], stored: Any, grid: Grid) -> None:
    """Refuse a qform without voxel sizes, and two affines that lie more than a voxel apart."""
    if int(stored["qform_code"]) == 0:
        return
    has_sizes = bool(np.all(np.isfinite(stored["pixdim"][1:4])) and np.all(stored["pixdim"][1:4] > 0))
    if int(stored["sform_code"]) == 0:
        if not has_sizes:
            raise ImageError(
                f"{path}: the header has voxel sizes of {', '.join(f'{n:g}' for n in stored['pixdim'][1:4])} mm and no "
                "sform, so the size of the image is unknown. Convert it again from its source."
            )
        return
    if not has_sizes:
        return  # the sform says all by itself
    try:
        other = Grid(grid.shape, stored.get_qform())
    except Exception:  # a quaternion that is none; whatever other programs make of it, it is no second place
        return
    gap = grid.largest_gap_mm(other)
    if gap > max(grid.spacing_mm):
        raise ImageError(
            f"{path}: the header has two affines that disagree by up to {gap:.3g} mm (sform {grid.orientation}, qform "
            f"{other.orientation}), and programs differ in which they follow. Find out which is right and write it to "
            "both, or set the code of the other to 0."
        )


def _read_data(path: str | os.PathLike[str], image: Any) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):  # of scaling beyond the range
            data = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError) as error:
        raise _damaged(path, error) from error
    except MemoryError as error:
        raise ImageError(
            f"{path}: there is not enough memory to read the voxels. Crop or resample the image."
        ) from error
    except Exception as error:  # zlib.error is no OSError
        raise ImageError(f"{path}: voxel data cannot be decompressed ({_first_line(error)}).") from error
    _require_intact_stream(path, image)
    return data


def _require_intact_stream(path: str | os.PathLike[str], image: Any) -> None:
    """Read a gzip file to its end, where its checksum is compared; nibabel stops at the last voxel, before it."""
    if Path(path).suffix.lower() != ".gz":
        return
    offset, itemsize = getattr(image.dataobj, "offset", 0), image.get_data_dtype().itemsize
    end = offset + math.prod(image.shape) * itemsize
    num_read = 0
    try:
        with gzip.open(path) as stream:
            while block := stream.read(1 << 20):
                num_read += len(block)
                if num_read > end + _MAX_BYTES_BEHIND:
                    raise ImageError(
                        f"{path}: more than {_MAX_BYTES_BEHIND >> 20} MB follow the last voxel: expected the image "
                        "alone. Save it again."
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: str | os.PathLike[str], error: BaseException) -> ImageError:
    # Said only where a further compressed stream should begin, once the one before it has passed its checksum.
    if isinstance(error, gzip.BadGzipFile) and "Not a gzipped file" in str(error):
        return ImageError(
            f"{path}: there are bytes after the end of the compressed stream. Save the image again, or copy it again "
            "from its source."
        )
    return ImageError(f"{path}: voxel data cannot be read ({_first_line(error)}). The file is damaged.")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
