"""`import gliofield` and `gliofield --help` stay light: heavy libraries load inside the functions that need them."""

import json
import subprocess
import sys

import pytest

_HEAVY = (
    "ants",
    "dask",
    "distributed",
    "highdicom",
    "matplotlib",
    "nilearn",
    "numba",
    "pandas",
    "pydicom",
    "scipy",
    "sklearn",
    "torch",
    "zarr",
)


def modules_after(code: str) -> set[str]:
    """Names of the top-level modules loaded in a fresh interpreter after running the code."""
    script = (
        f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n"
        "import json; print('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import gliofield",
        "import gliofield.cli",
        "sys.argv = ['gliofield', '--help']; import runpy; runpy.run_module('gliofield', run_name='__main__')",
        "sys.argv = ['gliofield', 'personalize', '--help']; import runpy; "
        "runpy.run_module('gliofield', run_name='__main__')",
    ],
    ids=["import gliofield", "import gliofield.cli", "--help", "personalize --help"],
)
def test_no_heavy_library_is_loaded(code):
    """A fresh interpreter has gliofield and none of the heavy libraries."""
    loaded = modules_after(code)

    assert "gliofield" in loaded
    assert loaded.isdisjoint(_HEAVY)


def test_a_refused_patient_loads_no_heavy_library(tmp_path):
    """What is wrong with a folder is said before anything slow is loaded."""
    arguments = ["gliofield", "personalize", str(tmp_path), "--out", str(tmp_path / "result")]
    loaded = modules_after(
        f"sys.argv = {arguments!r}; import runpy; runpy.run_module('gliofield', run_name='__main__')"
    )

    assert "gliofield" in loaded
    assert loaded.isdisjoint(_HEAVY)


@pytest.mark.parametrize("command", [["papers", "--help"], ["papers", "solver", "--help"], ["search", "--help"]])
def test_help_of_other_packages_loads_no_heavy_library_either(command):
    """Their commands are imported, and no more; what `search` can choose from stands in the metadata."""
    run = "import runpy; runpy.run_module('gliofield', run_name='__main__')"
    loaded = modules_after(f"sys.argv = {['gliofield', *command]!r}; {run}")

    assert ("gliofield_papers" in loaded) == (command[0] == "papers")
    assert loaded.isdisjoint(_HEAVY)


@pytest.mark.parametrize("package", ["anatomy", "growth", "database", "retrieval", "pipeline"])
def test_a_package_loads_neither_torch_nor_plotting_nor_registration(package):
    """Computation may need numba and scipy; torch, matplotlib, ANTs and nilearn wait for their functions."""
    loaded = modules_after(f"import gliofield.{package}")

    assert loaded.isdisjoint({"ants", "matplotlib", "nilearn", "torch"})
