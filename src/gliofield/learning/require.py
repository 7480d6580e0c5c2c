"""PyTorch and what belongs to it: an extra that most of gliofield does without, asked for where networks begin."""

from __future__ import annotations

import importlib.util

from gliofield.errors import ParameterError

_NEEDED = {"torch": "PyTorch", "safetensors": "safetensors"}


def require_torch() -> None:
    """Refuse to go on without PyTorch and safetensors; loads neither.

    Raises
    ------
    ParameterError
        If one of them is not installed.
    """
    missing = [label for module, label in _NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ParameterError(
            f"networks need {' and '.join(missing)}, and it is not installed: pip install 'gliofield[learn]'. "
            "On a machine without a GPU, install the CPU build of PyTorch first: it is smaller by gigabytes."
        )
