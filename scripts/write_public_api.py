"""Rewrites tests/architecture/public_api.txt, the pinned list of public names, from the packages' `__all__`."""

import importlib
import pkgutil
from pathlib import Path

import gliofield

LIST = Path(__file__).resolve().parent.parent / "tests" / "architecture" / "public_api.txt"


def main() -> None:
    packages = ["gliofield"]
    packages += [module.name for module in pkgutil.walk_packages(gliofield.__path__, "gliofield.") if module.ispkg]
    names = [f"{name}.{public}" for name in sorted(packages) for public in _public_names(name)]
    LIST.write_text("\n".join(names) + "\n", encoding="utf-8")
    print(f"{len(names)} names in {LIST}")


def _public_names(package: str) -> list[str]:
    return sorted(importlib.import_module(package).__all__)


if __name__ == "__main__":
    main()
