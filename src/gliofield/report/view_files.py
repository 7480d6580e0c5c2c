"""What a report shows of a scan, kept in the result: the folder ``view``.

t1c.nii.gz, flair.nii.gz, pet.nii.gz, …   the images in 255 gray levels, 0 outside the brain
outlines.nii.gz                            1 whole tumor, 2 tumor core, 3 cavity
atlas.nii.gz, atlas_tissue.nii.gz          the atlas's T1 on the patient; 1 its brain, 2 its CSF
not_covered.nii.gz                         visible tumor at or below FLAIR's threshold (1), without cells (2)
view.json                                  name, image that was registered, gray levels

All on one grid: the box of the brain in the patient's world, in RAS+ order, made coarser where it has more voxels than
a page can hold. Pages are drawn from these files and those of the result, so a result shows itself without its
patient's folder, and a result of before gets them from there (`write_view`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas
from gliofield.box import box_of, widened
from gliofield.errors import ImageError
from gliofield.grid import Grid
from gliofield.imaging import VisibilityThresholds
from gliofield.nifti import read_volume, write_volume
from gliofield.pipeline.case import Case
from gliofield.pipeline.tumor_coverage import NO_CELLS
from gliofield.registration import Transform
from gliofield.report.json_files import write_json
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

VIEW_FOLDER = "view"
#: Names of the files.
VIEW_FILES = ("view.json", "*.nii.gz")
WHOLE, CORE, CAVITY = 1, 2, 3
ATLAS_BRAIN, ATLAS_CSF = 1, 2
BELOW_THRESHOLD, WITHOUT_CELLS = 1, 2
# A page holds up to this many voxels per volume; the brain at 1 mm has about 3.5 million in its box.
_MOST_VOXELS = 5_000_000
_MARGIN_MM = 4.0
# Intensities beyond these percentiles of the brain are black and white.
_GRAY_PERCENTILES = (0.5, 99.7)
# Images that planes and viewer show, beside the one that was registered.
_SHOWN = ("t1c", "flair", "pet")
_DESCRIPTION = "for pictures; research use only"


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanView:
    """What a report shows of a scan.

    Parameters
    ----------
    name : str
        Of the patient, as the user gave it.
    registered : str
        Modality that was registered to the atlas.
    grid : Grid
        Of all volumes, RAS+.
    images : mapping of str to (X, Y, Z) uint8 array
        Gray levels by modality, 0 outside the brain.
    outlines : (X, Y, Z) uint8 array
        `WHOLE`, `CORE`, `CAVITY`.
    atlas, atlas_tissue : (X, Y, Z) uint8 array, or None
        The atlas on the patient, and its brain and CSF.
    not_covered : (X, Y, Z) uint8 array, or None
        `BELOW_THRESHOLD`, `WITHOUT_CELLS`; None where it is not known.
    atlas_notice : str
        Source and licence of the atlas, to be told wherever it is shown.
    """

    name: str
    registered: str
    grid: Grid
    images: Mapping[str, NDArray[np.uint8]]
    outlines: NDArray[np.uint8]
    atlas: NDArray[np.uint8] | None = None
    atlas_tissue: NDArray[np.uint8] | None = None
    not_covered: NDArray[np.uint8] | None = None
    atlas_notice: str = ""

    @property
    def whole_tumor(self) -> NDArray[np.bool_]:
        """The whole tumor, core included."""
        return (self.outlines == WHOLE) | (self.outlines == CORE)

    @property
    def tumor_core(self) -> NDArray[np.bool_]:
        """The core; may be empty."""
        return self.outlines == CORE


def make_view(
    case: Case,
    *,
    name: str,
    atlas: Atlas | None = None,
    transform: Transform | None = None,
    judged: Volume | None = None,
    thresholds: VisibilityThresholds | None = None,
) -> ScanView:
    """What a report shows of a patient's scan.

    Parameters
    ----------
    case : Case
        The patient.
    name : str
        The patient's name.
    atlas, transform : Atlas, Transform, optional
        What was registered, and how; without them there is no check of the registration.
    judged : Volume, optional
        The density by which the answer is judged, on the case's grid, before any correction.
    thresholds : VisibilityThresholds, optional
        Densities taken as visible, for `judged`.
    """
    grid = _view_grid(case)
    brain = resample_mask(Volume(case.brain, case.grid), grid).data
    segmentation = case.segmentation
    outlines = np.zeros(grid.shape, dtype=np.uint8)
    for label, mask in (
        (WHOLE, segmentation.whole_tumor),
        (CORE, segmentation.tumor_core),
        (CAVITY, segmentation.cavity),
    ):
        if mask is not None:
            outlines[resample_mask(Volume(mask, case.grid), grid).data] = label
    kept = {*_SHOWN, case.structural_modality}
    images = {key: _gray_levels(resample(image, grid).data, brain) for key, image in case.images.items() if key in kept}
    moved, tissue = None, None
    if atlas is not None and transform is not None:
        moved, tissue = _moved_atlas(atlas, transform, grid)
    uncovered = None
    if judged is not None and thresholds is not None:
        seen = (outlines == WHOLE) | (outlines == CORE)
        density = resample(judged, grid).data
        uncovered = np.where(seen & (density <= thresholds.flair_threshold), BELOW_THRESHOLD, 0).astype(np.uint8)
        uncovered[seen & (density < NO_CELLS)] = WITHOUT_CELLS
    return ScanView(
        name=name,
        registered=case.structural_modality,
        grid=grid,
        images=images,
        outlines=outlines,
        atlas=moved,
        atlas_tissue=tissue,
        not_covered=uncovered,
        atlas_notice="" if moved is None or atlas is None else f"{atlas.source}; licence {atlas.licence}",
    )


def write_view(folder: Path, view: ScanView) -> None:
    """Write the files of a view into a folder, which is made if it is not there."""
    folder.mkdir(exist_ok=True)
    volumes: dict[str, NDArray[np.uint8] | None] = {
        **view.images,
        "outlines": view.outlines,
        "atlas": view.atlas,
        "atlas_tissue": view.atlas_tissue,
        "not_covered": view.not_covered,
    }
    for name, data in volumes.items():
        if data is not None:
            write_volume(folder / f"{name}.nii.gz", Volume(data, view.grid), description=_DESCRIPTION)
    about = {"name": view.name, "registered": view.registered, "images": list(view.images)}
    write_json(folder / "view.json", {**about, "atlas_notice": view.atlas_notice})


def read_view(folder: Path) -> ScanView | None:
    """The view of a result folder; None where it has none.

    Raises
    ------
    ImageError
        If its files cannot be used.
    """
    place = folder / VIEW_FOLDER
    if not (place / "view.json").is_file():
        return None
    try:
        about: dict[str, Any] = json.loads((place / "view.json").read_text(encoding="utf-8"))
        names = [str(name) for name in about["images"]]
        name, registered, notice = (str(about[key]) for key in ("name", "registered", "atlas_notice"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImageError(
            f"{place / 'view.json'} cannot be read: {error}. Write the report anew with --patient."
        ) from error

    def read(stem: str) -> Volume:
        return read_volume(place / f"{stem}.nii.gz", dtype=np.uint8)

    def read_if_there(stem: str) -> NDArray[np.uint8] | None:
        return read(stem).data if (place / f"{stem}.nii.gz").is_file() else None

    outlines = read("outlines")
    return ScanView(
        name=name,
        registered=registered,
        grid=outlines.grid,
        images={each: read(each).data for each in names},
        outlines=outlines.data,
        atlas=read_if_there("atlas"),
        atlas_tissue=read_if_there("atlas_tissue"),
        not_covered=read_if_there("not_covered"),
        atlas_notice=notice,
    )


def _view_grid(case: Case) -> Grid:
    """The box of the brain with a margin, in steps that a page can hold."""
    spacing = np.array(case.grid.spacing_mm)
    box = widened(box_of(case.brain), max(1, round(_MARGIN_MM / min(spacing))), case.grid.shape)
    start = np.array([bounds[0] for bounds in box])
    shape = np.array([bounds[1] - bounds[0] for bounds in box])
    step = np.ones(3)
    while np.prod(np.ceil(shape / step)) > _MOST_VOXELS:
        # The finest axis first, until all are alike.
        step[np.argmin(spacing * step)] *= 1.25
    affine = case.grid.world_from_voxel.copy()
    affine[:3, 3] = case.grid.world_of(start + (step - 1) / 2)
    affine[:3, :3] *= step
    return Grid(tuple(np.maximum(shape / step, 1).astype(int)), affine)


def _gray_levels(image: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """An image in the levels 1 to 255, and 0 outside the brain."""
    low, high = np.percentile(image[brain], _GRAY_PERCENTILES)
    scaled = 1.0 + 254.0 * np.clip((image - low) / max(high - low, 1e-6), 0.0, 1.0)
    return np.where(brain, np.rint(scaled), 0).astype(np.uint8)


def _moved_atlas(atlas: Atlas, transform: Transform, grid: Grid) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    def moved(data: NDArray[np.generic]) -> NDArray[np.float32]:
        return transform.to_patient(Volume(np.asarray(data, dtype=np.float32), atlas.grid), grid).data

    tissue = atlas.tissue_maps
    brain = moved(tissue.brain) > 0.5
    labels = np.where(brain, ATLAS_BRAIN, 0).astype(np.uint8)
    labels[brain & (moved(tissue.csf) > 0.5)] = ATLAS_CSF
    return _gray_levels(moved(atlas.t1.data), brain) if brain.any() else labels * 0, labels
