"""The public names of the package, pinned: adding or removing one is a decision, seen in the diff of one file.

`python scripts/write_public_api.py` rewrites the list.
"""

import importlib
from pathlib import Path

import pytest
from repository import module_name, source_files

LIST = Path(__file__).with_name("public_api.txt")
PACKAGES = sorted(module_name(path) for path in source_files() if path.name == "__init__.py")


def public_names(package: str) -> list[str]:
    return [f"{package}.{name}" for name in sorted(importlib.import_module(package).__all__)]


def test_the_public_names_are_the_pinned_ones():
    """Every package's `__all__`, one name per line."""
    current = [name for package in PACKAGES for name in public_names(package)]
    pinned = LIST.read_text(encoding="utf-8").split()

    assert current == pinned, "run: python scripts/write_public_api.py"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_exists_and_is_listed_in_order(package):
    """`__all__` holds no name twice, each can be had, and the list is sorted as the linter sorts it."""
    module = importlib.import_module(package)

    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_class_and_function_is_documented(package):
    """A docstring of its own for whatever users can import."""
    module = importlib.import_module(package)
    undocumented = [
        name
        for name in module.__all__
        if callable(getattr(module, name)) and getattr(getattr(module, name), "__module__", "").startswith("gliofield")
        if not (getattr(module, name).__doc__ or "").strip()
    ]
    assert undocumented == []
