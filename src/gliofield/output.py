"""Outputs that appear whole or not at all, and take nothing away that gliofield did not write.

Files and folders are written beside their target under a temporary name and renamed at the end; an exception,
a full disk or a killed process never leaves a half-written result under the final name, and an older result is
exchanged for the new one in a single step where the system can do that. A link is followed: what it points to is
replaced, the link stays.

Without leave nothing is replaced, also not what appears under the target's name while it is written. With leave a
folder is replaced only if gliofield knows every file in it by name (`FolderMarker`), never an input of the run, and
never a file by a folder.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from gliofield.errors import OutputError
from gliofield.leftovers import claim_partial, hold, is_temporary, retired_name, without_temporary_name

_RENAME_EXCHANGE, _RENAME_NOREPLACE = 2, 1
_MAX_SHOWN_FILES = 3


class FolderMarker(str):
    """Name of the file by which folders of one kind are known, with the names of all files they may hold.

    Parameters
    ----------
    name : str
        The file.
    files : sequence of str
        The others, as paths inside the folder; ``*`` and ``?`` stand for characters but the slash.

    Examples
    --------
    >>> marker = FolderMarker("truth.json", files=("scans/*.nii.gz",))
    >>> marker.knows("scans/t1.nii.gz"), marker.knows("truth.json"), marker.knows("notes/scans/t1.nii.gz")
    (True, True, False)
    """

    files: tuple[str, ...]

    def __new__(cls, name: str, *, files: Iterable[str]) -> FolderMarker:
        """The name, which is a text, with the others."""
        marker = super().__new__(cls, name)
        marker.files = tuple(files)
        return marker

    def knows(self, path: str) -> bool:
        """Whether a file of this path may lie in such a folder."""
        parts = path.split("/")
        patterns = (pattern.split("/") for pattern in (str(self), *self.files))
        return any(
            len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern)) for pattern in patterns
        ) or is_temporary(parts[-1])


@contextmanager
def atomic_file(path: str | os.PathLike[str], *, replace: bool | None = None) -> Iterator[Path]:
    """Temporary file beside `path`, empty, that becomes `path` when the block ends without an error.

    The temporary name keeps all suffixes, so writers that choose a format by name work. The temporary file of an outer
    block is written as it is.

    Parameters
    ----------
    path : path
        Target file.
    replace : bool or None
        Whether a file of this name is replaced. None: one that is there when the block begins is, one that appears
        meanwhile is not. True is for files that several processes write alike, such as those of a cache.

    Raises
    ------
    OutputError
        If the file cannot be written (missing folder, no space, no permission), or one is there that stays.
    """
    target = resolve_target(path)
    if is_temporary(target.name):  # the outer block holds its lock; another file in its place would be a leftover
        with _as_output_error(path):
            yield target
        return
    may_replace = target.exists() if replace is None else replace
    with _as_output_error(path), claim_partial(target, is_folder=False) as partial:
        yield partial
        _flush_to_disk(partial)
        if may_replace:
            os.replace(partial, target)
        else:
            _rename_as_new(partial, target, path)


@contextmanager
def atomic_folder(
    path: str | os.PathLike[str],
    *,
    replace: bool = False,
    marker: str | None = None,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> Iterator[Path]:
    """Temporary folder beside `path` that becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : path
        Target folder. Missing parents are made, and removed again after an error.
    replace : bool
        Replace an existing folder; otherwise an existing, non-empty target is an error.
    marker, inputs
        What may be replaced; see `require_absent`.

    Raises
    ------
    OutputError
        If the target exists and may not be replaced, or the folder cannot be written.
    """
    inputs = tuple(inputs)
    require_absent(path, replace=replace, marker=marker, inputs=inputs)
    target = resolve_target(path)
    _require_no_file(path, target)
    missing_parents = [parent for parent in target.parents if not parent.exists()]
    with ExitStack() as undone:
        undone.callback(_remove_unused, missing_parents)
        undone.enter_context(_as_output_error(path))
        partial = undone.enter_context(claim_partial(target, is_folder=True))
        yield partial
        if not (replace and target.is_dir() and any(target.iterdir())):
            _rename_as_new(partial, target, path)
            return
        _require_own(path, target, marker)
        _exchange(partial, target, path, marker)


def require_absent(
    path: str | os.PathLike[str],
    *,
    replace: bool,
    marker: str | None = None,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Refuse a target that may not be written, before any work is done.

    Parameters
    ----------
    path : path
        File or folder to write. An empty folder counts as absent.
    replace : bool
        Whether an older file or folder may be replaced.
    marker : str, optional
        For folders: name of a file that every folder of the kind to write holds. A non-empty folder without it is
        something else, such as the patient's own data, and is never replaced. A `FolderMarker` also knows the other
        files, and a folder that holds any further one is not replaced.
    inputs : paths
        What the run reads: nothing of it may be replaced.

    Raises
    ------
    OutputError
        If the target exists and may not be replaced, is the current folder or holds it, or its place is no folder or
        read-only.
    """
    target = resolve_target(path)
    if target.is_file():
        if marker is not None:
            _require_no_file(path, target)
        if not replace:
            raise OutputError(f"{path} exists. Choose another name, or pass replace=True to replace it.")
    if target.is_dir() and any(target.iterdir()):
        if not replace:
            raise OutputError(
                f"{path} exists and is not empty. Choose another folder, or pass replace=True to replace it."
            )
        _require_own(path, target, marker)
    if replace:
        _require_no_input(path, target, inputs)
    if _holds_current_folder(target):
        raise OutputError(f"{path} is the current folder, or holds it, and cannot be replaced. Choose a new folder.")
    require_writable_place(path)


