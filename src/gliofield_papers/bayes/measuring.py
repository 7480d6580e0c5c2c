"""What seconds of posteriors rest on: the machine and its load, which part of a method they measure, whose failure.

A record keeps the conditions it was measured under, since an evaluation may go on another day on another machine.
"""

from __future__ import annotations

import os
import platform
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import ClassVar

from gliofield.cores import available_cores
from gliofield.imaging import Estimate, InverseMethod, Observation
from gliofield.progress import ProgressEvent
from gliofield_papers.measuring import MeasuredUnderLoad

# What `SampleMethod` reports once it has its samples.
_MAPS_TASK = "densities of the posterior"


@dataclass(frozen=True, kw_only=True)
class MachineConditions(MeasuredUnderLoad):
    """Where and under what load seconds were measured.

    Parameters
    ----------
    architecture : str
        Of the processor.
    num_cores : int
        Cores this process may use.
    load_average_before, load_average_after : float
        Processes that were running or waiting in the minute before the evaluation began or went on, and in the last
        minute of the measurement.
    """

    busy_advice: ClassVar[str] = "Compare seconds within a table only."
    architecture: str
    num_cores: int
    load_average_before: float
    load_average_after: float

    @classmethod
    def now(cls) -> MachineConditions:
        """Those before any measurement."""
        load_average = os.getloadavg()[0]
        return cls(
            architecture=platform.machine(),
            num_cores=available_cores(),
            load_average_before=load_average,
            load_average_after=load_average,
        )

    def at_end(self) -> MachineConditions:
        """Those of a measurement that began under these and ends now."""
        return replace(self, load_average_after=os.getloadavg()[0])


def timed_sampling(method: InverseMethod, observation: Observation) -> tuple[float, Estimate]:
    """Wall seconds until a method has its samples, and its answer.

    Simulations for maps and checks are in no count of simulations, so their seconds are left aside as well. A method
    that does not tell maps from samples is timed as a whole.
    """
    moments_s = [time.perf_counter()]

    def note(event: ProgressEvent) -> None:
        if event.task == _MAPS_TASK:
            moments_s.append(time.perf_counter())

    estimate = method.estimate(observation, report=note)
    moments_s.append(time.perf_counter())
    return moments_s[1] - moments_s[0], estimate


def require_failure_of_data(error: Exception) -> None:
    """Raise an error again if a process died: that says nothing of the data, and must not be recorded as theirs."""
    if isinstance(error.__cause__, BrokenProcessPool):
        raise error
