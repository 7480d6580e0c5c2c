"""Tumors made by the workers of a Dask cluster, which is there already and stays when the build ends.

One task makes the missing tumors of one shard and sends them back to the builder, which alone writes: workers need no
file system in common with it. Anatomy, model and design travel once, as compressed bytes in tasks of their own, so the
scheduler can make them anew when the workers that hold them are lost, and each worker process unpacks them once. Only
a few tasks per worker thread are submitted at any time; scheduler and builder need no more memory for a million tumors
than for a thousand.

`distributed` comes with the extra ``cluster`` and is imported when a build begins.
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import json
import math
import pickle
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from gliofield import __version__
from gliofield.database import layout
from gliofield.database.simulate import BatchSimulator, EncodedTumors, load_anatomy, save_anatomy
from gliofield.database.staging import Staging, write_part
from gliofield.database.workforce import Batch, FinishedBatch, require_sendable, simulated_batch
from gliofield.errors import DatabaseError, ParameterError
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

if TYPE_CHECKING:
    from distributed import Client, Future, Security

WAITING_TASK_NAME = "wait for Dask workers"
# Tasks submitted per worker thread: one that runs, one that waits for it.
_TASKS_PER_THREAD = 2
# Dask warns of tasks that carry more than 10 MB.
_PIECE_BYTES = 4_000_000
# How often the builder looks whether workers have come or gone [s].
_LOOK_INTERVAL_S = 1.0
# Builds whose anatomy a worker process keeps.
_KEPT_BUILDS = 4
_CONTINUE = "What was finished is kept: run the same build again to continue."


@dataclass(frozen=True)
class DaskWorkers:
    """The workers of a Dask cluster.

    Workers may come and go while a build runs; what a lost one was working on is made by others. They need the
    builder's gliofield, and the same packages beneath it for tumors to be equal to the last bit.

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
    DatabaseError
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
            raise DatabaseError(
                'building on a Dask cluster needs the package distributed: pip install "gliofield[cluster]".'
            )

    def finished_batches(
        self, staging: Staging, simulator: BatchSimulator, batches: Sequence[Batch]
    ) -> Generator[FinishedBatch, None, None]:
        """See `Workforce`; batches of one shard must follow each other."""
        require_sendable(simulator)
        size = layout.tumors_per_shard(simulator.header.snapshots_per_run)
        shards = [tuple(group) for _, group in itertools.groupby(batches, key=lambda batch: batch[0] // size)]
        if not shards:
            return
        content = _packed(simulator)
        with self._client() as client:
            for tumors in _Dispatcher(client, self, content).tumors(shards):
                write_part(staging.folder, tumors)
                yield FinishedBatch.of(tumors, snapshots_per_run=simulator.header.snapshots_per_run)

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
            raise DatabaseError(
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
                    raise DatabaseError(
                        f"{self.address} names no Dask scheduler after {self.connect_timeout_s:g} s ({error}). Check "
                        "that `dask scheduler --scheduler-file` was given this path and runs."
                    ) from error
            time.sleep(0.1)


@dataclass
class _Dispatcher:
    """Hands shards to the workers of a cluster, a few per thread at a time."""

    client: Client
    workers: DaskWorkers
    content: bytes
    # Not the content's hash: another builder's tasks must not be ours.
    key: str = field(default_factory=lambda: f"gliofield-{uuid.uuid4().hex}")
    _done: SimpleQueue[Future[Any]] = field(default_factory=SimpleQueue)
    _under_way: dict[Future[Any], tuple[Batch, ...]] = field(default_factory=dict)
    _num_threads: int = 0
    _is_waiting: bool = False
    _looked_at: float = -math.inf
    _seen_at: float = field(default_factory=time.monotonic)

    def tumors(self, shards: Sequence[tuple[Batch, ...]]) -> Iterator[EncodedTumors]:
        """Tumors of each batch, in the order in which shards are finished."""
        digest = blake2b(self.content, digest_size=16).hexdigest()
        pieces = [
            self.client.submit(bytes, self.content[start : start + _PIECE_BYTES], key=(f"{self.key}-anatomy", start))
            for start in range(0, len(self.content), _PIECE_BYTES)
        ]
        task, waiting = _task(), iter(shards)
        while True:
            self._look_at_workers()
            room = max(1, _TASKS_PER_THREAD * self._num_threads) - len(self._under_way)
            for batches in itertools.islice(waiting, max(0, room)):
                future = self.client.submit(task, __version__, digest, batches, *pieces, key=(self.key, batches[0][0]))
                self._under_way[future] = batches
                future.add_done_callback(self._done.put)
            if not self._under_way:
                return
            yield from self._next_result()

    def _next_result(self) -> Sequence[EncodedTumors]:
        """Tumors of a shard that is finished; none if there is none for now."""
        try:
            future = self._done.get(timeout=_LOOK_INTERVAL_S)
        except Empty:
            return ()
        try:
            # A result is lost with the worker that holds it and made again by another, so this too may have to wait.
            encoded: list[EncodedTumors] = future.result(timeout=_LOOK_INTERVAL_S)
        except TimeoutError:
            if future.status in ("pending", "lost", "finished"):
                self._done.put(future)
                return ()
            raise self._failure(future, "the task was given up") from None
        except DatabaseError:
            raise
        except Exception as error:
            raise self._failure(future, error) from error
        del self._under_way[future]
        return encoded

    def _look_at_workers(self) -> None:
        """Count the threads of the cluster now and then; raise `DatabaseError` when there are none for too long."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_INTERVAL_S:
            return
        self._looked_at = now
        try:
            self._num_threads = sum(self.client.nthreads().values())
        except Exception as error:
            raise DatabaseError(
                f"the Dask scheduler at {self.workers.address!r} is gone ({type(error).__name__}: {error}). {_CONTINUE}"
            ) from error
        timeout_s = self.workers.worker_timeout_s
        if self._num_threads:
            self._seen_at = now
            if self._is_waiting:
                self.workers.report(ProgressEvent(task=WAITING_TASK_NAME, completed=timeout_s, total=timeout_s))
            self._is_waiting = False
            return
        waited_s = now - self._seen_at
        if waited_s > timeout_s:
            raise DatabaseError(
                f"the Dask scheduler at {self.workers.address!r} has had no worker for {timeout_s:g} s. Start some "
                f"(dask worker {self.workers.address}), look into the logs of those that should be there, or wait "
                f"longer (worker_timeout_s). {_CONTINUE}"
            )
        self._is_waiting = True
        message = f"no worker at {self.workers.address} yet"
        event = ProgressEvent(task=WAITING_TASK_NAME, completed=waited_s, total=timeout_s, message=message)
        self.workers.report(event)

    def _failure(self, future: Future[Any], error: Exception | str) -> DatabaseError:
        """What a failed task means; those of design and model are `DatabaseError`s already."""
        from distributed import KilledWorker

        batches = self._under_way[future]
        tumors = f"tumors {batches[0][0]} to {batches[-1][1] - 1}"
        if isinstance(error, KilledWorker):
            return DatabaseError(
                f"{error.allowed_failures + 1} workers died while they made {tumors}, the last was "
                f"{error.last_worker.address}: they were killed, or ran out of memory (see their logs). {_CONTINUE}"
            )
        if future.cancelled():
            return DatabaseError(
                f"the Dask scheduler at {self.workers.address!r} dropped {tumors}: it was stopped or started anew, or "
                f"the connection to it broke. {_CONTINUE}"
            )
        return DatabaseError(
            f"{tumors} could not be made by the cluster at {self.workers.address!r}: {type(error).__name__}: {error}. "
            f"Workers need gliofield {__version__} and the modules of model and design: install the same environment "
            "everywhere."
        )


def _task() -> Callable[..., list[EncodedTumors]]:
    """What a task runs: a function within a function, which is sent as its code.

    A worker without gliofield could not read a function of this module, and would leave the cluster without a word.
    """

    def simulate(*arguments: Any) -> list[EncodedTumors]:
        from gliofield.database.dask_workers import simulated_shard

        return simulated_shard(*arguments)

    return simulate


def _packed(simulator: BatchSimulator) -> bytes:
    """What a worker makes its `BatchSimulator` from."""
    import cloudpickle

    anatomy = io.BytesIO()
    save_anatomy(anatomy, simulator.anatomy)
    # cloudpickle, for classes defined in a script or a notebook.
    content: bytes = cloudpickle.dumps((anatomy.getvalue(), simulator.model, simulator.design, simulator.header))
    return content


# From here on: what runs in worker processes.

_simulators: OrderedDict[str, BatchSimulator] = OrderedDict()
_unpacking = threading.Lock()


def simulated_shard(version: str, digest: str, batches: Sequence[Batch], *pieces: bytes) -> list[EncodedTumors]:
    """Tumors of each batch; what a worker of the cluster runs.

    Threads of one worker process share a simulator: it holds nothing that simulations change. Kernels use one thread
    each unless the model asks for more.

    Parameters
    ----------
    version : str
        gliofield of the builder.
    digest : str
        Of all the pieces.
    batches : sequence of Batch
        What to make.
    *pieces : bytes
        `BatchSimulator`, packed.

    Raises
    ------
    DatabaseError
        If this is another version, or a tumor cannot be made.
    """
    if version != __version__:
        raise DatabaseError(
            f"a worker of the cluster has gliofield {__version__}, but this build was started by gliofield {version}: "
            "tumors could differ. Install the same version everywhere."
        )
    simulator = _unpacked(digest, pieces)
    encoded = []
    for batch in batches:
        _give_up_if_unwanted()
        encoded.append(simulated_batch(simulator, *batch))
    return encoded


def _unpacked(digest: str, pieces: Sequence[bytes]) -> BatchSimulator:
    """The simulator of a build, made once per process and build."""
    with _unpacking:
        if digest not in _simulators:
            anatomy, model, design, header = pickle.loads(b"".join(pieces))
            _simulators[digest] = BatchSimulator(
                anatomy=load_anatomy(io.BytesIO(anatomy)), model=model, design=design, header=header
            )
        _simulators.move_to_end(digest)
        while len(_simulators) > _KEPT_BUILDS:
            _simulators.popitem(last=False)
        return _simulators[digest]


def _give_up_if_unwanted() -> None:
    """End the current task if its builder is gone or has closed: Dask forgets such a task, but cannot end it.

    By `Reschedule`, so that a task that is wanted again after all is made from the start.
    """
    from distributed import Reschedule, get_worker

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    if task is None or task.state == "cancelled":
        raise Reschedule
