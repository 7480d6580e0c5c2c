"""How far a registration can be trusted, above all what it does to the tumor.

A similarity value says little: a warp may raise it by pulling healthy tissue over the tumor. So quality is told in
quantities with a meaning: does the brain land on the brain and tissue on like tissue, does the map fold, does it
invert, and how does the tumor's volume change beside that of the whole brain. `concerns` says in plain words
which of them left the range seen in registrations that a reader would accept.

Thresholds are chosen, not derived; `QualityLimits` states them with the values they were set by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.concern import Concern, by_harm, named_concern
from gliofield.errors import ImageError
from gliofield.grid import Grid
from gliofield.metrics.overlap import dice
from gliofield.registration.tissue_classes import CSF, GRAY_MATTER, WHITE_MATTER, t1_tissue_classes
from gliofield.registration.transform import Transform
from gliofield.volume import Volume

# Points at which inverse consistency is measured; the 99th percentile of so many is good to a few percent.
_MAX_CONSISTENCY_POINTS = 50_000


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """Values beyond which a concern is raised.

    Parameters
    ----------
    min_brain_overlap : float
        Dice. Affine alignments of four patients on SRI24 gave 0.94 to 0.96, a flipped axis 0.68.
    min_tissue_overlap : float
        Mean Dice of the three tissue classes. The same patients gave 0.45 to 0.54 affine, 0.47 to 0.57 by ``fast``.
    max_tumor_volume_change : float
        Largest acceptable factor, either way, by which the tumor's volume changes beside that of the brain.
        Volumes go into the growth parameters; a factor of 1.5 is 14 % in radius.
    max_inverse_error_mm : float
        99th percentile of |T⁻¹(T(p)) − p| [mm]; about a voxel of the simulation grid.
    max_local_volume_change : float
        Largest acceptable factor, either way, between the 1st and 99th percentile of det J and the affine part.
    max_affine_volume_ratio : float
        Largest acceptable volume ratio of the affine part, either way.
    """

    min_brain_overlap: float = 0.90
    min_tissue_overlap: float = 0.40
    max_tumor_volume_change: float = 1.5
    max_inverse_error_mm: float = 2.0
    max_local_volume_change: float = 3.0
    max_affine_volume_ratio: float = 1.5


@dataclass(frozen=True, kw_only=True)
class RegistrationQuality:
    """Quality of one registration; None where the input for a measure was not given.

    Parameters
    ----------
    brain_overlap : float
        Dice of the patient's brain, carried to the atlas, and the atlas brain.
    tissue_overlap : dict of str to float, or None
        Dice of ``csf``, ``gray_matter`` and ``white_matter`` between the patient's intensity classes, carried to the
        atlas, and the atlas's most probable tissue, over voxels that are brain in both and not tumor; and their
        ``mean``.
    jacobian_min, jacobian_max, jacobian_p01, jacobian_p99 : float
        Local volume ratio atlas / patient over the patient's brain: extremes, 1st and 99th percentile.
    num_folds : int
        Brain voxels of the patient image with a ratio ≤ 0.
    affine_volume_ratio : float
        Volume ratio atlas / patient of the affine part, that is of the whole brain.
    core_volume_ratio, whole_volume_ratio : float or None
        Volume in the atlas over volume in the patient of tumor core and whole tumor (mean of det J over the mask).
        None for an empty mask, too.
    inverse_error_median_mm, inverse_error_p99_mm : float
        |T⁻¹(T(p)) − p| over the patient's brain [mm].
    concerns : tuple of Concern
        Remarks on values out of the limits; empty is good.
    """

    brain_overlap: float
    tissue_overlap: dict[str, float] | None
    jacobian_min: float
    jacobian_max: float
    jacobian_p01: float
    jacobian_p99: float
    num_folds: int
    affine_volume_ratio: float
    core_volume_ratio: float | None
    whole_volume_ratio: float | None
    inverse_error_median_mm: float
    inverse_error_p99_mm: float
    concerns: tuple[Concern, ...] = ()


def registration_quality(
    transform: Transform,
    *,
    patient_image: Volume,
    patient_brain: Volume,
    atlas_brain: Volume,
    atlas_tissues: TissueMaps | None = None,
    tumor_core: Volume | None = None,
    whole_tumor: Volume | None = None,
    limits: QualityLimits | None = None,
) -> RegistrationQuality:
    """Quality of a transform between a patient and the atlas.

    Parameters
    ----------
    transform : Transform
        Map to judge.
    patient_image : Volume
        T1 or T1Gd of the patient, for the tissue classes.
    patient_brain : Volume
        Its brain mask (non-zero = set), on the same grid.
    atlas_brain : Volume
        Brain mask of the atlas (non-zero = set), on any grid.
    atlas_tissues : TissueMaps, optional
        Tissue fractions of the atlas, for the tissue overlap; leave out unless the image is T1-weighted.
    tumor_core, whole_tumor : Volume, optional
        Tumor masks (non-zero = set) on the patient image's grid.
    limits : QualityLimits, optional
        Where concerns begin.

    Raises
    ------
    GridMismatchError
        If brain or tumor masks lie on another grid than the patient image.
    ImageError
        If the patient's brain, or its healthy part, is empty or without contrast.
    """
    grid = patient_image.grid
    brain = _mask_on("patient_brain", patient_brain, grid)
    core = None if tumor_core is None else _mask_on("tumor_core", tumor_core, grid)
    whole = None if whole_tumor is None else _mask_on("whole_tumor", whole_tumor, grid)
    if not brain.any():
        raise ImageError("patient_brain is empty: expected at least one voxel. Check that the right mask was given.")
    jacobian = transform.jacobian_determinant(grid).data
    p01, p99 = np.percentile(jacobian[brain], [1.0, 99.0])
    inverse_error_mm = _inverse_error_mm(transform, brain, grid)
    brain_in_atlas = transform.mask_to_atlas(patient_brain, atlas_brain.grid).data
    tissue_overlap = None
    if atlas_tissues is not None:
        healthy = brain if whole is None else brain & ~whole
        tissue_overlap = _tissue_overlap(transform, patient_image, healthy, atlas_tissues)
    measured = RegistrationQuality(
        brain_overlap=dice(brain_in_atlas, atlas_brain.data != 0, if_both_empty=float("nan")),
        tissue_overlap=tissue_overlap,
        jacobian_min=float(jacobian[brain].min()),
        jacobian_max=float(jacobian[brain].max()),
        jacobian_p01=float(p01),
        jacobian_p99=float(p99),
        num_folds=int(np.count_nonzero(jacobian[brain] <= 0.0)),
        affine_volume_ratio=transform.affine_volume_ratio,
        core_volume_ratio=_volume_ratio(jacobian, core),
        whole_volume_ratio=_volume_ratio(jacobian, whole),
        inverse_error_median_mm=float(np.median(inverse_error_mm)),
        inverse_error_p99_mm=float(np.percentile(inverse_error_mm, 99.0)),
    )
    return replace(measured, concerns=quality_concerns(measured, limits if limits is not None else QualityLimits()))


def quality_concerns(quality: RegistrationQuality, limits: QualityLimits) -> tuple[Concern, ...]:
    """Remarks on every value out of its limit, most serious first."""
    affine = quality.affine_volume_ratio
    remarks: dict[str, tuple[str, float]] = {}
    if not quality.brain_overlap >= limits.min_brain_overlap:
        remarks["brain-overlap"] = (
            f"The patient's brain overlaps the atlas brain by a Dice of only {quality.brain_overlap:.2f} (expected "
            f"{limits.min_brain_overlap:.2f} or more): look at the overlay; orientation or brain mask may be wrong.",
            quality.brain_overlap,
        )
    if quality.num_folds:
        remarks["folds"] = (
            f"The deformation folds at {quality.num_folds} brain voxels, where positions cannot be mapped back: "
            "try the preset 'affine'.",
            quality.num_folds,
        )
    if quality.tissue_overlap is not None and not quality.tissue_overlap["mean"] >= limits.min_tissue_overlap:
        remarks["tissue-overlap"] = (
            f"Gray and white matter and CSF overlap those of the atlas by a mean Dice of only "
            f"{quality.tissue_overlap['mean']:.2f} (expected {limits.min_tissue_overlap:.2f} or more).",
            quality.tissue_overlap["mean"],
        )
    if not quality.inverse_error_p99_mm <= limits.max_inverse_error_mm:
        remarks["inverse-error"] = (
            f"There and back misses by {quality.inverse_error_p99_mm:.1f} mm at 1 % of the brain (expected at most "
            f"{limits.max_inverse_error_mm:.1f} mm): positions in patient and atlas agree no better than that.",
            quality.inverse_error_p99_mm,
        )
    extremes = (quality.jacobian_p01 / affine, quality.jacobian_p99 / affine)
    if any(_exceeds(extreme, limits.max_local_volume_change) for extreme in extremes):
        remarks["local-volume-change"] = (
            f"Local volumes change by factors of {extremes[0]:.2f} to {extremes[1]:.2f} (1st to 99th percentile, "
            "beside the brain's own): the deformation is unusually strong.",
            extremes[1],
        )
    if _exceeds(affine, limits.max_affine_volume_ratio):
        remarks["brain-volume-change"] = (
            f"The brain's volume changes by a factor of {affine:.2f} between patient and atlas: check the voxel "
            "spacing in the header.",
            affine,
        )
    changes = _tumor_volume_changes(quality, limits)
    return by_harm((*(named_concern(name, text, value) for name, (text, value) in remarks.items()), *changes))


def _tumor_volume_changes(quality: RegistrationQuality, limits: QualityLimits) -> tuple[Concern, ...]:
    """Whole tumor and core whose volume changes more than the brain's."""
    affine = quality.affine_volume_ratio
    ratios = {"whole tumor": quality.whole_volume_ratio, "tumor core": quality.core_volume_ratio}
    return tuple(
        named_concern(
            "tumor-volume-change",
            f"The deformation changes the volume of the {name} by a factor of {ratio / affine:.2f} beside the "
            "brain's own: growth parameters follow the volume; compare with the preset 'affine'.",
            ratio / affine,
        )
        for name, ratio in ratios.items()
        if ratio is not None and _exceeds(ratio / affine, limits.max_tumor_volume_change)
    )


