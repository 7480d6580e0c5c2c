"""Pictures of a posterior: all pairs of parameters, and the stages of the sampler that found it.

The pairs are drawn by the library `corner` (Foreman-Mackey 2016, doi 10.21105/joss.00024), or where it is not
installed, or samples are fewer than it takes, by plain histograms and points.
"""

from __future__ import annotations

import importlib
import importlib.util
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes import PosteriorSamples, SamplerStage
from gliofield.report.page_layout import TEXT_COLOR, plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOR, _TRUTH_COLOR, _PRIOR_COLOR = "#0B3C5D", "#D55E00", "0.55"
_INCHES_PER_PARAMETER = 1.7
_NUM_BINS = 20
_LABEL_INCHES = 1.2
_LABEL_LINE = 14
# From here on contours are drawn in place of points.
_MANY_SAMPLES = 2000


def corner_figure(
    samples: PosteriorSamples,
    *,
    truth: Mapping[str, float] | None = None,
    prior: NDArray[np.float64] | None = None,
    title: str = "",
) -> Figure:
    """All pairs of parameters and each alone, weighted; parameters without spread are left out.

    Parameters
    ----------
    samples : PosteriorSamples
        What to draw.
    truth : mapping of str to float, optional
        True values to mark, by name.
    prior : (M, P) float64 array, optional
        Draws of the prior, with the columns of the samples: a gray line on the diagonal, on the scale of the posterior.
        Where the two agree the scan has said nothing.
    title : str
        Text above; the diagonal has medians with 95 % intervals in any case.
    """
    columns = [index for index in range(len(samples.names)) if np.ptp(samples.parameters[:, index]) > 0.0]
    labels = [_label(samples.names[index], samples.units[index]) for index in columns]
    # The library draws all points alike.
    values = samples.equally_weighted(np.random.default_rng(0)).parameters[:, columns]
    marks = [None if truth is None else truth.get(samples.names[index]) for index in columns]
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = max(2, len(columns)) * _INCHES_PER_PARAMETER
    figure = Figure(figsize=(side, side), dpi=100)
    FigureCanvasAgg(figure)
    if not columns:
        figure.text(0.5, 0.5, "all samples are equal", ha="center", va="center", color=TEXT_COLOR)
        return figure
    if importlib.util.find_spec("corner") is None or len(np.unique(values, axis=0)) <= len(columns):
        _plain_corner(figure, values, labels, marks)
        _add_prior(figure, values, None if prior is None else prior[:, columns])
        _add_titles(figure, samples, columns, title)
        return figure
    has_many = len(values) >= _MANY_SAMPLES
    _corner_library().corner(
        values,
        fig=figure,
        labels=labels,
        bins=_NUM_BINS,
        color=_COLOR,
        truths=marks,
        truth_color=_TRUTH_COLOR,
        plot_contours=has_many,
        plot_density=False,
        plot_datapoints=not has_many,
        fill_contours=has_many,
        no_fill_contours=not has_many,
        quantiles=[0.025, 0.5, 0.975],
        data_kwargs={"alpha": 0.6, "ms": 3.0},
        label_kwargs={"fontsize": 8},
        labelpad=0.2,
    )
    # Room for numbers and two lines of words below and left of them.
    figure.subplots_adjust(left=_LABEL_INCHES / side, bottom=_LABEL_INCHES / side)
    _add_prior(figure, values, None if prior is None else prior[:, columns])
    _add_titles(figure, samples, columns, title)
    return figure


def _add_prior(figure: Figure, values: NDArray[np.float64], prior: NDArray[np.float64] | None) -> None:
    """As many draws of the prior as there are samples, in the bins of their histograms; most lie outside of them."""
    if prior is None:
        return
    number = values.shape[1]
    for column in range(number):
        axes = figure.axes[column * (number + 1)]
        ends = (float(values[:, column].min()), float(values[:, column].max()))
        counts, edges = np.histogram(prior[:, column], bins=_NUM_BINS, range=ends)
        expected = counts * (len(values) / len(prior))
        axes.stairs(expected, edges, color=_PRIOR_COLOR, linewidth=1.3, zorder=3)
        axes.set_ylim(0.0, max(axes.get_ylim()[1], 1.1 * float(expected.max())))


