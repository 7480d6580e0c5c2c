"""Targets on disk: what ``gliofield target`` adds to a result folder.

targets/NAME.nii.gz    one uint8 mask for each target, on the case's own grid and affine
targets.json           names, kinds, volumes, expected cells, comparisons, notes
targets.png            the targets over the scan, the barriers, and the table of their volumes

The masks come first and ``targets.json`` last, so a folder with it has all files that it names; older targets are taken
away first, and nothing else of the folder is touched.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gliofield.errors import OutputError
from gliofield.nifti import read_volume, write_volume
from gliofield.output import FolderMarker, atomic_file, atomic_folder, require_writable_place
from gliofield.radiotherapy.plan import MASKS_FOLDER, TargetPlan
from gliofield.radiotherapy.planning_case import PlanningCase
from gliofield.report.json_files import write_json
from gliofield.report.targets_figure import targets_figure
from gliofield.resample import resample
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TARGETS_JSON, TARGETS_PICTURE = "targets.json", "targets.png"
#: What is added, as paths inside the result folder.
TARGET_FILES = (TARGETS_JSON, TARGETS_PICTURE, f"{MASKS_FOLDER}/GTV.nii.gz", f"{MASKS_FOLDER}/CTV_*.nii.gz")
_VIEW_FOLDER, _PICTURE_MODALITIES = "view", ("t1c", "t1", "flair", "t2")
_MASKS = FolderMarker("GTV.nii.gz", files=("CTV_*.nii.gz",))


def write_targets(
    plan: TargetPlan,
    planning: PlanningCase,
    folder: str | os.PathLike[str],
    *,
    background: Volume | None = None,
    name: str = "",
    force: bool = False,
) -> Path:
    """Add targets to a result folder, and return the path of ``targets.json``.

    Parameters
    ----------
    plan : TargetPlan
        The targets.
    planning : PlanningCase
        What they were made of.
    folder : path
        A result folder.
    background : Volume, optional
        Image of the patient for the picture, on the case's grid; None: the one that the folder keeps for its report,
        without one the atlas's T1 as it lies in the patient.
    name : str
        Name of the patient for the picture's title.
    force : bool
        Replace targets that are there.

    Raises
    ------
    OutputError
        If targets are there and may not be replaced, or the folder cannot be written.
    """
    place = Path(folder)
    require_new_targets(place, force=force)
    # First, so that no older list names masks that are being replaced.
    (place / TARGETS_JSON).unlink(missing_ok=True)
    with atomic_folder(place / MASKS_FOLDER, replace=force, marker=_MASKS) as masks:
        for target in plan.targets:
            write_volume(
                masks / f"{target.name}.nii.gz",
                target.mask,
                stored_as=planning.scan.case.stored_grid,
                description=f"{target.kind} {target.name}; research use only",
            )
    with atomic_file(place / TARGETS_PICTURE, replace=True) as partial:
        image = _kept_image(place, planning) if background is None else background
        figure: Figure = targets_figure(plan, planning, background=image, title=name)
        figure.savefig(partial, facecolor=figure.get_facecolor())
    with atomic_file(place / TARGETS_JSON, replace=True) as partial:
        write_json(partial, plan.to_json())
    return place / TARGETS_JSON


def _kept_image(folder: Path, planning: PlanningCase) -> Volume | None:
    """The first image of the patient that a result folder keeps, on the case's grid; None where it keeps none."""
    for modality in _PICTURE_MODALITIES:
        path = folder / _VIEW_FOLDER / f"{modality}.nii.gz"
        if path.is_file():
            return resample(read_volume(path), planning.grid)
    return None


def require_new_targets(folder: Path, *, force: bool) -> None:
    """Refuse a result folder that has targets already, unless they may be replaced, before any work is done.

    Raises
    ------
    OutputError
        If they may not be replaced, or nothing can be written there.
    """
    if not force and any((folder / each).exists() for each in (TARGETS_JSON, TARGETS_PICTURE, MASKS_FOLDER)):
        raise OutputError(f"{folder} holds targets already. Say --force to replace them (in Python: force=True).")
    require_writable_place(folder / TARGETS_JSON)
