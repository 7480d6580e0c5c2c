"""The script for SLURM runs a whole build: scheduler, workers and builder, with stand-ins for what a test lacks."""

import os
import subprocess
import sys
from pathlib import Path

import dask_cluster
import pytest
from growing_ball import build_balls, folder_content
from repository import ROOT

SCRIPT = ROOT / "scripts" / "slurm_build.sh"
# Runs the command once, as `srun --ntasks=1` does.
SRUN = '#!/bin/sh\nshift\nexec "$@"\n'
# Takes `gliofield database build DB --number N --scheduler FILE` and builds balls.
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


def test_the_script_is_bash():
    """`bash -n` reads it to its end."""
    assert subprocess.run(["bash", "-n", SCRIPT]).returncode == 0


def test_the_script_builds_a_database(tmp_path, environment):
    """The files are those of a local build; scheduler, worker and scheduler file are gone afterwards."""
    build_balls(tmp_path / "local", num_tumors=20)

    subprocess.run([SCRIPT, "db", "--number", "20"], cwd=tmp_path, env=environment, check=True, timeout=60)

    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "local")
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "db", "local"}


def test_the_script_fails_with_the_build(tmp_path, environment):
    """SLURM learns that the job failed."""
    done = subprocess.run([SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert "expected a database folder" in done.stderr
