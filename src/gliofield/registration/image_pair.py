"""Patient and atlas images made ready for a registration back end.

Checks the inputs once, then brings both images to what every back end expects: RAS+ axis order (so the stored
orientation cannot change a result), the preset's spacing, intensities about [0, 1] with 0 outside the brain, and
a field of view that ends a margin beyond the brain (empty borders cost time). The lesion, widened by the
preset's margin, leaves the region in which images are compared: an atlas has no counterpart for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.box import box_of
from gliofield.errors import ImageError, RegistrationError
from gliofield.grid import Grid
from gliofield.registration.presets import RegistrationPreset
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

# Room for the displacement to fade out beyond the brain.
_MARGIN_MM = 16.0
_MIN_BRAIN_VOXELS = 1000
# Whole tumors take at most about a quarter of the brain; beyond half, the mask is wrong or nothing is left to align.
_MAX_LESION_FRACTION = 0.5
# Spacings that agree to 1 % are taken as they are.
_SAME_SPACING = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagePair:
    """What a registration back end works on.

    Parameters
    ----------
    patient, atlas : Volume
        Images in RAS+ order, float32, 0 outside the brain; the patient is the fixed image.
    metric_region : Volume
        Where images are compared, bool, on the patient's grid: everything but the lesion.
    """

    patient: Volume
    atlas: Volume
    metric_region: Volume


def prepare_image_pair(
    *,
    patient_image: Volume,
    atlas_image: Volume,
    patient_brain: Volume,
    atlas_brain: Volume,
    lesion: Volume | None,
    preset: RegistrationPreset,
) -> ImagePair:
    """Checked and prepared images of a registration; arguments as `registration.register`.

    Raises
    ------
    GridMismatchError
        If a brain or the lesion lies on another grid than its image.
    ImageError
        If an image holds NaN, is constant in its brain, or a brain is empty or tiny.
    RegistrationError
        If the lesion covers most of the brain.
    """
    brain = _checked_mask("patient_brain", patient_brain, "patient_image", patient_image.grid)
    _check_image("patient_image", patient_image, brain)
    outside_lesion = _outside_lesion(lesion, brain, patient_image.grid)
    brain_of_atlas = _checked_mask("atlas_brain", atlas_brain, "atlas_image", atlas_image.grid)
    _check_image("atlas_image", atlas_image, brain_of_atlas)
    patient = _prepared(patient_image, brain, preset)
    region = np.ones(patient.grid.shape, dtype=bool)
    if lesion is not None:
        inside = resample_mask(Volume(~outside_lesion, patient_image.grid).to_ras(), patient.grid).data
        region = ~_widened(inside, preset.lesion_margin_mm, patient.grid)
    return ImagePair(
        patient=patient,
        atlas=_prepared(atlas_image, brain_of_atlas, preset),
        metric_region=Volume(region, patient.grid),
    )


def _checked_mask(name: str, mask: Volume, image_name: str, image_grid: Grid) -> NDArray[np.bool_]:
    mask.grid.require_same_as(image_grid, self_name=name, other_name=image_name)
    return np.asarray(mask.data != 0)


def _check_image(name: str, image: Volume, brain: NDArray[np.bool_]) -> None:
    num_voxels = int(np.count_nonzero(brain))
    if num_voxels < _MIN_BRAIN_VOXELS:
        raise ImageError(
            f"{name}: its brain has {num_voxels} voxels: expected at least {_MIN_BRAIN_VOXELS}. The brain is where "
            "the skull-stripped image is not 0, or a given mask; check that the right file was given."
        )
    values = image.data[brain]
    if not np.all(np.isfinite(values)):
        count = int(np.count_nonzero(~np.isfinite(values)))
        raise ImageError(f"{name}: {count} brain voxels are NaN or infinite: expected finite values. Replace them.")
    if float(values.min()) == float(values.max()):
        raise ImageError(
            f"{name}: all brain voxels have the value {float(values.min()):g}: expected an image with contrast. "
            "A mask was probably given instead of the image."
        )


def _outside_lesion(lesion: Volume | None, brain: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    if lesion is None:
        return np.ones(grid.shape, dtype=bool)
    inside = _checked_mask("lesion", lesion, "patient_image", grid)
    fraction = float(np.count_nonzero(inside & brain)) / float(np.count_nonzero(brain))
    if fraction > _MAX_LESION_FRACTION:
        raise RegistrationError(
            f"lesion covers {fraction:.0%} of the brain: expected at most {_MAX_LESION_FRACTION:.0%}, since only the "
            "rest can be aligned. Check that the segmentation is not inverted and belongs to this patient."
        )
    return ~inside


def _prepared(image: Volume, brain: NDArray[np.bool_], preset: RegistrationPreset) -> Volume:
    """RAS+, cropped to the brain, scaled and at the preset's spacing."""
    cropped, inside = _cropped(Volume(image.data, image.grid).to_ras(), Volume(brain, image.grid).to_ras())
    scaled = _scaled(cropped.data, inside, preset.clip_percentile)
    return _at_spacing(Volume(scaled, cropped.grid), preset.spacing_mm)


