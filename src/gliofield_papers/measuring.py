"""How evaluations measure themselves: seconds, memory of the process, load of the machine, progress of a table."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import ClassVar, TypeVar

from gliofield.progress import ProgressEvent, Reporter

ResultT = TypeVar("ResultT")
# Our own threads fill the cores while we measure, and the load average lags behind.
_OWN_LOAD_MARGIN = 0.5


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


def is_machine_busy(num_cores: int, load_average_before: float, load_average_after: float | None = None) -> bool:
    """Whether others wanted the cores as well, so that seconds say little.

    Parameters
    ----------
    num_cores : int
        Cores this process may use.
    load_average_before, load_average_after : float
        Processes that were running or waiting in the minute before the measurement, and in its last minute if known.
    """
    is_busy_after = load_average_after is not None and load_average_after > num_cores + _OWN_LOAD_MARGIN
    return load_average_before > num_cores or is_busy_after


class MeasuredUnderLoad:
    """For conditions of a measurement, which have these fields: whether the machine was busy, and what to say of it."""

    #: What seconds of a busy machine are still good for.
    busy_advice: ClassVar[str]
    num_cores: int
    load_average_before: float
    load_average_after: float

    @property
    def is_machine_busy(self) -> bool:
        """Whether others wanted the cores as well, so that seconds say little."""
        return is_machine_busy(self.num_cores, self.load_average_before, self.load_average_after)

    @property
    def load_average(self) -> float:
        """The larger of both."""
        return max(self.load_average_before, self.load_average_after)

    @property
    def busy_warning(self) -> str:
        """What to tell whoever reads seconds of a busy machine."""
        return (
            f"Warning: seconds measured on a busy machine (load average {self.load_average:.1f} on {self.num_cores} "
            f"cores). {self.busy_advice}"
        )


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
