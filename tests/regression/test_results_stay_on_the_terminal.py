"""Symptom: on a terminal, commands ended without their result; it had been printed while progress bars were drawn.

Cause: rich moves the cursor up to redraw its bars a last time, over whatever was printed below them.
Guard: the result comes after the bars have been put away, which rich marks by showing the cursor again.
"""

import os
import subprocess
import sys

import pytest
from phantom_brain import write_phantom_atlas

SHOW_CURSOR = b"\x1b[?25h"


def _output_on_a_terminal(arguments):
    """What a command writes, stdout and stderr together, to a terminal of its own."""
    pty = pytest.importorskip("pty")
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gliofield", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(terminal)
    output = b""
    try:
        while chunk := os.read(reader, 65536):
            output += chunk
    except OSError:  # Linux reports the end of a terminal as an error
        pass
    os.close(reader)
    assert process.wait() == 0, output.decode(errors="replace")
    return output


def test_the_result_is_printed_after_the_progress_bars_are_gone(tmp_path):
    """The last escape sequence of the bars comes before the first word of the result."""
    folder = write_phantom_atlas(tmp_path / "atlas")
    tumor = ["--seed-mm", 28, 10, 12, "--diffusivity", 0.2, "--proliferation", 0.04, "--time", 100]
    place = ["--atlas", folder, "--spacing-mm", 4, "--out", tmp_path / "tumor.nii.gz"]

    output = _output_on_a_terminal(["simulate", *tumor, *place])

    assert SHOW_CURSOR in output
    assert output.rindex(SHOW_CURSOR) < output.index(b"100.0 days  core")


def test_whatever_a_command_says_ends_its_progress_bars(monkeypatch):
    """Result, note and error alike: the console puts the bars away first, so no command has to think of it."""
    from contextlib import contextmanager

    from gliofield.cli import console as module
    from gliofield.progress import ProgressEvent

    said = []

    @contextmanager
    def draw_bars(steps):
        yield lambda event: said.append("bar")
        said.append("bars are gone")

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(module, "draw_bars", draw_bars)
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(module.typer, "echo", lambda text, **options: said.append(text))
    console = module.Console()
    for speak in (
        lambda: console.result({}, lambda: "result"),
        lambda: console.notes(["x"]),
        lambda: console.fail("y"),
    ):
        console.report(ProgressEvent(task="grow", completed=1, total=2))
        speak()

    assert said == [
        *("bar", "bars are gone", "result"),
        *("bar", "bars are gone", "note: x"),
        *("bar", "bars are gone", "y"),
    ]
