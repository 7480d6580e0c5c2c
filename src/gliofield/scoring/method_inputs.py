"""What the answers of a method depend on beside its options."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from gliofield.anatomy import Atlas
from gliofield.file_hash import file_sha256
from gliofield.pipeline import MethodOptions, PersonalizationSettings, prepare_method
from gliofield.pipeline.query_method import QueryMethod
from gliofield.progress import Reporter


def method_inputs(
    options: MethodOptions, atlas: Atlas, settings: PersonalizationSettings, report: Reporter
) -> dict[str, Any]:
    """Content of the database and of the files that options name.

    The method is prepared once, so that workers find its inputs; errors as `prepare_method`.
    """
    method = prepare_method(options, atlas=atlas, settings=settings, report=report)
    named = {each.name: getattr(options, each.name) for each in dataclasses.fields(options)}
    files = {name: path for name, path in named.items() if isinstance(path, Path) and path.is_file()}
    found: dict[str, Any] = {f"{name}_sha256": file_sha256(path) for name, path in files.items()}
    if isinstance(method, QueryMethod):
        found |= {"num_tumors": method.database.num_tumors, "manifest_sha256": method.database.content_hash}
    return found
