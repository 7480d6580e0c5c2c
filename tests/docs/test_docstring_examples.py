"""The examples in docstrings run and print what they say."""

import doctest
import importlib

import pytest
from repository import module_name, source_files

WITH_EXAMPLES = [module_name(path) for path in source_files() if ">>> " in path.read_text(encoding="utf-8")]


def test_there_are_examples():
    """An empty list would pass the test below."""
    assert "gliofield.units" in WITH_EXAMPLES


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_hold(name):
    """As `python -m doctest` sees them."""
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for example in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name)):
        runner.run(example, out=report.append)

    assert runner.tries > 0
    assert runner.failures == 0, "".join(report)
