"""The front door: names that a newcomer would guess, loaded when they are used, never hidden by a module."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from repository import ROOT, SOURCE

import gliofield
from gliofield.lazy import lazy_names

LAZY_PACKAGES = ("gliofield", "gliofield.pipeline")


def modules_of(package: str) -> set[str]:
    folder = SOURCE.joinpath(*package.split(".")[1:])
    return {module.name for module in pkgutil.iter_modules([str(folder)])}


@pytest.mark.parametrize("package", LAZY_PACKAGES)
def test_no_name_is_that_of_a_module(package):
    """A module would take the place of the name when it is imported."""
    assert not set(importlib.import_module(package).__all__) & modules_of(package)


def test_every_name_is_there_after_every_module_was_imported():
    """In one fresh interpreter: all modules first, then all names, none of which is a module."""
    script = (
        "import importlib, pkgutil, types, gliofield\n"
        "for module in pkgutil.walk_packages(gliofield.__path__, 'gliofield.'):\n"
        "    try:\n"
        "        importlib.import_module(module.name)\n"
        "    except ImportError as error:\n"
        "        assert error.name and not error.name.startswith('gliofield'), error\n"
        "for package in ('gliofield', 'gliofield.pipeline'):\n"
        "    loaded = importlib.import_module(package)\n"
        "    for name in loaded.__all__:\n"
        "        assert not isinstance(getattr(loaded, name), types.ModuleType), (package, name)\n"
        "print('all names are there')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=150)

    assert done.stdout.endswith("all names are there\n"), done.stderr[-2000:]


def test_the_face_reads_like_a_table_of_contents():
    """`dir` shows the names, some 25 of them, sorted, and nothing else."""
    assert dir(gliofield) == sorted(gliofield.__all__)
    assert 20 <= len(gliofield.__all__) <= 30
    assert {"personalize", "build_database", "search", "simulate", "Sample"} <= set(dir(gliofield))


@pytest.mark.parametrize("package", LAZY_PACKAGES)
def test_type_checkers_see_the_same_names(package):
    """The stub beside the package is what `scripts/write_public_api.py` writes."""
    folder = SOURCE.joinpath(*package.split(".")[1:])
    tree = ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8"))
    homes = {
        alias.name: (node.module or "").removeprefix(f"{package}.")
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names = importlib.import_module(package)._NAMES

    assert homes == {name: module for module, exported in names.items() for name in exported}, (
        "run: python scripts/write_public_api.py"
    )


def test_the_stubs_travel_with_the_package():
    """The source distribution lists what goes in."""
    assert '"/src/gliofield/**/*.pyi"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert (Path(gliofield.__file__).parent / "py.typed").is_file()


def test_a_name_that_is_not_there_is_an_attribute_error():
    """As of every module."""
    with pytest.raises(AttributeError, match="module 'gliofield' has no attribute 'personalise'"):
        _ = gliofield.personalise


def test_a_name_is_loaded_once(monkeypatch):
    """After the first use it is an attribute like any other."""
    package = ModuleType("boxes")
    monkeypatch.setitem(sys.modules, "boxes", package)
    monkeypatch.setitem(sys.modules, "boxes.inner", inner := ModuleType("boxes.inner"))
    inner.value = object()
    load, names, exported = lazy_names("boxes", {"inner": ("value",)})

    assert load("value") is inner.value
    assert package.value is inner.value
    assert names() == exported == ["value"]
