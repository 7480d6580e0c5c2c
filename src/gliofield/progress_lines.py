"""Progress as lines of text, for a log file or wherever there is no terminal to draw on.

A line when a stage has ended, with its seconds, and one per minute of a long one, with its rate and the time left. A
stage that comes again and again (one per patient, say) gets no more than one line per minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gliofield.progress import ProgressEvent

MINUTE_S = 60.0


@dataclass
class _Stage:
    """What is known of one task: when it began, how far it is, and when it was last written about [s]."""

    begin: float
    completed: float = 0.0
    total: float = 0.0
    message: str = ""
    written: float | None = None

    @property
    def is_done(self) -> bool:
        return 0 < self.total <= self.completed


class ProgressLines:
    """Reporter that writes lines.

    Parameters
    ----------
    write : callable
        Takes one line.
    steps : sequence of str
        Tasks that are the steps of the whole, in order; their lines say "step 2 of 8".
    every_event : bool
        Write about each event, at most once a second.
    ends : bool
        Write a line when a stage has ended; otherwise only those of long ones.
    clock : callable
        Seconds from some moment on.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        steps: Sequence[str] = (),
        every_event: bool = False,
        ends: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._steps, self._every_event, self._ends, self._clock = write, steps, every_event, ends, clock
        self._stages: dict[str, _Stage] = {}
        self._lock = threading.Lock()
        self._last_event = float("-inf")

    def __call__(self, event: ProgressEvent) -> None:
        """Take note of an event; write if there is something to say."""
        with self._lock:
            now = self._clock()
            stage = self._stages.setdefault(event.task, _Stage(begin=now))
            if stage.is_done or event.completed < stage.completed:  # it begins anew
                stage.begin = now
            was_written = stage.written is not None and now - stage.written < MINUTE_S
            stage.completed, stage.total, stage.message = event.completed, event.total, event.message
            if stage.is_done and self._ends and (self._every_event or not was_written):
                self._say(event.task, stage, now)
            elif self._every_event and now - self._last_event >= 1.0:
                self._last_event = now
                self._say(event.task, stage, now)

    def tick(self) -> None:
        """Write about every stage that has gone on for a minute without a line; to be called now and then."""
        with self._lock:
            now = self._clock()
            for task, stage in self._stages.items():
                since = stage.begin if stage.written is None else max(stage.begin, stage.written)
                if not stage.is_done and now - since >= MINUTE_S:
                    self._say(task, stage, now)

    def _say(self, task: str, stage: _Stage, now: float) -> None:
        stage.written = now
        step = f"step {self._steps.index(task) + 1} of {len(self._steps)}, " if task in self._steps else ""
        self._write(f"{step}{task}: {', '.join(_parts(stage, now - stage.begin))}")


def _parts(stage: _Stage, seconds: float) -> Iterator[str]:
    """What a line says of a stage: how far it is, how fast, how long it has taken and will take."""
    is_counted = stage.total > 1
    if is_counted:
        yield f"{stage.completed:.0f} of {stage.total:.0f}"
    elif stage.total == 0 and stage.completed:
        yield f"{stage.completed:.0f}"
    if stage.is_done:
        yield duration(seconds)
    else:
        yield f"running for {duration(seconds)}"
        rate = stage.completed / seconds if seconds > 0 else 0.0
        if is_counted and rate > 0:
            yield f"{rate:.3g}/s" if rate >= 1.0 else f"{60.0 * rate:.3g}/min"
            yield f"{duration((stage.total - stage.completed) / rate)} left"
    if stage.message:
        yield stage.message


def duration(seconds: float) -> str:
    """Seconds for people.

    Examples
    --------
    >>> duration(6.32), duration(190), duration(7500)
    ('6.3 s', '3 min 10 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def called_regularly(tick: Callable[[], None], every_s: float = 5.0) -> Iterator[None]:
    """While it lasts, a thread calls `tick`, so that a stage without events is heard of too."""
    is_over = threading.Event()

    def loop() -> None:
        while not is_over.wait(every_s):
            tick()

    thread = threading.Thread(target=loop, name="gliofield-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
