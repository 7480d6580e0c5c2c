"""Counts files, lines and lines of code: of each folder of the packages in src/, and of tests/ and benchmarks/.

Lines of code are those without blanks, comments and docstrings. `make size` prints the table.
"""

import ast
import io
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Counted as a whole, beside the package.
_BESIDE = ("tests", "benchmarks")
_NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Size:
    """How much there is."""

    files: int = 0
    lines: int = 0
    code: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.files + other.files, self.lines + other.lines, self.code + other.code)


def measure_file(path: Path) -> Size:
    """Size of one Python file."""
    text = path.read_text(encoding="utf-8")
    with_code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in _NOT_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return Size(1, len(text.splitlines()), len(with_code - docstring_lines(ast.parse(text))))


def docstring_lines(tree: ast.Module) -> set[int]:
    """Numbers of the lines that docstrings take."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            found.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return found


def measure_folder(folder: Path, *, is_recursive: bool = True) -> Size:
    """Size of the Python files of a folder."""
    files = sorted(folder.rglob("*.py") if is_recursive else folder.glob("*.py"))
    return sum((measure_file(path) for path in files), Size())


def measure_package(source: Path) -> dict[str, Size]:
    """Size of each folder of a package that has code, and of the whole package under its name."""
    parts = {"(modules of the root)": measure_folder(source, is_recursive=False)}
    parts |= {f"{path.name}/": measure_folder(path) for path in sorted(source.iterdir()) if any(path.rglob("*.py"))}
    return {**parts, f"src/{source.name}": sum(parts.values(), Size())}


def measure_repository(root: Path) -> list[dict[str, Size]]:
    """Sizes of the product, of what reproduces the papers, and of what stands beside both."""
    packages = [
        measure_package(source) for source in sorted((root / "src").glob("gliofield*")) if any(source.rglob("*.py"))
    ]
    return [*packages, {f"{name}/": measure_folder(root / name) for name in _BESIDE}]


def format_table(sizes: list[dict[str, Size]]) -> str:
    """The sizes in columns, with a line before each total and an empty one after it."""
    width = max(len(name) for part in sizes for name in part)
    rows = [f"{'':{width}}  {'files':>6}  {'lines':>7}  {'code':>7}"]
    line = "-" * len(rows[0])
    for part in sizes:
        for name, size in part.items():
            row = f"{name:{width}}  {size.files:6,}  {size.lines:7,}  {size.code:7,}"
            rows.extend([line, row, ""] if name.startswith("src/") else [row])
    return "\n".join(rows)


if __name__ == "__main__":
    print(format_table(measure_repository(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)))
