"""The three display planes every picture uses, and drawing on them.

Axial and coronal planes are shown in radiological convention (the patient's right on the left), the sagittal plane with
the front on the left. Page coordinates are millimeters from the lower left corner of the cropped plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.box import box_of, slices_of, widened
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.report.color_maps import ARROW_COLOR, DENSITY, ColorScale
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

# Arrows of a displacement: drawn longer than it is, and not where there is next to none.
_ARROW_MAGNIFICATION = 3.0
_SHORTEST_ARROW_MM = 0.3


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One display plane: which axis is cut, and how the other two run on the page.

    `letters` name the left, right, bottom and top of the page; the horizontal axis always runs right to left.
    """

    name: str
    cut_axis: int
    horizontal_axis: int
    vertical_axis: int
    letters: tuple[str, str, str, str]


PLANES = (
    Plane(name="axial", cut_axis=2, horizontal_axis=0, vertical_axis=1, letters=("R", "L", "P", "A")),
    Plane(name="coronal", cut_axis=1, horizontal_axis=0, vertical_axis=2, letters=("R", "L", "I", "S")),
    Plane(name="sagittal", cut_axis=0, horizontal_axis=1, vertical_axis=2, letters=("A", "P", "I", "S")),
)


class PlaneCut:
    """One plane of one volume, in page coordinates (mm)."""

    def __init__(self, plane: Plane, index: int, window: Sequence[slice], background: Volume) -> None:
        self.plane = plane
        self.index = index
        self.window = window
        spacing = background.grid.spacing_mm
        horizontal, vertical = plane.horizontal_axis, plane.vertical_axis
        self.width_mm = (window[horizontal].stop - window[horizontal].start) * spacing[horizontal]
        self.height_mm = (window[vertical].stop - window[vertical].start) * spacing[vertical]
        world = background.grid.world_of([index if a == plane.cut_axis else 0 for a in range(3)])
        self.position_mm = float(world[plane.cut_axis])

    def page(self, data: NDArray[np.generic]) -> NDArray[np.generic]:
        """The plane as a page image (rows bottom to top, columns left to right)."""
        selection = list(self.window)
        selection[self.plane.cut_axis] = slice(self.index, self.index + 1)
        plane = data[tuple(selection)].squeeze(axis=self.plane.cut_axis).T
        return plane[:, ::-1]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Page limits [mm]: left, right, bottom, top."""
        return 0.0, self.width_mm, 0.0, self.height_mm

    def show_image(self, axes: Axes, image: NDArray[np.generic], limits: NDArray[np.float64]) -> None:
        """Draw the plane of an image in gray between two intensities."""
        axes.imshow(
            self.page(image), cmap="gray", vmin=limits[0], vmax=limits[1], origin="lower", extent=self.extent,
            interpolation="bilinear",
        )  # fmt: skip
        axes.set_axis_off()

    def paint_density(
        self, axes: Axes, density: NDArray[np.generic], thresholds: VisibilityThresholds
    ) -> ScalarMappable:
        """Draw a density in color with the isolines of the two thresholds; returns what a color bar needs."""
        page = np.asarray(self.page(density), dtype=np.float32)
        painted = self.paint(axes, density, DENSITY)
        for threshold, style in ((thresholds.flair_threshold, "dashed"), (thresholds.t1gd_threshold, "solid")):
            if page.min() < threshold < page.max():
                self._contour(axes, page, threshold, "white", width=1.2, style=style)
        return painted

    def paint(self, axes: Axes, values: NDArray[np.generic], scale: ColorScale) -> ScalarMappable:
        """Draw values in the colors of a scale, which fade where they are small; returns what a color bar needs."""
        return axes.imshow(
            np.asarray(self.page(values), dtype=np.float32), cmap=scale.for_figures(), norm=scale.norm(),
            origin="lower", extent=self.extent, interpolation="bilinear", interpolation_stage="data",
        )  # fmt: skip

    def outline(self, axes: Axes, mask: NDArray[np.bool_], color: str, *, width: float, style: str = "solid") -> None:
        """Draw the outline of a mask; nothing where the plane does not meet it."""
        page = np.asarray(self.page(mask), dtype=np.float32)
        if page.min() < 0.5 < page.max():
            self._contour(axes, page, 0.5, color, width=width, style=style)

    def hatch(self, axes: Axes, mask: NDArray[np.bool_], color: str) -> None:
        """Hatch a mask within its outline; nothing where the plane does not meet it."""
        page = np.asarray(self.page(mask), dtype=np.float32)
        if page.min() < 0.5 < page.max():
            x, y = self._page_positions(*page.shape)
            filled = axes.contourf(x, y, page, levels=[0.5, 2.0], colors="none", hatches=["//////"])
            filled.set_edgecolor(color)
            filled.set_linewidth(0.0)
            self._contour(axes, page, 0.5, color, width=0.8, style="solid")

    def draw_arrows(self, axes: Axes, displacement_mm: NDArray[np.float32], *, every_mm: float = 10.0) -> None:
        """Draw a displacement (X, Y, Z, 3) [mm, RAS+] as arrows, three times their length; the grid is axis-aligned."""
        horizontal, vertical = self.plane.horizontal_axis, self.plane.vertical_axis
        # The horizontal axis of the page runs against the axis of the world.
        along = np.negative(self.page(displacement_mm[..., horizontal]), dtype=np.float32)
        up = self.page(displacement_mm[..., vertical])
        rows, columns = along.shape
        step = max(1, round(every_mm * columns / self.width_mm))
        pick = (slice(step // 2, None, step), slice(step // 2, None, step))
        x, y = np.meshgrid(*self._page_positions(rows, columns))
        is_long = np.hypot(along, up)[pick] > _SHORTEST_ARROW_MM
        axes.quiver(
            x[pick][is_long], y[pick][is_long], along[pick][is_long], up[pick][is_long],
            color=ARROW_COLOR, angles="xy", scale_units="xy", scale=1.0 / _ARROW_MAGNIFICATION, width=0.004,
        )  # fmt: skip

    def _contour(
        self, axes: Axes, page: NDArray[np.float32], level: float, color: str, *, width: float, style: str
    ) -> None:
        x, y = self._page_positions(*page.shape)
        axes.contour(x, y, page, levels=[level], colors=[color], linewidths=[width], linestyles=[style])

    def _page_positions(self, rows: int, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centers of the columns and of the rows of a page image [mm]."""
        x = (np.arange(columns) + 0.5) * self.width_mm / columns
        return x, (np.arange(rows) + 0.5) * self.height_mm / rows

    def annotate(self, axes: Axes, *, with_name: bool) -> None:
        """Orientation letters, a 50 mm scale bar, and optionally the name and position of the plane."""
        left, right, bottom, top = self.plane.letters
        middle_x, middle_y = self.width_mm / 2, self.height_mm / 2
        style = {"color": "white", "fontsize": 10, "ha": "center", "va": "center"}
        for letter, x, y in (
            (left, 4, middle_y),
            (right, self.width_mm - 4, middle_y),
            (bottom, middle_x, 5),
            (top, middle_x, self.height_mm - 5),
        ):
            axes.text(x, y, letter, **style)  # type: ignore[arg-type]
        axes.plot([8, 58], [4, 4], color="white", linewidth=2.5, solid_capstyle="butt")
        axes.text(33, 6, "50 mm", color="white", fontsize=8, ha="center", va="bottom")
        if with_name:
            axis = "xyz"[self.plane.cut_axis]
            label = f"{self.plane.name}\n{axis} = {self.position_mm:.0f} mm"
            axes.text(self.width_mm - 3, 3, label, color="white", fontsize=8, ha="right", va="bottom")


def crop_window(brain: NDArray[np.bool_], margin: int = 8) -> tuple[slice, slice, slice]:
    """Bounding box of the brain and a margin [voxels]."""
    return slices_of(widened(box_of(brain), margin, brain.shape))
