"""One page that shows what a simulation database holds.

Above, the marginals: the numbers a tumor depends on, μ1 = √(D_w T) and μ2 = √(ρ T) with the infiltration length
λ = √(D_w/ρ) = μ1/μ2, the push where there is mass effect, the seed; and what comes out, core, whole tumor and their
ratio. Beside them the seeds over the brain, in three projections. Below, a sheet of tumors drawn at random: of each the
axial slice in which it is largest.

Everything but the sheet comes from the tables, and of the densities only those of the sheet are read, one at a time, so
time and memory hardly depend on the number of tumors.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas
from gliofield.database import SimulationDatabase
from gliofield.output import require_absent
from gliofield.report.database_scene import DatabaseScene
from gliofield.report.figure_files import require_figure_name, write_figure
from gliofield.report.histograms import Reference, draw_histogram
from gliofield.report.page_layout import Page
from gliofield.report.seed_projections import draw_seed_projections
from gliofield.report.tumor_sheet import NUM_COLUMNS, draw_tumor_sheet, sheet_tumors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

_AXIS_NAMES = ("x, left to right", "y, back to front", "z, bottom to top")
# From the top of the page [inches]: title, tables, heading of the sheet, sheet.
_WIDTH, _LEFT, _RIGHT, _BOTTOM = 13.0, 0.65, 0.2, 0.15
_TITLE_HEIGHT, _TABLES_HEIGHT, _HEADING_HEIGHT = 0.95, 8.6, 0.85
_MARGINALS_WIDTH, _PROJECTIONS_WIDTH, _COUNTS_WIDTH = 8.4, 3.1, 0.45


def write_database_figure(
    database: SimulationDatabase,
    path: str | os.PathLike[str],
    *,
    atlas: Atlas | None = None,
    seed: int = 0,
    replace: bool = False,
) -> Path:
    """Write `database_figure` as PNG, PDF or SVG and return its path; it appears by one rename.

    Parameters
    ----------
    database, atlas, seed
        As `database_figure`.
    path : path
        Target, ending in .png, .pdf or .svg.
    replace : bool
        Replace an existing file.

    Raises
    ------
    ParameterError
        If the suffix is another one, or the atlas is not the database's; before anything is drawn.
    OutputError
        If the file exists and `replace` is false, or it cannot be written (nothing is left then).
    DatabaseError
        If a tumor of the sheet cannot be read.
    """
    require_figure_name(path)
    require_absent(path, replace=replace)
    return write_figure(database_figure(database, atlas=atlas, seed=seed), path, replace=replace)


def database_figure(database: SimulationDatabase, *, atlas: Atlas | None = None, seed: int = 0) -> Figure:
    """Figure of a database: marginals, volumes, seeds over the brain, and a sheet of random tumors.

    Parameters
    ----------
    database : SimulationDatabase
        An open database.
    atlas : Atlas, optional
        The atlas it was made with, for the brain behind seeds and tumors; without it they are drawn on their own.
    seed : int
        Which tumors the sheet shows.

    Raises
    ------
    ParameterError
        If the atlas is not the one the database was made with.
    DatabaseError
        If a tumor of the sheet cannot be read.
    """
    from matplotlib.figure import Figure

    scene = DatabaseScene(database, atlas)
    chosen = sheet_tumors(database, np.random.default_rng(seed))
    sheet_height = -(-len(chosen) // NUM_COLUMNS) * _sheet_row_height(scene)
    sheet_top = _BOTTOM + sheet_height
    tables_bottom = sheet_top + _HEADING_HEIGHT
    tables_top = tables_bottom + _TABLES_HEIGHT
    page = Page(width=_WIDTH, height=tables_top + _TITLE_HEIGHT)
    figure = Figure(figsize=(page.width, page.height), facecolor="white", dpi=110)
    _write_title(figure, page, scene)
    marginals = page.borders(
        left=_LEFT, right=_LEFT + _MARGINALS_WIDTH, bottom=tables_bottom + 0.45, top=tables_top - 0.2
    )
    _draw_marginals(figure, scene, marginals)
    right = _WIDTH - _RIGHT - _COUNTS_WIDTH
    projections = page.borders(
        left=right - _PROJECTIONS_WIDTH, right=right, bottom=tables_bottom + 0.1, top=tables_top - 0.2
    )
    draw_seed_projections(figure, scene, projections)
    sheet = page.borders(left=_LEFT, right=_WIDTH - _RIGHT, bottom=_BOTTOM, top=sheet_top)
    painted = draw_tumor_sheet(figure, scene, chosen, sheet)
    _write_sheet_heading(figure, page, scene, sheet_top, len(chosen), painted)
    return figure


def identifiable_numbers(database: SimulationDatabase) -> dict[str, NDArray[np.float64]]:
    """What a tumor depends on besides its seed, (N,) each, by label: μ1 [mm], μ2, λ [mm], and the push [Pa] if any."""
    column = {name: database.parameters[:, i] for i, name in enumerate(database.parameter_names)}
    diffusivity, rate = column["white_matter_diffusivity_mm2_per_day"], column["proliferation_rate_per_day"]
    numbers = {
        r"$\mu_1 = \sqrt{D_w T}$ [mm]": np.sqrt(diffusivity * column["growth_time_days"]),
        r"$\mu_2 = \sqrt{\rho\, T}$ [-]": np.sqrt(rate * column["growth_time_days"]),
        r"infiltration length $\lambda = \sqrt{D_w/\rho}$ [mm]": np.sqrt(diffusivity / rate),
    }
    return numbers | ({r"push $\gamma$ [kPa]": column["push_pa"] / 1000.0} if "push_pa" in column else {})


def _sheet_row_height(scene: DatabaseScene) -> float:
    """Height of a row of the sheet [inches]: that of a slice, within what stays readable if the slice is thin."""
    low, high = scene.window_mm
    x_mm, y_mm, _ = high - low
    return (_WIDTH - _LEFT - _RIGHT) / NUM_COLUMNS * min(max(float(y_mm / x_mm), 0.7), 1.6)


def _draw_marginals(figure: Figure, scene: DatabaseScene, borders: dict[str, float]) -> None:
    """Three rows: what goes in, the seed, what comes out."""
    rows = figure.add_gridspec(3, 1, hspace=0.5, **borders)
    numbers = identifiable_numbers(scene.database)
    # Lengths span orders of magnitude, the others do not.
    for axes, (label, values) in zip(_panels(figure, rows[0], len(numbers)), numbers.items(), strict=True):
        draw_histogram(axes, values, label=label, has_log_axis=label.endswith("[mm]"))
    seeds_mm = scene.seeds_mm
    for axis, axes in enumerate(_panels(figure, rows[1], 3)):
        draw_histogram(
            axes, seeds_mm[:, axis], label=f"seed {_AXIS_NAMES[axis]} [mm]", reference=_brain_along(axis, scene)
        )
    whole_ml, core_ml = scene.database.volume_ml.astype(np.float64).T
    has_core = core_ml > 0.0
    core_axes, whole_axes, ratio_axes = _panels(figure, rows[2], 3)
    draw_histogram(core_axes, core_ml[has_core], label="tumor core (T1Gd) [ml]", has_log_axis=True)
    draw_histogram(whole_axes, whole_ml[whole_ml > 0.0], label="whole tumor (FLAIR) [ml]", has_log_axis=True)
    ratio = whole_ml[has_core] / core_ml[has_core]
    draw_histogram(ratio_axes, ratio, label="whole tumor / tumor core [-]", has_log_axis=True)
    num_without_core = int(np.count_nonzero(~has_core))
    for axes in (core_axes, ratio_axes) if num_without_core else ():
        remark = f"{num_without_core:,} without core\nnot shown"
        axes.text(0.98, 0.96, remark, transform=axes.transAxes, ha="right", va="top", fontsize=8)


def _panels(figure: Figure, place: SubplotSpec, number: int) -> list[Axes]:
    """Panels side by side, the first with the label of the vertical axis."""
    cells = place.subgridspec(1, number, wspace=0.2)
    panels = [figure.add_subplot(cells[column]) for column in range(number)]
    panels[0].set_ylabel("tumors [%]", fontsize=9)
    return panels


def _brain_along(axis: int, scene: DatabaseScene) -> Reference | None:
    """The brain's voxels per slice along an axis of the world."""
    if scene.brain is None:
        return None
    weights = scene.brain.sum(axis=tuple(a for a in range(3) if a != axis)).astype(np.float64)
    occupied = np.flatnonzero(weights)
    return Reference(
        edges=scene.world_along(axis, np.arange(occupied[0], occupied[-1] + 2) - 0.5),
        weights=weights[occupied[0] : occupied[-1] + 1],
    )


