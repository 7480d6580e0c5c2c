"""SIGTERM as an exception, so that what a run has in temporary places is removed before it ends.

Job schedulers, `timeout`, containers and scripts send it before they kill. Python's default is to end at once: a
patient's images stay in the folder for temporary files, and hidden half-written results beside their targets.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_EXIT_CODE = 128 + signal.SIGTERM


class TerminatedError(SystemExit):
    """The process was asked to end (SIGTERM); uncaught it ends with the exit code that shells give to that."""

    def __init__(self) -> None:
        super().__init__(_EXIT_CODE)


def raise_terminated(number: int, frame: FrameType | None) -> None:
    """Handler of SIGTERM: raise `TerminatedError`, once. `timeout` sends the signal twice, and cleaning up goes on."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise TerminatedError


@contextmanager
def ending_in_order() -> Iterator[None]:
    """While the block lasts, SIGTERM raises `TerminatedError` in the main thread; own handlers are left in place."""
    is_ours = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        # After a SIGTERM further ones stay ignored: the process is on its way out.
        if is_ours and signal.getsignal(signal.SIGTERM) is raise_terminated:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
