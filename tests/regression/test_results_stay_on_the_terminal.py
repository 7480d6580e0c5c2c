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

    output = _output_on_a_terminal(["atlas", "info", folder])

    assert SHOW_CURSOR in output
    assert output.rindex(SHOW_CURSOR) < output.index(b"phantom: analytic")


def test_every_command_prints_below_its_progress_bars():
    """No command prints its result inside the block of `progress_bars`: there, one more indentation than the block."""
    import ast
    from pathlib import Path

    import gliofield.cli

    for path in sorted(Path(gliofield.cli.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.With) and "progress_bars" in ast.dump(node.items[-1]):
                called = {
                    call.func.id
                    for call in ast.walk(node)
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
                }
                printing = {name for name in called if name.startswith(("print_", "_print_"))}
                assert not printing, f"{path.name}:{node.lineno} prints inside progress_bars"
