"""No function is longer than a page: 80 lines from `def` to its last, docstring included (CONTRIBUTING.md)."""

import ast

import pytest
from repository import SOURCE, module_name, parsed, source_files

_LONGEST_FUNCTION = 80

# Files with longer functions that are being rewritten. The set only shrinks: a file without one has to leave it.
NOT_YET_CONVERTED: set[str] = set()


def long_functions(tree: ast.Module) -> list[str]:
    """Functions and methods above the limit, with their lines."""
    lengths = {
        f"{node.name} at line {node.lineno}": (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return [f"{name} has {length} lines" for name, length in lengths.items() if length > _LONGEST_FUNCTION]


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_a_function_fits_on_a_page(path):
    """Longer ones are split by what their parts do, or their docstring says what a message already says."""
    is_exempt = path.relative_to(SOURCE.parent).as_posix() in NOT_YET_CONVERTED

    assert is_exempt or long_functions(parsed(path)) == []


def test_files_not_yet_converted_are_that():
    """A file that has no long function any more, or is no longer there, leaves the set."""
    paths = {name: SOURCE.parent / name for name in sorted(NOT_YET_CONVERTED)}
    converted = [name for name, path in paths.items() if not path.is_file() or not long_functions(parsed(path))]

    assert converted == [], "take these out of NOT_YET_CONVERTED"


@pytest.mark.parametrize(("num_lines", "is_long"), [(80, False), (81, True)])
def test_a_long_function_is_found_with_its_length(num_lines, is_long):
    """Methods too; the docstring counts, decorators do not."""
    lines = ["class C:", "    @staticmethod", "    def f():", '        """First.', *["        more"] * (num_lines - 4)]
    tree = ast.parse("\n".join([*lines, '        """', "        return 1"]))

    assert long_functions(tree) == ([f"f at line 3 has {num_lines} lines"] if is_long else [])
