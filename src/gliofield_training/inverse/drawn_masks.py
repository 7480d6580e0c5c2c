"""Masks an inverse network is shown in training: at thresholds drawn at random, with errors like those of people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from gliofield.box import box_of, slices_of, widened
from gliofield.errors import ParameterError
from gliofield.inverse.config import MaskPerturbation, ObservationSettings

# How many standard deviations of a random field are kept; what lies beyond would leave the padded box.
_MAX_DEVIATIONS = 3.0
# *Chosen*: less than this the grid cannot show.
_SMALLEST_BLUR_VOXELS = 0.7
# Standard deviation of a sum of cubic B-splines with white noise as coefficients: along an axis, the squares of the
# splines at a place add up to 151/315 on average over places.
_SPLINE_DEVIATION = (151.0 / 315.0) ** 1.5


def drawn_threshold_level(rng: np.random.Generator, bounds: tuple[float, float]) -> int:
    """Stored level of a density drawn uniformly from a range: the tumor shows where its level is larger."""
    return round(255.0 * (bounds[0] + (bounds[1] - bounds[0]) * float(rng.random())))


def drawn_masks(
    levels: NDArray[np.uint8], observation: ObservationSettings, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tumor core and whole tumor of stored levels (X, Y, Z), at thresholds drawn from the ranges."""
    core = levels > drawn_threshold_level(rng, observation.t1gd_thresholds)
    return core, levels > drawn_threshold_level(rng, observation.flair_thresholds)


def perturbed_masks(
    tumor_core: NDArray[np.bool_],
    whole_tumor: NDArray[np.bool_],
    perturbation: MaskPerturbation,
    spacing_mm: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of a tumor as a registered, hand-drawn segmentation might have them.

    Both are displaced by one smooth random field (registration), then the outline of each is shifted along its normal
    by a smooth random distance of its own (annotation). The core stays inside the whole tumor. An empty mask stays so.

    Parameters
    ----------
    tumor_core, whole_tumor : (X, Y, Z) bool arrays
        Masks; the core lies inside the whole tumor.
    perturbation : MaskPerturbation
        Size of the errors.
    spacing_mm : float
        Voxel spacing [mm].
    rng : Generator
        Source of the fields.

    Raises
    ------
    ParameterError
        If the masks have different shapes.
    """
    if tumor_core.shape != whole_tumor.shape:
        raise ParameterError(f"masks must have one shape, got {tumor_core.shape} and {whole_tumor.shape}.")
    if not whole_tumor.any():
        return tumor_core, whole_tumor
    reach_mm = _MAX_DEVIATIONS * (perturbation.displacement_mm + perturbation.outline_mm)
    margin_voxels = int(np.ceil(reach_mm / spacing_mm)) + 2
    window = slices_of(widened(box_of(whole_tumor), margin_voxels, whole_tumor.shape))
    x, y, z = whole_tumor[window].shape
    smoothness_voxels = perturbation.smoothness_mm / spacing_mm
    displaced = np.indices((x, y, z), dtype=np.float64)
    for axis in range(3):
        field = smooth_random_field((x, y, z), smoothness_voxels, rng)
        displaced[axis] += perturbation.displacement_mm / spacing_mm * field
    core, whole = np.zeros_like(tumor_core), np.zeros_like(whole_tumor)
    core[window], whole[window] = (
        _redrawn(mask[window], displaced, perturbation.outline_mm / spacing_mm, smoothness_voxels, rng)
        for mask in (tumor_core, whole_tumor)
    )
    core &= whole
    return core, whole


def _redrawn(
    mask: NDArray[np.bool_],
    displaced: NDArray[np.float64],
    outline_voxels: float,
    smoothness_voxels: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """A mask at displaced places (3, X, Y, Z), its outline shifted by a smooth random distance of some deviation.

    Across a smoothed outline the mask falls like the normal distribution, so the place a distance away is where it has
    that distribution's value.
    """
    blur_voxels = max(outline_voxels, _SMALLEST_BLUR_VOXELS) if outline_voxels > 0.0 else 0.0
    soft = ndimage.gaussian_filter(mask.astype(np.float32), blur_voxels) if blur_voxels else mask.astype(np.float32)
    soft = ndimage.map_coordinates(soft, displaced, order=1, mode="nearest")
    if not blur_voxels:
        return np.asarray(soft > 0.5)
    shift = outline_voxels / blur_voxels * smooth_random_field(mask.shape, smoothness_voxels, rng)
    # Where nothing of the mask is left, rounding must not be taken for some of it.
    return np.asarray(soft > np.maximum(special.ndtr(-shift), 1e-3))


def smooth_random_field(
    shape: tuple[int, ...], smoothness_voxels: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Field of mean 0 and standard deviation 1 that changes over `smoothness_voxels`, cut at three deviations.

    Cubic B-splines with white noise as coefficients, on a lattice with nodes that far apart.
    """
    weights = [_spline_weights(length, max(smoothness_voxels, 1.0), float(rng.random())) for length in shape]
    noise = rng.standard_normal([matrix.shape[1] for matrix in weights])
    field = np.einsum("xi,yj,zk,ijk->xyz", *weights, noise, optimize=True)
    return np.clip(field / _SPLINE_DEVIATION, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)


def _spline_weights(length: int, step: float, offset: float) -> NDArray[np.float64]:
    """Cubic B-splines (length, num_nodes) at voxels; the first voxel lies `offset` of a step behind a node."""
    places = offset + np.arange(length) / step
    distance = np.abs(places[:, np.newaxis] + 1.0 - np.arange(int(places[-1]) + 4))
    near, far = 2.0 / 3.0 - distance**2 + 0.5 * distance**3, np.maximum(2.0 - distance, 0.0) ** 3 / 6.0
    return np.where(distance < 1.0, near, far)
