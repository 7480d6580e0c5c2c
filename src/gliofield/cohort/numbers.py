"""The numbers of one result folder as a flat row: one name, one value, whatever wrote the folder.

They are read from what `personalize` writes (``quality.json``, ``parameters.json``, ``provenance.json``) and, where it
is there, from ``targets.json``. What a method does not give has no value, so rows of all methods stand in one table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Value = str | int | float | None

#: Columns every table has, in this order; rows may have more.
FIRST_COLUMNS = (
    "patient", "status", "verdict", "num_concerns", "concerns", "method", "label_scheme",
    "core_ml", "whole_ml", "cavity_ml", "num_foci",
    "dice_t1gd", "dice_flair", "dice_sum",
    "without_cells_ml", "without_cells_share", "below_threshold_ml", "below_threshold_share", "largest_piece_ml",
)  # fmt: skip
#: Columns that stand last.
LAST_COLUMNS = ("seconds", "peak_memory_mb", "folder", "kind", "reason")
#: What a comparison of cohorts and the search for outliers look at, with words for them.
COMPARED: dict[str, str] = {
    "dice_t1gd": "Dice of the core before correction",
    "dice_flair": "Dice of the whole tumor before correction",
    "without_cells_share": "part of the visible tumor without cells",
    "below_threshold_share": "part of the visible tumor below the FLAIR threshold",
    "diffusion_length_mm": "diffusion length √(DT) [mm]",
    "proliferation_number": "proliferation number √(ρT)",
    "infiltration_length_mm": "infiltration length √(D/ρ) [mm]",
    "visible_in_density": "visible tumor in the density's region, at the volume of the margin",
    "visible_in_priority": "visible tumor in the priority's region, at the same volume",
    "brain_overlap": "overlap of brain and atlas (Dice)",
    "tissue_overlap": "overlap of tissues (mean Dice)",
    "whole_volume_ratio": "volume of the tumor in the atlas over that in the scan",
    "seconds": "time [s]",
    "peak_memory_mb": "peak memory [MB]",
}


def result_numbers(folder: Path) -> dict[str, Value]:
    """The row of a result folder; empty where there is no result, or it cannot be read."""
    quality, parameters = _read(folder / "quality.json"), _read(folder / "parameters.json")
    provenance = _read(folder / "provenance.json")
    if not quality or not provenance:
        return {}
    row: dict[str, Value] = {
        "verdict": quality.get("verdict"),
        "num_concerns": len([each for each in quality.get("concerns", ()) if each.get("level") != "note"]),
        "concerns": ",".join(each["name"] for each in quality.get("concerns", ())),
        "method": _at(provenance, "settings", "method"),
        "label_scheme": _at(quality, "input", "label_scheme"),
        **dict(_tumor(quality)),
        **dict(_parameters(parameters)),
        **dict(_rankings(quality)),
        **dict(_registration(quality)),
        **dict(_targets(_read(folder / "targets.json"))),
    }
    return {name: value for name, value in row.items() if value is not None}


def _tumor(quality: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    yield "core_ml", _at(quality, "tumor_volume_ml", "tumor_core")
    yield "whole_ml", _at(quality, "tumor_volume_ml", "whole_tumor")
    yield "cavity_ml", _at(quality, "input", "cavity_ml")
    foci = _at(quality, "coverage", "foci")
    yield "num_foci", None if foci is None else len(foci)
    for name, key in (("dice_t1gd", "t1gd"), ("dice_flair", "flair"), ("dice_sum", "combined")):
        yield name, _at(quality, "dice_patient_space", key)
    for name in ("without_cells", "below_threshold"):
        yield f"{name}_ml", _at(quality, "coverage", f"{name}_ml")
        yield f"{name}_share", _at(quality, "coverage", f"{name}_share")
    yield "largest_piece_ml", _at(quality, "coverage", "largest_piece_ml")
    yield "beyond_tumor_ml", _at(quality, "coverage", "beyond_ml")
    for bound in ("mean", "low", "high"):
        yield f"cells_outside_core_{bound}_ml", _at(quality, "cells_outside_core_ml", bound)
    yield "flair_edge", _at(quality, "input", "flair_edge")
    yield "t1gd_gap", _at(quality, "input", "t1gd_gap")


def _parameters(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """What one scan determines first; every number with its interval where the method gives one."""
    intervals = parameters.get("intervals") or {}
    for part in ("identifiable", "parameters"):
        for name, value in (parameters.get(part) or {}).items():
            if isinstance(value, int | float):
                yield name, value
    for name, interval in intervals.items():
        for bound, number in interval.items() if isinstance(interval, Mapping) else ():
            if isinstance(number, int | float):
                yield f"{name}_{bound}", number


def _rankings(quality: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    yield "margin_volume_ml", _at(quality, "rankings", "volume_ml")
    for ranking, found in (_at(quality, "rankings", "regions") or {}).items():
        name = ranking.replace("-", "_")
        yield f"visible_in_{name}", found.get("visible_tumor")
        yield f"cells_in_{name}", found.get("cells_outside_core")


def _registration(quality: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for name in ("brain_overlap", "num_folds", "jacobian_min", "jacobian_max", "whole_volume_ratio"):
        yield name, _at(quality, "registration", name)
    yield "tissue_overlap", _at(quality, "registration", "tissue_overlap", "mean")
    yield "core_outside_domain", _at(quality, "tumor_outside_domain", "tumor_core")
    yield "whole_outside_domain", _at(quality, "tumor_outside_domain", "whole_tumor")


# By which entries of lists are known (of a comparison both together), and which of their numbers a table of patients
# needs; the others stand in each patient's file.
_NAMES_OF_ENTRIES = ("name", "target", "one", "other")
_OF_TARGETS: dict[str, tuple[str, ...]] = {
    "targets": ("_volume_ml",),
    "expected_cells": ("_share_mean", "_share_low", "_share_high"),
    "comparisons": ("_dice", "_surface_distance_95_mm"),
    "saving": ("",),
}


def _targets(content: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """The main numbers of the targets, by their way through the file."""
    for part, endings in _OF_TARGETS.items():
        for name, value in _flat(content.get(part), "target" if part == "targets" else f"target_{part}"):
            if name.endswith(endings):
                yield name, value


def _flat(content: Any, name: str) -> Iterator[tuple[str, Value]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flat(value, f"{name}_{key}")
    elif isinstance(content, list):
        for each in (entry for entry in content if isinstance(entry, Mapping)):
            words = [str(each[key]) for key in _NAMES_OF_ENTRIES if isinstance(each.get(key), str)]
            if words:
                yield from _flat(each, "_".join([name, *words]))
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield re.sub(r"\W+", "_", name), content


def _at(content: Any, *keys: str) -> Any:
    """A value inside of mappings; None where there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
