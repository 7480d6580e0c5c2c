"""Simulated tumors on disk: files of cubes (float16) in a folder that says what they depend on.

A file may hold fewer tumors than are asked for, and is completed, or more. Nothing that is stored is ever taken away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import OutputError
from gliofield.growth import FisherKolmogorov
from gliofield.output import atomic_file
from gliofield_training.outputs import make_folder

_IDENTITY_NAME = "samples.json"
_DEFAULT_TIME_STEP_SCALE = FisherKolmogorov().time_step_scale


def require_own_folder(folder: Path, identity: Mapping[str, Any]) -> None:
    """Make the folder of some samples, or see that it is theirs.

    Parameters
    ----------
    folder : Path
        Made if missing.
    identity : mapping
        JSON values: everything the samples depend on.

    Raises
    ------
    OutputError
        If it holds samples of another identity, or cannot be read or made.
    """
    path = folder / _IDENTITY_NAME
    if not path.is_file():
        make_folder(folder)
        with atomic_file(path, replace=True) as unfinished:
            unfinished.write_text(json.dumps(identity, indent=1), encoding="utf-8")
        return
    try:
        stored = _comparable(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise OutputError(f"{path} cannot be read ({error}). Choose another folder, or remove {folder}.") from error
    asked = _comparable(identity)
    differing = sorted(name for name in {*stored, *asked} if stored.get(name) != asked.get(name))
    if differing:
        raise OutputError(
            f"{folder} holds other samples: {', '.join(differing)} were not the same there. Choose another folder, or "
            "remove it."
        )


def _comparable(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What decides whether samples are the same, without nesting; as of now, of files of earlier versions too."""
    flat = {"time_step_scale": _DEFAULT_TIME_STEP_SCALE, **identity, **identity["ranges"]}
    return {name: value for name, value in flat.items() if name not in ("ranges", "backend")}


def completed_file(
    path: Path, number: int, *, crop_size: int, grown: Callable[[int], NDArray[np.float16]]
) -> NDArray[np.float16]:
    """Tumors of a file, at least `number` of them; missing ones are simulated and written.

    Parameters
    ----------
    path : Path
        A file in a folder of `require_own_folder`.
    number : int
        How many tumors are needed.
    crop_size : int
        Voxels per axis of each cube.
    grown : callable
        Simulates the tumors from a row up to `number`, (n, S, S, S).

    Raises
    ------
    OutputError
        If the file is damaged or cannot be written.
    """
    # Read anew after writing, for another process may have put its own file there: a shorter one is completed, and what
    # was read stays readable whatever takes its place.
    while len(stored := _tumors_in(path, crop_size)) < number:
        tumors = np.concatenate([stored, grown(len(stored))])
        with atomic_file(path, replace=True) as unfinished:
            np.save(unfinished, tumors)
    return stored


def _tumors_in(path: Path, crop_size: int) -> NDArray[np.float16]:
    """Tumors of a file, mapped into memory; none if it is missing."""
    cube = (crop_size,) * 3
    if not path.exists():
        return np.empty((0, *cube), dtype=np.float16)
    try:
        tumors: NDArray[np.float16] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read ({error}). Remove it; its tumors are simulated again.") from error
    if tumors.dtype != np.float16 or tumors.shape[1:] != cube:
        raise OutputError(
            f"{path} holds {tumors.dtype} values of shape {tumors.shape}: expected float16 cubes of {crop_size}³ "
            "voxels. Remove it; its tumors are simulated again."
        )
    return tumors
