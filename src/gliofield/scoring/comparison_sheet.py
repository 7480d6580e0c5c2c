"""A comparison of methods as one sheet: ``comparison.html``, and its numbers as JSON and CSV.

The page opens from disk without a network, as a report does, and draws every method on the same planes. Rows keep the
order of the methods; nothing is sorted by a number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gliofield import __version__
from gliofield.output import FolderMarker, atomic_folder
from gliofield.report.color_maps import CORE_COLOR, DENSITY, MARGIN_COLOR, TARGET_COLORS, WHOLE_COLOR
from gliofield.report.json_files import write_json
from gliofield.report.page_layers import ReportLayers
from gliofield.report.page_templates import render
from gliofield.report.report_page import path_of, plane_panel
from gliofield.report.view_files import ScanView, make_view
from gliofield.resample import resample, resample_mask
from gliofield.scoring.comparison import MethodComparison, MethodOutcome, construction_of, why_no_third
from gliofield.volume import Volume

COMPARISON_MARKER = FolderMarker("comparison.json", files=("comparison.html", "comparison.csv"))
_NOTICE = "For research use only; not a medical device."
_COLUMNS = {
    "verdict": "verdict",
    "dice_t1gd": "Dice T1Gd",
    "dice_flair": "Dice FLAIR",
    "not_covered_ml": "not covered [ml]",
    "not_covered_share": "not covered",
    "without_cells_ml": "without cells [ml]",
    "above_flair_threshold_ml": "above FLAIR threshold [ml]",
    "target_visible": "visible tumor in target",
    "target_dice_margin": "target against core + 15 mm (Dice)",
    "masked_third": "masked third found",
    "seconds": "seconds",
}


def comparison_rows(comparison: MethodComparison) -> dict[str, dict[str, Any]]:
    """Numbers by method, JSON-ready; None where one does not apply."""
    overlaps = comparison.overlaps
    return {each.name: _row(each, overlaps.get(each.name, {}).get("margin")) for each in comparison.outcomes}


def _row(outcome: MethodOutcome, dice_margin: float | None) -> dict[str, Any]:
    result, agreement = outcome.result, outcome.result.agreement_patient
    coverage, density = result.coverage, result.density_patient
    above = float(np.count_nonzero(result.thresholds.whole_tumor(density.data))) * density.grid.voxel_volume_ml
    return {
        "verdict": outcome.verdict,
        "dice_t1gd": agreement.dice_t1gd,
        "dice_flair": agreement.dice_flair,
        "not_covered_ml": None if coverage is None else coverage.below_threshold_ml,
        "not_covered_share": None if coverage is None else coverage.below_threshold_share,
        "without_cells_ml": None if coverage is None else coverage.without_cells_ml,
        "above_flair_threshold_ml": above,
        "target_visible": outcome.visible_in_target,
        "target_dice_margin": dice_margin,
        "masked_third": outcome.masked_third_mean,
        "seconds": outcome.seconds,
    }


def comparison_record(comparison: MethodComparison) -> dict[str, Any]:
    """Content of `comparison.json`."""
    first = comparison.outcomes[0].result
    return {
        "methods": comparison_rows(comparison),
        "by_construction": {each.name: list(construction_of(each)) for each in comparison.outcomes},
        "not_run": dict(comparison.not_run),
        "target_volume_ml": comparison.volume_ml,
        "target_overlaps": comparison.overlaps,
        "masked_third": {
            "num_sectors": comparison.num_sectors,
            "by_sector": {each.name: list(each.masked_third) for each in comparison.outcomes if each.masked_third},
            "without": {each.name: why_no_third(each.name) for each in comparison.outcomes if why_no_third(each.name)},
        },
        "shared_seconds": dict(comparison.seconds),
        "settings": {name: value for name, value in first.settings.items() if name not in ("method", "space")},
        "inputs": {"sha256": dict(comparison.case.file_hashes)},
        "versions": {"gliofield": __version__},
        "note": "agreement and coverage before any correction; targets of equal volume; no ranking is made",
        "notice": _NOTICE,
    }


def write_comparison(
    comparison: MethodComparison, folder: Path, *, name: str, force: bool = False, inputs: Sequence[Path] = ()
) -> Path:
    """Write the sheet into a folder and return its path.

    Parameters
    ----------
    comparison : MethodComparison
        What to write.
    folder : path
        Must not exist, unless `force`.
    name : str
        Of the patient.
    force : bool
        Replace a comparison.
    inputs : paths
        What was read: a folder that holds any of it is not replaced.

    Raises
    ------
    OutputError
        If the folder exists and may not be replaced, or cannot be written.
    """
    with atomic_folder(folder, replace=force, marker=COMPARISON_MARKER, inputs=inputs) as partial:
        (partial / "comparison.html").write_text(comparison_page(comparison, name=name), encoding="utf-8")
        (partial / "comparison.csv").write_text(comparison_csv(comparison), encoding="utf-8")
        write_json(partial / "comparison.json", comparison_record(comparison))
    return folder / "comparison.html"


def comparison_csv(comparison: MethodComparison) -> str:
    """A line per method; empty where a number does not apply."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", *_COLUMNS])
    for name, row in comparison_rows(comparison).items():
        writer.writerow([name, *("" if row[key] is None else row[key] for key in _COLUMNS)])
    return text.getvalue()


