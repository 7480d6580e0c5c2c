"""No module reaches itself through its imports, within folders as between them (docs/conventions.md).

`test_import_order` holds the folders in order; this holds the modules inside them, so that each file can be read, and
changed, after those it stands on. Imports inside functions count: a circle that is closed late is a circle. Imports for
annotations alone (``if TYPE_CHECKING:``) do not.
"""

import ast
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import DECLARED_EXCEPTIONS, PACKAGES, SOURCE

Graph = dict[str, set[str]]


def import_graph(package: Path) -> Graph:
    """Modules below a package folder, and which of each other they import when they run."""
    files = {_dotted_name(path, package): path for path in sorted(package.rglob("*.py"))}
    return {name: _imports_of(path, files.keys()) - {name} for name, path in files.items()}


def _dotted_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports_of(path: Path, modules) -> set[str]:
    found = set()
    for node in _run_time_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` names a module by its last part, else the module before it is meant.
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules else node.module)
    return found & set(modules)


def _run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree but those that only a type checker looks at."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from _run_time_nodes(other)
            continue
        yield child
        yield from _run_time_nodes(child)


def shortest_cycles(graph: Graph) -> list[str]:
    """Circles as paths that can be read, a -> b -> a, the shortest first; others that share an import are left out."""
    ways_back = sorted((way for way in (_shortest_way_back(graph, name) for name in sorted(graph)) if way), key=len)
    reported, seen = [], set()
    for way in ways_back:
        imports = set(zip(way, way[1:], strict=False))
        if not imports & seen:
            seen |= imports
            reported.append(" -> ".join(way))
    return reported


def _shortest_way_back(graph: Graph, start: str) -> list[str]:
    """Modules from `start` over its imports to `start`; empty if there is no such way."""
    reached_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        module = waiting.popleft()
        for imported in sorted(graph[module] - reached_from.keys()):
            if imported == start:
                way = [start]
                while module != start:
                    way.append(module)
                    module = reached_from[module]
                return [start, *reversed(way)]
            reached_from[imported] = module
            waiting.append(imported)
    return []


def without(graph: Graph, exceptions) -> Graph:
    """The graph without the imports that are declared as exceptions."""
    return {name: {other for other in imports if (name, other) not in exceptions} for name, imports in graph.items()}


def test_no_module_reaches_itself():
    """Of all packages; what is reported can be followed import by import."""
    graph = {name: imports for package in PACKAGES for name, imports in import_graph(package).items()}
    cycles = shortest_cycles(without(graph, DECLARED_EXCEPTIONS))

    assert cycles == [], "import circles:\n  " + "\n  ".join(cycles)


def test_every_declared_exception_closes_a_circle_and_says_why():
    """What has become an ordinary import, or has gone, needs no line in the table."""
    graph = import_graph(SOURCE)
    for (importing, imported), reason in DECLARED_EXCEPTIONS.items():
        others = DECLARED_EXCEPTIONS.keys() - {(importing, imported)}
        assert imported in graph[importing], f"{importing} does not import {imported} any more"
        assert shortest_cycles(without(graph, others)), f"{importing} -> {imported} closes no circle"
        assert reason.strip()


@pytest.fixture
def package(tmp_path):
    """A package whose modules are written by a test."""

    def write(**modules: str) -> Path:
        folder = tmp_path / "pkg"
        for name, text in {"__init__": "", **modules}.items():
            path = folder.joinpath(*name.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    return write


def test_a_circle_is_reported_as_a_path(package):
    """From module to module and back to the first, over an import inside a function."""
    folder = package(
        a="from pkg.b import x\nx = 1\n",
        b="def f():\n    from pkg import c\n    return c\nx = 2\n",
        c="import pkg.a\n",
        d="from pkg import a\n",
    )

    assert shortest_cycles(import_graph(folder)) == ["pkg.a -> pkg.b -> pkg.c -> pkg.a"]


def test_two_circles_are_two_paths(package):
    """Also where they share a module, as long as they share no import."""
    folder = package(a="from pkg import b, c\n", b="from pkg import a\n", c="from pkg import a\n")

    assert shortest_cycles(import_graph(folder)) == ["pkg.a -> pkg.b -> pkg.a", "pkg.c -> pkg.a -> pkg.c"]


def test_imports_for_annotations_are_no_circle(package):
    """A type checker follows them, Python does not; what stands in the `else` is followed."""
    folder = package(
        a="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.b import B\n",
        b="from pkg import a\n",
    )
    other = package(
        a="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    from pkg import b\n",
        b="from pkg import a\n",
    )

    assert folder == other
    assert shortest_cycles(import_graph(other)) == ["pkg.a -> pkg.b -> pkg.a"]


def test_a_declared_exception_is_left_out(package):
    """The other way round the same import is still none."""
    graph = import_graph(package(a="from pkg import b\n", b="from pkg import a\n"))

    assert shortest_cycles(without(graph, {("pkg.a", "pkg.b"): "for a test"})) == []
    assert shortest_cycles(without(graph, {("pkg.a", "pkg.c"): "another"})) == ["pkg.a -> pkg.b -> pkg.a"]
