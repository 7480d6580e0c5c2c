"""Tumors made by processes of this machine, or by the calling process itself.

Workers keep one `BatchSimulator` each and write their parts themselves. Neither an error nor a killed builder leaves
any behind (`gliofield.worker_processes`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from gliofield.database.design import Design
from gliofield.database.schema import DatabaseHeader
from gliofield.database.simulate import BatchSimulator, load_anatomy, save_anatomy
from gliofield.database.staging import ANATOMY_NAME, Staging, write_part
from gliofield.database.workforce import Batch, FinishedBatch, Workforce, require_sendable, simulated_batch
from gliofield.errors import DatabaseError, ParameterError, require_type
from gliofield.growth import GrowthModel
from gliofield.output import atomic_file
from gliofield.worker_processes import WorkerProcesses

# Batches submitted per worker: one that runs and some that wait for it.
_BATCHES_PER_WORKER = 4


@dataclass(frozen=True)
class LocalWorkers:
    """Processes of this machine.

    Parameters
    ----------
    num_workers : int
        Worker processes; with 0 or 1 everything happens in the calling process. Model and design are sent to workers,
        so their classes must be importable there.

    Raises
    ------
    ParameterError
        If the number is negative.
    """

    backend: ClassVar[str | None] = None
    num_workers: int = 1

    def __post_init__(self) -> None:
        if self.num_workers < 0:
            raise ParameterError(f"num_workers must be 0 or more, got {self.num_workers}.")

    def finished_batches(
        self, staging: Staging, simulator: BatchSimulator, batches: Sequence[Batch]
    ) -> Generator[FinishedBatch, None, None]:
        """See `Workforce`."""
        if self.num_workers <= 1 or len(batches) <= 1:
            for batch in batches:
                yield _run_batch(simulator, staging.folder, *batch)
            return
        with atomic_file(staging.folder / ANATOMY_NAME) as partial:
            save_anatomy(partial, simulator.anatomy)
        require_sendable(simulator)
        sent = (staging.folder, simulator.model, simulator.design, simulator.header)
        try:
            # After an error nobody waits for the workers' current batches.
            with WorkerProcesses(min(self.num_workers, len(batches)), _prepare, *sent) as workers:
                waiting = iter(batches)
                under_way: set[Future[FinishedBatch]] = set()
                while True:
                    # A few at a time: what is submitted takes memory, and there may be a million.
                    room = _BATCHES_PER_WORKER * self.num_workers - len(under_way)
                    submitted = islice(waiting, room)
                    under_way |= {workers.executor.submit(_run_batch_in_worker, *batch) for batch in submitted}
                    if not under_way:
                        break
                    finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in finished:
                        yield future.result()
                workers.finish()
        except BrokenProcessPool as error:
            raise DatabaseError(
                f"a worker process of the build in {staging.database_folder} died: it was killed, ran out of memory, "
                'or the script that builds has no `if __name__ == "__main__":` around the call. '
                "What was finished is kept: run the same build again to continue."
            ) from error


def _run_batch(simulator: BatchSimulator, building: Path, start: int, stop: int) -> FinishedBatch:
    """Simulate one batch and keep it."""
    tumors = simulated_batch(simulator, start, stop)
    write_part(building, tumors)
    return FinishedBatch.of(tumors, snapshots_per_run=simulator.header.snapshots_per_run)


# What a worker process holds between batches; set once when it starts, unused in the parent.
_worker: dict[str, tuple[BatchSimulator, Path]] = {}


def _prepare(building: Path, model: GrowthModel[Any], design: Design, header: DatabaseHeader) -> None:
    anatomy = load_anatomy(building / ANATOMY_NAME)
    _worker["state"] = (BatchSimulator(anatomy=anatomy, model=model, design=design, header=header), building)


def _run_batch_in_worker(start: int, stop: int) -> FinishedBatch:
    return _run_batch(*_worker["state"], start, stop)


def resolve_workers(workers: Workforce | int) -> Workforce:
    """A workforce, or so many processes of this machine.

    Raises
    ------
    ParameterError
        If it is neither, or the number is negative.
    """
    if isinstance(workers, int):
        return LocalWorkers(workers)
    hint = "Give a number of processes, or LocalWorkers or DaskWorkers."
    require_type("workers", workers, (Workforce, int), hint=hint)
    return workers
