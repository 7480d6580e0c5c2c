"""Processes that hold one object and call a method of it for many arguments, in order.

What a sampler asks for is many small, independent simulations by one model in one anatomy. Model and anatomy are sent
to every process once; after that only rows of parameters and numbers travel. Processes are spawned, compute with one
thread each, and leave when the parent is gone: they hold one end of a pipe whose other end dies with it.

What this module does not do: keep results, or know what is computed.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

from gliomap.errors import NumericalError, ParameterError


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
        self._pool: tuple[ProcessPoolExecutor, Connection, Connection] | None = None
        if num_workers > 1:
            _require_picklable(worker_object)

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
            yield from self._started().map(_call_in_worker, [method] * len(arguments), arguments)
        except BrokenProcessPool as error:
            self.close()
            raise NumericalError(
                "a worker process died: it was killed, ran out of memory, or the script has no "
                '`if __name__ == "__main__":` around the call. A run with a stage file goes on from its last stage.'
            ) from error

    def close(self) -> None:
        """End the processes; a later call starts new ones."""
        if self._pool is not None:
            executor, worker_end, lifeline = self._pool
            self._pool = None
            lifeline.close()
            worker_end.close()
            executor.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> SimulationWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            worker_end, lifeline = context.Pipe(duplex=False)
            executor = ProcessPoolExecutor(
                max_workers=self._num_workers,
                mp_context=context,
                initializer=_start_worker,
                initargs=(worker_end, self._object),
            )
            self._pool = (executor, worker_end, lifeline)
        return self._pool[0]


# What a worker process holds between calls; set once by its initializer, unused in the parent.
_worker: dict[str, object] = {}


def _start_worker(lifeline: Connection, worker_object: object) -> None:
    import numba

    # Interrupts go to the parent, which ends the pool in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    numba.set_num_threads(1)
    threading.Thread(target=_exit_with_lifeline, args=(lifeline,), daemon=True).start()
    _worker["object"] = worker_object


def _call_in_worker(method: str, argument: Any) -> Any:
    return getattr(_worker["object"], method)(argument)


def _exit_with_lifeline(lifeline: Connection) -> None:
    """Leave when the parent closes its end or is gone: a killed parent cannot end its pool, and workers would stay."""
    wait([lifeline])
    os._exit(1)


def _require_picklable(thing: object) -> None:
    try:
        pickle.dumps(thing)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ParameterError(
            f"{type(thing).__name__} cannot be sent to worker processes ({error}): define its classes and functions "
            "in an importable module, or use num_workers=1."
        ) from error
