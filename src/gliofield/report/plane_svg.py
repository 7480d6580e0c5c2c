"""Planes of a scan as SVG, for pages: images in voxels, outlines as paths, everything in layers of their own.

A picture has the size of its plane in millimeters, so all of one page have one scale. The scan lies in a group that is
mirrored for the neurological view; letters do not turn with it. Conventions are those of `planes`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.report.planes import Plane

_DECIMALS = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanePicture:
    """One plane through a grid; layers are added bottom to top.

    Parameters
    ----------
    plane : Plane
        Which.
    index : int
        Of the voxel layer along the axis that is cut.
    spacing_mm : tuple of 3 float
        Of the grid, RAS+.
    """

    plane: Plane
    index: int
    spacing_mm: tuple[float, float, float]

    def page(self, data: NDArray[np.generic]) -> NDArray[np.generic]:
        """The plane of a volume as rows from top to bottom, radiological."""
        return np.take(data, self.index, axis=self.plane.cut_axis).T[::-1, ::-1]

    @property
    def _pixel_mm(self) -> tuple[float, float]:
        return self.spacing_mm[self.plane.horizontal_axis], self.spacing_mm[self.plane.vertical_axis]

    def size_mm(self, shape: Sequence[int]) -> tuple[float, float]:
        """Width and height of the picture [mm] for a volume of some shape."""
        width, height = self._pixel_mm
        return shape[self.plane.horizontal_axis] * width, shape[self.plane.vertical_axis] * height

    def gray(self, data: NDArray[np.uint8]) -> str:
        """An image in gray levels; 0 is black."""
        return self._image(np.asarray(self.page(data)), data.shape)

    def colored(self, values: NDArray[np.generic], colors: NDArray[np.uint8]) -> str:
        """Values 0 to 255 in the colors of a table (256, 4), in which their opacity is."""
        return self._image(colors[np.asarray(self.page(values), dtype=np.uint8)], values.shape)

    def outline(self, values: NDArray[np.generic], level: float) -> str:
        """Path of an isoline [mm from the upper left corner]; empty where the plane does not meet it."""
        from contourpy import contour_generator

        page = np.pad(np.asarray(self.page(values), dtype=np.float32), 1)
        if not page.min() < level < page.max():
            return ""
        width, height = self._pixel_mm
        parts = []
        for line in contour_generator(z=page).lines(level):
            points = np.round((np.asarray(line) - 0.5) * np.array([width, height]), _DECIMALS)
            parts.append("M" + "L".join(f"{x:g} {y:g}" for x, y in points))
        return "".join(parts)

    def _image(self, pixels: NDArray[np.uint8], shape: Sequence[int]) -> str:
        width, height = self.size_mm(shape)
        return (
            f'<image width="{width:g}" height="{height:g}" preserveAspectRatio="none" '
            f'href="data:image/png;base64,{png_base64(pixels)}"/>'
        )


def png_base64(pixels: NDArray[np.uint8]) -> str:
    """A PNG of (rows, columns) gray or (rows, columns, 4) colored pixels, in base64."""
    from PIL import Image

    memory = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(memory, format="PNG", optimize=False, compress_level=6)
    return base64.b64encode(memory.getvalue()).decode("ascii")
