"""A Dask cluster that is not there, not whole or not fit: what the builder says, and what it leaves behind."""

import json
import socket
import sys
from contextlib import closing

import dask
import pytest
from dask_cluster import build_balls_with, local_cluster, num_tasks, wait_until
from growing_ball import DELAY_VARIABLE, EXIT_VARIABLE, GrowingBall

from gliofield.dask_tasks import WAITING_TASK_NAME
from gliofield.database import LocalWorkers
from gliofield.database.dask_workers import DaskWorkers, simulated_shard
from gliofield.errors import ClusterError, DatabaseError, ParameterError


@pytest.fixture(scope="module")
def cluster():
    """One worker of two threads, inside this process."""
    with local_cluster(1, threads_per_worker=2, processes=False) as cluster:
        yield cluster


@pytest.fixture
def unused_address():
    """Where nobody listens."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    """Before anything is loaded or simulated."""
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(ClusterError, match=r'pip install "gliofield\[cluster\]"'):
        DaskWorkers("tcp://127.0.0.1:8786")


@pytest.mark.parametrize("name", ["connect_timeout_s", "worker_timeout_s"])
def test_times_are_positive(name):
    """Waiting for no time at all would never find a worker."""
    with pytest.raises(ParameterError, match=name):
        DaskWorkers("tcp://127.0.0.1:8786", **{name: 0.0})


def test_a_wrong_address_is_named(tmp_path, unused_address):
    """After the timeout, with what to check."""
    with pytest.raises(ClusterError, match=rf"(?s){unused_address}.* within 0.5 s.*dask scheduler"):
        build_balls_with(tmp_path / "db", DaskWorkers(unused_address, connect_timeout_s=0.5))


def test_an_address_that_is_none_is_named(tmp_path):
    """A protocol nobody knows."""
    with pytest.raises(ClusterError, match="no Dask scheduler answers at 'carrier-pigeon://loft'"):
        build_balls_with(tmp_path / "db", DaskWorkers("carrier-pigeon://loft", connect_timeout_s=0.5))


@pytest.mark.parametrize("content", [None, "{", "{}", "[]"], ids=["missing", "half-written", "empty", "a list"])
def test_a_scheduler_file_without_address_is_named(tmp_path, content):
    """It may be about to be written, so it is waited for."""
    path = tmp_path / "scheduler.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ClusterError, match=r"scheduler\.json names no Dask scheduler after 0\.2 s"):
        build_balls_with(tmp_path / "db", DaskWorkers(str(path), connect_timeout_s=0.2))


def test_the_address_may_stand_in_a_file(tmp_path, cluster):
    """The file that `dask scheduler --scheduler-file` writes."""
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps({"address": cluster.scheduler_address}))

    assert build_balls_with(tmp_path / "db", DaskWorkers(str(path))).num_tumors == 20


def test_no_worker_for_too_long_is_an_error(tmp_path):
    """The wait is reported, ends, and names the scheduler."""
    events = []
    with local_cluster(0, processes=False) as empty:
        workers = DaskWorkers(empty.scheduler_address, worker_timeout_s=1.2, report=events.append)
        with pytest.raises(ClusterError, match=rf"{empty.scheduler_address}' has had no worker for 1.2 s"):
            build_balls_with(tmp_path / "db", workers)

        assert {event.task for event in events} == {WAITING_TASK_NAME}
        wait_until(lambda: num_tasks(empty) == 0)


def test_a_failing_model_fails_as_on_this_machine(tmp_path, cluster):
    """The first lines are the same; below them stands the worker's own traceback."""
    messages = []
    for name, workers in (("dask", DaskWorkers(cluster.scheduler_address)), ("local", LocalWorkers(1))):
        with pytest.raises(DatabaseError, match=r"tumors 0 to 7 could not be made: ZeroDivisionError: no") as caught:
            build_balls_with(tmp_path / name, workers, model=GrowingBall(fails_with="no"), num_tumors=8)
        messages.append(str(caught.value))

    assert messages[0] == messages[1]
    wait_until(lambda: num_tasks(cluster) == 0)


def test_an_unsendable_model_is_refused(tmp_path, cluster):
    """Before anything is sent."""

    class HomeMade(GrowingBall):
        """Not importable."""

    with pytest.raises(ParameterError, match="HomeMade cannot be sent"):
        build_balls_with(tmp_path / "db", DaskWorkers(cluster.scheduler_address), model=HomeMade())


def test_another_version_is_refused():
    """Both versions are named."""
    from gliofield import __version__

    with pytest.raises(ClusterError, match=rf"(?s)has gliofield {__version__}, but .* by gliofield 0\.0\.1"):
        simulated_shard("0.0.1", "", [(0, 8)])


def test_a_worker_without_gliofield_is_an_error(tmp_path):
    """It says which module is missing, and which version is needed."""
    preload = "import sys\nsys.modules['gliofield'] = None\n"
    with (
        local_cluster(1, preload=[preload]) as cluster,
        pytest.raises(
            ClusterError, match=r"ModuleNotFoundError: .*gliofield.*Workers need gliofield .*the same environment"
        ),
    ):
        build_balls_with(tmp_path / "db", DaskWorkers(cluster.scheduler_address))


def test_tumors_that_kill_their_workers_are_named(tmp_path):
    """Dask gives them up after some attempts."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        local_cluster(2, env={EXIT_VARIABLE: "1"}) as cluster,
        pytest.raises(
            ClusterError, match=r"tumors 0 to 19 could not be made: 2 workers died over it, the last was tcp://"
        ),
    ):
        build_balls_with(tmp_path / "db", DaskWorkers(cluster.scheduler_address))


def test_few_tasks_are_submitted_at_a_time(tmp_path, cluster):
    """Two per worker thread and one for the anatomy, whatever the size of the database."""
    seen = []
    build_balls_with(
        tmp_path / "db",
        DaskWorkers(cluster.scheduler_address),
        num_tumors=128 * 12,
        report=lambda event: seen.append(num_tasks(cluster)),
    )

    assert 1 < max(seen) <= 2 * 2 + 1
    wait_until(lambda: num_tasks(cluster) == 0)


def test_a_stopped_build_leaves_the_cluster_idle(tmp_path, cluster, monkeypatch):
    """Tasks end after their current batch, although Dask cannot end what runs, and the next build has all threads."""
    monkeypatch.setenv(DELAY_VARIABLE, "0.02")

    def stop(event):
        raise KeyboardInterrupt

    def report(event):
        (stop if num_tasks(cluster) else lambda event: None)(event)

    with pytest.raises(KeyboardInterrupt):
        build_balls_with(tmp_path / "db", DaskWorkers(cluster.scheduler_address), num_tumors=128 * 6, report=report)

    worker = next(iter(cluster.workers.values()))
    wait_until(lambda: not worker.state.tasks and not worker.active_threads, timeout_s=1.0)
    monkeypatch.setenv(DELAY_VARIABLE, "0")
    assert build_balls_with(tmp_path / "next", DaskWorkers(cluster.scheduler_address)).num_tumors == 20
