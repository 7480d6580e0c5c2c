"""Temporary names, and how the next command removes what a killed process has left under them.

Whoever writes holds an advisory lock of the operating system on the temporary file or folder itself. The lock ends
with its process, however that ends, so a temporary name without a lock is a leftover: it is removed by the next
process that writes into the same place. Where a file system knows no locks, nothing is removed.

    .partial-HEX8-NAME   what is to become NAME
    .retired-HEX8-NAME   what NAME was, for the moment between two renames; put back if NAME is gone
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL_PREFIX = ".partial-"
_TEMPORARY_NAME = re.compile(r"\.(partial|retired)-[0-9a-f]{8}-(.+)", re.DOTALL)
_SCRATCH_PREFIX = "gliofield-"
# Sweeps take a folder between its making and its locking once in a blue moon; more often means a place without locks.
_MOST_ATTEMPTS = 8
_SCRATCH_NAME = re.compile(rf"{_SCRATCH_PREFIX}([a-z]+-)?[a-z0-9_]{{8}}")


def is_temporary(name: str) -> bool:
    """Whether a file's or folder's name is one that only this module gives."""
    return _TEMPORARY_NAME.fullmatch(name) is not None


def without_temporary_name(path: str) -> str:
    """The path of something inside a folder that is being written, as it will be in the end."""
    return re.sub(rf"{re.escape(PARTIAL_PREFIX)}[0-9a-f]{{8}}-", "", path)


def retired_name(target: Path) -> Path:
    """A new name beside a target for what is taken out of its place."""
    return target.with_name(f".retired-{uuid.uuid4().hex[:8]}-{target.name}")


@contextmanager
def claim_partial(target: Path, *, is_folder: bool) -> Iterator[Path]:
    """Empty file or folder beside a target, locked while the block lasts; gone afterwards unless it was renamed.

    What killed processes have left in the same place is removed first.
    """
    sweep_leftovers(target.parent)
    partial, handle = _claimed(target, is_folder=is_folder)
    try:
        yield partial
    finally:
        _remove(partial)
        os.close(handle)


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Keep others from taking what now has this name for a leftover while it is about to get another."""
    handle = _locked(path)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def sweep_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders in a folder whose processes are gone; put back what was retired."""
    for name in _names_in(folder):
        found = _TEMPORARY_NAME.fullmatch(name)
        if found is None:
            continue
        leftover, home = folder / name, folder / found[2]
        handle = _locked(leftover)
        if handle is None:
            continue
        try:
            if found[1] == "retired" and not os.path.lexists(home):
                with suppress(OSError):
                    os.rename(leftover, home)
            else:
                _remove(leftover)
        finally:
            os.close(handle)


@contextmanager
def scratch_folder(purpose: str = "") -> Iterator[Path]:
    """Temporary folder, readable by its user alone, gone afterwards; those of killed processes are removed first.

    Parameters
    ----------
    purpose : str
        A word of small letters for its name.

    Raises
    ------
    OSError
        If there is no place for temporary files, or it cannot be written.
    """
    place = Path(tempfile.gettempdir())
    for name in _names_in(place):
        # Only folders of this user: others' cannot be removed, and their names may mean something else.
        if _SCRATCH_NAME.fullmatch(name) and _is_own_folder(place / name):
            handle = _locked(place / name)
            if handle is not None:
                _remove(place / name)
                os.close(handle)
    prefix = f"{_SCRATCH_PREFIX}{purpose}-" if purpose else _SCRATCH_PREFIX
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        handle = _locked(folder)
        # Without the lock a sweep of another process is about to remove it, or there are no locks here.
        if handle is not None or attempt == _MOST_ATTEMPTS:
            break
        with suppress(OSError):
            folder.rmdir()
    try:
        yield folder
    finally:
        _remove(folder)
        if handle is not None:
            os.close(handle)


def _claimed(target: Path, *, is_folder: bool) -> tuple[Path, int]:
    """A new temporary name and the handle that holds its lock."""
    while True:
        partial = target.with_name(f"{PARTIAL_PREFIX}{uuid.uuid4().hex[:8]}-{target.name}")
        if is_folder:
            partial.mkdir(parents=True)
        else:
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        # Between making and locking it a sweep, of another process or thread, may have taken it for a leftover: then it
        # is gone, or will be.
        with suppress(FileNotFoundError):
            handle = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            except OSError:
                pass  # a file system without locks, where nothing is swept
            if _has_name(handle, partial):
                return partial, handle
            os.close(handle)


def _locked(path: Path) -> int | None:
    """Handle that holds the lock of a file or folder; None if another process does, or it cannot be locked."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    if _has_name(handle, path):
        return handle
    os.close(handle)
    return None


def _has_name(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_own_folder(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return path.is_dir() and not path.is_symlink() and found.st_uid == os.geteuid()


def _remove(path: Path) -> None:
    """Remove a file or folder if it is there."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
