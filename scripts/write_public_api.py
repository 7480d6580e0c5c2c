"""Writes what follows from the lists of public names.

The pinned list tests/architecture/public_api.txt, and for packages whose names load when they are used an
``__init__.pyi`` with the same names for type checkers.
"""

import importlib
import pkgutil
from pathlib import Path

import gliofield
import gliofield_evaluation
import gliofield_gpu
import gliofield_papers
import gliofield_training

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests" / "architecture" / "public_api.txt"


def main() -> None:
    packages = []
    for root in (gliofield, gliofield_evaluation, gliofield_gpu, gliofield_papers, gliofield_training):
        inner = pkgutil.walk_packages(root.__path__, f"{root.__name__}.")
        packages += [root.__name__, *(module.name for module in inner if module.ispkg)]
    names = [f"{name}.{public}" for name in sorted(packages) for public in _public_names(name)]
    LIST.write_text("\n".join(names) + "\n", encoding="utf-8")
    print(f"{len(names)} names in {LIST}")
    for package in packages:
        if hasattr(importlib.import_module(package), "_NAMES"):
            stub = ROOT / "src" / Path(*package.split(".")) / "__init__.pyi"
            stub.write_text(stub_of(package), encoding="utf-8")
            print(stub)


def stub_of(package: str) -> str:
    """Text of the ``__init__.pyi`` of a package with lazy names."""
    module = importlib.import_module(package)
    lines = []
    for home, names in sorted(module._NAMES.items()):
        exported = "".join(f"    {name} as {name},\n" for name in sorted(names))
        lines.append(f"from {package}.{home} import (\n{exported})\n")
    if hasattr(module, "__version__"):
        lines.append("\n__version__: str\n")
    return "".join(lines)


def _public_names(package: str) -> list[str]:
    return sorted(importlib.import_module(package).__all__)


if __name__ == "__main__":
    main()