def _add_titles(figure: Figure, samples: PosteriorSamples, columns: Sequence[int], title: str) -> None:
    """Median and 95 % interval above each panel of the diagonal, and the title in the empty upper right."""
    low, middle, high = (samples.quantile(probability) for probability in (0.025, 0.5, 0.975))
    panels = np.array(figure.axes[: len(columns) ** 2]).reshape(len(columns), len(columns))
    for place, column in enumerate(columns):
        name = samples.names[column]
        text = f"{middle[name]:.3g}\n({low[name]:.3g} to {high[name]:.3g})"
        panels[place, place].set_title(text, fontsize=7.5, color=TEXT_COLOR, pad=3.0)
    figure.subplots_adjust(top=1.0 - 0.55 / figure.get_figheight(), hspace=0.12)
    lines = textwrap.fill(title, max(20, int(figure.get_figwidth() * 5)))
    figure.text(0.99, 0.99, plain_text(lines), ha="right", va="top", fontsize=10, color=TEXT_COLOR)


def stage_figure(stages: Sequence[SamplerStage]) -> Figure:
    """Trace of a sampler: exponent, effective samples or acceptance, and simulations of each stage or batch, ≥ 1."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 5.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(3, 1, sharex=True)
    numbers = range(1, len(stages) + 1)
    panels[0].semilogy(numbers, [info.tempering_exponent for info in stages], marker="o", color=_COLOR)
    panels[0].set_ylabel("exponent p")
    panels[1].plot(numbers, [info.share for info in stages], marker="o", color=_COLOR)
    panels[1].set_ylabel(stages[0].share_name)
    panels[1].set_ylim(0.0, 1.0)
    panels[2].plot(numbers, [info.num_likelihoods for info in stages], marker="o", color=_COLOR)
    panels[2].set_ylabel("simulations")
    panels[2].set_xlabel(stages[0].name)
    for panel in panels:
        panel.tick_params(labelsize=8)
        num_adapting = sum(info.is_adapting for info in stages)
        if 0 < num_adapting < len(stages):
            panel.axvline(num_adapting + 0.5, color="0.6", linestyle=":")
    return figure


def _corner_library() -> ModuleType:
    """The library `corner`; ArviZ, which it imports, announces its own future once a day by a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return importlib.import_module("corner")


def _plain_corner(
    figure: Figure,
    values: NDArray[np.float64],
    labels: Sequence[str],
    truths: Sequence[float | None],
) -> None:
    """Histograms on the diagonal, points below it."""
    number = len(labels)
    panels = figure.subplots(number, number, squeeze=False)
    for row in range(number):
        for column in range(number):
            axes = panels[row, column]
            axes.tick_params(labelsize=6)
            if column > row:
                axes.set_axis_off()
            elif column == row:
                axes.hist(values[:, row], bins=_NUM_BINS, color=_COLOR)
                axes.set_yticks([])
            else:
                axes.scatter(values[:, column], values[:, row], s=8.0, color=_COLOR, alpha=0.4, linewidths=0)
            truth = truths[column]
            if column <= row and truth is not None:
                axes.axvline(truth, color=_TRUTH_COLOR, linewidth=1.0)
            if row == number - 1:
                axes.set_xlabel(labels[column], fontsize=7)
            if column == 0 and row > 0:
                axes.set_ylabel(labels[row], fontsize=7)


def _label(name: str, unit: str) -> str:
    """Words of a name without its unit, and the unit, in short lines."""
    endings = ("_mm2_per_day", "_per_day", "_days", "_mm", "_ml")
    bare = next((name.removesuffix(ending) for ending in endings if name.endswith(ending)), name)
    words = bare.replace("_", " ")
    return textwrap.fill(words if unit == "1" else f"{words} [{unit}]", _LABEL_LINE)
