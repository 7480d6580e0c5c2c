"""Dependencies between the folders of the package point one way (docs/conventions.md)."""

import ast

import pytest
from repository import SOURCE, imported_modules, module_name, package_of, parsed, source_files

# What a folder may import, beside itself and the modules of the root ("").
_ANATOMY = {"anatomy"}
_GROWTH = _ANATOMY | {"growth"}
_FORWARD = _GROWTH | {"surrogate", "imaging"}
_DATABASE = _FORWARD | {"database"}
_RETRIEVAL = _DATABASE | {"retrieval"}
_INVERSE = _RETRIEVAL | {"inverse", "bayes", "learning"}
# Registration and evaluation hang beside the chain: they see anatomy, and only the end of the chain sees them.
_PERSONALIZE = _INVERSE | {"personalize", "registration", "evaluation"}
_EXPERIMENTS = _PERSONALIZE | {"experiments"}
ALLOWED = {
    "": set(),
    "anatomy": set(),
    "learning": set(),
    "registration": _ANATOMY,
    "evaluation": _ANATOMY,
    "growth": _ANATOMY,
    "surrogate": _GROWTH | {"learning"},
    "imaging": _GROWTH,
    "database": _FORWARD,
    "retrieval": _DATABASE | {"learning"},
    "inverse": _RETRIEVAL | {"learning"},
    "bayes": _RETRIEVAL,
    "personalize": _INVERSE | {"registration", "evaluation"},
    "experiments": _PERSONALIZE,
    "report": _EXPERIMENTS,
    "viewer": _EXPERIMENTS,
    "cli": _EXPERIMENTS | {"report", "viewer"},
}
# `python -m gliofield` is the command line and nothing else.
_ENTRY_POINT = "gliofield.__main__"


def test_every_folder_has_its_place_in_the_order():
    """A new folder needs a line in the table."""
    folders = {package_of(module_name(path)) for path in source_files()}

    assert {"", "anatomy", "growth", "cli"} <= folders
    assert folders <= set(ALLOWED)


def test_the_order_has_no_cycle():
    """Each folder reaches only folders that do not reach it."""

    def reach(folder, seen=frozenset()):
        return seen if folder in seen else frozenset().union(seen | {folder}, *(reach(f) for f in ALLOWED[folder]))

    for folder, allowed in ALLOWED.items():
        assert all(folder not in reach(other) for other in allowed), folder


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_a_module_imports_only_what_lies_before_it(path):
    """Imports inside functions count as well."""
    name = module_name(path)
    own = package_of(name)
    imported = {module: package_of(module) for module in imported_modules(path)}

    if name == _ENTRY_POINT:
        assert set(imported.values()) == {"cli"}
        return
    wrong = {module for module, folder in imported.items() if folder not in ALLOWED[own] | {own, ""}}
    assert not wrong, f"{name} may import {sorted(ALLOWED[own] | {own})}, but imports {sorted(wrong)}"


@pytest.mark.parametrize("path", [p for p in source_files() if p.name == "__init__.py"], ids=module_name)
def test_a_package_file_only_re_exports(path):
    """A docstring, imports from gliofield, `__all__` (and the version in the root): no code."""
    tree = parsed(path)
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body

    for node in body:
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").startswith("gliofield"), ast.unparse(node)
        else:
            assert isinstance(node, ast.Assign | ast.AnnAssign), ast.unparse(node)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            assert names <= ({"__all__", "__version__"} if path.parent == SOURCE else {"__all__"}), names


def test_relative_imports_are_not_used():
    """The full name of a module says where it lies."""
    relative = [
        module_name(path)
        for path in source_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert relative == []
