"""One builder per database folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gliofield.errors import DatabaseError
from gliofield.file_lock import file_lock

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

    def busy(holder: str) -> DatabaseError:
        return DatabaseError(
            f"{folder} is being built by {holder}. Wait until it is done, or stop that process; a build that was "
            "stopped can be continued."
        )

    with file_lock(folder / LOCK_NAME, busy):
        yield
