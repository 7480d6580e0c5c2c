"""Ctrl-C and SIGTERM that wait for a good moment.

SIGTERM is how job schedulers, `timeout` and scripts ask a program to end before they kill it.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

from gliofield.errors import GliofieldError
from gliofield.termination import raise_terminated


class TrainingInterruptedError(GliofieldError, RuntimeError):
    """A training was asked to end (SIGTERM) and has saved its state."""

    def __init__(self) -> None:
        super().__init__(
            "the training was asked to end (SIGTERM) and has saved its state. The same command, or call, goes on where "
            "it was."
        )


class Interrupts:
    """While the block lasts, the first Ctrl-C is only noted, and so is SIGTERM.

    A Ctrl-C after either raises `KeyboardInterrupt` at once. A further SIGTERM does nothing: `timeout` sends it to the
    process and again to its group. Only in the main thread, and only where handlers of Python or gliofield are in
    place: elsewhere signals are left to whoever cares for them.

    Attributes
    ----------
    has_come : bool
        Whether an interrupt waits to be acted upon.
    is_termination : bool
        Whether a SIGTERM does.
    """

    def __init__(self) -> None:
        self.has_come = False
        self.is_termination = False
        self._replaced: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            usual = {signal.SIGINT: (signal.default_int_handler,), signal.SIGTERM: (signal.SIG_DFL, raise_terminated)}
            for number, handlers in usual.items():
                if signal.getsignal(number) in handlers:
                    self._replaced[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._replaced.items():
            signal.signal(number, handler)
        if self.has_come and kind is None:  # too late for anyone in the block to see it
            raise TrainingInterruptedError if self.is_termination else KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self.is_termination = True
        elif self.has_come:
            raise KeyboardInterrupt
        self.has_come = True
