"""Spawned processes that compute with one thread each and never outlive the process that started them.

Every worker holds one end of a pipe, the lifeline, whose other end dies with the parent: a killed parent cannot end its
pool, and workers would stay. What a worker needs (a model, an anatomy) is sent to it once, when it starts. What this
module does not do: decide what is computed, in what order, or what an error means.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

from gliofield.errors import ParameterError


class WorkerProcesses:
    """A pool of processes; `close`, or a ``with`` block, ends them.

    Parameters
    ----------
    num_workers : int
        Processes, ≥ 1; they start with the first call of `executor`.
    prepare : callable
        Called once in every process, before any work, with `arguments`; importable and picklable, as they are.
    arguments : object
        What every process is given.
    """

    def __init__(self, num_workers: int, prepare: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._worker_end, self._lifeline = context.Pipe(duplex=False)
        self.executor = ProcessPoolExecutor(
            max_workers=num_workers,
            mp_context=context,
            initializer=_start_worker,
            initargs=(self._worker_end, prepare, arguments),
        )

    def finish(self) -> None:
        """Wait until everything asked for is done and the processes have left."""
        self.executor.shutdown(wait=True)

    def close(self) -> None:
        """End the processes; nobody waits for what they are at."""
        self._lifeline.close()
        self._worker_end.close()
        self.executor.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> WorkerProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def require_picklable(*things: object, advice: str) -> None:
    """Refuse what cannot be sent to other processes.

    Parameters
    ----------
    things : object
        What is to be sent.
    advice : str
        What the caller can do instead; the end of the message.

    Raises
    ------
    ParameterError
        If one of them cannot be pickled.
    """
    for thing in things:
        try:
            pickle.dumps(thing)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ParameterError(
                f"{type(thing).__name__} cannot be sent to worker processes ({error}): {advice}"
            ) from error


def _start_worker(lifeline: Connection, prepare: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    import numba

    # Interrupts go to the parent, which ends the pool in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    numba.set_num_threads(1)
    threading.Thread(target=_exit_with_lifeline, args=(lifeline,), daemon=True).start()
    prepare(*arguments)


def _exit_with_lifeline(lifeline: Connection) -> None:
    """Leave when the parent closes its end or is gone."""
    wait([lifeline])
    os._exit(1)
