"""A database made by a Dask cluster is the one made here, byte for byte, whatever happens to builders and workers."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask_cluster
import numpy as np
import pytest
from dask_cluster import build_balls_with, kill_workers, local_cluster, num_tasks, wait_until
from growing_ball import DELAY_VARIABLE, folder_content
from growth_phantoms import mixed_anatomy

from gliofield.database import DatabaseHeader, LocalWorkers
from gliofield.database.dask_workers import DaskWorkers
from gliofield.database.schema import describe_settings
from gliofield.database.simulate import BatchSimulator
from gliofield.errors import ClusterError, DatabaseError
from gliofield.growth import FisherKolmogorov
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield_papers.queries.papers_design import PapersDesign

# Two shards and a piece of a third, which is finished long before the others.
NUM_TUMORS = 2 * 128 + 11
# A build takes a second or two, so that it can be disturbed.
DELAY_S = "0.005"
PAPERS = {"filter_volume_ml": (0.5, 40.0), "seed_box_fractions": ((0.1, 0.9),) * 3}


@pytest.fixture(scope="module")
def cluster():
    """Two workers: tasks of one process run in two threads."""
    with local_cluster(2, threads_per_worker=2, env={DELAY_VARIABLE: DELAY_S}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Files of the database as this process makes it."""
    folder = tmp_path_factory.mktemp("local") / "db"
    build_balls_with(folder, LocalWorkers(1), num_tumors=NUM_TUMORS)
    return folder_content(folder)


def test_the_files_are_those_of_a_local_build(tmp_path, cluster, expected, monkeypatch):
    """Grown from a database that was made here, the anatomy sent in pieces."""
    monkeypatch.setattr("gliofield.dask_tasks._PIECE_BYTES", 1000)
    build_balls_with(tmp_path / "db", LocalWorkers(1), num_tumors=100)
    build_balls_with(tmp_path / "db", DaskWorkers(cluster.scheduler_address), num_tumors=NUM_TUMORS)

    assert folder_content(tmp_path / "db") == expected


@pytest.mark.parametrize("num_killed", [1, pytest.param(2, marks=pytest.mark.slow)], ids=["one of two", "all"])
def test_killed_workers_change_nothing(tmp_path, cluster, expected, num_killed):
    """At a random moment, with what they were making, what they had made and the anatomy; new ones join."""
    delay_s = random.Random(num_killed).uniform(0.2, 1.0)

    def kill():
        time.sleep(delay_s)
        kill_workers(cluster, num_killed)

    with ThreadPoolExecutor(1) as killer:
        killed = killer.submit(kill)
        build_balls_with(tmp_path / "db", DaskWorkers(cluster.scheduler_address), num_tumors=NUM_TUMORS)
        killed.result()

    assert folder_content(tmp_path / "db") == expected


def test_workers_may_come_late(tmp_path, expected):
    """A build that begins without any goes on when the first joins, and uses the second."""
    with local_cluster(0, processes=False) as empty:
        timers = [threading.Timer(delay_s, empty.scale, [number]) for delay_s, number in ((1.5, 1), (2.0, 2))]
        for timer in timers:
            timer.start()
        build_balls_with(tmp_path / "db", DaskWorkers(empty.scheduler_address), num_tumors=NUM_TUMORS)
        for timer in timers:
            timer.join()

    assert folder_content(tmp_path / "db") == expected


@pytest.mark.parametrize(
    "by", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)], ids=["killed", "interrupted"]
)
def test_an_ended_builder_is_continued(tmp_path, cluster, expected, by):
    """The cluster forgets what it was asked for; the rest is made by the cluster or by this process."""
    arguments = [sys.executable, dask_cluster.__file__, tmp_path / "db", str(NUM_TUMORS), cluster.scheduler_address]
    environment = os.environ | {"PYTHONPATH": str(Path(dask_cluster.__file__).parent)}
    builder = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: any((tmp_path / "db").glob("building/rows/*.npz")))
    finally:
        builder.send_signal(by)
        builder.wait(timeout=20)
    is_whole = (tmp_path / "db" / "manifest.json").exists()
    wait_until(lambda: num_tasks(cluster) == 0)

    workers = DaskWorkers(cluster.scheduler_address) if by is signal.SIGKILL else LocalWorkers(1)
    build_balls_with(tmp_path / "db", workers, num_tumors=NUM_TUMORS)

    assert not is_whole
    assert folder_content(tmp_path / "db") == expected


