"""Several methods in one panel: their colors, and their histograms with the means marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colors, distinct to color-blind readers.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LineStyle = Literal["solid", "dashed", "dotted", "dashdot"]
_STYLES: tuple[LineStyle, ...] = ("solid", "dashed", "dotted", "dashdot")
_NUM_BINS = 25
# Room for the means above the bars.
_HEADROOM = 1.35


def short_name(name: str) -> str:
    """Name of a checkpoint without its suffix, for places with little room.

    Examples
    --------
    >>> short_name("joint.safetensors (small)")
    'joint (small)'
    """
    return name.replace(".safetensors", "")


def series_color(number: int) -> str:
    """Color of the method with a number; from the seventh on they repeat."""
    return _COLORS[number % len(_COLORS)]


def series_style(number: int) -> LineStyle:
    """Line style of the method with a number, which tells apart those of one color."""
    return _STYLES[number // len(_COLORS) % len(_STYLES)]


def draw_compared_histograms(
    axes: Axes, series: Sequence[NDArray[np.float64]], *, greatest: float, decimals: int = 3
) -> None:
    """Draw the share of tumors per bin [%] for each method, its mean as a line and in words.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    series : sequence of (n,) float64 array
        Values of each method from 0 to `greatest`; NaN, where undefined, is left out, and a method without any value is
        told in words only.
    greatest : float
        End of the axis, > 0.
    decimals : int
        Of the means.
    """
    edges = np.linspace(0.0, greatest, _NUM_BINS + 1)
    highest = 0.0
    is_single = len(series) == 1
    for number, values in enumerate(series):
        style: dict[str, Any] = {
            "color": series_color(number), "linestyle": series_style(number), "linewidth": 1.5,
        }  # fmt: skip
        defined = values[~np.isnan(values)]
        if len(defined) == 0:
            axes.plot([], [], label="no tumor has it", **style)
            continue
        shares = 100.0 * np.histogram(defined, edges)[0] / len(defined)
        highest = max(highest, float(shares.max()))
        axes.stairs(shares, edges, fill=is_single, alpha=0.45 if is_single else 1.0, **style)
        mean = float(defined.mean())
        axes.axvline(mean, label=f"mean {mean:.{decimals}f} ({len(defined)})", **style)
    axes.set_xlim(0.0, greatest)
    axes.set_ylim(0.0, _HEADROOM * max(highest, 1.0))
    axes.set_yticks([tick for tick in axes.get_yticks() if tick <= 100.0])
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def add_series_legend(figure: Figure, names: Sequence[str]) -> None:
    """One legend below all panels: which color is which method."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=series_color(number), linestyle=series_style(number), linewidth=2.0, label=name)
        for number, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(names), 3), frameon=False, fontsize=9)
