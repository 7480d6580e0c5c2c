"""One process per folder: an advisory lock of the operating system on a small file that also names its holder.

The lock vanishes with the process that holds it, so the file a killed process leaves behind is recognized as stale and
taken over, without guessing from process numbers (which are reused, and mean nothing on another machine).
A link in the place of the file is refused: what it points to may be anything.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gliofield.errors import GliofieldError, OutputError

_SECONDS_BETWEEN_TRIES = 0.2
# What a holder writes: anything else was not written by one.
_HOLDER = re.compile(rb"(process \d+ on \S{1,300}\n)?")


@contextmanager
def file_lock(path: Path, busy: Callable[[str], GliofieldError | None]) -> Iterator[None]:
    """Hold the lock of a file in an existing folder; the file is gone afterwards.

    Parameters
    ----------
    path : Path
        The file.
    busy : callable
        Gives the error to raise where another process holds the lock, from the words that name that process; None
        waits for it, and asks again.

    Raises
    ------
    GliofieldError
        As `busy` gives it.
    OutputError
        If something else than a file of its own has the name.
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


def _acquire(path: Path, busy: Callable[[str], GliofieldError | None]) -> int:
    while True:
        handle = _opened(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(handle)
            reason = busy(holder)
            if reason is not None:
                raise reason from error
            time.sleep(_SECONDS_BETWEEN_TRIES)
            continue
        except OSError:
            os.close(handle)
            raise
        if _is_current(path, handle):
            return handle
        # The holder before us removed the file between our open and our lock: ours is no longer the one others see.
        os.close(handle)


def _opened(path: Path) -> int:
    """The lock's own file, made if it is not there; no link, no file with another name or content of its own."""
    refusal = OutputError(
        f"{path} is no lock of gliofield but a link or something else of that name, and is not touched. Move it away, "
        "or choose another folder."
    )
    if path.is_symlink():
        raise refusal
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    found = os.fstat(handle)
    is_file = stat.S_ISREG(found.st_mode) and found.st_nlink <= 1
    if not is_file or _HOLDER.fullmatch(os.pread(handle, 400, 0)) is None:
        os.close(handle)
        raise refusal
    return handle


def _is_current(path: Path, handle: int) -> bool:
    try:
        return os.stat(path).st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False
