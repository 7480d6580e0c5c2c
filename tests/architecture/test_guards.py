"""The guards every test runs under (tests/conftest.py) catch what they are for."""

import subprocess
import sys

import pytest
from repository import ROOT

# Name of a test, its body, and the complaint it must earn; None: it must pass.
CASES = {
    "seeds_the_global_generator": ("np.random.seed(1)", "drew from NumPy's global random generator"),
    "draws_globally": ("np.random.rand()", "drew from NumPy's global random generator"),
    "silences_errors": ("np.seterr(all='ignore')", "changed NumPy's global floating-point error handling"),
    "divides_by_zero": ("np.array([1.0]) / np.array([0.0])", "FloatingPointError: divide by zero"),
    "overflows": ("np.array([1e308]) * 10", "FloatingPointError: overflow"),
    "makes_a_nan": ("np.array([0.0]) / np.array([0.0])", "FloatingPointError: invalid value"),
    "uses_the_seeded_generator": ("assert rng.random() == np.random.default_rng(0).random()", None),
    "underflows": ("assert np.array([1e-308]) * 1e-10 < 1e-300", None),
    "silences_errors_locally": ("with np.errstate(divide='ignore'): assert np.isinf(np.array([1.0]) / 0)", None),
    "has_an_own_cache_folder": ("assert not os.path.exists(os.environ['GLIOFIELD_CACHE_DIR'])", None),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> dict[str, list[str]]:
    """What pytest says, under our conftest, about each case: the words before and after its name in the summary."""
    folder = tmp_path_factory.mktemp("guards")
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = user_cache\n", encoding="utf-8")
    tests = [f"def test_{name}(rng):\n    {body}\n" for name, (body, _) in CASES.items()]
    (folder / "test_cases.py").write_text("\n".join(["import os", "import numpy as np", *tests]), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "-p", "no:xdist", "test_cases.py"]
    environment = {"COLUMNS": "300", "PATH": ""}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    summary = done.stdout.split("short test summary info")[-1].splitlines()
    return {name: [line for line in summary if f"::test_{name} " in f"{line} "] for name in CASES}


@pytest.mark.parametrize("name", [name for name, (_, complaint) in CASES.items() if complaint])
def test_a_careless_test_fails(name, verdicts):
    """Global state and floating-point errors are complaints, not silence."""
    said = [line for line in verdicts[name] if not line.startswith("PASSED")]

    assert len(said) == 1
    assert CASES[name][1] in said[0]


@pytest.mark.parametrize("name", [name for name, (_, complaint) in CASES.items() if not complaint])
def test_a_careful_test_passes(name, verdicts):
    """Seeded randomness, underflow and local error handling are allowed; the cache folder is new."""
    assert [line.split()[0] for line in verdicts[name]] == ["PASSED"]
