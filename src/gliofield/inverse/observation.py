"""What an inverse network sees of a tumor: two masks merged into one volume, with or without errors of theirs.

The merged volume is 0.666 · T1Gd + 0.333 · FLAIR, where FLAIR includes the core, so its values are 0, 0.333 and 0.999
(authors' code; the paper adds the masks). It may be cropped and averaged over blocks of voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from gliofield.box import Box, box_of, slices_of, widened
from gliofield.errors import ParameterError
from gliofield.inverse.config import InverseNetworkSettings, MaskPerturbation, ObservationSettings

FLAIR_WEIGHT = 0.333
# How many standard deviations of a random field are kept; what lies beyond would leave the padded box.
_MAX_DEVIATIONS = 3.0
# *Chosen*: less than this the grid cannot show.
_SMALLEST_BLUR_VOXELS = 0.7
# Standard deviation of a sum of cubic B-splines with white noise as coefficients: along an axis, the squares of the
# splines at a place add up to 151/315 on average over places.
_SPLINE_DEVIATION = (151.0 / 315.0) ** 1.5


@dataclass(frozen=True, kw_only=True)
class InputLayout:
    """How masks on a grid become the input of a network.

    Parameters
    ----------
    box : Box
        Part of the grid that is seen.
    pooling : int
        Voxels per axis that are averaged.
    """

    box: Box
    pooling: int

    @classmethod
    def of(cls, settings: InverseNetworkSettings, shape: tuple[int, int, int], occupied: Box) -> InputLayout:
        """Layout on a grid of some shape, whose tumors grow in `occupied`."""
        x, y, z = shape
        box = occupied if settings.is_cropped else ((0, x), (0, y), (0, z))
        return cls(box=box, pooling=settings.pooling)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the input; blocks at the end may reach beyond the box, where nothing is."""
        x, y, z = (-(-(stop - start) // self.pooling) for start, stop in self.box)
        return x, y, z

    def share_outside(self, mask: NDArray[np.bool_]) -> float:
        """Part of a mask (X, Y, Z) that lies where the network does not look, 0 … 1; 0 for an empty mask."""
        number = int(np.count_nonzero(mask))
        return 1.0 - int(np.count_nonzero(mask[slices_of(self.box)])) / number if number else 0.0

    def volume(self, tumor_core: NDArray[np.bool_], whole_tumor: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Merged masks (X, Y, Z) of the grid as the network sees them, of shape `shape`."""
        inside = slices_of(self.box)
        # T1Gd weighs twice as much as FLAIR, so a voxel is worth 0, 1 or 3 of FLAIR's weight.
        worth = whole_tumor[inside].astype(np.float32) + np.float32(2.0) * tumor_core[inside]
        if self.pooling > 1:
            worth = np.pad(worth, [(0, -length % self.pooling) for length in worth.shape])
        for axis in range(worth.ndim):
            planes = np.moveaxis(worth, axis, 0)
            blocks = np.sum([planes[place :: self.pooling] for place in range(self.pooling)], axis=0)
            worth = np.moveaxis(blocks, 0, axis)
        return np.ascontiguousarray(worth * np.float32(FLAIR_WEIGHT / self.pooling**3))


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