def _write_title(figure: Figure, page: Page, scene: DatabaseScene) -> None:
    header = scene.database.header
    made = (
        f"design {header.design['name']}, model {header.model['name']}, atlas {header.atlas_name}, domain "
        f"{header.domain_rule}, root seed {header.root_seed}"
    )
    key = "Solid line: median; dotted: 5 and 95 %" + ("; gray: the brain" if scene.brain is not None else "")
    page.write(figure, _LEFT, page.height - 0.42, _counted(scene.database.num_tumors, "simulated tumor"), size=15)
    page.write(figure, _LEFT, page.height - 0.67, f"{made}.  {key}.")


def _write_sheet_heading(
    figure: Figure, page: Page, scene: DatabaseScene, sheet_top: float, num_shown: int, painted: ScalarMappable
) -> None:
    """What the sheet shows, and the color bar of its densities."""
    thresholds = scene.database.header.thresholds
    lines = (
        f"{_counted(num_shown, 'tumor')} at random, the largest first: axial slice of largest extent. "
        "Above: whole tumor / tumor core [ml]; below: number in the database.",
        f"Color: tumor-cell density; dashed at {thresholds.flair_threshold:g} (whole tumor, FLAIR), solid at "
        f"{thresholds.t1gd_threshold:g} (tumor core, T1Gd).",
    )
    page.write(figure, _LEFT, sheet_top + 0.12, "\n".join(lines))
    place = page.rectangle(left=_WIDTH - _RIGHT - 2.6, bottom=sheet_top + 0.3, width=2.5, height=0.12)
    bar = figure.colorbar(
        painted, cax=figure.add_axes(place), orientation="horizontal", format=lambda value, _: f"{value:g}",
        ticks=sorted({0.01, 0.05, thresholds.flair_threshold, thresholds.t1gd_threshold, 1.0}),
    )  # fmt: skip
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)
    bar.ax.tick_params(labelsize=7, pad=1, length=2)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
