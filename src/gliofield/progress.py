"""How long-running work tells its caller how far it is, without printing.

Library functions take a `report: Reporter` and call it with `ProgressEvent`s; the command line turns them into
bars, a notebook may turn them into anything else, and the default swallows them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ProgressEvent:
    """One step of a named task: `completed` of `total` units (total 0: not known)."""

    task: str
    completed: float
    total: float
    message: str = ""


Reporter = Callable[[ProgressEvent], None]


def ignore_progress(event: ProgressEvent) -> None:
    """Reporter that does nothing, the default everywhere."""


class StageClock:
    """Wall time of named stages, reported as they begin and end.

    Attributes
    ----------
    seconds : dict of str to float
        Stages finished so far [s], in order.
    """

    def __init__(self, report: Reporter = ignore_progress) -> None:
        self.seconds: dict[str, float] = {}
        self._report = report

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as stage `name`; a block that raises is not recorded."""
        self._report(ProgressEvent(task=name, completed=0, total=1))
        begin = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begin
        self._report(ProgressEvent(task=name, completed=1, total=1))
