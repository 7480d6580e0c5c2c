"""One picture of a patient's targets that a physicist can judge.

Three planes through the GTV. Upper row: the guideline's CTV, the model's at its volume, the smallest that holds the
wanted cells. Lower row: the expected density, with the barriers (falx and tentorium as lines where they part what is
shown, ventricles) and the band of stated confidence. Beneath stand volumes and expected cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gliofield.radiotherapy.barriers import Barriers
from gliofield.radiotherapy.plan import NOTICE, TargetPlan
from gliofield.radiotherapy.planning_case import PlanningCase
from gliofield.report.page_layout import plain_text
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BACKGROUND = "black"
# Okabe and Ito's colors, told apart by readers who see few.
_GTV, _GUIDELINE, _AT_VOLUME, _HOLDING, _BAND = "#56b4e9", "#f0e442", "#d55e00", "#cc79a7", "#009e73"
_FALX, _TENTORIUM, _VENTRICLES = "#ffffff", "#e69f00", "#0072b2"
_LARGEST_DENSITY = 1.0


def targets_figure(
    plan: TargetPlan, planning: PlanningCase, *, background: Volume | None = None, title: str = ""
) -> Figure:
    """Picture of targets and barriers over a scan.

    Parameters
    ----------
    plan : TargetPlan
        The targets.
    planning : PlanningCase
        What they were made of.
    background : Volume, optional
        Image of the patient on the case's grid; None: the atlas's T1 as it lies in the patient.
    title : str
        Name of the patient.

    Raises
    ------
    GridMismatchError
        If the image lies on another grid.
    """
    from matplotlib.figure import Figure

    scan, brain = planning.scan, planning.scan.case.brain
    image = scan.transform.to_patient(scan.atlas.t1, scan.grid) if background is None else background
    image.grid.require_same_as(planning.grid, self_name="image", other_name="targets")
    window = crop_window(brain)
    gray_limits = np.percentile(image.data[brain], [0.5, 99.5])
    slices = _slices_of(plan)
    cuts = [PlaneCut(plane, slices[plane.cut_axis], window, image) for plane in PLANES]
    figure = Figure(figsize=(14, 11.4), facecolor=_BACKGROUND, dpi=90)
    layout = figure.add_gridspec(
        2, 3, width_ratios=[cut.width_mm for cut in cuts], left=0.01, right=0.99, top=0.95, bottom=0.235,
        wspace=0.03, hspace=0.03,
    )  # fmt: skip
    outlines = _outlines(plan)
    for column, cut in enumerate(cuts):
        upper, lower = (figure.add_subplot(layout[row, column]) for row in range(2))
        for axes in (upper, lower):
            cut.show_image(axes, image.data, gray_limits)
        for name, color, _ in outlines[0]:
            cut.outline(upper, plan.named(name).mask.data, color, width=1.4)
        _paint_expected(lower, cut, planning.expected.data)
        _draw_barriers(lower, cut, plan.barriers)
        for name, color, _ in outlines[1]:
            cut.outline(lower, plan.named(name).mask.data, color, width=1.2)
        cut.annotate(upper, with_name=True)
    _add_texts(figure, plan, planning, outlines, title, has_scan=background is not None)
    return figure


def _slices_of(plan: TargetPlan) -> tuple[int, int, int]:
    """Per axis the slice in which the CTVs cover most."""
    union = np.any([target.mask.data for target in plan.targets], axis=0)
    areas = [union.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    return int(np.argmax(areas[0])), int(np.argmax(areas[1])), int(np.argmax(areas[2]))


_Outlines = list[tuple[str, str, str]]


def _outlines(plan: TargetPlan) -> tuple[_Outlines, _Outlines]:
    """Name, color and words of what is drawn in the upper and lower row."""
    names = [target.name for target in plan.targets]
    upper = list(zip(names[:4], (_GTV, _GUIDELINE, _AT_VOLUME, _HOLDING), names[:4], strict=False))
    lower = [(names[0], _GTV, names[0]), *((name, _BAND, name) for name in names[4:])]
    return upper, lower


def _paint_expected(axes: Axes, cut: PlaneCut, density: NDArray[np.generic]) -> None:
    from matplotlib.colors import PowerNorm

    page = np.ma.masked_less(np.asarray(cut.page(density), dtype=np.float32), 0.005)
    axes.imshow(
        page, cmap="inferno", norm=PowerNorm(gamma=0.5, vmin=0.0, vmax=_LARGEST_DENSITY), origin="lower",
        extent=cut.extent, alpha=0.6, interpolation="nearest",
    )  # fmt: skip


def _draw_barriers(axes: Axes, cut: PlaneCut, barriers: Barriers) -> None:
    """Walls as the lines between voxels of two compartments, in the brain; ventricles as an outline."""
    brain = np.asarray(cut.page(barriers.brain), dtype=np.bool_)
    page = np.asarray(cut.page(barriers.compartments)).astype(int)
    rows, columns = page.shape
    width, height = cut.width_mm / columns, cut.height_mm / rows
    lines: dict[str, list[Any]] = {_FALX: [], _TENTORIUM: []}
    for axis in (0, 1):
        first, second = (np.moveaxis(page, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        inside = np.moveaxis(brain, axis, 0)[:-1] & np.moveaxis(brain, axis, 0)[1:]
        parted = inside & (first != second) & (first > 0) & (second > 0)
        for along, across in np.argwhere(parted):
            pair = max(first[along, across], second[along, across])
            color = _TENTORIUM if pair == 3 else _FALX
            row, column = (along + 1, across) if axis == 0 else (across, along + 1)
            ends = (
                [(column * width, row * height), ((column + 1) * width, row * height)]
                if axis == 0
                else [(column * width, row * height), (column * width, (row + 1) * height)]
            )
            lines[color].append(ends)
    from matplotlib.collections import LineCollection

    for color, ends in lines.items():
        axes.add_collection(LineCollection(ends, colors=color, linewidths=1.3))
    cut.outline(axes, barriers.ventricles, _VENTRICLES, width=1.0)


def _add_texts(
    figure: Figure,
    plan: TargetPlan,
    planning: PlanningCase,
    outlines: tuple[_Outlines, _Outlines],
    title: str,
    *,
    has_scan: bool,
) -> None:
    from matplotlib.lines import Line2D

    parts = (title, "targets", f"method {planning.method_name}", "" if has_scan else "atlas T1 moved to the patient")
    figure.text(
        0.012, 0.975, plain_text(" · ".join(part for part in parts if part)), color="white", fontsize=13, va="center"
    )
    band = [(", ".join(name for name, _, _ in outlines[1][1:]), _BAND)] if len(outlines[1]) > 1 else []
    entries = [
        *((words, color) for _, color, words in outlines[0]), *band,
        ("falx", _FALX), ("tentorium", _TENTORIUM), ("ventricles", _VENTRICLES),
    ]  # fmt: skip
    figure.legend(
        handles=[Line2D([], [], color=color, label=plain_text(label)) for label, color in entries],
        loc="upper left", ncols=4, fontsize=9, labelcolor="white", frameon=False, bbox_to_anchor=(0.005, 0.235),
    )  # fmt: skip
    lines = [line for line in plan.summary().splitlines() if line != "targets" and "note:" not in line]
    figure.text(
        0.012, 0.008, plain_text("\n".join(line for line in lines if line != NOTICE) + f"\ngliofield · {NOTICE}"),
        color="#dddddd", fontsize=8.5, family="monospace", va="bottom",
    )  # fmt: skip
