"""Histograms of one number over many tumors, the same in every figure: shares per bin, quantiles as lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Odd, so that a single value lies in the middle of a bin.
_NUM_BINS = 31
_FACE_COLOR, _LINE_COLOR, _REFERENCE_COLOR = "#56B4E9", "#0B3C5D", "#555555"  # distinct to color-blind readers
_QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """A distribution that is even within each of its own bins, such as tissue over the slices of a grid.

    Parameters
    ----------
    edges : (m + 1,) float64 array
        Rising edges of the bins.
    weights : (m,) float64 array
        Weight per bin, not negative, not all 0.
    """

    edges: NDArray[np.float64]
    weights: NDArray[np.float64]

    def percent_per_bin(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Percent of the weight between the given edges."""
        cumulative = np.concatenate([[0.0], np.cumsum(self.weights)])
        return np.diff(np.interp(edges, self.edges, 100.0 * cumulative / cumulative[-1]))


def bin_edges(values: NDArray[np.float64], *, has_log_axis: bool, num_bins: int = _NUM_BINS) -> NDArray[np.float64]:
    """Edges of equal bins (of equal ratio on a logarithmic axis) from the least to the greatest value, (num_bins + 1,).

    A single value gets room to both sides.

    Examples
    --------
    >>> bin_edges(np.array([0.0, 4.0]), has_log_axis=False, num_bins=2)
    array([0., 2., 4.])
    """
    low, high = float(values.min()), float(values.max())
    if has_log_axis:
        if high <= low * (1.0 + 1e-9):
            low, high = low / 2.0, high * 2.0
        return np.geomspace(low, high, num_bins + 1)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        margin = max(0.5 * abs(low), 0.5)
        low, high = low - margin, high + margin
    return np.linspace(low, high, num_bins + 1)


def draw_histogram(
    axes: Axes,
    values: NDArray[np.float64],
    *,
    label: str,
    has_log_axis: bool = False,
    reference: Reference | None = None,
) -> None:
    """Draw the share of tumors per bin [%], with the 5, 50 and 95 % quantiles as lines and in words.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    values : (n,) float64 array
        Finite values, positive on a logarithmic axis; nothing but a remark is drawn if there are none.
    label : str
        Name of the quantity and its unit.
    has_log_axis : bool
        Whether the axis is logarithmic.
    reference : Reference, optional
        A distribution to draw as a line, in the same bins.
    """
    axes.set_xlabel(label, fontsize=9)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if has_log_axis:
        _set_log_axis(axes)
    if len(values) == 0:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.minorticks_off()
        axes.text(0.5, 0.5, "no tumor has it", transform=axes.transAxes, ha="center", va="center", fontsize=9)
        return
    spanned = values if reference is None else np.concatenate([values, reference.edges])
    edges = bin_edges(spanned, has_log_axis=has_log_axis)
    # The last edge of a geometric sequence may fall an ulp short of the greatest value.
    edges[0], edges[-1] = min(edges[0], spanned.min()), max(edges[-1], spanned.max())
    axes.stairs(_shares(values, edges), edges, fill=True, color=_FACE_COLOR)
    if reference is not None:
        axes.stairs(reference.percent_per_bin(edges), edges, color=_REFERENCE_COLOR, linewidth=1.2)
    low, middle, high = (float(value) for value in np.quantile(values, _QUANTILES))
    for position, style in ((low, "dotted"), (middle, "solid"), (high, "dotted")):
        axes.axvline(position, color=_LINE_COLOR, linewidth=1.2, linestyle=style)
    axes.set_title(f"{middle:.3g}  ({low:.3g} to {high:.3g})", fontsize=9, color=_LINE_COLOR, pad=4)
    axes.set_xlim(edges[0], edges[-1])


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percent of the values per bin."""
    return 100.0 * np.histogram(values, edges)[0] / len(values)


def _set_log_axis(axes: Axes) -> None:
    """Logarithmic x axis labeled with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10.0, subs=(1.0, 3.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