def _cropped(image: Volume, brain: Volume) -> tuple[Volume, NDArray[np.bool_]]:
    """Image and brain on a box that ends `_MARGIN_MM` beyond the brain, padded by zeros where the image ends."""
    margins = [int(np.ceil(_MARGIN_MM / spacing)) for spacing in brain.grid.spacing_mm]
    corners = [
        (start - margin, stop + margin) for (start, stop), margin in zip(box_of(brain.data), margins, strict=True)
    ]
    start = np.array([low for low, _ in corners])
    world_from_voxel = brain.grid.world_from_voxel.copy()
    world_from_voxel[:3, 3] = brain.grid.world_of(start)
    shape = tuple(high - low for low, high in corners)
    grid = Grid(shape, world_from_voxel)  # type: ignore[arg-type]
    source = tuple(slice(max(low, 0), min(high, n)) for (low, high), n in zip(corners, image.grid.shape, strict=True))
    target = tuple(slice(s.start - low, s.stop - low) for s, (low, _) in zip(source, corners, strict=True))
    values = np.zeros(shape, dtype=np.float32)
    inside = np.zeros(shape, dtype=bool)
    inside[target] = brain.data[source]
    # Assigned only where there is brain: NaN outside it is common after skull stripping.
    values[target][inside[target]] = image.data[source][inside[target]]
    return Volume(values, grid), inside


def _scaled(values: NDArray[np.float32], inside: NDArray[np.bool_], percentile: float | None) -> NDArray[np.float32]:
    """Brain intensities about [0, 1], 0 outside: by percentiles if clipping, else by the 99th percentile alone."""
    brain_values = values[inside]
    result = np.zeros_like(values)
    if percentile is None:
        # A pure factor (plus a shift for images with negative values) leaves cross-correlation as published.
        shift = min(float(brain_values.min()), 0.0)
        scale = float(np.percentile(brain_values, 99.0)) - shift
        scale = scale if scale > 0 else float(brain_values.max()) - shift
        result[inside] = (brain_values - shift) / scale
        return result
    low, high = (float(p) for p in np.percentile(brain_values, [100.0 - percentile, percentile]))
    if high <= low:
        low, high = float(brain_values.min()), float(brain_values.max())
    result[inside] = (np.clip(brain_values, low, high) - low) / (high - low)
    return result


def _at_spacing(image: Volume, spacing_mm: float) -> Volume:
    """Image on its own axes at an isotropic spacing, smoothed first along the axes that get coarser."""
    own = np.array(image.grid.spacing_mm)
    factors = spacing_mm / own
    if np.all(np.abs(factors - 1.0) <= _SAME_SPACING):
        return image
    # Standard deviation of the box of the new voxel beyond that of the old one, both of variance h²/12.
    sigma_voxels = np.sqrt(np.maximum(factors**2 - 1.0, 0.0) / 12.0)
    smooth = ndimage.gaussian_filter(image.data, sigma_voxels)
    shape = tuple(int(n) for n in np.ceil((np.array(image.grid.shape) - 1) / factors) + 1)
    world_from_voxel = image.grid.world_from_voxel @ np.diag([*factors, 1.0])
    # The boxes share their center, so that the rounded-up remainder falls on both sides.
    start = (np.array(image.grid.shape) - 1 - (np.array(shape) - 1) * factors) / 2
    world_from_voxel[:3, 3] = image.grid.world_of(start)
    return resample(Volume(smooth, image.grid), Grid(shape, world_from_voxel))  # type: ignore[arg-type]


def _widened(mask: NDArray[np.bool_], margin_mm: float, grid: Grid) -> NDArray[np.bool_]:
    if margin_mm == 0 or not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=grid.spacing_mm) <= margin_mm)
