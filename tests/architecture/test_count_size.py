"""`make size` counts what it says: files, lines, and lines of code."""

import importlib.util
import subprocess
import sys

import pytest
from repository import ROOT

SCRIPT = ROOT / "scripts" / "count_size.py"
MODULE = '''"""A module.

Its docstring has three lines.
"""

import math  # a comment beside code

# a comment alone
TEXT = """no docstring,
but a value
"""


def area(radius: float) -> float:
    """One line."""

    return (
        math.pi  # two
        * radius**2
    )
'''


@pytest.fixture(scope="module")
def count_size():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("count_size", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # Its dataclass looks its own module up.
    sys.modules["count_size"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["count_size"]


@pytest.fixture
def tree(tmp_path):
    """A package of three files in two folders, a test and no benchmark."""
    for name, text in {
        "src/gliofield/__init__.py": '"""Nothing."""\n',
        "src/gliofield/growth/one.py": MODULE,
        "src/gliofield/growth/inner/two.py": "x = 1\n\ny = 2\n",
        "src/gliofield/growth/notes.txt": "no Python\n",
        "src/gliofield/empty/notes.txt": "no Python either\n",
        "src/gliofield_papers/__init__.py": '"""Nothing."""\n\nz = 3\n',
        "src/gliofield.egg-info/notes.txt": "no package\n",
        "tests/test_one.py": "assert True\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_code_is_what_is_neither_blank_nor_comment_nor_docstring(count_size, tree):
    """Import, text of three lines, `def`, and a return over four lines."""
    size = count_size.measure_file(tree / "src/gliofield/growth/one.py")

    assert (size.files, size.lines, size.code) == (1, len(MODULE.splitlines()), 1 + 3 + 1 + 4)


def test_folders_are_added_up(count_size, tree):
    """Folders inside a folder belong to it; what is no Python does not count."""
    sizes, papers, beside = count_size.measure_repository(tree)

    assert list(sizes) == ["(modules of the root)", "growth/", "src/gliofield"]
    assert sizes["growth/"] == count_size.Size(files=2, lines=len(MODULE.splitlines()) + 3, code=9 + 2)
    assert sizes["src/gliofield"] == sizes["growth/"] + count_size.Size(files=1, lines=1, code=0)
    assert papers["src/gliofield_papers"] == count_size.Size(files=1, lines=3, code=1)
    assert beside == {"tests/": count_size.Size(1, 1, 1), "benchmarks/": count_size.Size()}


def test_the_script_prints_a_table(tree):
    """One row per folder, the total of each package below a line."""
    done = subprocess.run([sys.executable, SCRIPT, tree], capture_output=True, text=True, check=True, timeout=60)
    rows = done.stdout.splitlines()

    assert rows[0].split() == ["files", "lines", "code"]
    assert rows[2].split() == ["growth/", "2", "23", "11"]
    assert set(rows[3]) == {"-"}
    assert rows[4].split() == ["src/gliofield", "3", "24", "11"]
