"""Where the tumors of a database start: all seeds seen along the three axes of the world, over the brain's outline.

A few seeds are dots; many are counted in square cells, because dots would hide each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.report.database_scene import DatabaseScene
from gliofield.report.page_layout import TEXT_COLOR
from gliofield.report.planes import PLANES, Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_DOTS = 2000
_CELL_MM = 3.75
_MARGIN_MM = 14.0
_SEED_COLOR, _OUTLINE_COLOR = "#D55E00", "#555555"  # distinct to color-blind readers


def draw_seed_projections(figure: Figure, scene: DatabaseScene, borders: dict[str, float]) -> None:
    """Draw the three projections one above the other between the borders, all at one scale."""
    low, high = scene.window_mm
    limits_mm = low - _MARGIN_MM, high + _MARGIN_MM
    extent_mm = limits_mm[1] - limits_mm[0]
    heights = [float(extent_mm[plane.vertical_axis]) for plane in PLANES]
    cells = figure.add_gridspec(3, 1, height_ratios=heights, hspace=0.12, **borders)
    for row, plane in enumerate(PLANES):
        axes = figure.add_subplot(cells[row])
        _draw_projection(axes, plane, limits_mm, scene)
        if row == 0:
            _draw_scale(axes, float(limits_mm[1][0]), float(limits_mm[0][1]), float(extent_mm[0]))


def _draw_projection(
    axes: Axes, plane: Plane, limits_mm: tuple[NDArray[np.float64], NDArray[np.float64]], scene: DatabaseScene
) -> None:
    shown = [plane.horizontal_axis, plane.vertical_axis]
    low, high = (limit[shown] for limit in limits_mm)
    if scene.brain is not None:
        _draw_silhouette(axes, plane, scene.brain, scene)
    seeds_mm = scene.seeds_mm[:, shown]
    if len(seeds_mm) <= MOST_DOTS:
        axes.plot(seeds_mm[:, 0], seeds_mm[:, 1], ".", color=_SEED_COLOR, markersize=4, alpha=0.7, markeredgewidth=0)
        counted = "seeds"
    else:
        _draw_counts(axes, seeds_mm, low, high)
        counted = f"seeds per ({_CELL_MM:g} mm)²"
    axes.set_title(f"{counted}, {plane.name} projection", fontsize=9, pad=3)
    axes.set_aspect("equal")
    # Radiological convention: the horizontal axis of the world runs from right to left on the page.
    axes.set_xlim(high[0], low[0])
    axes.set_ylim(low[1], high[1])
    axes.set_axis_off()
    left, right, bottom, top = plane.letters
    for letter, x, y in ((left, 0.02, 0.5), (right, 0.98, 0.5), (bottom, 0.5, 0.03), (top, 0.5, 0.97)):
        axes.text(x, y, letter, transform=axes.transAxes, ha="center", va="center", fontsize=9, color=TEXT_COLOR)


def _draw_counts(
    axes: Axes, seeds_mm: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> None:
    """Numbers of seeds (N, 2) per cell, with their color bar."""
    edges = [np.arange(low[a], high[a] + _CELL_MM, _CELL_MM) for a in range(2)]
    counts = np.histogram2d(seeds_mm[:, 0], seeds_mm[:, 1], bins=edges)[0].T
    mesh = axes.pcolormesh(*edges, np.ma.masked_equal(counts, 0), cmap="YlOrBr", vmin=0, rasterized=True)
    bar = axes.figure.colorbar(mesh, cax=axes.inset_axes((1.03, 0.2, 0.03, 0.6)))
    bar.ax.tick_params(labelsize=7)


def _draw_silhouette(axes: Axes, plane: Plane, brain: NDArray[np.bool_], scene: DatabaseScene) -> None:
    """The brain's thickness along the line of sight in light gray, and its outline."""
    thickness = brain.sum(axis=plane.cut_axis).T
    centers = [
        scene.world_along(axis, np.arange(brain.shape[axis], dtype=np.float64))
        for axis in (plane.horizontal_axis, plane.vertical_axis)
    ]
    axes.pcolormesh(
        *centers, np.ma.masked_equal(thickness, 0), cmap="Greys", vmin=0, vmax=4 * thickness.max(), shading="nearest",
        rasterized=True,
    )  # fmt: skip
    axes.contour(*centers, (thickness > 0).astype(np.float32), levels=[0.5], colors=[_OUTLINE_COLOR], linewidths=[0.9])


def _draw_scale(axes: Axes, left_mm: float, bottom_mm: float, width_mm: float) -> None:
    """A bar of 50 mm, or 10 mm in a small window, in the lower left corner."""
    length_mm = 50.0 if width_mm > 100.0 else 10.0
    axes.plot(
        [left_mm - 2.0, left_mm - 2.0 - length_mm], [bottom_mm + 3.0] * 2, color=TEXT_COLOR, linewidth=2,
        solid_capstyle="butt",
    )  # fmt: skip
    middle = (left_mm - 2.0 - length_mm / 2, bottom_mm + 3.0)
    axes.annotate(
        f"{length_mm:g} mm", middle, (0, 3), textcoords="offset points", ha="center", fontsize=7, color=TEXT_COLOR
    )
