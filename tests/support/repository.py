"""The files of the repository and its modules, for tests about the source itself.

Works in a checkout as in an unpacked copy without version control: what is ignored there is left out by name here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "src" / "gliofield"
# What reproduces the papers: an import package of its own, which the product never imports.
PAPERS = ROOT / "src" / "gliofield_papers"
# What evaluates methods: a plug-in, which the product never imports.
EVALUATION = ROOT / "src" / "gliofield_evaluation"
# What grows tumors on a CUDA device: a plug-in, which nobody imports.
GPU = ROOT / "src" / "gliofield_gpu"
# What trains the networks that product and papers answer with.
TRAINING = ROOT / "src" / "gliofield_training"
PACKAGES = (SOURCE, EVALUATION, GPU, TRAINING, PAPERS)

# Imports upward, which close a circle: (importing module, imported module), and why nothing better was found.
# They stand inside functions.
DECLARED_EXCEPTIONS: dict[tuple[str, str], str] = {
    ("gliofield.pipeline.result", "gliofield.report"): "a result shows and saves itself; report alone knows how",
}

_LEFT_OUT = {"build", "dist", "htmlcov", "node_modules", "venv", "gliofield-demo", "gliofield-result"}
_KEPT_HIDDEN = {".ci", ".gitignore", ".github"}
_BINARY = {".nbi", ".nbc", ".pyc", ".png", ".webp", ".nii", ".gz", ".npz", ".safetensors"}


def repository_files() -> list[Path]:
    """Text files that belong to the repository."""
    return sorted(_walk(ROOT))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        is_hidden = path.name.startswith(".") and path.name not in _KEPT_HIDDEN
        if is_hidden or path.name == "__pycache__" or path.suffix in {".zarr", ".egg-info"}:
            continue
        if path.is_dir():
            if path.name not in _LEFT_OUT:
                yield from _walk(path)
        elif path.suffix not in _BINARY:
            yield path


def source_files(*packages: Path) -> list[Path]:
    """The modules of all packages, or of some, as files."""
    folders = packages or PACKAGES
    return sorted(
        path for path in repository_files() if path.suffix == ".py" and any(map(path.is_relative_to, folders))
    )


def module_name(path: Path) -> str:
    """Dotted name of a source file, such as ``gliofield.anatomy.atlas``."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(name: str) -> str:
    """Folder directly under a package that a module lies in; empty for the modules of the package's root."""
    parts = name.split(".")
    is_in_folder = len(parts) > 2 or (len(parts) == 2 and (SOURCE.parent / parts[0] / parts[1]).is_dir())
    return parts[1] if is_in_folder else ""


def parsed(path: Path) -> ast.Module:
    """Syntax tree of a source file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported_modules(path: Path, package: str = "gliofield") -> set[str]:
    """Modules of one of the packages that a file imports anywhere, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from gliofield import growth` names a module by its last part.
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in submodules if _is_module(name)} or {node.module}
    return {name for name in found if name == package or name.startswith(f"{package}.")}


def _is_module(name: str) -> bool:
    path = SOURCE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()
