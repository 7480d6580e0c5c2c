"""The scripts for SLURM run whole jobs: scheduler, workers, command, arrays, with stand-ins for what a test lacks."""

import os
import subprocess
import sys
from pathlib import Path

import dask_cluster
import pytest
from cohort_phantoms import write_phantoms
from growing_ball import build_balls, folder_content
from phantom_brain import write_phantom_atlas
from repository import ROOT

from gliofield.cohort import read_table

SCRIPT, ARRAY = ROOT / "scripts" / "slurm_dask.sh", ROOT / "scripts" / "slurm_cohort_array.sh"
# Runs the command once, as `srun --ntasks=1` does.
SRUN = '#!/bin/sh\nshift\nexec "$@"\n'
# Takes `gliofield database build DB --number N --scheduler FILE` and builds balls in place of tumors.
GLIOFIELD = f'#!/bin/sh\nexec "{sys.executable}" "{dask_cluster.__file__}" "$3" "$5" "$7"\n'


@pytest.fixture
def environment(tmp_path):
    """Variables of a SLURM job of one task that sees the stand-ins and the installed `dask`."""
    for name, text in (("srun", SRUN), ("gliofield", GLIOFIELD)):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    folders = [str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    return os.environ | {
        "PATH": os.pathsep.join(folders),
        "PYTHONPATH": str(Path(dask_cluster.__file__).parent),
        "SLURM_JOB_ID": "7",
        "SLURM_NTASKS": "1",
        "GLIOFIELD_INTERFACE": "lo",
    }


@pytest.mark.parametrize("script", [SCRIPT, ARRAY], ids=lambda script: script.name)
def test_the_script_is_bash(script):
    """`bash -n` reads it to its end."""
    assert subprocess.run(["bash", "-n", script]).returncode == 0


def test_the_script_builds_a_database(tmp_path, environment):
    """The files are those of a local build; scheduler, worker and scheduler file are gone afterwards."""
    build_balls(tmp_path / "local", num_tumors=20)

    subprocess.run(
        [SCRIPT, "database", "build", "db", "--number", "20"], cwd=tmp_path, env=environment, check=True, timeout=60
    )

    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "local")
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "db", "local"}


def test_the_script_fails_with_the_build(tmp_path, environment):
    """SLURM learns that the job failed."""
    done = subprocess.run([SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert "expected a command of gliofield" in done.stderr


# Runs an array's jobs at once, as a scheduler with free nodes does.
SBATCH = """#!/bin/sh
for task in 1 2; do
    SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=2 SLURM_CPUS_PER_TASK=1 "$@" &
done
wait
"""
RUN_GLIOFIELD = f'#!/bin/sh\nexec "{sys.executable}" -m gliofield "$@"\n'


@pytest.fixture
def cohort(tmp_path, environment):
    """Two patients and an atlas in the phantom; nodes have no network: the package index is unreachable."""
    write_phantoms(tmp_path / "patients", 2)
    write_phantom_atlas(tmp_path / "atlas")
    for name, text in (("sbatch", SBATCH), ("gliofield", RUN_GLIOFIELD)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    words = ["patients", "--out", "cohort", "--atlas", "atlas", "--method", "distance", "--registration", "none"]
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "GLIOFIELD_CACHE_DIR": str(tmp_path / "cache")}
    return words, environment | offline


def test_the_jobs_of_an_array_share_a_cohort(tmp_path, cohort):
    """Both write into one output; each patient is computed by one of them."""
    words, environment = cohort
    subprocess.run(["sbatch", ARRAY, *words], cwd=tmp_path, env=environment, check=True, timeout=150)

    assert [row["status"] for row in read_table(tmp_path / "cohort")] == ["done", "done"]
    logs = [path.read_text() for path in (tmp_path / "cohort" / "logs").iterdir()]
    assert [text.count(" done\n") for text in logs] == [1, 1]


@pytest.mark.slow
def test_the_script_personalizes_a_cohort(tmp_path, cohort):
    """By the workers of its own Dask cluster, which are gone afterwards."""
    words, environment = cohort
    subprocess.run([SCRIPT, "cohort", *words], cwd=tmp_path, env=environment, check=True, timeout=150)

    assert [row["status"] for row in read_table(tmp_path / "cohort")] == ["done", "done"]
    assert not list(tmp_path.glob("gliofield-scheduler-*.json"))