def comparison_page(comparison: MethodComparison, *, name: str) -> str:
    """The sheet as a page: table, overlaps, and a picture per method on the same planes."""
    view = make_view(comparison.case, name=name)
    rows = comparison_rows(comparison)
    return render(
        "comparison.html.j2",
        name=name,
        columns=list(_COLUMNS.values()),
        rows={method: [_shown(key, row[key]) for key in _COLUMNS] for method, row in rows.items()},
        by_construction={each.name: construction_of(each) for each in comparison.outcomes if construction_of(each)},
        not_run=dict(comparison.not_run),
        no_third={each.name: why_no_third(each.name) for each in comparison.outcomes if why_no_third(each.name)},
        num_sectors=comparison.num_sectors,
        volume_ml=comparison.volume_ml,
        overlaps={
            one: {two: f"{value:.2f}" for two, value in line.items()} for one, line in comparison.overlaps.items()
        },
        pictures=[_picture(each, view) for each in comparison.outcomes],
        shared=dict(comparison.seconds),
        version=__version__,
        core_color=CORE_COLOR,
        whole_color=WHOLE_COLOR,
        margin_color=MARGIN_COLOR,
        target_color=TARGET_COLORS[0],
        uncovered_color=MARGIN_COLOR,
    )


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if key.endswith("share") or key in ("target_visible", "masked_third"):
        return f"{value:.0%}"
    return f"{value:.2f}" if "dice" in key else f"{value:.1f}"


def _picture(outcome: MethodOutcome, view: ScanView) -> dict[str, Any]:
    density = resample(outcome.result.density_patient, view.grid).data
    grid = outcome.result.case.grid
    layers = ReportLayers(view=view, maps={}, targets={})
    margin = layers.margin_mask()
    image = view.images[next(name for name in ("t1c", *view.images) if name in view.images)]
    target = None if outcome.target is None else resample_mask(Volume(outcome.target, grid), view.grid).data
    limits = outcome.result.thresholds
    panels = []
    for cut in layers.cuts():
        paths = [
            path_of("whole", cut.outline(view.whole_tumor, 0.5), WHOLE_COLOR),
            path_of("core", cut.outline(view.tumor_core, 0.5), CORE_COLOR),
            path_of("iso low", cut.outline(density, limits.flair_threshold), "#ffffff"),
            path_of("margin", cut.outline(margin, 0.5), MARGIN_COLOR),
        ]
        if target is not None:
            paths.append(path_of("target", cut.outline(target, 0.5), TARGET_COLORS[0]))
        colored = cut.colored(255.0 * density, DENSITY.table())
        panels.append(plane_panel(cut, view.grid, cut.gray(image), colored, paths))
    return {"method": outcome.name, "panels": panels, "concerns": _concerns(outcome)}


def _concerns(outcome: MethodOutcome) -> list[Mapping[str, str]]:
    return [{"level": each.level, "text": each.text} for each in outcome.result.concerns if each.level != "note"]
