"""Pictures of ``gliofield papers bayes``: ranks with their band, coverage, and MAP densities of real patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas
from gliofield.imaging import VisibilityThresholds
from gliofield.report.page_layout import TEXT_COLOR
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume
from gliofield_papers.bayes.calibration import COVERAGE_LEVELS, Calibration, ParameterCalibration
from gliofield_papers.bayes.evaluation import BayesEvaluation
from gliofield_papers.bayes.patient_files import PatientPosterior
from gliofield_papers.bayes.patients import SOLVER, SURROGATE
from gliofield_papers.bayes.sampling import RUN_NAMES
from gliofield_papers.bayes.tables import RUN_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = dict(zip(RUN_NAMES, ("#0B3C5D", "#D55E00"), strict=True))  # distinct to color-blind readers
_BAND_COLOR = "#DDDDDD"
_CORE_COLOR, _WHOLE_COLOR = "#56B4E9", "#F0E442"
_UNITS = ("_mm2_per_day", "_per_day", "_days", "_mm")


def calibration_figure(calibration: Calibration, *, title: str = "") -> Figure:
    """Histogram of the ranks of every parameter, over the band that calibrated ones leave in one of twenty evaluations.

    Parameters
    ----------
    calibration : Calibration
        What to draw.
    title : str
        Text above the figure.
    """
    figure = _new_figure(width=11.0, height=2.4 * -(-len(calibration.parameters) // 4) + 0.4)
    rows = -(-len(calibration.parameters) // 4)
    panels = figure.subplots(rows, 4, squeeze=False).ravel()
    for axes, each in zip(panels, calibration.parameters, strict=False):
        _draw_ranks(axes, each)
    for axes in panels[len(calibration.parameters) :]:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=10, color=TEXT_COLOR)
    return figure


def interval_figure(evaluation: BayesEvaluation) -> Figure:
    """Coverage of the intervals less what is expected, by level: a line per parameter, and their mean as a thick one.

    The band is two binomial standard errors of a single parameter.
    """
    figure = _new_figure(width=9.0, height=4.0)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name in zip(panels, RUN_NAMES, strict=True):
        _draw_coverage(axes, evaluation.calibration[name], color=_COLORS[name], title=RUN_LABELS[name])
    panels[0].set_ylabel("intervals that hold the truth, less expected [%]", fontsize=9)
    return figure


def map_figure(evaluation: BayesEvaluation, atlas: Atlas) -> Figure | None:
    """MAP densities through the center of each patient's core: a row per patient and growth model, its masks outlined.

    None without patients, and where they were sampled in their own anatomy, which is not kept.
    """
    if evaluation.settings.is_published:
        return None
    rows = [
        (patient, label)
        for patient in evaluation.patients
        for label in (SOLVER, SURROGATE)
        if label in patient.densities
    ]
    if not rows:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 3.2 * len(rows) + 0.5), facecolor="black", dpi=100)
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), 3, squeeze=False)
    top = 1.0 - 0.4 / (3.2 * len(rows) + 0.5)
    figure.subplots_adjust(left=0.12, right=0.99, top=top, bottom=0.01, wspace=0.03, hspace=0.04)
    for number, (patient, label) in enumerate(rows):
        _draw_patient(panels[number], patient, label, atlas, with_name=number == 0)
        place = panels[number, 0].get_position()
        figure.text(
            0.01,
            (place.y0 + place.y1) / 2.0,
            f"{patient.name}\n{label}",
            color="white",
            fontsize=8,
            va="center",
        )
    figure.text(
        0.01,
        (1.0 + top) / 2.0,
        "MAP densities; masks outlined: core blue, whole tumor yellow; isolines at its own thresholds",
        color="white",
        fontsize=10,
        va="center",
    )
    return figure


def _draw_ranks(axes: Axes, each: ParameterCalibration) -> None:
    counts = each.bin_counts
    edges = np.linspace(0.0, 1.0, len(counts) + 1)
    if len(counts) > 1:
        low, high = each.band
        axes.axhspan(low, high, color=_BAND_COLOR)
    axes.axhline(len(each.ranks) / len(counts), color=TEXT_COLOR, linewidth=0.8)
    axes.stairs(counts, edges, fill=True, color=_COLORS[RUN_NAMES[0]], alpha=0.75)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, max(1.25 * float(counts.max()), 1.0))
    axes.tick_params(labelsize=7)
    p_value = "" if np.isnan(each.p_value) else f", p = {each.p_value:.2g}"
    axes.set_title(f"{_words(each.name)}{p_value}", fontsize=8, color=TEXT_COLOR)


def _draw_coverage(axes: Axes, calibration: Calibration, *, color: str, title: str) -> None:
    levels = 100.0 * np.array(COVERAGE_LEVELS)
    expected = np.array(calibration.expected_coverage)
    errors = 200.0 * np.array(calibration.coverage_errors)
    axes.fill_between(levels, -errors, errors, color=_BAND_COLOR)
    axes.axhline(0.0, color=TEXT_COLOR, linewidth=0.8)
    for each in calibration.parameters:
        axes.plot(levels, 100.0 * (np.array(each.coverage) - expected), color=color, alpha=0.35, linewidth=1.0)
    axes.plot(levels, 100.0 * (np.array(calibration.mean_coverage) - expected), color=color, linewidth=2.5, marker="o")
    axes.set_xticks(levels)
    axes.set_xlabel("level of the interval [%]", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.set_title(f"{title}, {calibration.num_cases} cases", fontsize=10, color=TEXT_COLOR)


def _draw_patient(
    panels: NDArray[Any], patient: PatientPosterior, label: str, atlas: Atlas, *, with_name: bool
) -> None:
    density = patient.densities[label]
    grid = atlas.simulation_grid(spacing_mm=patient.spacing_mm)
    image = resample(atlas.t1, grid)
    brain = resample_mask(Volume(atlas.tissue_maps.brain, atlas.tissue_maps.grid), grid).data
    window = crop_window(brain, margin=4)
    limits = np.percentile(image.data[brain], [0.5, 99.5])
    core, whole = patient.masks["tumor_core"], patient.masks["whole_tumor"]
    center = np.argwhere(core if core.any() else whole).mean(axis=0).round().astype(int)
    parameters = patient.models[label].parameters
    thresholds = VisibilityThresholds(
        t1gd_threshold=parameters["t1gd_threshold"].map, flair_threshold=parameters["flair_threshold"].map
    )
    for axes, plane in zip(panels, PLANES, strict=True):
        cut = PlaneCut(plane, int(center[plane.cut_axis]), window, image)
        cut.show_image(axes, image.data, limits)
        cut.paint_density(axes, density, thresholds)
        cut.outline(axes, whole, _WHOLE_COLOR, width=1.0)
        cut.outline(axes, core, _CORE_COLOR, width=1.0)
        cut.annotate(axes, with_name=with_name)


def _new_figure(*, width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _words(name: str) -> str:
    bare = next((name.removesuffix(unit) for unit in _UNITS if name.endswith(unit)), name)
    return bare.replace("_", " ")
