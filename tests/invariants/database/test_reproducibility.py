"""One design, one seed: one database, whoever computes it, in whatever pieces, however often it was killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import growing_ball
import numpy as np
import pytest
from growing_ball import BallDesign, ball_anatomy, build_balls, folder_content

from gliofield.database import SimulationDatabase, verify_database

SMALL = ball_anatomy(num_voxels=6)


class Killed(BaseException):
    """Stands for a kill: nothing in the package handles it."""


def test_two_workers_make_the_same_files(tmp_path):
    """One process and two worker processes, byte for byte; no worker is left behind."""
    build_balls(tmp_path / "one", num_tumors=40, num_workers=1)
    build_balls(tmp_path / "two", num_tumors=40, num_workers=2)
    assert folder_content(tmp_path / "one") == folder_content(tmp_path / "two")


@pytest.mark.parametrize("snapshots_per_run", [1, 3])
def test_growing_gives_the_files_of_one_build(tmp_path, snapshots_per_run):
    """5, then 130, then 131, then 300 tumors are the files of 300 at once, also when runs are cut in between."""
    design = BallDesign(snapshots_per_run=snapshots_per_run)
    for num_tumors in (5, 130, 131, 300):
        build_balls(tmp_path / "grown", num_tumors=num_tumors, anatomy=SMALL, design=design)
    build_balls(tmp_path / "whole", num_tumors=300, anatomy=SMALL, design=design)
    assert folder_content(tmp_path / "grown") == folder_content(tmp_path / "whole")


def test_growing_writes_only_the_last_shard_and_new_ones(tmp_path):
    """Of three shards the first stays the same file, and open readers go on reading."""
    build_balls(tmp_path / "db", num_tumors=140, anatomy=SMALL)
    reader = SimulationDatabase.open(tmp_path / "db")
    before, first = reader.density_levels(139), (tmp_path / "db" / "density/c/0/0/0/0").stat()
    build_balls(tmp_path / "db", num_tumors=300, anatomy=SMALL)
    after = (tmp_path / "db" / "density/c/0/0/0/0").stat()
    assert (after.st_ino, after.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    np.testing.assert_array_equal(reader.density_levels(139), before)
    np.testing.assert_array_equal(
        reader.density_levels(138), SimulationDatabase.open(tmp_path / "db").density_levels(138)
    )


def test_tumors_do_not_depend_on_their_number(tmp_path):
    """The first tumors of a large database are those of a small one; another seed gives others."""
    small, large = (build_balls(tmp_path / str(n), num_tumors=n) for n in (5, 20))
    other = build_balls(tmp_path / "other", num_tumors=5, seed=8)
    np.testing.assert_array_equal(small.parameters, large.parameters[:5])
    np.testing.assert_array_equal(small.table.checksum, large.table.checksum[:5])
    assert not np.any(small.parameters[:, 3] == other.parameters[:, 3])


def test_a_stop_at_any_rename_is_survived(tmp_path, monkeypatch):
    """Growing 129 to 131 tumors, stopped before each single rename in turn: readers see 129 or 131 tumors, never less,
    and the build ends with the files it would have had."""
    build_balls(tmp_path / "begun", num_tumors=129, anatomy=SMALL)
    build_balls(tmp_path / "whole", num_tumors=131, anatomy=SMALL)
    wanted = folder_content(tmp_path / "whole")
    replace = os.replace
    for stop_at in range(1, 100):
        path = tmp_path / str(stop_at)
        shutil.copytree(tmp_path / "begun", path)
        calls = []

        def stopping(source, target, calls=calls, stop_at=stop_at):
            calls.append(target)
            if len(calls) == stop_at:
                raise Killed
            replace(source, target)

        monkeypatch.setattr(os, "replace", stopping)
        try:
            build_balls(path, num_tumors=131, anatomy=SMALL)
        except Killed:
            monkeypatch.undo()
        else:
            break
        reader = SimulationDatabase.open(path)
        assert reader.num_tumors in (129, 131)
        assert reader.density_levels(128).any()
        build_balls(path, num_tumors=131, anatomy=SMALL)
        assert folder_content(path) == wanted, f"stopped before rename {stop_at}"
    assert stop_at > 15, "the test should have met every rename of a build"


def test_a_stop_while_cleaning_up_is_survived(tmp_path, monkeypatch):
    """The database stands when its build folder is removed; what is left of that folder is no obstacle."""

    def stopping(path, *arguments, **settings):
        if Path(path).name.endswith("-building") and (Path(path) / "settings.json").exists():
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", stopping)
        with pytest.raises(Killed):
            build_balls(tmp_path / "db")
    assert SimulationDatabase.open(tmp_path / "db").num_tumors == 12
    build_balls(tmp_path / "db", num_tumors=20)
    build_balls(tmp_path / "whole", num_tumors=20)
    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "whole")


def _start(path: Path, *, num_workers: int, delay_s: float) -> subprocess.Popen:
    environment = os.environ | {growing_ball.DELAY_VARIABLE: str(delay_s), "NUMBA_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen([sys.executable, growing_ball.__file__, str(path), "60", str(num_workers)], env=environment)


def _wait_for(condition, what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.002)


def _num_parts(path: Path) -> int:
    return sum(1 for _ in (path / "building" / "parts").glob("[0-9]*.npz"))


def test_killing_the_builder_again_and_again_changes_nothing(tmp_path, rng):
    """SIGKILL at random moments, four times, then a normal run: byte for byte the undisturbed database."""
    path = tmp_path / "killed"
    for _ in range(4):
        parts = _num_parts(path)
        process = _start(path, num_workers=1, delay_s=0.01)
        try:
            # Either into the first batches of this process, or, later on, whenever it comes.
            _wait_for(lambda parts=parts, p=process: _num_parts(path) > parts or p.poll() is not None, "a new batch")
            time.sleep(0.1 * float(rng.random()))
        finally:
            process.kill()
            process.wait()
        if parts == 0:
            assert (path / "building" / "settings.json").exists(), "the first kill should come before the end"
    build_balls(path, num_tumors=60)
    build_balls(tmp_path / "whole", num_tumors=60)
    assert folder_content(path) == folder_content(tmp_path / "whole")
    assert verify_database(path).is_intact


def test_workers_do_not_outlive_a_killed_builder(tmp_path):
    """They leave by themselves, and the build goes on from what they finished."""
    path = tmp_path / "killed"
    process = _start(path, num_workers=2, delay_s=0.05)
    try:
        _wait_for(lambda: _num_parts(path) > 0, "a first batch")
        children = _children(process.pid)
        assert len(children) >= 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    _wait_for(lambda: not any(_is_running(child) for child in children), "the workers to leave")
    finished = _num_parts(path)
    assert finished > 0
    build_balls(path, num_tumors=60)
    build_balls(tmp_path / "whole", num_tumors=60)
    assert folder_content(path) == folder_content(tmp_path / "whole")


def _children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children")
    if not listed.is_file():
        pytest.skip("needs /proc to find the workers")
    return [int(child) for child in listed.read_text().split()]


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
