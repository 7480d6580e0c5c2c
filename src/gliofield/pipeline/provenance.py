"""Where a result came from: inputs, versions, settings, times, and the papers to cite.

Everything here is JSON-ready. Wall times are the only part that differs between two deterministic runs; they have a
file key of their own (`seconds`). Results are passed on: they name files, and say by hashes which, but not the folders
of whoever made them (`hide_places`).
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from gliofield import __version__
from gliofield.pipeline.result import PersonalizationResult

_RECORDED_PACKAGES = ("numpy", "scipy", "numba", "nibabel", "zarr", "antspyx")


# An absolute path within a text: a slash that follows no letter, and at least one further slash.
_ABSOLUTE_PATH = re.compile(r"(?<![\w./:~-])~?/(?:[^/\s'\"]+/)+(?P<name>[^/\s'\",;:)]*)")


def hide_places(value: Any) -> Any:
    """The value with names in place of absolute paths, also inside texts, mappings and sequences.

    Examples
    --------
    >>> hide_places({"database": Path("/home/jane/tumors"), "unit": "mm / day"})
    {'database': 'tumors', 'unit': 'mm / day'}
    >>> hide_places("/home/jane/cache/000000.index is made again: see https://example.org/a/b.")
    '000000.index is made again: see https://example.org/a/b.'
    """
    if isinstance(value, Mapping):
        return {hide_places(key): hide_places(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hide_places(item) for item in value]
    if isinstance(value, os.PathLike):
        return Path(value).name
    return _without_paths(value) if isinstance(value, str) else value


def _without_paths(text: str) -> str:
    if os.path.isabs(text) and os.path.lexists(text):
        return Path(text).name
    # The folders that are known are taken out whole: they may hold spaces, which end a path for the pattern.
    for folder in (Path.home(), Path(tempfile.gettempdir())):
        if len(folder.parts) > 1:
            text = text.replace(f"{folder}{os.sep}", "/./")
    return _ABSOLUTE_PATH.sub(lambda found: found["name"], text)


def package_versions() -> dict[str, str]:
    """Versions of gliofield, Python and the packages a result depends on; absent ones are left out."""
    versions = {"gliofield": __version__, "python": platform.python_version()}
    for name in _RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def provenance(
    result: PersonalizationResult,
    *,
    seconds_before: Mapping[str, float] | None = None,
    seconds_after: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Content of `provenance.json` of a result.

    Parameters
    ----------
    result : PersonalizationResult
        What was found.
    seconds_before, seconds_after : mapping of str to float, optional
        Stages outside `personalize`, such as reading and writing [s].
    """
    seconds = {**(seconds_before or {}), **result.seconds, **(seconds_after or {})}
    record = {
        "inputs": {
            "sha256": dict(result.case.file_hashes),
            "structural_image": result.case.structural_modality,
            "missing_modalities": list(result.case.missing_modalities),
            "label_scheme": result.case.segmentation.scheme,
            "stored_grid": result.case.stored_grid.to_dict(),
        },
        "settings": dict(result.settings),
        "registration": {
            **result.registration.settings,
            "versions": dict(result.registration.versions),
            "seconds": {stage: round(value, 3) for stage, value in result.registration.seconds.items()},
        },
        "method": {"name": result.method_name, **dict(result.estimate.details)},
        "versions": package_versions(),
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "references": list(result.references),
        "notice": "For research use only; not a medical device.",
    }
    hidden: dict[str, Any] = hide_places(record)
    return hidden