def test_a_killed_scheduler_ends_the_build_which_is_continued(tmp_path, expected):
    """With a message that says so; what was finished is kept."""
    file = tmp_path / "scheduler.json"
    own = ["--host", "127.0.0.1", "--no-dashboard"]
    commands = [["scheduler", "--port", "0", *own], ["worker", "--nthreads", "2", "--no-nanny", *own]]
    environment = os.environ | {DELAY_VARIABLE: DELAY_S, "PYTHONPATH": str(Path(dask_cluster.__file__).parent)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "dask", *command, "--scheduler-file", file],
            env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]  # fmt: skip
    try:
        with ThreadPoolExecutor(1) as builder:
            workers = DaskWorkers(str(file))
            build = builder.submit(build_balls_with, tmp_path / "db", workers, num_tumors=NUM_TUMORS)
            wait_until(lambda: any((tmp_path / "db").glob("building/rows/*.npz")), timeout_s=40.0)
            processes[0].kill()
            with pytest.raises(ClusterError, match="Dask scheduler at .* (is gone|dropped).*the same command again"):
                build.result(timeout=40.0)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    build_balls_with(tmp_path / "db", LocalWorkers(1), num_tumors=NUM_TUMORS)
    assert folder_content(tmp_path / "db") == expected


def test_two_builders_share_a_cluster(tmp_path, cluster, expected):
    """Each makes its own database; of one folder, the second is refused."""
    workers = DaskWorkers(cluster.scheduler_address)
    with ThreadPoolExecutor(2) as builders:
        builds = [
            builders.submit(build_balls_with, tmp_path / name, workers, num_tumors=NUM_TUMORS) for name in ("a", "b")
        ]
        wait_until(lambda: (tmp_path / "a" / "building.lock").exists())
        with pytest.raises(DatabaseError, match="is being built by process"):
            build_balls_with(tmp_path / "a", workers, num_tumors=NUM_TUMORS)
        for build in builds:
            build.result()

    assert folder_content(tmp_path / "a") == expected
    assert folder_content(tmp_path / "b") == expected


def test_threads_of_a_worker_do_not_disturb_each_other():
    """Screening, solver, measuring and compression at once in threads that share a simulator, as those of a worker."""
    anatomy, design, model = mixed_anatomy((20, 21, 18), 3.0), PapersDesign(**PAPERS), FisherKolmogorov()
    header = DatabaseHeader(
        atlas_name="phantom",
        atlas_hash="0" * 64,
        grid=anatomy.grid,
        domain_rule=anatomy.domain_rule,
        anatomy_hash=anatomy.content_hash,
        model=describe_settings(model),
        design=describe_settings(design),
        root_seed=0,
        snapshots_per_run=1,
        thresholds=VisibilityThresholds(),
        gliofield_version="0",
    )
    batches = [(start, start + 2) for start in range(0, 12, 2)]
    shared = BatchSimulator(anatomy=anatomy, model=model, design=design, header=header)
    with ThreadPoolExecutor(3) as threads:
        threaded = list(threads.map(lambda batch: shared.simulate(*batch), batches))

    alone = BatchSimulator(anatomy=anatomy, model=model, design=design, header=header)
    for encoded, batch in zip(threaded, batches, strict=True):
        expected = alone.simulate(*batch)
        assert encoded.chunks == expected.chunks
        assert all(
            np.array_equal(a, b)
            for a, b in zip(encoded.table.arrays().values(), expected.table.arrays().values(), strict=True)
        )
