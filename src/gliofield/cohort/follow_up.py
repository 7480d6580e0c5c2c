"""What came after: a second scan of a patient, scored against the map that was made of the first.

The second head is laid on the first by a registration that leaves the tumors out. Its outlines then say how much of
what is seen now each ranking of the first scan's voxels held in the volume of the 15 mm margin around the first core,
and how much volume would have held 95 % of it. Volumes are compared where they were outlined, each in its own scan.

    K          voxels within 15 mm of the first core that can be treated
    coverage   part of the recurrence in the first K voxels of a ranking
    V95        volume of the first voxels that hold 95 % of it [ml]
    floor      change of volume that outlines drawn 1 mm further out or in would make, of both scans, added in squares

A growth below the floor is none that can be told from drawing the outlines again. What this cannot tell: whether what
is seen is tumor (treated tissue enhances, too), and how far resection has moved the brain, which an affine does not
follow.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.assimilation import distance_mm
from gliofield.box import box_of, slices_of
from gliofield.errors import ParameterError, RegistrationError
from gliofield.metrics import CoverageCurve, best_first, dice
from gliofield.nifti import read_volume, write_volume
from gliofield.output import FolderMarker, atomic_folder
from gliofield.pipeline import Case
from gliofield.pipeline.read_provenance import read_provenance
from gliofield.progress import Reporter, ignore_progress
from gliofield.registration import RegistrationResult, Transform, register, write_transform
from gliofield.registration.transform_files import TRANSFORM_MARKER
from gliofield.report.json_files import write_json
from gliofield.volume import Volume

Mask = NDArray[np.bool_]
#: The files of a follow-up; the first one marks its folder.
FOLLOW_UP_MARKER = FolderMarker(
    "follow_up.json",
    files=(
        "second_on_first.nii.gz",
        *(f"second_to_first/{name}" for name in (TRANSFORM_MARKER, *TRANSFORM_MARKER.files)),
    ),
)
_MAPS = {"density": "density_patient.nii.gz", "priority": "target_priority_patient.nii.gz"}
# One head scanned twice: scanners differ by a percent or two, and brains by little more. *Chosen*.
_VOLUME_RATIO, _LEAST_OVERLAP = 1.1, 0.9
# Adult brains are 110 mm high and more; a scan may cut off the base. *Chosen*.
_LEAST_EXTENT_MM = 80.0
_NOTICE = "For research use only; not a medical device."


@dataclass(frozen=True, kw_only=True)
class FollowUpSettings:
    """How a second scan is scored.

    Parameters
    ----------
    registration : str
        Preset that lays the second head on the first.
    margin_mm : float
        Margin around the first core whose volume everything is compared at [mm].
    outline_error_mm : float
        How far outlines of the same thing lie apart [mm], at least a voxel; the noise floor of growth follows from it.
    part : float
        Part of the recurrence for which the volume is given, in (0, 1).

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    registration: str = "affine"
    margin_mm: float = 15.0
    outline_error_mm: float = 1.0
    part: float = 0.95

    def __post_init__(self) -> None:
        for name in ("margin_mm", "outline_error_mm"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ParameterError(f"{name} must be finite and > 0 [mm], got {getattr(self, name)}.")
        if not 0.0 < self.part < 1.0:
            raise ParameterError(f"part must lie in (0, 1), got {self.part}.")


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How the volume of an outline changed.

    Parameters
    ----------
    first_ml, second_ml : float
        Volume in each scan [ml].
    change_ml : float
        Second minus first [ml].
    floor_ml : float
        What drawing the outlines again may change [ml].
    is_beyond_floor : bool
        Whether the change is larger than that.
    """

    first_ml: float
    second_ml: float
    change_ml: float
    floor_ml: float
    is_beyond_floor: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class FollowUp:
    """A second scan against the map of the first.

    Parameters
    ----------
    margin_volume_ml : float or None
        Volume of the margin around the first core [ml]; None without a core.
    coverage : mapping of str to mapping of str to float or None
        By ranking (``core-margin``, ``whole-margin``, ``density``, ``priority``), then by what is seen in the second
        scan (``tumor_core``, ``whole_tumor``): the part in the volume of the margin. None where nothing is seen.
    volume_95_ml : mapping of str to mapping of str to float or None
        Likewise the volume that holds the part asked for [ml].
    outside : mapping of str to float or None
        Part of what is seen that lies where the first scan has no brain, or a cavity; it counts nowhere.
    growth : mapping of str to Growth
        By outline.
    brain_overlap : float
        Dice of the two brains after registration.
    volume_ratio : float
        Volume of the first brain over the second, by the registration.
    second_on_first : Volume
        What the second scan shows, on the first one's grid: 2 core, 1 the rest of the tumor.
    first_from_second : Transform
        The registration.
    settings : FollowUpSettings
        As asked for.
    """

    margin_volume_ml: float | None
    coverage: Mapping[str, Mapping[str, float | None]]
    volume_95_ml: Mapping[str, Mapping[str, float | None]]
    outside: Mapping[str, float | None]
    growth: Mapping[str, Growth]
    brain_overlap: float
    volume_ratio: float
    second_on_first: Volume
    first_from_second: Transform
    settings: FollowUpSettings

    def to_json(self) -> dict[str, Any]:
        """All numbers, JSON-ready."""
        return {
            "margin_volume_ml": self.margin_volume_ml,
            "coverage_at_margin_volume": {name: dict(each) for name, each in self.coverage.items()},
            "volume_for_part_ml": {name: dict(each) for name, each in self.volume_95_ml.items()},
            "outside_first_brain": dict(self.outside),
            "growth": {name: dataclasses.asdict(each) for name, each in self.growth.items()},
            "registration": {"brain_overlap": self.brain_overlap, "volume_ratio": self.volume_ratio},
            "settings": dataclasses.asdict(self.settings),
            "notice": _NOTICE,
        }


def score_follow_up(
    first: Case,
    result: str | os.PathLike[str],
    second: Case,
    settings: FollowUpSettings | None = None,
    *,
    registration: RegistrationResult | None = None,
    report: Reporter = ignore_progress,
) -> FollowUp:
    """Score a second scan of a patient against the map of the first.

    Parameters
    ----------
    first : Case
        The first scan.
    result : path
        Result folder that was made of it.
    second : Case
        The second scan, on whatever grid.
    settings : FollowUpSettings, optional
        Registration, margin, noise.
    registration : RegistrationResult, optional
        Of the second head (as the patient) with the first (as the atlas); None: made here.
    report : Reporter
        Told about the registration.

    Raises
    ------
    ParameterError
        If the folder holds no result, or that of other files, or a scan does not show what has to be compared.
    RegistrationError
        If the two cannot be one head.
    """
    chosen = settings or FollowUpSettings()
    for words, case in (("first", first), ("second", second)):
        _require_whole_head(words, case)
        if "flair" not in case.images:
            raise ParameterError(
                f"the {words} scan has no FLAIR: expected it in both, for the visible tumor is what FLAIR shows, and "
                "growth of an outline drawn on another image says nothing."
            )
    rankings = _rankings(first, Path(result), chosen)
    found = _registered(first, second, chosen, report) if registration is None else registration
    transform = _plausible(found.transform)
    seen = {
        name: transform.mask_to_atlas(Volume(getattr(second.segmentation, name), second.grid), first.grid).data > 0
        for name in ("tumor_core", "whole_tumor")
    }
    brain = transform.mask_to_atlas(Volume(second.brain, second.grid), first.grid).data > 0
    overlap = dice(brain, first.brain, if_both_empty=0.0)
    if overlap < _LEAST_OVERLAP:
        raise RegistrationError(
            f"after registration the two brains overlap by a Dice of {overlap:.2f} only: expected at least "
            f"{_LEAST_OVERLAP:g} for two scans of one head. Check that both are of the same patient and whole."
        )
    treatable, count = _treatable(first), _margin_voxels(first, chosen)
    curves = {
        name: {what: CoverageCurve.of((mask & treatable).ravel()[order]) for what, mask in seen.items()}
        for name, order in rankings.items()
    }
    voxel_ml = first.grid.voxel_volume_ml
    return FollowUp(
        margin_volume_ml=count * voxel_ml if count else None,
        coverage={
            name: {what: _known(curve.at(count)) for what, curve in each.items()} for name, each in curves.items()
        },
        volume_95_ml={
            name: {what: _known(curve.count_for(chosen.part) * voxel_ml) for what, curve in each.items()}
            for name, each in curves.items()
        },
        outside={what: _part_outside(mask, treatable) for what, mask in seen.items()},
        growth={name: _growth(name, first, second, chosen.outline_error_mm) for name in seen},
        brain_overlap=overlap,
        volume_ratio=transform.affine_volume_ratio,
        second_on_first=Volume((seen["whole_tumor"] + (seen["tumor_core"] * 1)).astype(np.uint8), first.grid),
        first_from_second=transform,
        settings=chosen,
    )


def write_follow_up(found: FollowUp, folder: str | os.PathLike[str], *, first: Case, force: bool = False) -> Path:
    """Write numbers, outlines and transform as a folder of their own.

    Raises
    ------
    OutputError
        If the folder exists and may not be replaced, or cannot be written.
    """
    target = Path(folder)
    with atomic_folder(target, replace=force, marker=FOLLOW_UP_MARKER) as partial:
        write_volume(
            partial / "second_on_first.nii.gz",
            found.second_on_first,
            stored_as=first.stored_grid,
            description="tumor of the second scan; research use only",
        )
        write_transform(partial / "second_to_first", found.first_from_second)
        write_json(partial / FOLLOW_UP_MARKER, found.to_json())
    return target


def _rankings(first: Case, result: Path, settings: FollowUpSettings) -> dict[str, NDArray[np.intp]]:
    """Places of the treatable voxels of the first scan by ranking, the first to treat first."""
    places = np.flatnonzero(_treatable(first))
    spacing_mm, segmentation = first.grid.spacing_mm, first.segmentation
    from_whole_mm = distance_mm(segmentation.whole_tumor, spacing_mm)
    from_core_mm = distance_mm(segmentation.tumor_core, spacing_mm) if segmentation.has_core else from_whole_mm
    scores = {"core-margin": -from_core_mm, "whole-margin": -from_whole_mm, **_maps(first, result)}
    near = from_core_mm.ravel()[places]
    return {name: places[best_first(score.ravel()[places], near)] for name, score in scores.items()}


def _maps(first: Case, result: Path) -> dict[str, NDArray[np.floating]]:
    """Density and priority of the result, which must be that of the first scan."""
    if read_provenance(result, parts=("inputs",))["inputs"].get("sha256") != dict(first.file_hashes):
        raise ParameterError(
            f"{result} was made of other files than the first scan given here (by SHA-256). Give the scan that it "
            "was made of, or personalize the one given."
        )
    found = {}
    for name, file in _MAPS.items():
        if (result / file).is_file():
            volume = read_volume(result / file)
            volume.grid.require_same_as(first.grid, self_name=file, other_name="the first scan")
            found[name] = volume.data
    return found


def _registered(first: Case, second: Case, settings: FollowUpSettings, report: Reporter) -> RegistrationResult:
    """The second head laid on the first, by an image that both have."""
    shared = [name for name in first.images if name in second.images and name != "pet"]
    modality = first.structural_modality if first.structural_modality in shared else shared[0]
    lesion = second.segmentation.without_counterpart
    return register(
        patient_image=second.images[modality],
        atlas_image=first.images[modality],
        patient_brain=Volume(second.brain, second.grid),
        atlas_brain=Volume(first.brain, first.grid),
        lesion=Volume(lesion, second.grid),
        preset=settings.registration,
        report=report,
    )


def _plausible(transform: Transform) -> Transform:
    """The way between two scans of one head; refused if it is not."""
    ratio = transform.affine_volume_ratio
    if not 1.0 / _VOLUME_RATIO <= ratio <= _VOLUME_RATIO:
        raise RegistrationError(
            f"the registration scales the second brain's volume by {ratio:.2f}: expected {1 / _VOLUME_RATIO:.2f} to "
            f"{_VOLUME_RATIO:g} for two scans of one head. Check that both are of the same patient, and that their "
            "headers have the true voxel sizes."
        )
    return transform


def _require_whole_head(words: str, case: Case) -> None:
    """Refuse a brain that is flatter than any: its voxel sizes are lost, or slices are missing."""
    voxels = [each.stop - each.start for each in slices_of(box_of(case.brain))]
    extent_mm = [number * size for number, size in zip(voxels, case.grid.spacing_mm, strict=True)]
    if min(extent_mm) < _LEAST_EXTENT_MM:
        raise ParameterError(
            f"the brain of the {words} scan is {' x '.join(f'{each:.0f}' for each in extent_mm)} mm large: expected at "
            f"least {_LEAST_EXTENT_MM:.0f} mm along each axis. The header has lost the true voxel sizes, or slices are "
            "missing, so distances and volumes mean nothing."
        )


def _treatable(case: Case) -> Mask:
    cavity = case.segmentation.cavity
    return case.brain if cavity is None else case.brain & ~cavity


def _margin_voxels(first: Case, settings: FollowUpSettings) -> int:
    """K; 0 without a core."""
    if not first.segmentation.has_core:
        return 0
    near = distance_mm(first.segmentation.tumor_core, first.grid.spacing_mm) <= settings.margin_mm
    return int(np.count_nonzero(near & _treatable(first)))


def _part_outside(mask: Mask, treatable: Mask) -> float | None:
    total = int(np.count_nonzero(mask))
    return float(np.count_nonzero(mask & ~treatable)) / total if total else None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _growth(name: str, first: Case, second: Case, error_mm: float) -> Growth:
    first_ml, first_floor = _volume_and_floor(getattr(first.segmentation, name), first, error_mm)
    second_ml, second_floor = _volume_and_floor(getattr(second.segmentation, name), second, error_mm)
    floor_ml = math.hypot(first_floor, second_floor)
    change_ml = second_ml - first_ml
    return Growth(
        first_ml=first_ml,
        second_ml=second_ml,
        change_ml=change_ml,
        floor_ml=floor_ml,
        is_beyond_floor=abs(change_ml) > floor_ml,
    )


def _volume_and_floor(mask: Mask, case: Case, error_mm: float) -> tuple[float, float]:
    """Volume of an outline, and half of what it changes by between its wider and its tighter drawing [ml]."""
    if not mask.any():
        return 0.0, 0.0
    voxel_ml, spacing_mm = case.grid.voxel_volume_ml, case.grid.spacing_mm
    reach_mm = max(error_mm, min(spacing_mm))  # no outline is finer than a voxel
    wider = int(np.count_nonzero((distance_mm(mask, spacing_mm) <= reach_mm) & case.brain & ~mask))
    tighter = int(np.count_nonzero((distance_mm(~mask, spacing_mm) <= reach_mm) & mask))
    return float(np.count_nonzero(mask)) * voxel_ml, 0.5 * (wider + tighter) * voxel_ml
