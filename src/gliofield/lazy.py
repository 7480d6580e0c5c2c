"""Names of a package that load their module when they are first used.

`import gliofield` takes milliseconds and `dir(gliofield)` shows everything: the names are listed, their modules wait.
Type checkers read the `__init__.pyi` beside the package, which `scripts/write_public_api.py` makes of the same list.
"""

from __future__ import annotations

import importlib
import sys

# Not that of `typing`, which takes longer to load than everything else here; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazy_names(
    package: str, names: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package whose names live in modules below it.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    names : mapping of str to tuple of str
        Names by module, relative to the package. No name may be that of a module of the package itself, which would
        take its place when it is imported.
    """
    homes = {name: f"{package}.{module}" for module, exported in names.items() for name in exported}

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted(homes), sorted(homes)
