"""The page of a result: `report.html`, one file that opens from disk and asks nobody for anything.

What the page says is computed here as plain values (`report_content`) from the files of the result folder, so a new
result and an old one get the same page; the template only draws, and escapes every text. The first line is the
verdict. Volumes, pictures, script and style are inside the file; its content policy forbids any request.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gliofield.concern import Concern, verdict_in_words
from gliofield.errors import ParameterError
from gliofield.output import atomic_file
from gliofield.pipeline.read_provenance import CITED_PARTS, read_provenance
from gliofield.progress import Reporter, ignore_progress
from gliofield.report.citations import bibtex_of, methods_paragraph, references_of
from gliofield.report.color_maps import (
    CORE_COLOR,
    DENSITY,
    MARGIN_COLOR,
    POSTERIOR_SCALES,
    TARGET_COLORS,
    UNCOVERED_COLOR,
    WHOLE_COLOR,
)
from gliofield.report.page_facts import (
    concerns_told,
    coverage_rows,
    facts_in_short,
    parameter_rows,
    provenance_rows,
    ranking_rows,
    registration_facts,
    target_rows,
)
from gliofield.report.page_layers import (
    IMAGE_NAMES,
    Layer,
    ReportLayers,
    read_layers,
    tissue_contours,
)
from gliofield.report.page_templates import render
from gliofield.report.view_files import VIEW_FOLDER, read_view
from gliofield.report.viewer_library import VIEWER_LICENCE, VIEWER_NAME, failed_lately, viewer_file, viewer_script

REPORT_NAME = "report.html"
_VERDICT_WORDS = {"no-concern": "No concern", "check": "Check before use", "do-not-use": "Do not use this map"}


@dataclass(frozen=True, kw_only=True)
class ViewerSource:
    """The viewer's script for a page.

    Parameters
    ----------
    script : bytes or None
        Compressed; None where it cannot be had.
    reason : str
        Why it is not there.
    """

    script: bytes | None = None
    reason: str = ""

    @classmethod
    def cached(cls) -> ViewerSource:
        """What the cache has; nothing is fetched."""
        place = viewer_file()
        if place.is_file():
            return cls(script=place.read_bytes())
        return cls(reason="it has not been fetched yet; gliofield setup does that.")

    @classmethod
    def fetched(cls, report: Reporter = ignore_progress, *, in_passing: bool = False) -> ViewerSource:
        """The viewer, fetched once, or why it cannot be had; in passing, not again for a day after a failure."""
        if in_passing and failed_lately():
            return cls.cached()
        script, reason = viewer_script(report)
        return cls(script=script, reason=reason)


def write_report(
    folder: Path,
    *,
    viewer: ViewerSource = ViewerSource(),
    name: str | None = None,  # noqa: B008 (frozen)
) -> Path:
    """Write `report.html` into a result folder, from its files, and return its path.

    Parameters
    ----------
    folder : Path
        Of the result.
    viewer : ViewerSource
        The viewer's script.
    name : str, optional
        The patient's name, in place of the one that the result has.

    Raises
    ------
    ParameterError
        If the folder is no result.
    ImageError
        If a volume in it cannot be used.
    OutputError
        If the page cannot be written.
    """
    text = render_report(folder, viewer=viewer, name=name)
    with atomic_file(folder / REPORT_NAME, replace=True) as partial:
        partial.write_text(text, encoding="utf-8")
    return folder / REPORT_NAME


def render_report(
    folder: Path,
    *,
    viewer: ViewerSource = ViewerSource(),
    name: str | None = None,  # noqa: B008 (frozen)
) -> str:
    """The page of a result folder as a text; parameters and errors as `write_report`."""
    content = report_content(folder, name=name)
    layers: list[Layer] = content.pop("layers")
    script = None if viewer.script is None or not layers else base64.b64encode(viewer.script).decode("ascii")
    return render(
        "report.html.j2",
        **content,
        layers=layers,
        layers_json=[layer.to_json() for layer in layers],
        viewer_script=script,
        viewer_reason=_viewer_reason(viewer, layers),
        viewer_name=VIEWER_NAME,
        viewer_licence=VIEWER_LICENCE,
        core_color=CORE_COLOR,
        whole_color=WHOLE_COLOR,
        margin_color=MARGIN_COLOR,
        uncovered_color=UNCOVERED_COLOR,
    )


def report_title(folder: Path) -> str:
    """Name of the patient of a result, or of its folder, for a heading."""
    view = folder / VIEW_FOLDER / "view.json"
    return str(_read_json(view).get("name", folder.name)) if view.is_file() else folder.resolve().name


def report_content(folder: Path, *, name: str | None = None) -> dict[str, Any]:
    """All that the page of a result says, as plain values; ``layers`` are those of the viewer.

    Raises
    ------
    ParameterError
        If the folder is no result.
    ImageError
        If a volume in it cannot be used.
    """
    record = read_provenance(folder, parts=CITED_PARTS)
    quality, parameters = _read_json(folder / "quality.json"), _read_json(folder / "parameters.json")
    concerns = [Concern(**each) for each in quality.get("concerns", ())]
    view = read_view(folder)
    shown = None if view is None else read_layers(folder, view)
    settings = record["settings"]
    given = [key for key in IMAGE_NAMES if key in record.get("inputs", {}).get("sha256", {})]
    return {
        "name": name if name is not None else (view.name if view is not None else folder.resolve().name),
        "verdict": quality["verdict"],
        "verdict_words": _VERDICT_WORDS[quality["verdict"]],
        "verdict_line": verdict_in_words(concerns),
        "concerns": concerns_told(concerns),
        "facts": facts_in_short(quality, settings),
        "thresholds": {"t1gd": settings["t1gd_threshold"], "flair": settings["flair_threshold"]},
        "layers": [] if shown is None else list(shown.viewer_layers(folder)),
        "planes": [] if shown is None else _planes(shown, settings),
        "density_bar": _gradient(),
        "start_mm": [0.0, 0.0, 0.0] if shown is None else shown.center_mm(),
        "posterior_rows": [] if shown is None else _posterior_rows(shown),
        "registration_cuts": [] if shown is None else _registration_cuts(shown),
        "registration_facts": registration_facts(quality),
        "atlas_notice": "" if view is None else view.atlas_notice,
        "coverage": coverage_rows(quality, settings, is_drawn=shown is not None and shown.view.not_covered is not None),
        "parameters": parameter_rows(parameters),
        "parameter_note": parameters.get("note", ""),
        "corner": _embedded(folder / "posterior" / "corner.png"),
        "targets": target_rows(folder),
        "rankings": ranking_rows(quality),
        "provenance": provenance_rows(record),
        "seconds": record.get("seconds", {}),
        "hashes": record.get("inputs", {}).get("sha256", {}),
        "methods": methods_paragraph(record, given),
        "references": [each.text for each in references_of(record)],
        "bibtex": bibtex_of(record),
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"{path} cannot be read: the folder is no whole result. Personalize the patient anew."
        ) from error
    return content


def _viewer_reason(viewer: ViewerSource, layers: Sequence[Layer]) -> str:
    if not layers:
        return "this result holds no images. Write the report anew: gliofield report RESULT --patient PATIENT"
    return viewer.reason if viewer.script is None else ""


def _planes(shown: ReportLayers, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of static planes: FLAIR, T1Gd, density, with what belongs to each."""
    view, density = shown.view, shown.maps.get("density")
    margin = shown.margin_mask()
    first = next(name for name in ("t1c", *view.images) if name in view.images)
    second = "flair" if "flair" in view.images else first
    rows = []
    for key, image in (("flair", second), ("t1c", first), ("density", first)):
        if key == "flair" and image == first and "flair" not in view.images:
            continue
        panels = []
        for cut in shown.cuts():
            paths = [path_of("whole", cut.outline(view.whole_tumor, 0.5), WHOLE_COLOR)] if key != "t1c" else []
            if key != "flair":
                paths.append(path_of("core", cut.outline(view.tumor_core, 0.5), CORE_COLOR))
            colored, hatched = "", ""
            if key == "density" and density is not None:
                colored = cut.colored(255.0 * density, DENSITY.table())
                paths.append(path_of("iso high", cut.outline(density, settings["t1gd_threshold"]), "#ffffff"))
                paths.append(path_of("iso low", cut.outline(density, settings["flair_threshold"]), "#ffffff"))
                paths.append(path_of("margin", cut.outline(margin, 0.5), MARGIN_COLOR))
                hatched = "" if view.not_covered is None else cut.outline(view.not_covered > 0, 0.5)
            paths += [
                path_of("target", cut.outline(mask, 0.5), TARGET_COLORS[place % len(TARGET_COLORS)])
                for place, mask in enumerate(shown.targets.values())
                if key == "density"
            ]
            panels.append(plane_panel(cut, view.grid, cut.gray(view.images[image]), colored, paths, hatched))
        rows.append({"key": key, "image": IMAGE_NAMES[image], "panels": panels})
    return rows