def require_writable_place(path: str | os.PathLike[str]) -> None:
    """Refuse a file or folder whose place is no folder or read-only.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """
    place = next(parent for parent in resolve_target(path).parents if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        reason = "is read-only" if place.is_dir() else "is not a folder"
        raise OutputError(f"{path} cannot be written: {place} {reason}. Choose another place.")


def resolve_target(path: str | os.PathLike[str]) -> Path:
    """Where a target lies, links followed.

    Raises
    ------
    OutputError
        If that cannot be told: its links go round in circles, or it is relative and the current folder was removed.
    """
    try:
        return Path(path).resolve()
    except RuntimeError as error:  # what pathlib makes of ELOOP
        raise OutputError(f"{path} cannot be written: its links go round in circles. Choose another place.") from error
    except FileNotFoundError as error:
        raise OutputError(
            f"{path} cannot be written: the current folder was removed. Go to another folder, or give a whole path."
        ) from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}. Choose another place.") from error


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


def _require_own(path: str | os.PathLike[str], folder: Path, marker: str | None) -> None:
    """Refuse to replace a folder of another kind, or one that holds a file nobody here has written."""
    if marker is not None and not (folder / marker).is_file():
        raise OutputError(
            f"{path} is not replaced: it was not written by this command (it holds no {marker}), so its files may "
            "be needed. Choose another folder."
        )
    if not isinstance(marker, FolderMarker):
        return
    foreign = [name for name in _files_below(folder) if not marker.knows(name)]
    if foreign:
        shown = ", ".join(foreign[:_MAX_SHOWN_FILES])
        more = f" and {len(foreign) - _MAX_SHOWN_FILES} more" if len(foreign) > _MAX_SHOWN_FILES else ""
        raise OutputError(
            f"{path} is not replaced: it holds what this command does not write ({shown}{more}). Move that away, or "
            "choose another folder."
        )


def _files_below(folder: Path) -> Iterator[str]:
    """Paths inside a folder, with forward slashes, of all that is no folder; links are not followed."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in sorted(files + links):
            yield Path(place, name).relative_to(folder).as_posix()


def _require_no_file(path: str | os.PathLike[str], target: Path) -> None:
    if target.is_file():
        raise OutputError(
            f"{path} is a file, and a folder is to be written, which never takes the place of a file. "
            "Choose another name."
        )


def _require_no_input(path: str | os.PathLike[str], target: Path, inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse a target that is one of the inputs or, being a folder, holds one."""
    for given in inputs:
        read = Path(given).resolve()
        if target.exists() and read.exists() and (target.samefile(read) or read.is_relative_to(target)):
            raise OutputError(
                f"{path} is not replaced: the run reads {given}, which would be lost. Choose another name for the "
                "result."
            )


def _holds_current_folder(target: Path) -> bool:
    try:
        return Path.cwd().is_relative_to(target)
    except FileNotFoundError:  # it was removed
        return False


def _remove_unused(folders: Iterable[Path]) -> None:
    with suppress(OSError):  # stops at the first that is in use
        for folder in folders:
            folder.rmdir()


def _rename_as_new(partial: Path, target: Path, path: str | os.PathLike[str]) -> None:
    """Rename to a name that nobody uses; an empty folder may be there for a folder."""
    try:
        if partial.is_dir():
            os.rename(partial, target)  # fails for a file and for a folder with files
        elif not _rename(partial, target, _RENAME_NOREPLACE):
            os.link(partial, target)  # fails for whatever is there
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR) and target.exists():
            raise OutputError(
                f"{path} has appeared while it was being written, and stays as it is: another process has written it. "
                "Choose another name."
            ) from error
        raise


def _exchange(partial: Path, target: Path, path: str | os.PathLike[str], marker: str | None) -> None:
    """Put a new folder in the place of an older one, which is removed if it is still the command's own."""
    with hold(target):
        if not _rename(partial, target, _RENAME_EXCHANGE):
            _exchange_in_two_steps(partial, target)
            return
        try:
            # Files may have come while the new folder was written; now nothing can be added by the old name.
            _require_own(path, partial, marker)
        except OutputError:
            _rename(partial, target, _RENAME_EXCHANGE)
            raise
        shutil.rmtree(partial, ignore_errors=True)


def _exchange_in_two_steps(partial: Path, target: Path) -> None:
    """For file systems that cannot exchange: the next command puts the old folder back if this one is killed."""
    retired = retired_name(target)
    os.replace(target, retired)
    try:
        os.replace(partial, target)
    except OSError:
        os.replace(retired, target)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def _rename(source: Path, target: Path, flag: int) -> bool:
    """Linux's renameat2; False where system or file system do not know it, or the flag."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return False
    at_current_folder = -100
    if function(at_current_folder, os.fsencode(source), at_current_folder, os.fsencode(target), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), os.fspath(source), None, os.fspath(target))


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
        final = without_temporary_name(os.fspath(path))
        raise OutputError(
            f"{final} cannot be written: {reason}. Nothing was left behind; free some space or choose another place."
        ) from error
