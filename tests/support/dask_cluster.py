"""Dask clusters for tests: schedulers and workers of this machine that listen on 127.0.0.1 alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster
from growing_ball import BallDesign, GrowingBall, ball_anatomy
from one_brain_atlas import atlas_of

from gliofield.database import SimulationDatabase, Workforce, build_database
from gliofield.database.dask_workers import DaskWorkers
from gliofield.progress import Reporter, ignore_progress


@contextmanager
def local_cluster(num_workers: int, **settings: Any) -> Iterator[LocalCluster]:
    """Scheduler in this process, each worker in a process of its own that is started again when it dies.

    With ``processes=False`` workers are threads of this process, which is there at once but cannot be killed.
    """
    with LocalCluster(
        n_workers=num_workers,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        **{"threads_per_worker": 1, "processes": True, **settings},
    ) as cluster:
        yield cluster


@contextmanager
def connected(cluster: LocalCluster) -> Iterator[Client]:
    """A client that leaves nothing behind."""
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        yield client


def kill_workers(cluster: LocalCluster, number: int) -> None:
    """SIGKILL some worker processes of a cluster, as the operating system does when memory runs out."""
    with connected(cluster) as client:
        pids = list(client.run(os.getpid).values())
    for pid in pids[:number]:
        os.kill(pid, signal.SIGKILL)


def num_tasks(cluster: LocalCluster) -> int:
    """Tasks the scheduler knows."""
    return len(cluster.scheduler.tasks)


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Return once the condition holds; fail if it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def build_balls_with(
    path: Path,
    workers: Workforce,
    *,
    num_tumors: int = 20,
    model: GrowingBall | None = None,
    report: Reporter = ignore_progress,
) -> SimulationDatabase:
    """Small database of balls, those of `growing_ball.build_balls`."""
    return build_database(
        path,
        num_tumors=num_tumors,
        design=BallDesign(),
        atlas=atlas_of(ball_anatomy()),
        model=model if model is not None else GrowingBall(),
        seed=7,
        workers=workers,
        report=report,
    )


def main() -> None:
    """Build a database of balls on a cluster: PATH NUM_TUMORS ADDRESS."""
    build_balls_with(Path(sys.argv[1]), DaskWorkers(sys.argv[3]), num_tumors=int(sys.argv[2]))


if __name__ == "__main__":
    main()