def _mask_on(name: str, mask: Volume, grid: Grid) -> NDArray[np.bool_]:
    mask.grid.require_same_as(grid, self_name=name, other_name="patient_image")
    return np.asarray(mask.data != 0)


def _exceeds(ratio: float, limit: float) -> bool:
    """Whether a ratio lies outside [1 / limit, limit]; also for NaN."""
    return not 1.0 / limit <= ratio <= limit


def _volume_ratio(jacobian: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> float | None:
    if mask is None or not mask.any():
        return None
    return float(jacobian[mask].mean(dtype=np.float64))


def _inverse_error_mm(transform: Transform, brain: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """|T⁻¹(T(p)) − p| [mm] at evenly strided brain voxels p."""
    flat = np.flatnonzero(brain)
    chosen = flat[:: max(1, flat.size // _MAX_CONSISTENCY_POINTS)]
    points_mm = grid.world_of(np.stack(np.unravel_index(chosen, grid.shape), axis=-1))
    there_and_back = transform.patient_points_of(transform.atlas_points_of(points_mm))
    return np.linalg.norm(there_and_back - points_mm, axis=-1)


def _tissue_overlap(
    transform: Transform, image: Volume, healthy: NDArray[np.bool_], atlas: TissueMaps
) -> dict[str, float]:
    classes = transform.to_atlas(t1_tissue_classes(image, healthy), atlas.grid, "nearest").data
    # Two comparisons, and no stack of all fractions, which would be the largest array of a whole personalization.
    most_probable = np.where(atlas.gray_matter > atlas.csf, np.uint8(GRAY_MATTER), np.uint8(CSF))
    most_probable[atlas.white_matter > np.maximum(atlas.csf, atlas.gray_matter)] = WHITE_MATTER
    compared = (classes > 0) & atlas.brain
    overlap = {
        name: dice((classes == label) & compared, (most_probable == label) & compared, if_both_empty=float("nan"))
        for name, label in (("csf", CSF), ("gray_matter", GRAY_MATTER), ("white_matter", WHITE_MATTER))
    }
    return {**overlap, "mean": float(np.mean(list(overlap.values())))}
