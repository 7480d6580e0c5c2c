"""House rules about files that no linter knows (docs/conventions.md, CONTRIBUTING.md)."""

import ast
import re
from collections.abc import Iterator

import pytest
from repository import PACKAGES, ROOT, module_name, package_of, parsed, repository_files, source_files

_LONGEST_FILE = 700
_ATTIC_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "base"}
_SEEDED_RANDOMNESS = {"Generator", "default_rng", "SeedSequence", "Philox", "PCG64", "BitGenerator"}
_MAY_PRINT = {"cli", "report", "viewer"}
# Spelled in parts, so this file does not hold what it looks for.
_HOSTS = ("py" + r"pi\.org", "python" + r"hosted\.org")
_FOLDERS = ("wo" + "rk", "ro" + "ot", "tm" + "p")
_FORBIDDEN = {
    "a host of a package index": rf"\b(?:{'|'.join(_HOSTS)})\b",
    "a path of one machine": rf"(?<![A-Za-z0-9_.~-])/(?:{'|'.join(_FOLDERS)})/[A-Za-z0-9]",
    "a mark of unfinished work": r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b",
    "an excuse from coverage": "pragma: no " + "cover",
}


@pytest.mark.parametrize("path", repository_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_readable_in_one_sitting(path):
    """No file is longer than 700 lines, and every file is text."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= _LONGEST_FILE


@pytest.mark.parametrize("what", _FORBIDDEN)
def test_no_file_holds(what):
    """Package indexes, machine paths and unfinished work have no place in the repository."""
    pattern = re.compile(_FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in repository_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == [], what


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a host of a package index", "see https://py" + "pi.org/project/x"),
        ("a host of a package index", "files.python" + "hosted.org"),
        ("a path of one machine", "data in /wo" + "rk/shared"),
        ("a mark of unfinished work", "# TO" + "DO later"),
    ],
)
def test_the_search_finds_what_it_looks_for(what, text):
    """The patterns match an example each."""
    assert re.search(_FORBIDDEN[what], text)


def test_no_attic():
    """A helper used once lives beside its caller; used by two packages it is a concept with a name."""
    names = {path.stem for path in source_files()} | {path.parent.name for path in source_files()}

    assert names.isdisjoint(_ATTIC_NAMES)


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_only_the_surface_prints(path):
    """Below report, viewer and cli nothing prints: progress goes through a Reporter."""
    printing = [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert package_of(module_name(path)) in _MAY_PRINT or printing == []


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_a_module_says_what_it_is_for(path):
    """Every module opens with a docstring."""
    docstring = ast.get_docstring(parsed(path))

    assert docstring
    assert docstring.splitlines()[0].strip()


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_randomness_and_settings_are_not_global(path):
    """No call of NumPy's global generator or error handling; thread counts are set by a worker for itself alone."""
    for owner, text in _attributes_by_function(parsed(path)):
        where = f"{text} in {owner or 'the module'}"
        assert text != "np.seterr", where
        assert "worker" in owner or not text.endswith(".set_num_threads"), where
        if text.startswith("np.random."):
            assert text.split(".")[2] in _SEEDED_RANDOMNESS, where


def _attributes_by_function(node: ast.AST, owner: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names used in a tree, each with the function it is used in."""
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, ast.FunctionDef) else owner
        if isinstance(child, ast.Attribute):
            yield inner, ast.unparse(child)
        yield from _attributes_by_function(child, inner)


@pytest.mark.parametrize(
    "path",
    [p for p in repository_files() if p.is_relative_to(ROOT / "tests") and p.name.startswith("test_")],
    ids=lambda path: str(path.relative_to(ROOT / "tests")),
)
def test_a_test_states_its_expectation(path):
    """Every test function has a docstring and can fail: it asserts, or expects an error."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
            text = ast.unparse(node)
            can_fail = re.search(
                r"\bassert\b|raises\(|\bfail\(|warns\(|assert_\w+\(|_check|\bcheck_\w+\(|require_", text
            )
            assert can_fail, f"{node.name} cannot fail"


def test_packages_are_marked_as_typed():
    """Users' type checkers read our annotations."""
    assert all((package / "py.typed").is_file() for package in PACKAGES)
