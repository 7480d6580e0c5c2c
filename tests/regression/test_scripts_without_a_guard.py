"""Symptom: a script that called what uses several processes, without ``if __name__ == "__main__":``, ended after all
its work in Python's own words about bootstrapping, once per process.

Cause: new processes import the script, and so come to the same call; nobody looked before.
Guard: the call is refused in one sentence before any process starts, and in `personalize` before the registration.
"""

import subprocess
import sys
import textwrap

import pytest

CALLS = {
    "worker processes": """
        from gliofield.worker_processes import WorkerProcesses
        def work():
            with WorkerProcesses(1, int) as workers:
                print(workers.executor.submit(abs, -7).result(), flush=True)
        """,
    "database": """
        import sys
        from gliofield.database import build_database
        from gliofield.testing import PHANTOM_GRID, PhantomDesign, phantom_atlas
        def work():
            place, atlas = sys.argv[1], phantom_atlas()
            build_database(place, 10, atlas=atlas, design=PhantomDesign(), grid=PHANTOM_GRID, workers=2)
            print(7)
        """,
    "sample": """
        import gliofield
        from gliofield.pipeline import prepare_method, PersonalizationSettings
        from gliofield.testing import phantom_atlas
        def work():
            settings = PersonalizationSettings(num_threads=2)
            prepare_method(gliofield.Sample(), atlas=phantom_atlas(), settings=settings)
            print(7)
        """,
}


def run(tmp_path, text):
    """Run a script."""
    script = tmp_path / "script.py"
    script.write_text(text)
    command = [sys.executable, str(script), str(tmp_path / "db")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("what", CALLS)
def test_a_script_without_a_guard_is_told_in_one_sentence(tmp_path, what):
    """No process starts, so nothing is said twice."""
    done = run(tmp_path, textwrap.dedent(CALLS[what]) + "work()\n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("gliofield.errors.ParameterError: this starts further processes")
    assert 'below a line `if __name__ == "__main__":`' in done.stderr
    assert done.stderr.count("Traceback") == 1
    assert "bootstrapping" not in done.stderr


@pytest.mark.parametrize(
    "call",
    [
        'if __name__ == "__main__":\n    work()\n',
        'def main():\n    work()\n\nif "__main__" == __name__ and True:\n    main()\n',
        'import multiprocessing\nif multiprocessing.current_process().name == "MainProcess":\n    work()\n',
    ],
)
def test_a_script_with_a_guard_works(tmp_path, call):
    """Whatever it is like."""
    done = run(tmp_path, textwrap.dedent(CALLS["worker processes"]) + call)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


def test_the_standard_input_cannot_start_processes(tmp_path):
    """They could not read it; the sentence says so instead of a file that is missing."""
    text = textwrap.dedent(CALLS["worker processes"]) + "work()\n"
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert "cannot read the script from the standard input: save it as a file" in done.stderr
    assert done.stderr.count("Traceback") == 1


@pytest.mark.parametrize("how", [["-c"], ["-m", "script"]])
def test_other_ways_to_run_are_not_disturbed(tmp_path, how):
    """A line of code; a module is a script like others."""
    text = textwrap.dedent(CALLS["worker processes"])
    guarded = text + 'if __name__ == "__main__":\n    work()\n'
    (tmp_path / "script.py").write_text(guarded)
    arguments = [*how, text + "work()\n"] if how == ["-c"] else how
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
