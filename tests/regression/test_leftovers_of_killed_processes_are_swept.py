"""Symptom: what killed processes left (``.partial-…`` beside targets and in caches, ``gliofield-registration-…`` with
the patient's brain in the folder for temporary files) stayed for ever.

Cause: nobody could tell a leftover from what another process was writing at that moment.
Guard: whoever writes holds a lock on the temporary file or folder; one without a lock is removed by the next.

Symptom: of volumes and folders that threads wrote into one folder at once, one now and then was not there to be filled.
Cause: a sweep that held a new name for a moment, before its maker could, was taken for a file system without locks.
Guard: a name that somebody else holds is given up for another.
"""

import fcntl
import os
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from gliofield.leftovers import scratch_folder, sweep_leftovers
from gliofield.output import atomic_file, atomic_folder


def kill_in_the_middle(begin):
    """Fork a process that begins to write and is killed."""
    if (process := os.fork()) == 0:
        with begin() as path:
            (path / "brain.npy" if path.is_dir() else path).write_text("a brain")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)


def names_in(folder):
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """An own folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
def test_the_next_to_write_there_removes_what_is_left(tmp_path, make):
    """Whatever it is called."""
    kill_in_the_middle(lambda: make(tmp_path / "result"))
    assert [name[:9] for name in names_in(tmp_path)] == [".partial-"]

    with atomic_file(tmp_path / "another") as partial:
        partial.touch()

    assert names_in(tmp_path) == ["another"]


def test_what_is_being_written_is_left_alone(tmp_path, temporary):
    """By this process, by another thread, for a while or for long."""
    with atomic_file(tmp_path / "a") as one, atomic_folder(tmp_path / "b") as two, scratch_folder() as three:
        one.write_text("a")
        sweep_leftovers(tmp_path)
        with scratch_folder(), atomic_file(tmp_path / "a", replace=True) as again:
            again.write_text("again")
        assert one.is_file()
        assert two.is_dir()
        assert three.is_dir()
        (tmp_path / "a").unlink()
    assert names_in(tmp_path) == ["a", "b", "temporary"]


@pytest.mark.parametrize("name", [".partial-notes", ".partial-12345678", ".partial-1234567g-x", "partial-12345678-x"])
def test_other_hidden_files_are_left_alone(tmp_path, name):
    """Only names that nobody else gives."""
    (tmp_path / name).write_text("mine")
    sweep_leftovers(tmp_path)
    assert names_in(tmp_path) == [name]


def test_links_are_left_alone(tmp_path):
    """A link of such a name, and what it points to."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / ".partial-12345678-x").symlink_to(tmp_path / "thesis")
    sweep_leftovers(tmp_path)
    assert names_in(tmp_path) == [".partial-12345678-x", "thesis"]


@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
def test_a_new_name_that_a_sweep_holds_is_given_up(tmp_path, monkeypatch, make):
    """What the sweep is about to remove is not written into."""
    swept, lock = [], fcntl.flock

    def lock_second(handle, operation):
        if not swept:
            swept.extend(tmp_path.iterdir())
            raise BlockingIOError
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", lock_second)
    with make(tmp_path / "result") as partial:
        assert partial != swept[0]
        (partial / "x" if partial.is_dir() else partial).write_text("x")

    assert (tmp_path / "result").exists()


def test_threads_write_into_one_folder_at_once(tmp_path):
    """Files and folders, whose sweeps see each other's temporary names."""

    def write(number):
        make = atomic_folder if number % 2 else atomic_file
        with make(tmp_path / f"{number}") as partial:
            (partial / "x" if partial.is_dir() else partial).write_text("x")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(600)))

    assert len(names_in(tmp_path)) == 600


def test_scratch_folders_are_private_and_do_not_outlive_their_process_for_long(temporary):
    """Readable by the user alone; the next to need one removes those of the dead."""
    kill_in_the_middle(lambda: scratch_folder("registration"))
    (temporary / "gliofield-notes").mkdir()
    assert len(names_in(temporary)) == 2

    with scratch_folder("registration") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert names_in(temporary) == sorted([folder.name, "gliofield-notes"])
    assert names_in(temporary) == ["gliofield-notes"]
