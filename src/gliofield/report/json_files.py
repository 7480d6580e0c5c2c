"""Strict JSON: NumPy numbers become numbers, undefined ones (NaN, infinity) become null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def plain_json(value: Any) -> Any:
    """The value in types JSON knows.

    Examples
    --------
    >>> plain_json({"dice": np.float32(0.5), "undefined": float("nan"), "seed_mm": (1.0, 2.0)})
    {'dice': 0.5, 'undefined': None, 'seed_mm': [1.0, 2.0]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    if isinstance(value, np.generic):
        return plain_json(value.item())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict, indented JSON in UTF-8, keys in the given order; absolute paths become names (`hide_places`)."""
    from gliofield.pipeline.provenance import hide_places

    text = json.dumps(plain_json(hide_places(content)), indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
