"""One builder at a time, and none locked out by a dead one."""

import subprocess
import sys
import threading

import pytest

from gliofield.database.lock import LOCK_NAME, build_lock
from gliofield.errors import DatabaseError

_HOLD = """
import sys, time
from pathlib import Path
from gliofield.database.lock import build_lock
with build_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_holder_is_refused_and_told_who_holds(tmp_path):
    """The message names the process; afterwards the lock is free and its file gone."""
    with build_lock(tmp_path), pytest.raises(DatabaseError, match=r"is being built by process \d+ on "):  # noqa: SIM117
        with build_lock(tmp_path):
            pass
    assert not (tmp_path / LOCK_NAME).exists()
    with build_lock(tmp_path):
        pass


def test_the_lock_of_another_process_ends_with_it(tmp_path):
    """While it lives it is respected; killed without warning, its file stays but locks nobody out."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "held"
        with pytest.raises(DatabaseError, match=f"is being built by process {process.pid} on "):  # noqa: SIM117
            with build_lock(tmp_path):
                pass
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert (tmp_path / LOCK_NAME).exists()
    with build_lock(tmp_path):
        pass
    assert not (tmp_path / LOCK_NAME).exists()


def test_many_contenders_never_hold_it_together(tmp_path):
    """Taking and releasing in many threads, at most one is inside, although each removes the file."""
    inside, most, taken = [], [], []

    def contend() -> None:
        for _ in range(30):
            try:
                with build_lock(tmp_path):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
                    taken.append(1)
            except DatabaseError:
                continue

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken
    assert max(most) == 1
