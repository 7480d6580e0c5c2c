"""Programs of others that strip skulls and outline tumors: used where they are on the PATH, named where they are not.

None of them is part of gliofield, and none is fetched: they bring weights and terms of use of their own.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ImageError
from gliofield.leftovers import scratch_folder
from gliofield.nifti import read_volume, write_volume
from gliofield.volume import Volume

STRIP_ADVICE = (
    "skull stripping: the images show the skull. Put hd-bet or mri_synthstrip (SynthStrip) on the PATH, or give a "
    "brain mask on the grid of the T1Gd (--brain-mask)"
)
SEGMENT_ADVICE = (
    "tumor segmentation: put hd_glio_predict (HD-GLIO) on the PATH, or segment the images of the case, for example by "
    "a BraTS container, and give the labels (--seg)"
)
_STRIPPERS = ("hd-bet", "mri_synthstrip")
# What HD-GLIO writes.
_HD_GLIO_EDEMA, _HD_GLIO_ENHANCING = 1, 2
_HD_GLIO_INPUTS = {"t1": "-t1", "t1c": "-t1c", "t2": "-t2", "flair": "-flair"}


def strip_skull(head: Volume) -> tuple[NDArray[np.bool_], str] | None:
    """Brain mask of an image with its skull, and the program that made it; None if there is none on the PATH.

    Raises
    ------
    ImageError
        If the program fails.
    """
    for tool in _STRIPPERS:
        program = shutil.which(tool)
        if program is None:
            continue
        with scratch_folder("strip") as folder:
            given, made = folder / "head.nii.gz", folder / "brain.nii.gz"
            write_volume(given, head, dtype=np.float32)
            _run(tool, [program, "-i", str(given), "-o", str(made)], made)
            image = read_volume(made)
        image.grid.require_same_as(head.grid, self_name=tool, other_name="T1Gd")
        return image.data != 0, tool
    return None


def segment_tumor(images: Mapping[str, Volume]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], str] | None:
    """Edema, enhancing tumor, and the program that outlined them; None without it, or without the four images it needs.

    Raises
    ------
    ImageError
        If the program fails.
    """
    tool = "hd_glio_predict"
    program = shutil.which(tool)
    if program is None or not _HD_GLIO_INPUTS.keys() <= images.keys():
        return None
    with scratch_folder("segment") as folder:
        command = [program]
        for name, option in _HD_GLIO_INPUTS.items():
            write_volume(folder / f"{name}.nii.gz", images[name], dtype=np.float32)
            command += [option, str(folder / f"{name}.nii.gz")]
        made = folder / "labels.nii.gz"
        _run(tool, [*command, "-o", str(made)], made)
        labels = read_volume(made)
    labels.grid.require_same_as(images["t1c"].grid, self_name=tool, other_name="T1Gd")
    found = np.rint(labels.data)
    return found == _HD_GLIO_EDEMA, found == _HD_GLIO_ENHANCING, tool


def _run(tool: str, command: list[str], made: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0 or not made.is_file():
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise ImageError(f"{tool} failed ({said}). Run it by hand, and give what it makes.")
