"""How evaluations measure themselves: seconds of a run, memory of the process, progress of a table."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from gliomap.progress import ProgressEvent, Reporter

ResultT = TypeVar("ResultT")


def timed(run: Callable[[], ResultT]) -> tuple[float, ResultT]:
    """Wall seconds of a call, and what it returned."""
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


def peak_memory_gib() -> float:
    """Most memory this process has had resident since it began [GiB]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kibibytes, except on macOS: bytes.
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


class RunCounter:
    """Reports every finished run of a table.

    Parameters
    ----------
    task : str
        Name of the table.
    num_runs : int
        How many runs it takes.
    report : Reporter
        Told at the start and after every run.
    """

    def __init__(self, task: str, num_runs: int, report: Reporter) -> None:
        self._task, self._num_runs, self._report = task, num_runs, report
        self._num_done = 0
        self._tell()

    def timed(self, run: Callable[[], ResultT]) -> tuple[float, ResultT]:
        """Wall seconds of one run of the table, and what it returned."""
        try:
            return timed(run)
        finally:
            self._num_done += 1
            self._tell()

    def _tell(self) -> None:
        self._report(ProgressEvent(task=self._task, completed=self._num_done, total=self._num_runs))
