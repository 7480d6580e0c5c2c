"""Tasks for the workers of a Dask cluster, which is there already and stays when the work is done.

What all tasks need travels once, as bytes in tasks of their own, so the scheduler can make them anew when the workers
that hold them are lost. Only a few tasks per worker thread are submitted at any time: scheduler and caller need no more
memory for a million tasks than for a thousand. What a lost worker was at is done by others; a task that kills its
workers again and again fails by itself, and the others go on.

`distributed` comes with the extra ``cluster`` and is imported when a connection is made.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import time
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from gliofield import __version__
from gliofield.errors import ClusterError, GliofieldError, ParameterError
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

if TYPE_CHECKING:
    from distributed import Client, Future, Security

WAITING_TASK_NAME = "wait for Dask workers"
# Tasks submitted per worker thread: one that runs, one that waits for it.
_TASKS_PER_THREAD = 2
# Dask warns of tasks that carry more than 10 MB.
_PIECE_BYTES = 4_000_000
# How often the caller looks whether workers have come or gone [s].
_LOOK_INTERVAL_S = 1.0
_CONTINUE = "What was finished is kept: run the same command again to continue."


@dataclass(frozen=True)
class DaskCluster:
    """The workers of a Dask cluster.

    Workers may come and go while work is done; what a lost one was working on is done by others. They need the caller's
    gliofield, and the same packages beneath it for results to be equal to the last bit.

    Parameters
    ----------
    address : str
        Of the scheduler, e.g. ``tcp://node7:8786``, or the path of the file it was told to write
        (``dask scheduler --scheduler-file FILE``), which ends in ``.json``.
    connect_timeout_s : float
        How long to try to reach the scheduler, or to wait for its file [s].
    worker_timeout_s : float
        How long to wait for a worker while there is none [s].
    report : Reporter
        Told while no worker is there.
    security : distributed.Security or None
        Certificates of a scheduler that is reached by TLS (``tls://…``); None: those of Dask's configuration.

    Raises
    ------
    ParameterError
        If a time is not positive.
    ClusterError
        If `distributed` is not installed.
    """

    address: str
    connect_timeout_s: float = 30.0
    worker_timeout_s: float = 300.0
    report: Reporter = ignore_progress
    security: Security | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("connect_timeout_s", "worker_timeout_s"):
            if not getattr(self, name) > 0.0:
                raise ParameterError(f"{name} must be positive [s], got {getattr(self, name)}.")
        if importlib.util.find_spec("distributed") is None:
            raise ClusterError('a Dask cluster needs the package distributed: pip install "gliofield[cluster]".')

    def finished(self, function: str, tasks: Iterable[Task], shared: bytes) -> Iterator[FinishedTask]:
        """Tasks as they are finished, in any order; closing the iterator ends the work.

        Parameters
        ----------
        function : str
            What runs in workers, as ``module:name``. It gets the version of gliofield here, a digest of `shared`, the
            task's argument, and `shared` in pieces.
        tasks : iterable of Task
            What to do; taken as workers have room for it.
        shared : bytes
            What all tasks need.

        Raises
        ------
        ClusterError
            If the scheduler cannot be reached or is lost, or there is no worker for too long.
        """
        with self._client() as client:
            yield from _Dispatcher(client, self, shared).finished(function, tasks)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """A connection to the scheduler; when it is closed, the scheduler drops all that it was asked for."""
        from distributed import Client

        address = self._scheduler_address()
        try:
            client = Client(
                address,
                timeout=self.connect_timeout_s,
                set_as_default=False,
                name="gliofield",
                security=self.security,
            )
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"no Dask scheduler answers at {address!r} within {self.connect_timeout_s:g} s ({error}). Check that "
                "`dask scheduler` runs there, that host and port are those it printed (tcp://HOST:PORT), and that no "
                "firewall lies between."
            ) from error
        try:
            yield client
        finally:
            client.close()

    def _scheduler_address(self) -> str:
        """The address, or that in the scheduler's file once it is there."""
        if not self.address.endswith(".json"):
            return self.address
        deadline = time.monotonic() + self.connect_timeout_s
        while True:
            try:
                return str(json.loads(Path(self.address).read_text(encoding="utf-8"))["address"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"{self.address} names no Dask scheduler after {self.connect_timeout_s:g} s ({error}). Check "
                        "that `dask scheduler --scheduler-file` was given this path and runs."
                    ) from error
            time.sleep(0.1)


@dataclass(frozen=True)
class Task:
    """One piece of work.

    Parameters
    ----------
    key : hashable
        Its own among all tasks.
    argument : object
        What the function gets.
    words : str
        What messages call it, such as ``tumors 0 to 19 could not be made``.
    """

    key: Hashable
    argument: Any
    words: str


@dataclass(frozen=True)
class FinishedTask:
    """A task with its result, or with the error it ended in, and how many workers it took with it."""

    task: Task
    result: Any = None
    error: GliofieldError | None = None
    killed_workers: int = 0


@dataclass
class _Dispatcher:
    """Hands tasks to the workers of a cluster, a few per thread at a time."""

    client: Client
    cluster: DaskCluster
    shared: bytes
    # Not the content's hash: another caller's tasks must not be ours.
    key: str = field(default_factory=lambda: f"gliofield-{uuid.uuid4().hex}")
    _done: SimpleQueue[Future[Any]] = field(default_factory=SimpleQueue)
    _under_way: dict[Future[Any], Task] = field(default_factory=dict)
    _num_threads: int = 0
    _is_waiting: bool = False
    _looked_at: float = -math.inf
    _seen_at: float = field(default_factory=time.monotonic)

    def finished(self, function: str, tasks: Iterable[Task]) -> Iterator[FinishedTask]:
        """See `DaskCluster`."""
        digest = blake2b(self.shared, digest_size=16).hexdigest()
        pieces = [
            self.client.submit(bytes, self.shared[start : start + _PIECE_BYTES], key=(f"{self.key}-shared", start))
            for start in range(0, len(self.shared), _PIECE_BYTES)
        ]
        run, waiting = _called_by_name(function), iter(tasks)
        while True:
            self._look_at_workers()
            room = max(1, _TASKS_PER_THREAD * self._num_threads) - len(self._under_way)
            for task in itertools.islice(waiting, max(0, room)):
                future = self.client.submit(run, __version__, digest, task.argument, *pieces, key=(self.key, task.key))
                self._under_way[future] = task
                future.add_done_callback(self._done.put)
            if not self._under_way:
                return
            yield from self._next()

    def _next(self) -> Iterator[FinishedTask]:
        """A task that is finished; none if there is none for now."""
        from distributed import KilledWorker

        try:
            future = self._done.get(timeout=_LOOK_INTERVAL_S)
        except Empty:
            return
        result: Any = None
        failure: GliofieldError | None = None
        killed = 0
        try:
            # A result is lost with the worker that holds it and made again by another, so this too may have to wait.
            result = future.result(timeout=_LOOK_INTERVAL_S)
        except TimeoutError:
            if future.status in ("pending", "lost", "finished"):
                self._done.put(future)
                return
            failure = self._failure(future, "the task was given up")
        except GliofieldError as error:
            failure = error
        except Exception as error:
            killed = error.allowed_failures + 1 if isinstance(error, KilledWorker) else 0
            failure = self._failure(future, error)
        yield FinishedTask(self._under_way.pop(future), result, failure, killed)

    def _look_at_workers(self) -> None:
        """Count the threads of the cluster now and then; raise `ClusterError` when there are none for too long."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_INTERVAL_S:
            return
        self._looked_at = now
        try:
            self._num_threads = sum(self.client.nthreads().values())
        except Exception as error:
            raise ClusterError(
                f"the Dask scheduler at {self.cluster.address!r} is gone ({type(error).__name__}: {error}). {_CONTINUE}"
            ) from error
        timeout_s = self.cluster.worker_timeout_s
        if self._num_threads:
            self._seen_at = now
            if self._is_waiting:
                self.cluster.report(ProgressEvent(task=WAITING_TASK_NAME, completed=timeout_s, total=timeout_s))
            self._is_waiting = False
            return
        waited_s = now - self._seen_at
        if waited_s > timeout_s:
            raise ClusterError(
                f"the Dask scheduler at {self.cluster.address!r} has had no worker for {timeout_s:g} s. Start some "
                f"(dask worker {self.cluster.address}), look into the logs of those that should be there, or wait "
                f"longer (worker_timeout_s). {_CONTINUE}"
            )
        self._is_waiting = True
        message = f"no worker at {self.cluster.address} yet"
        event = ProgressEvent(task=WAITING_TASK_NAME, completed=waited_s, total=timeout_s, message=message)
        self.cluster.report(event)

    def _failure(self, future: Future[Any], error: Exception | str) -> ClusterError:
        """What a failed task means, where its own code did not say so."""
        from distributed import KilledWorker

        words = self._under_way[future].words
        if isinstance(error, KilledWorker):
            return ClusterError(
                f"{words}: {error.allowed_failures + 1} workers died over it, the last was "
                f"{error.last_worker.address}: they were killed, or ran out of memory (see their logs). {_CONTINUE}"
            )
        if future.cancelled():
            return ClusterError(
                f"{words}: the Dask scheduler at {self.cluster.address!r} dropped it: it was stopped or started anew, "
                f"or the connection to it broke. {_CONTINUE}"
            )
        return ClusterError(
            f"{words} by the cluster at {self.cluster.address!r}: {type(error).__name__}: {error}. Workers need "
            f"gliofield {__version__} and the modules of all that was sent: install the same environment everywhere."
        )


def _called_by_name(function: str) -> Callable[..., Any]:
    """What a task runs: a function within a function, which is sent as its code.

    A worker without gliofield could not read a function of this module, and would leave the cluster without a word.
    """
    module, _, name = function.partition(":")

    def run(*arguments: Any) -> Any:
        import importlib

        return getattr(importlib.import_module(module), name)(*arguments)

    return run


# From here on: what runs in worker processes.


def require_same_version(version: str) -> None:
    """Raise `ClusterError` unless this worker has the caller's version."""
    if version != __version__:
        raise ClusterError(
            f"a worker of the cluster has gliofield {__version__}, but this was started by gliofield {version}: "
            "results could differ. Install the same version everywhere."
        )


def give_up_if_unwanted() -> None:
    """End the current task if its caller is gone or has closed: Dask forgets such a task, but cannot end it.

    By `Reschedule`, so that a task that is wanted again after all is done from the start.
    """
    from distributed import Reschedule, get_worker

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    if task is None or task.state == "cancelled":
        raise Reschedule
