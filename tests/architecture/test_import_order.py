"""Dependencies between folders point one way, between packages towards the product (docs/conventions.md)."""

import ast
from pathlib import Path

import pytest
from repository import (
    DECLARED_EXCEPTIONS,
    EVALUATION,
    GPU,
    PAPERS,
    SOURCE,
    TRAINING,
    imported_modules,
    module_name,
    package_of,
    parsed,
    source_files,
)

# What a folder may import, beside itself and the modules of the root ("").
_ANATOMY = {"metrics", "anatomy"}
_GROWTH = _ANATOMY | {"growth"}
_FORWARD = _GROWTH | {"imaging"}
_DATABASE = _FORWARD | {"database"}
_RETRIEVAL = _DATABASE | {"retrieval"}
_INVERSE = _RETRIEVAL | {"inverse", "bayes", "learning"}
# Registration hangs beside the chain: it sees anatomy, and only the end of the chain sees it.
_PIPELINE = _INVERSE | {"pipeline", "registration", "assimilation"}
_VIRTUAL = _PIPELINE | {"virtual", "radiotherapy"}
ALLOWED = {
    "": set(),
    "metrics": set(),
    "anatomy": {"metrics"},
    "learning": set(),
    "registration": _ANATOMY,
    "growth": _ANATOMY,
    "imaging": _GROWTH,
    "assimilation": _GROWTH | {"imaging"},
    "database": _FORWARD,
    "retrieval": _DATABASE,
    "inverse": _RETRIEVAL | {"learning"},
    "bayes": _RETRIEVAL,
    "pipeline": _INVERSE | {"registration", "assimilation"},
    "radiotherapy": _PIPELINE,
    "virtual": _PIPELINE,
    "report": _VIRTUAL | {"radiotherapy"},
    "testing": _PIPELINE | {"report"},
    "scoring": _VIRTUAL | {"report"},
    "cohort": _VIRTUAL | {"radiotherapy", "report", "scoring"},
    "cli": _VIRTUAL | {"radiotherapy", "report", "scoring", "cohort"},
}
# The same inside the papers.
_METHODS = {"indexes", "surrogate"}
_QUERIES = _METHODS | {"queries"}
_STUDIES = _QUERIES | {"figures", "tmcmc"}
PAPERS_ALLOWED = {
    "": set(),
    "indexes": set(),
    "surrogate": set(),
    "figures": set(),
    "tmcmc": set(),
    "queries": {"indexes"},
    "solver": _STUDIES,
    "retrieval": _STUDIES,
    "inverse": _STUDIES,
    "bayes": _STUDIES,
    "forward": _STUDIES,
    "databases": _STUDIES,
    "cli": _STUDIES | {"solver", "retrieval", "inverse", "bayes", "forward", "databases"},
}
# And inside what trains networks.
TRAINING_ALLOWED = {"": set(), "inverse": set(), "cli": {"inverse"}}
# And inside what evaluates methods.
EVALUATION_ALLOWED = {"": set(), "virtual": set(), "scoring": {"virtual"}, "cli": {"virtual", "scoring"}}
# What each package of the wheel may import of the others. Whatever stands beside the product plugs in.
PACKAGES_ALLOWED = {
    SOURCE: set(),
    GPU: {"gliofield"},
    TRAINING: {"gliofield"},
    EVALUATION: {"gliofield"},
    PAPERS: {"gliofield", "gliofield_training", "gliofield_evaluation"},
}
# `python -m gliofield` is the command line and nothing else.
_ENTRY_POINT = "gliofield.__main__"


def test_every_folder_has_its_place_in_the_order():
    """A new folder needs a line in the table."""
    folders = {package_of(module_name(path)) for path in source_files(SOURCE)}

    assert {"", "anatomy", "growth", "cli"} <= folders
    assert folders <= set(ALLOWED)
    assert {package_of(module_name(path)) for path in source_files(PAPERS)} == set(PAPERS_ALLOWED)
    assert {package_of(module_name(path)) for path in source_files(TRAINING)} == set(TRAINING_ALLOWED)
    assert {package_of(module_name(path)) for path in source_files(EVALUATION)} == set(EVALUATION_ALLOWED)


@pytest.mark.parametrize(
    "table",
    [ALLOWED, PAPERS_ALLOWED, TRAINING_ALLOWED, EVALUATION_ALLOWED],
    ids=["product", "papers", "training", "evaluation"],
)
def test_the_order_has_no_cycle(table):
    """Each folder reaches only folders that do not reach it."""

    def reach(folder, seen=frozenset()):
        return seen if folder in seen else frozenset().union(seen | {folder}, *(reach(f) for f in table[folder]))

    for folder, allowed in table.items():
        assert all(folder not in reach(other) for other in allowed), folder


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_packages_import_each_other_one_way(path):
    """What stands beside the product plugs in by entry points: the product works without it, and imports none of it."""
    own = module_name(path).split(".")[0]
    others = {package.name for package in PACKAGES_ALLOWED} - PACKAGES_ALLOWED[SOURCE.parent / own] - {own}

    assert {other for other in others if imported_modules(path, other)} == set()


@pytest.mark.parametrize(
    ("path", "table"),
    [
        (path, table)
        for root, table in ((PAPERS, PAPERS_ALLOWED), (TRAINING, TRAINING_ALLOWED), (EVALUATION, EVALUATION_ALLOWED))
        for path in source_files(root)
    ],
    ids=lambda value: module_name(value) if isinstance(value, Path) else "",
)
def test_a_module_beside_the_product_imports_only_what_lies_before_it(path, table):
    """Of its own package; of the product all may be used."""
    own = package_of(module_name(path))
    imported = {module: package_of(module) for module in imported_modules(path, module_name(path).split(".")[0])}
    wrong = {module for module, folder in imported.items() if folder not in table[own] | {own, ""}}

    assert not wrong, f"{own} may import {sorted(table[own])}, but imports {sorted(wrong)}"


@pytest.mark.parametrize("path", source_files(SOURCE), ids=module_name)
def test_a_module_imports_only_what_lies_before_it(path):
    """Imports inside functions count as well."""
    name = module_name(path)
    own = package_of(name)
    imported = {module: package_of(module) for module in imported_modules(path)}

    if name == _ENTRY_POINT:
        assert set(imported.values()) == {"cli"}
        return
    allowed = ALLOWED[own] | {own, ""}
    wrong = {
        each for each, folder in imported.items() if folder not in allowed and (name, each) not in DECLARED_EXCEPTIONS
    }
    assert not wrong, f"{name} may import {sorted(ALLOWED[own] | {own})}, but imports {sorted(wrong)}"


@pytest.mark.parametrize("path", [p for p in source_files() if p.name == "__init__.py"], ids=module_name)
def test_a_package_file_only_re_exports(path):
    """A docstring, imports from gliofield, `__all__`, names that load later (and the version in the root): no code."""
    tree = parsed(path)
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body

    for node in body:
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").startswith("gliofield"), ast.unparse(node)
        else:
            assert isinstance(node, ast.Assign | ast.AnnAssign), ast.unparse(node)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            lazy = {"_NAMES", "__getattr__", "__dir__", "__all__"}
            assert names <= ({*lazy, "__version__"} if path.parent == SOURCE else lazy), names


def test_relative_imports_are_not_used():
    """The full name of a module says where it lies."""
    relative = [
        module_name(path)
        for path in source_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert relative == []
