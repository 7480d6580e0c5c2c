"""One builder per database folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gliofield.cache import say_waiting
from gliofield.errors import DatabaseError
from gliofield.file_lock import file_lock
from gliofield.progress import Reporter

LOCK_NAME = "building.lock"


@contextmanager
def build_lock(folder: Path, *, wait: Reporter | None = None) -> Iterator[None]:
    """Hold the build lock of an existing folder; its file is gone afterwards.

    Parameters
    ----------
    folder : Path
        The folder.
    wait : Reporter or None
        Wait for a process that holds it, and tell this of it.

    Raises
    ------
    DatabaseError
        If another process holds it and it is not waited for; the message names that process.
    OSError
        If the file cannot be written.
    """

    def busy(holder: str) -> DatabaseError:
        return DatabaseError(
            f"{folder} is being built by {holder}. Wait until it is done, or stop that process; a build that was "
            "stopped can be continued."
        )

    with file_lock(folder / LOCK_NAME, busy if wait is None else say_waiting(f"it builds {folder.name}", wait)):
        yield
