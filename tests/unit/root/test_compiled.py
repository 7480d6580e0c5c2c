"""The settings every compiled kernel shares, and the safety of its cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gliofield import compiled as compiled_module

_KERNEL = """
import sys
import numpy as np
from gliofield.compiled import compiled

@compiled
def double(values):
    return 2 * values.sum()

kind = sys.argv[1]
print(double(np.arange(5).astype(kind)), sum(double.stats.cache_hits.values()))
"""


def test_kernels_compile_without_a_cache_folder(monkeypatch):
    """Where Numba finds no writable cache folder, kernels are compiled without one."""

    def njit_on_a_read_only_disk(kernel, *, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return ("compiled", kernel, options)

    monkeypatch.setattr(compiled_module, "njit", njit_on_a_read_only_disk)

    def kernel():
        """Nothing."""

    assert compiled_module.compiled(kernel)[:2] == ("compiled", kernel)


@pytest.fixture
def script(tmp_path):
    """A module with a kernel, and its own empty cache of machine code."""
    (tmp_path / "kernel.py").write_text(_KERNEL)

    def start(kind="float64"):
        return subprocess.Popen(
            [sys.executable, str(tmp_path / "kernel.py"), kind],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
        )

    return start


def answer_of(process):
    """The kernel's result, and how often its code came from the cache."""
    shown, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    result, hits = shown.split()
    return float(result), int(hits)


def files_in(folder, ending):
    """Numba's files of the kernel."""
    return sorted(folder.rglob(f"kernel.double*{ending}"))


def test_processes_that_fill_a_cache_at_once_keep_each_code_once(tmp_path, script):
    """Four types of argument in four processes: four codes, each found again under its own type."""
    kinds = ("float64", "float32", "int64", "int32")
    assert [answer_of(process)[0] for process in [script(kind) for kind in kinds]] == [20.0] * 4
    assert [answer_of(script(kind)) for kind in kinds] == [(20.0, 1)] * 4
    assert len(files_in(tmp_path / "cache", ".nbc")) == 4


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", [b"", b"nonsense", "cut"])
def test_a_damaged_cache_is_made_again(tmp_path, script, ending, damage):
    """It is no error, and the next process finds it whole."""
    assert answer_of(script()) == (20.0, 0)
    for path in files_in(tmp_path / "cache", ending):
        path.write_bytes(path.read_bytes()[:-20] if damage == "cut" else damage)
    assert answer_of(script()) == (20.0, 0)
    assert answer_of(script()) == (20.0, 1)


def test_a_cache_that_cannot_be_kept_is_left_out(monkeypatch):
    """A disk that is full, or a folder that was made read-only meanwhile."""

    class Full:
        cache_path = str(Path(os.devnull) / "cache")

        def save_overload(self, *arguments):
            raise OSError(28, "No space left on device")

        load_overload = save_overload

    cache = compiled_module._SharedCache(Full())
    assert cache.load_overload("signature", "context") is None
    cache.save_overload("signature", "code")
    assert cache.cache_path == Full.cache_path