def path_of(kind: str, data: str, color: str) -> dict[str, str]:
    return {"kind": kind, "data": data, "color": color}


def plane_panel(
    cut: Any, grid: Any, gray: str, colored: str, paths: Sequence[Mapping[str, str]], hatched: str = ""
) -> dict[str, Any]:
    width, height = cut.size_mm(grid.shape)
    position = grid.world_of([cut.index if axis == cut.plane.cut_axis else 0 for axis in range(3)])[cut.plane.cut_axis]
    return {
        "name": cut.plane.name,
        "axis": "xyz"[cut.plane.cut_axis],
        "position_mm": float(position),
        "width": width,
        "height": height,
        "letters": cut.plane.letters,
        "turns": cut.plane.name != "sagittal",
        "gray": gray,
        "colored": colored,
        "paths": [path for path in paths if path["data"]],
        "hatched": hatched,
    }


def _posterior_rows(shown: ReportLayers) -> list[dict[str, Any]]:
    image = shown.view.images[next(name for name in ("t1c", *shown.view.images) if name in shown.view.images)]
    rows = []
    for name in ("std", "probability_flair"):
        if name in shown.maps:
            scale = POSTERIOR_SCALES[name]
            steps = 255.0 * shown.maps[name] / scale.highest
            panels = []
            for cut in shown.cuts():
                paths = [path_of("whole", cut.outline(shown.view.whole_tumor, 0.5), WHOLE_COLOR)]
                paths.append(path_of("core", cut.outline(shown.view.tumor_core, 0.5), CORE_COLOR))
                colored = cut.colored(np.clip(steps, 0, 255), scale.table())
                panels.append(plane_panel(cut, shown.view.grid, cut.gray(image), colored, paths))
            rows.append({"words": scale.words, "highest": scale.highest, "panels": panels})
    return rows


def _registration_cuts(shown: ReportLayers) -> list[dict[str, Any]]:
    """The patient's image under the atlas's, with the atlas's outlines."""
    view = shown.view
    if view.atlas is None:
        return []
    panels = []
    for cut in shown.cuts():
        colors = {"brain": WHOLE_COLOR, "csf": CORE_COLOR}
        paths = [path_of(f"atlas-{key}", cut.outline(m, 0.5), colors[key]) for key, m in tissue_contours(view).items()]
        panel = plane_panel(cut, view.grid, cut.gray(view.images[view.registered]), "", paths)
        panels.append({**panel, "over": cut.gray(view.atlas), "image": IMAGE_NAMES[view.registered]})
    return panels


def _embedded(picture: Path) -> str | None:
    return base64.b64encode(picture.read_bytes()).decode("ascii") if picture.is_file() else None


def _gradient() -> str:
    """The color bar of the density as CSS, evenly in the root of the density."""
    table = DENSITY.table()
    places = np.rint(255 * np.linspace(0.0, 1.0, 12) ** 2).astype(int)
    return ", ".join("#" + "".join(f"{part:02x}" for part in table[place, :3]) for place in places)
