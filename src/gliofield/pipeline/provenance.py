"""Where a result came from: inputs, versions, settings, times, and the papers to cite.

Everything here is JSON-ready. Wall times are the only part that differs between two deterministic runs; they have a
file key of their own (`seconds`).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from gliofield import __version__
from gliofield.pipeline.result import PersonalizationResult

_RECORDED_PACKAGES = ("numpy", "scipy", "numba", "nibabel", "zarr", "antspyx")


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
    return {
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
