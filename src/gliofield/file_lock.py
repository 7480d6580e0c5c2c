"""One process per folder: an advisory lock of the operating system on a small file that also names its holder.

The lock vanishes with the process that holds it, so the file a killed process leaves behind is recognized as stale and
taken over, without guessing from process numbers (which are reused, and mean nothing on another machine).
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gliofield.errors import GliofieldError


@contextmanager
def file_lock(path: Path, busy: Callable[[str], GliofieldError]) -> Iterator[None]:
    """Hold the lock of a file in an existing folder; the file is gone afterwards.

    Parameters
    ----------
    path : Path
        The file.
    busy : callable
        Gives the error to raise where another process holds the lock, from the words that name that process.

    Raises
    ------
    GliofieldError
        As `busy` gives it.
    OSError
        If the file cannot be written.
    """
    handle = _acquire(path, busy)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, busy: Callable[[str], GliofieldError]) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(handle)
            raise busy(holder) from error
        except OSError:
            os.close(handle)
            raise
        if _is_current(path, handle):
            return handle
        # The holder before us removed the file between our open and our lock: ours is no longer the one others see.
        os.close(handle)


def _is_current(path: Path, handle: int) -> bool:
    try:
        return os.stat(path).st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False
