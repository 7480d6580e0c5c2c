"""Pictures for results that hold no images: those of before reports, or whose folder ``view`` was removed."""

from __future__ import annotations

import os
from pathlib import Path

from gliofield.anatomy import atlas_sources
from gliofield.errors import ParameterError
from gliofield.output import FolderMarker, atomic_folder
from gliofield.pipeline.case import find_case_files, read_case
from gliofield.pipeline.read_provenance import read_provenance
from gliofield.progress import Reporter, StageClock, ignore_progress
from gliofield.registration.transform_files import read_transform
from gliofield.report.view_files import VIEW_FILES, VIEW_FOLDER, make_view, write_view

_MARKER = FolderMarker("view.json", files=VIEW_FILES)


def add_view(
    folder: Path,
    patient: str | os.PathLike[str],
    *,
    atlas: str | None = None,
    name: str | None = None,
    report: Reporter = ignore_progress,
) -> None:
    """Add what pages show of a scan to a result, from the patient's files, which must be those of the run.

    Visible tumor that is not covered is not known any more: the density before the correction is not in a result.

    Parameters
    ----------
    folder : Path
        The result.
    patient : path
        BraTS folder of the patient.
    atlas : str, optional
        Name or folder of the atlas; None: that of the result, by its name.
    name : str, optional
        Name of the patient; None: that of the patient's folder.
    report : Reporter
        Told about the stages.

    Raises
    ------
    ParameterError
        If the folder is no result, or the files are not those of the run.
    AtlasError, ImageError, SegmentationError
        If atlas or images cannot be used.
    OutputError
        If the result cannot be written to.
    """
    record, clock = read_provenance(folder), StageClock(report)
    files = find_case_files(patient)
    used, found = record["inputs"]["sha256"], files.hashes()
    others = sorted(key for key in used if key in found and found[key] != used[key])
    if others:
        raise ParameterError(
            f"{patient} is not the patient of {folder}: {', '.join(others)} differ from the files of the run. Give the "
            "folder that the result was made from."
        )
    with clock.stage("read"):
        case = read_case(files)
    with clock.stage("load atlas"):
        loaded = atlas_sources.load_atlas(atlas or record["settings"]["atlas"], report=report)
    if loaded.content_hash != record["settings"]["atlas_content_hash"]:
        raise ParameterError(f"the atlas {loaded.name} is not that of the result. Give its folder by --atlas.")
    with clock.stage("write"):
        transform = read_transform(folder / "transforms")
        view = make_view(case, name=name or Path(patient).resolve().name, atlas=loaded, transform=transform)
        target = folder / VIEW_FOLDER
        with atomic_folder(target, replace=True, marker=_MARKER) as partial:
            write_view(partial, view)
