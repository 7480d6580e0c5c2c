"""Ctrl-C that waits for a good moment."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interrupts:
    """While the block lasts, the first Ctrl-C is only noted; the second one raises `KeyboardInterrupt` at once.

    Only where Python's own handler is in place, in the main thread: elsewhere interrupts are left to whoever cares for
    them.

    Attributes
    ----------
    has_come : bool
        Whether an interrupt waits to be acted upon.
    """

    def __init__(self) -> None:
        self.has_come = False
        self._is_installed = False

    def __enter__(self) -> Interrupts:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._is_installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.has_come and kind is None:  # too late for anyone in the block to see it
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.has_come:
            raise KeyboardInterrupt
        self.has_come = True
