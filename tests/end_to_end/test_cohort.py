"""Cohorts by real processes: killed, ended, started twice, on a Dask cluster, and from jobs of a scheduler."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from cohort_phantoms import cohort_of, write_phantoms
from dask_cluster import kill_workers, local_cluster
from deadly_method import Deadly
from phantom_brain import write_phantom_atlas

from gliofield.cohort import CohortRun, read_table
from gliofield.dask_tasks import DaskCluster
from gliofield.errors import ClusterError

TIMED = {"seconds", "peak_memory_mb"}
OPTIONS = ("--method", "distance", "--registration", "none", "--workers", "2", "--quiet")


@pytest.fixture(scope="module")
def atlas_folder(tmp_path_factory):
    """The phantom as an atlas folder."""
    return write_phantom_atlas(tmp_path_factory.mktemp("atlas") / "phantom")


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Four patients in the phantom, with whole tumors of 17 to 39 ml."""
    return write_phantoms(tmp_path_factory.mktemp("patients"), 4)


@pytest.fixture(scope="module")
def calm(tmp_path_factory, patients, atlas_folder):
    """The rows of a run that nothing happens to."""
    return rows_of(cohort_of(patients, tmp_path_factory.mktemp("calm") / "out", atlas_folder).rows)


def rows_of(rows):
    """Rows without what is measured anew in every run, and without the name of the method."""
    left_out = {*TIMED, "method"}
    return [{name: value for name, value in row.items() if name not in left_out} for row in rows]


def started(patients, out, atlas_folder, *words):
    """`gliofield cohort` as a process of its own."""
    command = [sys.executable, "-m", "gliofield", "cohort", patients, "--out", out, "--atlas", atlas_folder, *words]
    return subprocess.Popen([*map(str, command), *OPTIONS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_records(out, number, timeout_s=120.0):
    """Wait until so many patients are finished."""
    deadline = time.monotonic() + timeout_s
    while len(list((out / "records").glob("*.json"))) < number:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_patient_that_kills_its_process_fails_alone(tmp_path, patients, atlas_folder, calm):
    """After a second try; the others are what they are without it."""
    method = Deadly(limit_ml=35.0)
    found = cohort_of(patients, tmp_path / "out", atlas_folder, run=CohortRun(workers=2), method=method)
    rows = rows_of(found.rows)

    assert rows[:3] == calm[:3]
    assert rows[3]["status"] == "failed"
    assert rows[3]["reason"] == "its process died 2 times: it was killed, or ran out of memory."


@pytest.mark.slow
def test_a_process_that_dies_once_is_no_failure(tmp_path, patients, atlas_folder, calm):
    """The second try counts."""
    method = Deadly(limit_ml=35.0, only_once=str(tmp_path / "died"))
    found = cohort_of(patients, tmp_path / "out", atlas_folder, run=CohortRun(workers=2), method=method)

    assert (tmp_path / "died").exists()
    assert rows_of(found.rows) == calm


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_ended_goes_on_where_it_was(tmp_path, patients, atlas_folder, calm, sent):
    """Nothing finished is computed again; after SIGTERM nothing temporary is left, and the code says so."""
    out = tmp_path / "out"
    process = started(patients, out, atlas_folder)
    wait_for_records(out, 1)
    process.send_signal(sent)
    process.communicate(timeout=60)
    finished = {path: path.stat().st_mtime_ns for path in (out / "records").iterdir() if path.suffix == ".json"}
    if sent == signal.SIGTERM:
        assert process.returncode == 143
        assert not list(out.rglob(".partial-*"))
        assert not (out / ".claims").exists()
    again = started(patients, out, atlas_folder)
    _, errors = again.communicate(timeout=120)

    assert again.returncode == 0, errors
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert [row["status"] for row in read_table(out)] == ["done"] * 4
    assert not list(out.rglob(".partial-*"))


@pytest.mark.slow
def test_runs_on_an_empty_cache_and_one_output_all_end_well(tmp_path, patients, atlas_folder):
    """Three at the same moment: each patient is worked on once, all say that all is done."""
    out = tmp_path / "out"
    environment = os.environ | {"GLIOFIELD_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "gliofield", "cohort", patients, "--out", out, "--atlas", atlas_folder, *OPTIONS]
    runs = [
        subprocess.Popen([*map(str, command), "--json"], stdout=subprocess.PIPE, env=environment, text=True)
        for _ in range(3)
    ]
    found = [json.loads(run.communicate(timeout=170)[0]) for run in runs]

    assert [run.returncode for run in runs] == [0, 0, 0]
    assert [each["done"] for each in found] == [4, 4, 4]
    assert sum(each["computed"] for each in found) == 4


@pytest.mark.slow
def test_a_cluster_gives_the_same_results_although_workers_die(tmp_path, patients, atlas_folder, calm):
    """One of two is killed while it works; Dask starts another, and its patient is done by somebody."""
    method, killed = Deadly(seconds=0.5), []
    with local_cluster(2) as cluster:

        def kill_once(event):
            if event.completed >= 1 and not killed:
                killed.append(event)
                kill_workers(cluster, 1)

        run = CohortRun(workers=DaskCluster(cluster.scheduler_address))
        found = cohort_of(patients, tmp_path / "out", atlas_folder, run=run, method=method, report=kill_once)

    assert killed
    assert rows_of(found.rows) == calm


@pytest.mark.slow
def test_a_cluster_gives_up_on_a_patient_that_kills_its_workers(tmp_path, patients, atlas_folder, calm):
    """The patient has failed; the others are done."""
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), local_cluster(2) as cluster:
        run = CohortRun(workers=DaskCluster(cluster.scheduler_address))
        found = cohort_of(patients, tmp_path / "out", atlas_folder, run=run, method=Deadly(limit_ml=35.0))

    assert [row["status"] for row in found.rows] == ["done", "done", "done", "failed"]
    assert found.rows[3]["reason"].startswith("its worker died 2 times")


def test_a_cluster_without_workers_is_no_failure_of_patients(tmp_path, patients, atlas_folder):
    """It is said as what it is; nothing is recorded."""
    with local_cluster(0, processes=False) as cluster:
        run = CohortRun(workers=DaskCluster(cluster.scheduler_address, worker_timeout_s=1.1))
        with pytest.raises(ClusterError, match=r"has had no worker for 1.1 s"):
            cohort_of(patients, tmp_path / "out", atlas_folder, run=run)

    assert not list((tmp_path / "out").glob("records/*"))


def test_a_node_without_network_and_atlas_says_so(tmp_path, patients):
    """The index is unreachable: no patient is marked as failed for it."""
    environment = os.environ | {
        "GLIOFIELD_CACHE_DIR": str(tmp_path / "cache"),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_NO_INDEX": "0",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
    }
    command = [sys.executable, "-m", "gliofield", "cohort", patients, "--out", tmp_path / "out", *OPTIONS]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment, timeout=120)

    assert done.returncode == 1
    assert "the atlas sri24 cannot be fetched" in done.stderr
    assert not (tmp_path / "out" / "cohort.tsv").exists()
