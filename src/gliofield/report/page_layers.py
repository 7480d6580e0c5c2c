"""The layers of a report: volumes for the viewer in the browser, and the same as static planes.

What is shown is read from the result folder, brought to the grid of its view (`view_files`) and kept in 255 steps, so a
page stays small. Layers are values; the page's script and templates only draw them.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy import Segmentation
from gliofield.grid import Grid
from gliofield.nifti import read_volume
from gliofield.pipeline.rankings import core_margin
from gliofield.report.color_maps import (
    CORE_COLOR,
    DENSITY,
    POSTERIOR_SCALES,
    TARGET_COLORS,
    UNCOVERED_COLOR,
    WHOLE_COLOR,
    ColorScale,
)
from gliofield.report.plane_svg import PlanePicture
from gliofield.report.planes import PLANES
from gliofield.report.view_files import ATLAS_BRAIN, ATLAS_CSF, CAVITY, VIEW_FOLDER, ScanView
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

IMAGE_NAMES = {"t1c": "T1Gd", "flair": "FLAIR", "t1": "T1", "t2": "T2", "pet": "PET"}
# Images of the viewer, the first that are there; the others stand in the check of the registration alone.
_VIEWER_IMAGES, _FALLBACK_IMAGES = ("t1c", "flair", "pet"), ("t1", "t2")
_MAP_FILES = {
    "density": ("density_patient.nii.gz", DENSITY),
    **{name: (f"posterior/{name}_patient.nii.gz", scale) for name, scale in POSTERIOR_SCALES.items() if name != "mean"},
}
_MAP_WORDS = {
    "density": "tumor-cell density",
    "std": "standard deviation",
    "probability_flair": "P(density > FLAIR threshold)",
    "probability_t1gd": "P(density > T1Gd threshold)",
}
_NUM_COLORS = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One volume that the viewer can show.

    Parameters
    ----------
    name, words : str
        Identity and label.
    kind : {"image", "map", "mask"}
        Gray image, values in color, outline.
    file : bytes
        NIfTI, compressed.
    colors : mapping of str to list of int
        ``R``, ``G``, ``B``, ``A``, ``I`` of its colors; empty for gray.
    highest : float
        Value of the last color.
    opacity : float
        At the start; 0 hides it.
    opaque_from : float
        Part of `highest` at which its opacity is full; below, it rises from nothing.
    css : str
        Color of its key.
    """

    name: str
    words: str
    kind: str
    file: bytes
    colors: Mapping[str, Sequence[int]] = field(default_factory=dict)
    highest: float = 255.0
    opacity: float = 1.0
    opaque_from: float = 1.0
    css: str = ""

    def to_json(self) -> dict[str, Any]:
        """For the page's script; the file is an element of its own."""
        names = ("name", "words", "kind", "colors", "highest", "opacity", "opaque_from")
        return {name: getattr(self, name) for name in names}

    @property
    def base64(self) -> str:
        """The file as text."""
        return base64.b64encode(self.file).decode("ascii")


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportLayers:
    """All that a report draws of a result.

    Parameters
    ----------
    view : ScanView
        The scan.
    maps : mapping of str to (X, Y, Z) float32 array
        ``density`` and the maps of a posterior, on the view's grid.
    targets : mapping of str to (X, Y, Z) bool array
        Masks by name.
    """

    view: ScanView
    maps: Mapping[str, NDArray[np.float32]]
    targets: Mapping[str, NDArray[np.bool_]]

    def viewer_layers(self, folder: Path) -> Iterator[Layer]:
        """Volumes of the viewer, the image below first."""
        present = [name for name in _VIEWER_IMAGES if name in self.view.images]
        if not {"t1c", "flair"} & set(present):
            present += [name for name in _FALLBACK_IMAGES if name in self.view.images][:1]
        for place, name in enumerate(present):
            packed = (folder / VIEW_FOLDER / f"{name}.nii.gz").read_bytes()
            yield Layer(name=name, words=IMAGE_NAMES[name], kind="image", file=packed, opacity=float(place == 0))
        for name, values in self.maps.items():
            scale = _MAP_FILES[name][1]
            packed = _packed(np.rint(255.0 * values / scale.highest), self.view.grid, scale.highest / 255.0)
            yield Layer(
                name=name,
                words=_MAP_WORDS[name],
                kind="map",
                file=packed,
                colors=_nodes(scale),
                highest=scale.highest,
                opacity=float(name == "density"),
                opaque_from=scale.opaque_from,
                css=_middle_color(scale),
            )
        masks = {
            "whole": ("whole tumor", self.view.whole_tumor, WHOLE_COLOR, 1.0),
            "core": ("tumor core", self.view.tumor_core, CORE_COLOR, 1.0),
            "cavity": ("cavity", self.view.outlines == CAVITY, "#ffffff", 1.0),
        }
        for name, (words, mask, color, opacity) in masks.items():
            if mask.any():
                yield _mask_layer(name, words, _shell(mask), color, self.view.grid, opacity)
        if self.view.not_covered is not None and self.view.not_covered.any():
            uncovered = self.view.not_covered > 0
            yield _mask_layer(
                "not-covered", "visible tumor not covered", uncovered, UNCOVERED_COLOR, self.view.grid, 0.0
            )
        for place, (name, mask) in enumerate(self.targets.items()):
            color = TARGET_COLORS[place % len(TARGET_COLORS)]
            yield _mask_layer(f"target-{place}", f"target {name}", _shell(mask), color, self.view.grid, 0.0)

    def cuts(self) -> list[PlanePicture]:
        """The three planes with the most tumor: of the core where there is one."""
        mask = self.view.tumor_core if self.view.tumor_core.any() else self.view.whole_tumor
        places = [int(np.argmax(mask.sum(axis=tuple(a for a in range(3) if a != axis)))) for axis in range(3)]
        spacing_mm = self.view.grid.spacing_mm
        return [PlanePicture(plane=plane, index=places[plane.cut_axis], spacing_mm=spacing_mm) for plane in PLANES]

    def center_mm(self) -> list[float]:
        """Where the three planes meet [mm]."""
        index = {cut.plane.cut_axis: cut.index for cut in self.cuts()}
        return [float(x) for x in self.view.grid.world_of([index[axis] for axis in range(3)])]

    def margin_mask(self) -> NDArray[np.bool_]:
        """The usual target: the brain within 15 mm of the core; empty without a core."""
        seen = Segmentation(tumor_core=self.view.tumor_core, whole_tumor=self.view.whole_tumor, grid=self.view.grid)
        return core_margin(seen, next(iter(self.view.images.values())) > 0)


