"""Reads `provenance.json` of a result folder: the one reader of what `pipeline.provenance` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gliofield.errors import ParameterError

PROVENANCE_NAME = "provenance.json"
#: What a citation of the run is made of.
CITED_PARTS = ("settings", "references", "versions")


def read_provenance(folder: str | os.PathLike[str], *, parts: Sequence[str] = ("inputs", "settings")) -> dict[str, Any]:
    """Content of `provenance.json` of a result folder; `parts` of it must be there.

    Raises
    ------
    ParameterError
        If the folder is no result of ``gliofield personalize``.
    """
    try:
        record = json.loads((Path(folder) / PROVENANCE_NAME).read_text(encoding="utf-8"))
        missing = [name for name in parts if not isinstance(record[name], Mapping | list)]
        if missing:
            raise ValueError(f"{', '.join(missing)} cannot be understood")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(
            f"{folder} is no result: expected a folder that `gliofield personalize` has written, with a readable "
            f"{PROVENANCE_NAME} ({type(error).__name__}: {error})."
        ) from error
    return record
