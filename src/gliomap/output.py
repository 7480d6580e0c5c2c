"""Outputs that appear whole or not at all.

Files and folders are written beside their target under a temporary name and renamed at the end; an exception,
a full disk or a killed process never leaves a half-written result under the final name.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gliomap.errors import OutputError

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
    target = Path(path)
    partial = _partial_of(target)
    try:
        with _as_output_error(target):
            yield partial
            _flush_to_disk(partial)
            os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, replace: bool = False) -> Iterator[Path]:
    """Temporary folder beside `path` that becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : path
        Target folder. Missing parents are made.
    replace : bool
        Replace an existing target; otherwise an existing, non-empty target is an error.

    Raises
    ------
    OutputError
        If the target exists and `replace` is false, or the folder cannot be written.
    """
    target = Path(path)
    require_absent(target, replace=replace)
    partial = _partial_of(target)
    try:
        with _as_output_error(target):
            partial.mkdir(parents=True)
            yield partial
            _swap_in(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_absent(path: str | os.PathLike[str], *, replace: bool) -> None:
    """Raise `OutputError` if `path` exists (as a file or non-empty folder) and may not be replaced."""
    target = Path(path)
    if target.is_file() and not replace:
        raise OutputError(f"{target} exists. Choose another name, or pass --force (replace=True) to replace it.")
    if target.is_dir() and any(target.iterdir()) and not replace:
        raise OutputError(
            f"{target} exists and is not empty. Choose another folder, or pass --force (replace=True) to replace it."
        )


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
def _as_output_error(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(
            f"{target} cannot be written: {reason}. Nothing was left behind; free some space or choose another place."
        ) from error
