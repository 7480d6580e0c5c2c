"""Who simulates the tumors of a build.

A build cuts its work into batches of tumor numbers and hands them to a `Workforce`, which puts the tumors of each batch
into the staging folder and says so. Who did it never shows: on the CPU every workforce makes the same bytes. Two
stand here: processes of this machine (`LocalWorkers`, the default) and the workers of a Dask cluster (`DaskWorkers`).
A device brings its own (`growth.many.Device`).
"""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from gliofield.database.simulate import BatchSimulator, EncodedTumors
from gliofield.database.staging import Staging
from gliofield.database.tumor_table import Rejections
from gliofield.errors import DatabaseError, DeviceError, GliofieldError
from gliofield.worker_processes import require_picklable

Batch = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class FinishedBatch:
    """Tumors start … stop − 1, whose part lies in the staging folder, and the draws rejected on the way."""

    start: int
    stop: int
    rejections: Rejections

    @classmethod
    def of(cls, tumors: EncodedTumors, *, snapshots_per_run: int) -> FinishedBatch:
        """What a batch tells of itself; snapshots of one run share its rejections."""
        stop = tumors.start + len(tumors.chunks)
        _, first_of_run = np.unique(np.arange(tumors.start, stop) // snapshots_per_run, return_index=True)
        counts = tumors.table.rejections[first_of_run].sum(axis=0, dtype=np.int64)
        return cls(start=tumors.start, stop=stop, rejections=Rejections(tuple(int(n) for n in counts)))


@runtime_checkable
class Workforce(Protocol):
    """Simulates batches of tumors."""

    @property
    def backend(self) -> str | None:
        """What the header names as the backend, where it is not the model's: tumors of a device differ by rounding."""
        ...

    def finished_batches(
        self, staging: Staging, simulator: BatchSimulator, batches: Sequence[Batch]
    ) -> Generator[FinishedBatch, None, None]:
        """Each batch (start, stop) once its part is in the staging folder (`staging.write_part`), in any order.

        Closing the generator ends the work; parts that are written stay.

        Raises
        ------
        DatabaseError
            If a tumor cannot be simulated, or workers are lost.
        """
        ...


def require_sendable(simulator: BatchSimulator) -> None:
    """Raise `ParameterError` unless model and design can be sent to other processes."""
    require_picklable(
        simulator.model,
        simulator.design,
        advice="define its class in an importable module and keep functions out of its settings, or build in this "
        "process alone (LocalWorkers(1)).",
    )


def simulated_batch(simulator: BatchSimulator, start: int, stop: int) -> EncodedTumors:
    """Tumors of one batch; failures as `named_failures` has them."""
    with named_failures(start, stop):
        return simulator.simulate(start, stop)


@contextmanager
def named_failures(start: int, stop: int) -> Iterator[None]:
    """Every failure of design or model leaves as a `DatabaseError` whose text says which tumors failed.

    Exceptions of arbitrary classes do not survive the way between processes. A device that is not there, or too small,
    is no failure of a tumor and stays a `DeviceError`.
    """
    try:
        yield
    except DeviceError:
        raise
    except GliofieldError as error:
        raise DatabaseError(f"tumors {start} to {stop - 1} could not be made: {error}") from error
    except Exception as error:
        raise DatabaseError(
            f"tumors {start} to {stop - 1} could not be made: {type(error).__name__}: {error}\n{traceback.format_exc()}"
        ) from error
