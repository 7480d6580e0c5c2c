"""The user's cache folder: atlases, default databases, search indexes.

Order: the environment variable ``GLIOFIELD_CACHE_DIR``, then ``XDG_CACHE_HOME/gliofield``, then ``~/.cache/gliofield``.
Everything in it can be made again and may be deleted at any time. What takes minutes to make is made by one process;
others that need it wait for that one (`make_once`).
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from gliofield.errors import OutputError
from gliofield.file_lock import file_lock
from gliofield.progress import ProgressEvent, Reporter

WAITING_TASK_NAME = "wait for another process"
_SECONDS_BETWEEN_REPORTS = 5.0
_MAX_TRIES = 20


def cache_folder(*parts: str) -> Path:
    """Path of the cache folder, or of a place inside it; nothing is created."""
    override = os.environ.get("GLIOFIELD_CACHE_DIR")
    if override:
        return Path(override).expanduser().joinpath(*parts)
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base else Path.home() / ".cache"
    return root.joinpath("gliofield", *parts)


def cache_sizes() -> dict[str, int]:
    """Size of what lies in the cache folder, by names of its files and folders [bytes]; empty where there is none."""
    folder = cache_folder()
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return {entry.name: sum(_size_of(path) for path in (entry, *entry.rglob("*"))) for entry in entries}


def _size_of(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:  # gone meanwhile
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


@contextmanager
def make_once(target: Path, *, report: Reporter) -> Iterator[None]:
    """Hold the right to make a folder of the cache, waiting for a process that holds it; look again before making.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """
    with ExitStack() as held:
        held.callback(_remove_unused, [parent for parent in target.parents if not parent.exists()])
        try:
            _enter_lock(target, held, report)
        except OSError as error:
            raise OutputError(
                f"{target} cannot be written: {error.strerror}. Free some space, or name another cache folder by "
                "GLIOFIELD_CACHE_DIR."
            ) from error
        yield


def _enter_lock(target: Path, held: ExitStack, report: Reporter) -> None:
    wait = say_waiting(f"it makes {target.name}", report)
    for tries_left in reversed(range(_MAX_TRIES)):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(file_lock(target.with_name(f"{target.name}.lock"), wait))
            return
        except FileNotFoundError:  # another process has just removed the empty parents that it had made
            if not tries_left:
                raise


def _remove_unused(folders: list[Path]) -> None:
    with suppress(OSError):  # stops at the first that is in use
        for folder in folders:
            folder.rmdir()


def say_waiting(why: str, report: Reporter) -> Callable[[str], None]:
    """What `file_lock` is to do where another process holds a lock: say so every few seconds, and wait.

    Parameters
    ----------
    why : str
        What the other process does, as a sentence about "it".
    report : Reporter
        Told of the process, and for how long it has been waited for.
    """
    start, said = time.monotonic(), [float("-inf")]

    def wait(holder: str) -> None:
        now = time.monotonic()
        if now - said[0] >= _SECONDS_BETWEEN_REPORTS:
            said[0] = now
            message = f"{holder}: {why} ({now - start:.0f} s)"
            report(ProgressEvent(task=WAITING_TASK_NAME, completed=0, total=1, message=message))

    return wait
