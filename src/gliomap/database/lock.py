"""One builder per database folder.

The lock is an advisory lock of the operating system on a small file that also names its holder. It vanishes with
the process that holds it, so the file a killed builder leaves behind is recognized as stale and taken over, without
guessing from process numbers (which are reused, and mean nothing on another machine).
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gliomap.errors import DatabaseError

LOCK_NAME = "building.lock"


@contextmanager
def build_lock(folder: Path) -> Iterator[None]:
    """Hold the build lock of an existing folder; its file is gone afterwards.

    Raises
    ------
    DatabaseError
        If another process holds it; the message names that process.
    OSError
        If the file cannot be written.
    """
    path = folder / LOCK_NAME
    handle = _acquire(path)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(handle)
            raise DatabaseError(
                f"{path.parent} is being built by {holder}. Wait until it is done, or stop that process; "
                "a build that was stopped can be continued."
            ) from error
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
