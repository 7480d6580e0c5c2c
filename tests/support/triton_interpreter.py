"""Marks for tests of Triton kernels, and the process in which they are interpreted.

Triton chooses its interpreter when it is imported, so the tests marked `interpreted` run in a process of their own,
which `assert_passes_under_the_interpreter` starts for a test file; `TRITON_INTERPRET=1 pytest FILE` runs them directly.
A module that imports this one is skipped where PyTorch or Triton is missing.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

for _name in ("torch", "triton"):
    if importlib.util.find_spec(_name) is None:
        pytest.skip(f"needs {_name}, part of the extra 'learn' with a build for CUDA", allow_module_level=True)

_IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
interpreted = pytest.mark.skipif(not _IS_INTERPRETED, reason="part of test_all_under_the_interpreter")
compiled = pytest.mark.skipif(_IS_INTERPRETED, reason="the interpreter compiles nothing")


def assert_passes_under_the_interpreter(file: str) -> None:
    """Run a test file in a process in which Triton interprets its kernels: some tests pass and none fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not gpu", file],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert re.search(r"\d+ passed", done.stdout)
