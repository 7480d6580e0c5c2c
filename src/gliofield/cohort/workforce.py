"""Who works on the patients: this process, processes of this machine, or the workers of a Dask cluster.

Of a dying process (killed, out of memory) the patient it was at is known: it gets one more try, then it has failed, and
the others go on.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from queue import SimpleQueue
from types import TracebackType

from gliofield.anatomy import Atlas
from gliofield.cohort.work import Answer, CohortWork, Outcome, PatientJob, PatientWorker
from gliofield.dask_tasks import DaskCluster, FinishedTask, Task, require_same_version
from gliofield.worker_processes import WorkerProcesses, require_guarded_script, require_picklable

Finished = tuple[PatientJob, Answer]
_MOST_TRIES = 2


class OwnProcess:
    """The calling process, one patient after the other."""

    def __init__(self, work: CohortWork, atlas: Atlas) -> None:
        self._worker = PatientWorker(work)
        self._worker.atlas = atlas

    def finished(self, jobs: Iterable[PatientJob]) -> Iterator[Finished]:
        """Each job with its answer."""
        for job in jobs:
            yield job, self._worker.run(job)

    def __enter__(self) -> OwnProcess:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class LocalProcesses:
    """Processes of this machine, each in a pool of its own, so that a dying one takes no other with it.

    Parameters
    ----------
    work : CohortWork
        Sent to each process once.
    num_workers : int
        Processes, ≥ 1; they start with their first patient and end with the ``with`` block.
    """

    def __init__(self, work: CohortWork, num_workers: int) -> None:
        require_guarded_script()
        require_picklable(work, advice="use a method whose options can be sent, or one worker.")
        self._work = work
        self._threads = ThreadPoolExecutor(num_workers, thread_name_prefix="gliofield-patient")
        self._free: SimpleQueue[_Slot] = SimpleQueue()
        self._slots = [_Slot(work) for _ in range(num_workers)]
        for slot in self._slots:
            self._free.put(slot)

    def finished(self, jobs: Iterable[PatientJob]) -> Iterator[Finished]:
        """Each job with its answer, as they are finished."""
        for future in as_completed([self._threads.submit(self._run, job) for job in jobs]):
            yield future.result()

    def _run(self, job: PatientJob) -> Finished:
        slot = self._free.get()
        try:
            return job, slot.answer(job)
        finally:
            self._free.put(slot)

    def __enter__(self) -> LocalProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for slot in self._slots:
            slot.close()
        self._threads.shutdown(wait=True)


class _Slot:
    """A place for one process, which is started again after it died."""

    def __init__(self, work: CohortWork) -> None:
        self._work = work
        self._pool: WorkerProcesses | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def answer(self, job: PatientJob) -> Answer:
        for _ in range(_MOST_TRIES):
            try:
                found: Answer = self._started().executor.submit(_run_in_worker, job).result()
                return found
            except BrokenProcessPool:
                with self._lock:
                    if self._is_closed:
                        raise CancelledError from None
                    pool, self._pool = self._pool, None
                if pool is not None:
                    pool.close()
        reason = f"its process died {_MOST_TRIES} times: it was killed, or ran out of memory."
        return self._work.record(job, Outcome(status="failed", reason=reason, kind="BrokenProcessPool")), True

    def _started(self) -> WorkerProcesses:
        with self._lock:
            if self._is_closed:
                raise CancelledError
            if self._pool is None:
                self._pool = WorkerProcesses(1, _prepare, self._work)
            return self._pool

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


class ClusterWorkers:
    """The workers of a Dask cluster, which see inputs and output under the same paths as the calling process.

    Parameters
    ----------
    work : CohortWork
        Sent once.
    cluster : DaskCluster
        Where they are.
    """

    def __init__(self, work: CohortWork, cluster: DaskCluster) -> None:
        self._work, self._cluster = work, cluster

    def finished(self, jobs: Iterable[PatientJob]) -> Iterator[Finished]:
        """Each job with its answer, as they are finished.

        Raises
        ------
        ClusterError
            If the cluster is lost.
        GliofieldError
            If a worker has no atlas, another version, or cannot write.
        """
        import cloudpickle

        shared: bytes = cloudpickle.dumps(self._work)
        suspects: list[PatientJob] = []
        for done in self._done(jobs, shared):
            if done.killed_workers:
                suspects.append(done.task.argument)
            else:
                yield done.task.argument, _answer(done)
        # Dask blames what waits at a worker that dies as well; alone, a patient has itself to blame.
        for job in suspects:
            for done in self._done([job], shared):
                if done.killed_workers:
                    reason = f"its worker died {done.killed_workers} times: it was killed, or ran out of memory."
                    outcome = Outcome(status="failed", reason=reason, kind="KilledWorker")
                    yield job, (self._work.record(job, outcome), True)
                else:
                    yield job, _answer(done)

    def _done(self, jobs: Iterable[PatientJob], shared: bytes) -> Iterator[FinishedTask]:
        tasks = (Task(job.patient.folder_name, job, f"{job.patient.shown} could not be done") for job in jobs)
        return self._cluster.finished(f"{__name__}:run_on_cluster", tasks, shared)

    def __enter__(self) -> ClusterWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _answer(done: FinishedTask) -> Answer:
    """What came of a task; its error, if that is no matter of the patient."""
    if done.error is not None:
        raise done.error
    answer: Answer = done.result
    return answer


# From here on: what runs in worker processes.

_workers: dict[str, PatientWorker] = {}
_making = threading.Lock()


def _prepare(work: CohortWork) -> None:
    _workers[""] = PatientWorker(work)


def _run_in_worker(job: PatientJob) -> Answer:
    return _workers[""].run(job)


def run_on_cluster(version: str, digest: str, job: PatientJob, *pieces: bytes) -> Answer:
    """What a worker of the cluster runs; arguments as `DaskCluster.finished`, errors as `PatientWorker.run`."""
    require_same_version(version)
    with _making:
        if digest not in _workers:
            _workers.clear()
            _workers[digest] = PatientWorker(pickle.loads(b"".join(pieces)))
        worker = _workers[digest]
    return worker.run(job)
