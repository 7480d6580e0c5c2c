"""Processes that hold one object and call a method of it for many arguments, in order.

What a sampler asks for is many small, independent simulations by one model in one anatomy. Model and anatomy are sent
to every process once; after that only rows of parameters and numbers travel (`gliofield.worker_processes`).

What this module does not do: keep results, or know what is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any

from gliofield.errors import NumericalError, ParameterError
from gliofield.worker_processes import WorkerProcesses, require_picklable


class SimulationWorkers:
    """Processes that share out calls of one object's methods; with one worker, the calling process itself.

    Parameters
    ----------
    worker_object : object
        What methods are called of. With more than one worker it is sent to other processes, so its class must be
        importable there and its content picklable.
    num_workers : int
        Processes, ≥ 1. They start with the first call and end with `close`, or the ``with`` block.

    Raises
    ------
    ParameterError
        If the number is below 1, or the object cannot be sent to other processes.
    """

    def __init__(self, worker_object: object, num_workers: int) -> None:
        if num_workers < 1:
            raise ParameterError(f"num_workers must be at least 1, got {num_workers}.")
        self._object = worker_object
        self._num_workers = num_workers
        self._pool: WorkerProcesses | None = None
        if num_workers > 1:
            require_picklable(
                worker_object,
                advice="define its classes and functions in an importable module, or use num_workers=1.",
            )

    def map(self, method: str, arguments: Sequence[Any]) -> Iterator[Any]:
        """Results of a method for each argument, in their order, as they become ready.

        Raises
        ------
        NumericalError
            If a process died.
        """
        if self._num_workers == 1:
            yield from map(getattr(self._object, method), arguments)
            return
        try:
            yield from self._started().executor.map(_call_in_worker, [method] * len(arguments), arguments)
        except BrokenProcessPool as error:
            self.close()
            raise NumericalError(
                "a worker process died: it was killed, ran out of memory, or the script has no "
                '`if __name__ == "__main__":` around the call. A run with a stage file goes on from its last stage.'
            ) from error

    def close(self) -> None:
        """End the processes; a later call starts new ones."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.close()

    def __enter__(self) -> SimulationWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> WorkerProcesses:
        if self._pool is None:
            self._pool = WorkerProcesses(self._num_workers, _hold, self._object)
        return self._pool


# What a worker process holds between calls; set once when it starts, unused in the parent.
_worker: dict[str, object] = {}


def _hold(worker_object: object) -> None:
    _worker["object"] = worker_object


def _call_in_worker(method: str, argument: Any) -> Any:
    return getattr(_worker["object"], method)(argument)
