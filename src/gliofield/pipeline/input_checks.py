"""Whether scan, outlines and header belong together: what is checked of a patient before any answer is believed.

A registration bends a wrong head until it fits, and a growth model finds a tumor for any mask. So the input is checked
by itself: the orientation by the affine stage, the label scheme by where core and edema lie, the outlines by whether
FLAIR and T1Gd change where they say. Every limit is *chosen*, by the figures that
``benchmarks/pipeline/bench_input_checks.py`` prints (docs/personalize.md has them).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy import Atlas, Segmentation
from gliofield.anatomy.image_damage import MissingData, find_missing_data
from gliofield.box import box_of, slices_of, widened
from gliofield.concern import Concern, by_harm, named_concern
from gliofield.metrics import distribution_gap, roc_area
from gliofield.pipeline.case import Case
from gliofield.registration import OrientationCheck, Transform, TurnSearch, check_orientation, search_turns
from gliofield.volume import Volume

# Right heads: 1.00, the next turn at least 1.5; wrong heads: at least 1.5. *Chosen* between them.
_MISFIT_RATIO = 1.25
# Right heads 0.93 to 0.95, turned ones 0.84 to 0.89. *Chosen*.
_AFFINE_OVERLAP = 0.90
# FLAIR just inside against just outside of the mask: own masks 0.95 to 0.99, 0.81 and more if drawn 2 mm too wide;
# those of other patients up to 0.58, flipped ones up to 0.72. *Chosen*.
_FLAIR_EDGE = 0.75
# T1Gd of the core against the tumor around it: own cores 0.46 to 0.81, half of the foreign ones below 0.2. *Chosen*
# low, since a core need not enhance.
_T1GD_GAP = 0.25
# Heads are tilted by up to 60 degrees and registered all the same; a wrong header turns by 90. *Chosen* between them.
_TURNED_DEGREES = 75.0
# Right segmentations 0.00 to 0.05 here (0.83 in one of eleven others, with little edema), swapped ones 0.95 and more.
_CORE_ON_SURFACE = 0.5
# Of the surface of the edema, this part faces the outside where edema surrounds a core: 0.66 to 0.93 in right ones, up
# to 0.32 where the labels are exchanged. *Chosen*.
_EDEMA_OUTSIDE = 0.5
# Rims on both sides of an outline [mm]; the voxels next to it are left out on the outside.
_RIM_MM, _GAP_MM = 4.0, 1.0
_CORE_RIM_MM = 6.0
# Images that show the shape of the brain, the one that is registered first.
_STRUCTURAL = ("t1", "t1c", "t2", "flair")
# Fewer voxels than this say nothing.
_LEAST_VOXELS = 50


@dataclass(frozen=True, kw_only=True)
class InputChecks:
    """What was found out about the input; None where an image or a mask for it was not given.

    Parameters
    ----------
    label_scheme : str
        What the labels were taken for.
    core_share : float
        Core over whole tumor, by volume.
    core_on_surface : float
        Part of the outer surface of the whole tumor that is core.
    edema_outside : float or None
        Part of the surface of the edema that faces the outside, not the core.
    flair_edge : float or None
        Chance that FLAIR is brighter just inside the whole tumor than just outside.
    flair_inside : float or None
        Chance that FLAIR is brighter inside the whole tumor than in the rest of the brain.
    t1gd_gap : float or None
        Largest difference of the distributions of T1Gd in the core and in the tumor around it.
    cavity_ml : float
        Volume of the resection cavity [ml].
    missing_data : mapping of str to tuple of MissingData
        Holes, gaps and cuts of the brain by the image, or images of one shape, or ``brain mask`` that show them.
    orientation : OrientationCheck or None
        How the affine stage lays brain on brain.
    concerns : tuple of Concern
        Remarks on values out of their limits, most harmful first.
    """

    label_scheme: str
    core_share: float
    core_on_surface: float
    edema_outside: float | None
    flair_edge: float | None
    flair_inside: float | None
    t1gd_gap: float | None
    cavity_ml: float
    missing_data: Mapping[str, tuple[MissingData, ...]] = field(default_factory=dict)
    orientation: OrientationCheck | None = None
    concerns: tuple[Concern, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without the concerns."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        found = values.pop("orientation")
        missing = {name: [dataclasses.asdict(each) for each in places] for name, places in self.missing_data.items()}
        values["missing_data"] = missing
        values.pop("concerns")
        if found is None:
            return {**values, "orientation": None}
        return {**values, "orientation": {**dataclasses.asdict(found), "misfit_ratio": found.misfit_ratio}}


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseChecks:
    """What can be checked before a registration: scan and outlines, and how the head could lie in the atlas."""

    found: InputChecks
    turns: TurnSearch

    @classmethod
    def of(cls, case: Case, atlas: Atlas) -> CaseChecks:
        """The checks of a patient and an atlas."""
        brains = Volume(case.brain, case.grid), Volume(atlas.tissue_maps.brain, atlas.grid)
        return cls(found=check_case(case), turns=search_turns(*brains))


def check_input(case: Case, atlas: Atlas, transform: Transform, before: CaseChecks | None = None) -> InputChecks:
    """Checks of a patient and of how the affine stage of a registration took it to the atlas.

    Parameters
    ----------
    case, atlas, transform : Case, Atlas, Transform
        The patient, the atlas, and the way between them.
    before : CaseChecks, optional
        `CaseChecks.of` the same patient and atlas, if it is there already.
    """
    known = CaseChecks.of(case, atlas) if before is None else before
    orientation = check_orientation(transform, known.turns)
    concerns = by_harm((*known.found.concerns, *orientation_concerns(orientation)))
    return dataclasses.replace(known.found, orientation=orientation, concerns=concerns)


def check_case(case: Case) -> InputChecks:
    """Checks of scan and outlines alone."""
    segmentation = case.segmentation
    on_surface, edema_outside = surface_shares(segmentation)
    flair, t1c = case.images.get("flair"), case.images.get("t1c")
    measured = InputChecks(
        label_scheme=segmentation.scheme,
        core_share=segmentation.core_ml / segmentation.whole_ml,
        core_on_surface=on_surface,
        edema_outside=edema_outside,
        flair_edge=None if flair is None else _measured(edge_contrast(flair, case)),
        flair_inside=None if flair is None else _measured(inside_contrast(flair, case)),
        t1gd_gap=None if t1c is None else _measured(core_gap(t1c, case)),
        cavity_ml=segmentation.cavity_ml,
        missing_data=missing_data(case),
    )
    return dataclasses.replace(measured, concerns=by_harm(_mask_concerns(measured, segmentation)))


def missing_data(case: Case) -> dict[str, tuple[MissingData, ...]]:
    """Where data of the brain are missing, by the names of the images that show it; each shape is looked at once."""
    images = {name: case.images[name].data for name in _STRUCTURAL if name in case.images}
    if "brain_mask" in case.file_hashes:  # the images may show more than the brain
        images = {name: np.where(case.brain, data, 0) for name, data in images.items()} | {"brain mask": case.brain}
    shapes: list[tuple[list[str], NDArray[Any]]] = []
    for name, data in images.items():
        same = [names for names, other in shapes if np.array_equal(other != 0, data != 0)]
        if same:
            same[0].append(name)
        else:
            shapes.append(([name], data))
    found = {", ".join(names): find_missing_data(Volume(data, case.grid)) for names, data in shapes}
    return {names: places for names, places in found.items() if places}


def _missing_data_concerns(found: InputChecks) -> Iterator[Concern]:
    for names, places in found.missing_data.items():
        text = f"Data seem to be missing in {names}: {'; '.join(map(_describe_missing, places))}."
        value = max((each.volume_ml for each in places if each.volume_ml is not None), default=places[0].area_cm2)
        yield named_concern("missing-data", f"{text} Look at the images, and fetch or convert them again.", value)


def _describe_missing(place: MissingData) -> str:
    where = "({:.0f}, {:.0f}, {:.0f}) mm".format(*place.center_mm)
    if place.kind == "hole":
        return f"{place.volume_ml:.1f} ml inside the brain are 0, around {where}"
    if place.kind == "gap":
        return f"about {place.volume_ml:.0f} ml are 0 {place.normal} a flat face of {place.area_cm2:.0f} cm² at {where}"
    return f"the brain ends in a flat face of {place.area_cm2:.0f} cm² at {where}, with nothing {place.normal} it"


def surface_shares(segmentation: Segmentation) -> tuple[float, float | None]:
    """Part of the whole tumor's outer surface that is core, and part of the edema's surface that faces the outside.

    The second is None without edema. Faces of voxels count by their area.
    """
    box = slices_of(widened(box_of(segmentation.whole_tumor), 1, segmentation.grid.shape))
    core, whole = (np.pad(mask[box], 1) for mask in (segmentation.tumor_core, segmentation.whole_tumor))
    edema, outside = whole & ~core, ~whole
    core_free = edema_free = edema_core = 0.0
    for axis, spacing in enumerate(segmentation.grid.spacing_mm):
        area = float(np.prod(segmentation.grid.spacing_mm)) / spacing
        core_free += area * _faces(core, outside, axis)
        edema_free += area * _faces(edema, outside, axis)
        edema_core += area * _faces(edema, core, axis)
    edema_surface = edema_free + edema_core
    return core_free / (core_free + edema_free), edema_free / edema_surface if edema_surface else None


def _faces(one: NDArray[np.bool_], other: NDArray[np.bool_], axis: int) -> int:
    """Faces between voxels of two masks along an axis."""
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    below, above = tuple(low), tuple(high)
    return int(np.count_nonzero(one[below] & other[above]) + np.count_nonzero(other[below] & one[above]))


def inside_contrast(image: Volume, case: Case) -> float:
    """Chance that an image is brighter inside the whole tumor than in the rest of the brain; NaN without a rest."""
    whole = case.segmentation.whole_tumor
    return roc_area(image.data[whole], image.data[case.brain & ~case.segmentation.without_counterpart])


def edge_contrast(image: Volume, case: Case) -> float:
    """Chance that an image is brighter just inside the whole tumor than just outside; NaN with too few voxels.

    Compared are rims of 4 mm on both sides of the outline, within the brain, 1 mm apart. A bias field, or another
    bright region of the brain, does not matter; a mask that lies elsewhere has no edge of the image along its outline.
    """
    segmentation = case.segmentation
    width_mm = max(_RIM_MM, *segmentation.grid.spacing_mm)
    window = _window(segmentation.whole_tumor, width_mm + _GAP_MM, segmentation)
    whole, values = segmentation.whole_tumor[window], image.data[window]
    spacing_mm = segmentation.grid.spacing_mm
    inner = whole & (ndimage.distance_transform_edt(whole, sampling=spacing_mm) <= width_mm)
    distance_mm = ndimage.distance_transform_edt(~whole, sampling=spacing_mm)
    healthy = case.brain[window] & ~segmentation.without_counterpart[window]
    outer = healthy & (distance_mm > _GAP_MM) & (distance_mm <= width_mm + _GAP_MM)
    return _of_enough(roc_area, values[inner], values[outer])


def core_gap(image: Volume, case: Case) -> float:
    """How an image differs between the core and the tumor (else the brain) within 6 mm; NaN with too few voxels."""
    segmentation = case.segmentation
    if not segmentation.has_core:
        return float("nan")
    window = _window(segmentation.tumor_core, _CORE_RIM_MM, segmentation)
    core, values = segmentation.tumor_core[window], image.data[window]
    distance_mm = ndimage.distance_transform_edt(~core, sampling=segmentation.grid.spacing_mm)
    rim = ~core & case.brain[window] & (distance_mm > _GAP_MM) & (distance_mm <= _CORE_RIM_MM)
    edema = rim & segmentation.whole_tumor[window]
    around = edema if np.count_nonzero(edema) >= _LEAST_VOXELS else rim
    return _of_enough(distribution_gap, values[core], values[around])


def _window(mask: NDArray[np.bool_], reach_mm: float, segmentation: Segmentation) -> tuple[slice, slice, slice]:
    reach = int(np.ceil(reach_mm / min(segmentation.grid.spacing_mm))) + 1
    return slices_of(widened(box_of(mask), reach, segmentation.grid.shape))


def _of_enough(measure: Any, one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    if min(one.size, other.size) < _LEAST_VOXELS:
        return float("nan")
    return float(measure(one, other))


def _measured(value: float) -> float | None:
    return value if np.isfinite(value) else None


def orientation_concerns(found: OrientationCheck) -> tuple[Concern, ...]:
    """Remarks on the affine stage: a turn that fits better, or was found, or brains that do not overlap."""
    if found.misfit_ratio > _MISFIT_RATIO and found.is_turned:
        text = (
            f"The head seems to lie otherwise than its header says: after {found.best_turn} the shape of the brain "
            f"fits the atlas better by a factor of {found.misfit_ratio:.1f}. The map lies in the wrong place. Correct "
            "the affine of the images (was an array saved with an identity affine?)."
        )
        return (named_concern("orientation", text, found.misfit_ratio),)
    if found.turned_degrees > _TURNED_DEGREES:
        text = (
            f"The registration turned the head by {found.turned_degrees:.0f} degrees to fit the atlas: the orientation "
            "in the header is hardly right. Correct the affine of the images, and look at the overlay."
        )
        return (named_concern("turned-header", text, found.turned_degrees),)
    if found.affine_overlap < _AFFINE_OVERLAP:
        text = (
            f"After the affine stage alone the brains of patient and atlas overlap by a Dice of only "
            f"{found.affine_overlap:.2f} (expected {_AFFINE_OVERLAP:.2f} or more): look at the overlay; orientation or "
            "brain mask may be wrong."
        )
        return (named_concern("affine-overlap", text, found.affine_overlap),)
    return ()


def _mask_concerns(found: InputChecks, segmentation: Segmentation) -> Sequence[Concern]:
    """Remarks on the outlines."""
    concerns = [*_missing_data_concerns(found), *_surface_concerns(found, segmentation)]
    if found.flair_edge is not None and found.flair_edge < _FLAIR_EDGE:
        text = (
            f"FLAIR hardly changes at the outline of the whole tumor: it is brighter just inside than just outside "
            f"with a chance of {found.flair_edge:.2f} (expected {_FLAIR_EDGE:.2f} or more). The mask may belong to "
            "another patient or be flipped."
        )
        concerns.append(named_concern("mask-against-flair", text, found.flair_edge))
    if found.t1gd_gap is not None and found.t1gd_gap < _T1GD_GAP:
        text = (
            f"The tumor core hardly stands out in T1Gd: its gray values differ from those around it by "
            f"{found.t1gd_gap:.2f} (largest difference of the distributions, expected {_T1GD_GAP:.2f} or more). The "
            "mask may belong to another patient, be flipped, or show something else."
        )
        concerns.append(named_concern("mask-against-t1gd", text, found.t1gd_gap))
    if found.cavity_ml > 0.0:
        text = (
            f"There is a resection cavity of {found.cavity_ml:.1f} ml. It holds no cells in the map; the growth models "
            "are made for scans before surgery."
        )
        concerns.append(named_concern("cavity", text, found.cavity_ml))
    return concerns


def _surface_concerns(found: InputChecks, segmentation: Segmentation) -> Sequence[Concern]:
    if found.core_on_surface <= _CORE_ON_SURFACE:
        return ()
    share = f"The tumor core makes up {found.core_on_surface:.0%} of the outer surface of the tumor"
    if found.edema_outside is not None and found.edema_outside >= _EDEMA_OUTSIDE:
        text = f"{share}: there is little edema around it."
        return (named_concern("little-edema", text, found.core_on_surface),)
    text = (
        f"{share}, as if core and edema had changed places. The labels were taken for the scheme "
        f"{segmentation.scheme!r}; name another one if they are of another project (--labels)."
    )
    return (named_concern("core-on-surface", text, found.core_on_surface),)
