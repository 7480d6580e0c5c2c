"""Outputs that appear whole or not at all.

Files and folders are written beside their target under a temporary name and renamed at the end; an exception,
a full disk or a killed process never leaves a half-written result under the final name. A link is followed: what it
points to is replaced, the link stays.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gliofield.errors import OutputError

_PARTIAL_PREFIX = ".partial-"


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Temporary path beside `path` that becomes `path` when the block ends without an error.

    The temporary name keeps all suffixes, so writers that choose a format by name work.

    Raises
    ------
    OutputError
        If the file cannot be written (missing folder, no space, no permission).
    """
    target = Path(path).resolve()
    partial = _partial_of(target)
    try:
        with _as_output_error(path):
            yield partial
            _flush_to_disk(partial)
            os.replace(partial, target)
    finally:
        with suppress(OSError):  # not there, or its folder is none
            partial.unlink()


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, replace: bool = False, marker: str | None = None) -> Iterator[Path]:
    """Temporary folder beside `path` that becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : path
        Target folder. Missing parents are made, and removed again after an error.
    replace : bool
        Replace an existing target; otherwise an existing, non-empty target is an error.
    marker : str, optional
        Name of a file in every folder of this kind; see `require_absent`.

    Raises
    ------
    OutputError
        If the target exists and may not be replaced, or the folder cannot be written.
    """
    require_absent(path, replace=replace, marker=marker)
    target = Path(path).resolve()
    partial = _partial_of(target)
    missing_parents = [parent for parent in target.parents if not parent.exists()]
    try:
        with _as_output_error(path):
            partial.mkdir(parents=True)
            yield partial
            _swap_in(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):  # stops at the first parent that is in use
            for parent in missing_parents:
                parent.rmdir()


def require_absent(path: str | os.PathLike[str], *, replace: bool, marker: str | None = None) -> None:
    """Refuse a target that may not be written, before any work is done.

    Parameters
    ----------
    path : path
        File or folder to write. An empty folder counts as absent.
    replace : bool
        Whether an older file or folder may be replaced.
    marker : str, optional
        For folders: name of a file that every folder of the kind to write holds. A non-empty folder without it is
        something else, such as the patient's own data, and is never replaced.

    Raises
    ------
    OutputError
        If the target exists and may not be replaced, is the current folder or holds it, or its place is no folder or
        read-only.
    """
    target = Path(path).resolve()
    if target.is_file() and not replace:
        raise OutputError(f"{path} exists. Choose another name, or pass replace=True to replace it.")
    if target.is_dir() and any(target.iterdir()):
        if not replace:
            raise OutputError(
                f"{path} exists and is not empty. Choose another folder, or pass replace=True to replace it."
            )
        if marker is not None and not (target / marker).is_file():
            raise OutputError(
                f"{path} is not replaced: it was not written by this command (it holds no {marker}), so its files may "
                "be needed. Choose another folder."
            )
    if Path.cwd().is_relative_to(target):
        raise OutputError(f"{path} is the current folder, or holds it, and cannot be replaced. Choose a new folder.")
    require_writable_place(path)


def require_writable_place(path: str | os.PathLike[str]) -> None:
    """Refuse a file or folder whose place is no folder or read-only.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """
    place = next(parent for parent in Path(path).resolve().parents if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        reason = "is read-only" if place.is_dir() else "is not a folder"
        raise OutputError(f"{path} cannot be written: {place} {reason}. Choose another place.")


def flush_to_disk(folder: Path) -> None:
    """Wait until every file and folder below a folder, and the folder itself, are on the disk.

    For what other code wrote: files and folders of `atomic_file` and `atomic_folder` need it only where a later rename
    must not reach the disk before them.
    """
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            flush_names(path)
        else:
            _flush_to_disk(path)


def flush_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _partial_of(target: Path) -> Path:
    return target.with_name(f"{_PARTIAL_PREFIX}{uuid.uuid4().hex[:8]}-{target.name}")


def _swap_in(partial: Path, target: Path) -> None:
    """Rename `partial` to `target`; an older target is kept until the new one stands."""
    if not target.exists():
        os.replace(partial, target)
        return
    retired = _partial_of(target)
    os.replace(target, retired)
    try:
        os.replace(partial, target)
    except OSError:
        os.replace(retired, target)
        raise
    if retired.is_dir():
        shutil.rmtree(retired, ignore_errors=True)
    else:
        retired.unlink()


def _flush_to_disk(path: Path) -> None:
    with open(path, "rb+") as handle:
        os.fsync(handle.fileno())


@contextmanager
def _as_output_error(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        # A file of a folder that is being written is named as it would have been in the end.
        final = re.sub(rf"{re.escape(_PARTIAL_PREFIX)}[0-9a-f]{{8}}-", "", os.fspath(path))
        raise OutputError(
            f"{final} cannot be written: {reason}. Nothing was left behind; free some space or choose another place."
        ) from error
