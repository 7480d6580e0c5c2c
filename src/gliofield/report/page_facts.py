"""What a result says in numbers and words: rows of the tables of its page, from its JSON files.

Pure values, tested without a browser; templates only draw them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gliofield.concern import Concern, Level
from gliofield.pipeline.density_posterior import CELLS_OUTSIDE_CORE, ExpectedCells
from gliofield.pipeline.rankings import MARGIN_MM
from gliofield.report.color_maps import TARGET_COLORS
from gliofield.report.page_layers import read_targets

_UNITS = {
    "_mm2_per_day": "mm²/day", "_per_day": "1/day", "_days": "days", "_mm": "mm", "_ml": "ml", "_pa": "Pa",
}  # fmt: skip
_RATES = ("white_matter_diffusivity_mm2_per_day", "proliferation_rate_per_day", "growth_time_days")
_RANKING_WORDS = {
    "core-margin": "core with a margin of 15 mm",
    "whole-margin": "whole tumor with a margin",
    "density": "density",
    "priority": "target priority",
}


def concerns_told(concerns: Iterable[Concern]) -> list[dict[str, str]]:
    """Concerns with their level in words."""
    words: dict[Level, str] = {"note": "note", "check": "check", "do-not-use": "do not use"}
    return [{"level": each.level, "words": words[each.level], "text": each.text} for each in concerns]


def facts_in_short(quality: Mapping[str, Any], settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Method, volumes and agreement: what stands below the verdict."""
    volumes, dice = quality["tumor_volume_ml"], quality["dice_patient_space"]
    facts = [
        ("method", f"{settings['method']}, in the {'patient' if settings.get('space') == 'patient' else 'atlas'}"),
        ("tumor core", f"{volumes['tumor_core']:.1f} ml"),
        ("whole tumor", f"{volumes['whole_tumor']:.1f} ml"),
        ("agreement with T1Gd", "no core" if dice["t1gd"] is None else f"Dice {dice['t1gd']:.2f}"),
        ("agreement with FLAIR", f"Dice {dice['flair']:.2f}"),
    ]
    coverage = quality.get("coverage")
    if coverage:
        share = f"{coverage['below_threshold_ml']:.1f} ml, {coverage['below_threshold_share']:.0%}"
        facts.append(("visible tumor not covered", share))
    cells = quality.get(CELLS_OUTSIDE_CORE)
    if cells:
        words = "cells outside the core"
        facts.append((words, ExpectedCells(**cells).in_words().removeprefix(words).strip()))
    return facts


def registration_facts(quality: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How well patient and atlas lie on each other; what was not measured is left out."""
    found = quality.get("registration", {})
    tissue = (found.get("tissue_overlap") or {}).get("mean")
    facts = [
        ("overlap of the brains", _number(found.get("brain_overlap"), ".2f")),
        ("overlap of the tissues, mean", _number(tissue, ".2f")),
        ("volume of the brain changes by", _number(found.get("affine_volume_ratio"), ".2f")),
        ("folds", _number(found.get("num_folds"), "d")),
        ("local change of volume, 1 % and 99 %",
         f"{_number(found.get('jacobian_p01'), '.2f')} and {_number(found.get('jacobian_p99'), '.2f')}"),
    ]  # fmt: skip
    return [(words, value) for words, value in facts if "not known" not in value]


def _number(value: Any, form: str) -> str:
    return "not known" if value is None else format(value, form)


def coverage_rows(quality: Mapping[str, Any], settings: Mapping[str, Any], *, is_drawn: bool) -> dict[str, Any] | None:
    """Visible tumor that the answer leaves out; None where it was not measured."""
    found = quality.get("coverage")
    if found is None:
        return None
    where, threshold = found["largest_piece_mm"], settings["flair_threshold"]
    rows = [
        (f"at or below {threshold:g}", f"{found['below_threshold_ml']:.1f} ml", found["below_threshold_share"]),
        ("below 0.01, no cells at all", f"{found['without_cells_ml']:.1f} ml", found["without_cells_share"]),
    ]
    return {
        "rows": rows,
        "largest_ml": found["largest_piece_ml"],
        "where": None if where is None else ", ".join(f"{x:.0f}" for x in where),
        "beyond_ml": found["beyond_ml"],
        "foci": found["foci"],
        "is_drawn": is_drawn,
        "before_correction": "dice_after_correction" in quality,
    }


def parameter_rows(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    """What one scan determines first, then the rest."""
    intervals = parameters.get("intervals") or {}
    rows = []
    for key, value in (parameters.get("identifiable") or {}).items():
        number = ", ".join(f"{x:.1f}" for x in value) if isinstance(value, list) else _number(value, ".3g")
        rows.append({"name": _words(key), "value": number, "unit": _unit(key), "interval": "", "read": "from the scan"})
    told = (parameters.get("identifiable") or {}).keys()
    for key, value in (parameters.get("parameters") or {}).items():
        if key.startswith("seed_") and "seed_patient_mm" in told:
            continue  # told above, as points
        alone = "not determined alone" if key in _RATES else "from the scan"
        shown = {"name": _words(key), "value": _number(value, ".3g"), "unit": _unit(key), "read": alone}
        rows.append({**shown, "interval": _interval(intervals[key]) if key in intervals else ""})
    for key in sorted(intervals.keys() - (parameters.get("parameters") or {}).keys()):
        shown = {"name": _words(key), "value": "", "unit": _unit(key), "read": "varied, not measured"}
        rows.append({**shown, "interval": _interval(intervals[key])})
    return rows


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['low']:.3g} to {found['high']:.3g}"


def _unit(key: str) -> str:
    return next((unit for ending, unit in _UNITS.items() if key.endswith(ending)), "")


def _words(key: str) -> str:
    ending = next((ending for ending in _UNITS if key.endswith(ending)), "")
    return key.removesuffix(ending).replace("_", " ")


def target_rows(folder: Path) -> list[dict[str, Any]]:
    """Targets of the folder, as its `targets.json` describes them."""
    return [
        {
            "name": str(each["name"]),
            "kind": str(each.get("kind", "")),
            "description": str(each.get("description", "")),
            "volume": _number(each.get("volume_ml"), ".1f"),
            "color": TARGET_COLORS[place % len(TARGET_COLORS)],
        }
        for place, each in enumerate(read_targets(folder))
    ]


def ranking_rows(quality: Mapping[str, Any]) -> dict[str, Any] | None:
    """What regions of one volume hold, by ranking; None without a core."""
    found = quality.get("rankings")
    if not found or not found.get("regions"):
        return None
    rows = [
        {
            "words": _RANKING_WORDS.get(name, name),
            "visible": each["visible_tumor"],
            "cells": each["cells_outside_core"],
            "dice": each["dice_with_core_margin"],
        }
        for name, each in found["regions"].items()
    ]
    return {"volume_ml": found["volume_ml"], "margin_mm": found.get("margin_mm", MARGIN_MM), "rows": rows}


def provenance_rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Software, settings, atlas, and where the time went."""
    versions = ", ".join(f"{name} {text}" for name, text in record["versions"].items())
    shown = {name.replace("_", " "): value for name, value in record["settings"].items() if "hash" not in name}
    settings = ", ".join(f"{name} {value}" for name, value in shown.items())
    seconds = record.get("seconds", {})
    missing = ", ".join(record.get("inputs", {}).get("missing_modalities", ())) or "none"
    return [
        ("software", versions),
        ("settings", settings),
        ("atlas content", str(record["settings"].get("atlas_content_hash", ""))),
        ("images not given", missing),
        ("seconds", ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())),
    ]