def read_layers(folder: Path, view: ScanView) -> ReportLayers:
    """What a result folder has to show on the grid of its view.

    Raises
    ------
    ImageError
        If a volume cannot be used.
    """
    maps = {
        name: np.clip(resample(read_volume(folder / file), view.grid).data, 0.0, 1.0)
        for name, (file, _) in _MAP_FILES.items()
        if (folder / file).is_file()
    }
    targets = {}
    for each in read_targets(folder):
        mask = read_volume(folder / "targets" / Path(str(each["file"])).name)
        targets[str(each["name"])] = resample_mask(Volume(mask.data > 0.5, mask.grid), view.grid).data
    return ReportLayers(view=view, maps=maps, targets=targets)


def read_targets(folder: Path) -> list[dict[str, Any]]:
    """The targets of a result whose masks are there, as ``targets.json`` lists them; empty without any."""
    place = folder / "targets.json"
    if not place.is_file():
        return []
    try:
        listed = json.loads(place.read_text(encoding="utf-8"))["targets"]
        return [each for each in listed if (folder / "targets" / Path(str(each["file"])).name).is_file()]
    except (ValueError, KeyError, TypeError):
        return []


def tissue_contours(view: ScanView) -> dict[str, NDArray[np.bool_]]:
    """Masks whose outlines check the registration: the atlas's brain, and its ventricles and sulci."""
    if view.atlas_tissue is None:
        return {}
    return {"brain": view.atlas_tissue >= ATLAS_BRAIN, "csf": view.atlas_tissue == ATLAS_CSF}


def _packed(steps: NDArray[np.generic], grid: Grid, slope: float) -> bytes:
    """A compressed NIfTI of steps 0 to 255."""
    import nibabel as nib

    image = nib.Nifti1Image(np.clip(steps, 0, 255).astype(np.uint8), grid.world_from_voxel)
    image.header.set_slope_inter(slope, 0.0)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), 5, mtime=0)


def _mask_layer(name: str, words: str, mask: NDArray[np.bool_], css: str, grid: Grid, opacity: float) -> Layer:
    red, green, blue = (int(css[place : place + 2], 16) for place in (1, 3, 5))
    colors = {"R": [0, red], "G": [0, green], "B": [0, blue], "A": [0, 255], "I": [0, 255]}
    packed = _packed(mask.astype(np.uint8), grid, 1.0)
    return Layer(name=name, words=words, kind="mask", file=packed, colors=colors, highest=1.0, opacity=opacity, css=css)


def _shell(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The voxels of a mask that touch what is outside."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def _nodes(scale: ColorScale) -> dict[str, list[int]]:
    """Colors of a scale where they change most: more of them at the low end."""
    table = scale.table()
    places = np.unique(np.rint(255 * np.linspace(0.0, 1.0, _NUM_COLORS) ** (1.0 / scale.exponent)).astype(int))
    rows = {letter: table[places, column].tolist() for column, letter in enumerate("RGB")}
    return {**rows, "A": [0, *[255] * (len(places) - 1)], "I": places.tolist()}


def _middle_color(scale: ColorScale) -> str:
    return "#" + "".join(f"{part:02x}" for part in scale.table()[140, :3])
