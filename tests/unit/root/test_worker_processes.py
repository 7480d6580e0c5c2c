import os
import subprocess
import sys

import numba
import pytest

from gliofield.errors import ParameterError
from gliofield.worker_processes import WorkerProcesses, require_picklable


def test_workers_are_prepared_and_compute_with_one_thread(tmp_path):
    """Before their first task; here they are sent to a folder."""
    with WorkerProcesses(1, os.chdir, str(tmp_path)) as workers:
        assert workers.executor.submit(os.getcwd).result() == str(tmp_path)
        assert workers.executor.submit(numba.get_num_threads).result() == 1


def test_what_was_asked_for_is_finished_and_no_more_is_taken():
    """After `finish` results stand, and the pool is closed to new work."""
    with WorkerProcesses(1, int) as workers:
        answers = [workers.executor.submit(abs, -number) for number in range(5)]
        workers.finish()

        assert [answer.result() for answer in answers] == [0, 1, 2, 3, 4]
        with pytest.raises(RuntimeError, match="after shutdown"):
            workers.executor.submit(abs, 1)


def test_workers_leave_when_their_parent_is_gone():
    """A parent that ends without a word: its worker shares its output, which would stay open as long as it lives."""
    script = (
        "import os\n"
        "from gliofield.worker_processes import WorkerProcesses\n"
        "workers = WorkerProcesses(1, int)\n"
        "print(workers.executor.submit(abs, -7).result(), flush=True)\n"
        "os._exit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout.strip()) == (3, "7")


def test_what_cannot_be_sent_is_named_with_the_callers_advice():
    """The first such thing among several; what can be sent passes."""
    require_picklable(1, "text", advice="never said.")
    with pytest.raises(ParameterError, match=r"function cannot be sent to worker processes \(.*\): name it\."):
        require_picklable(1, lambda: None, advice="name it.")
