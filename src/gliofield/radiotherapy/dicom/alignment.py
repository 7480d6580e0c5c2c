"""Images of one patient laid on each other, and how far they still are apart.

The motion is found by the registration of gliofield: rigid, and where anatomy has changed a deformation on top of it
that does not look at the tumor or the cavity. What is left is measured apart from it: around places with structure,
blocks of the fixed image are searched for in the aligned one, and the distances at which they are found again are the
residual, in mm. It contains the error of the search itself (about half a millimeter), so it is no smaller than that
even where the truth is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.errors import DicomError
from gliofield.grid import Grid
from gliofield.progress import Reporter, ignore_progress
from gliofield.registration import AffineSettings, Levels, RegistrationPreset, SynSettings, Transform, register
from gliofield.resample import resample
from gliofield.volume import Volume

# Lattice, half widths of a block and of the search, at which residuals are measured. *Chosen*: blocks of 14 mm, 8 mm.
_LATTICE_MM, _BLOCK, _REACH = 2.0, 3, 4
_MOST_BLOCKS, _FEWEST_BLOCKS = 400, 20
# With a lesion, blocks lie this near to it, but not at its very rim [mm].
_NEAR_MM, _RIM_MM = 50.0, 5.0
# What is darker than this part of the brightest is background.
_BACKGROUND = 0.02
# A block counts where its best agreement is at least this squared correlation.
_LEAST_AGREEMENT = 0.5
# The lesion is widened by this before the deformation: edges of a cavity move, and have no counterpart [mm].
LESION_MARGIN_MM = 10.0

_LINEAR = AffineSettings(
    levels=Levels(iterations=(500, 250), shrink_factors=(4, 2), smoothing_voxels=(2.0, 1.0)),
    sampling_fraction=0.5,
    is_rigid=True,
)
RIGID = RegistrationPreset(
    name="rigid",
    spacing_mm=2.0,
    mask_interpolation="linear",
    affine=_LINEAR,
    deformable=None,
    clip_percentile=99.5,
)
DEFORMABLE = replace(
    RIGID,
    name="rigid and deformable",
    deformable=SynSettings(
        metric="mutual-information",
        metric_parameter=32,
        levels=Levels(iterations=(60, 30), shrink_factors=(4, 2), smoothing_voxels=(2.0, 1.0)),
        total_variance_voxels2=0.5,
    ),
    lesion_margin_mm=LESION_MARGIN_MM,
)


@dataclass(frozen=True, kw_only=True)
class Residual:
    """How far like structures lie apart after an alignment.

    Parameters
    ----------
    median_mm, p95_mm : float
        Median and 95th percentile over the blocks [mm].
    num_blocks : int
        Blocks that were found again.
    is_near_lesion : bool
        Whether they lie within 50 mm of the tumor; else all over the head.
    """

    median_mm: float
    p95_mm: float
    num_blocks: int
    is_near_lesion: bool = False

    def in_words(self) -> str:
        """A phrase with both numbers."""
        where = "around the tumor" if self.is_near_lesion else "all over the head"
        return f"{self.median_mm:.1f} mm (median), {self.p95_mm:.1f} mm (95 % of {self.num_blocks} places {where})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """A moving image on a fixed one.

    Parameters
    ----------
    transform : Transform
        Its ``patient`` is the fixed image, its ``atlas`` the moving one.
    kind : str
        ``identity``, ``rigid``, ``rigid and deformable`` or ``given``.
    residual, residual_before : Residual or None
        With it, and by the headers alone; None where too few places can be compared, as of PET.
    """

    transform: Transform
    kind: str
    residual: Residual | None
    residual_before: Residual | None

    def to_json(self) -> dict[str, object]:
        """Kind, motion and residuals for a record."""
        angle, shift = motion_of(self.transform)
        parts = {"residual": self.residual, "residual_before": self.residual_before}
        return {
            "kind": self.kind,
            "turned_degrees": angle,
            "shifted_mm": shift,
            **{name: None if part is None else vars(part) for name, part in parts.items()},
        }


def align(
    fixed: Volume,
    moving: Volume,
    *,
    lesion: Volume | None = None,
    is_deformable: bool = False,
    seed: int = 0,
    report: Reporter = ignore_progress,
) -> Alignment:
    """Lay a moving image on a fixed one of the same patient.

    Parameters
    ----------
    fixed, moving : Volume
        Images of any contrast, with or without the skull; 0 or less than everything else is background.
    lesion : Volume, optional
        Tumor and cavity (non-zero = set), in the world of the moving image: not looked at by a deformation, and around
        it the residual is told.
    is_deformable : bool
        Add a deformation; it is kept only where it lowers the 95th percentile of the residual.
    seed : int
        Seed of the registration.
    report : Reporter
        Told about the stages.

    Raises
    ------
    RegistrationError
        If the registration fails.
    """
    found = _register(fixed, moving, RIGID, None, seed, report)
    result = _better(fixed, moving, lesion, Transform.identity(), found)
    if not is_deformable:
        return result
    start = result.transform
    masked = None if lesion is None else start.mask_to_patient(lesion, fixed.grid)
    bent = _register(fixed, moving, DEFORMABLE, masked, seed, report)
    residual = _residual(fixed, moving, lesion, bent)
    if residual is None or result.residual is None or residual.p95_mm >= result.residual.p95_mm:
        return result
    return replace(result, transform=bent, kind=DEFORMABLE.name, residual=residual)


def _better(fixed: Volume, moving: Volume, lesion: Volume | None, by_headers: Transform, rigid: Transform) -> Alignment:
    """The rigid motion, unless structures lie nearer by the headers alone."""
    before, after = (_residual(fixed, moving, lesion, each) for each in (by_headers, rigid))
    is_kept = before is not None and after is not None and before.median_mm < after.median_mm
    return Alignment(
        transform=by_headers if is_kept else rigid,
        kind="identity" if is_kept else "rigid",
        residual=before if is_kept else after,
        residual_before=before,
    )


def _residual(fixed: Volume, moving: Volume, lesion: Volume | None, transform: Transform) -> Residual | None:
    """Around the lesion, where targets lie; all over the head without one, or where too few places are there."""
    aligned = transform.to_patient(moving, fixed.grid)
    near = None
    if lesion is not None and lesion.data.any():
        near = residual_of(fixed, aligned, around=transform.mask_to_patient(lesion, fixed.grid))
    return near or residual_of(fixed, aligned)


def _register(
    fixed: Volume, moving: Volume, preset: RegistrationPreset, lesion: Volume | None, seed: int, report: Reporter
) -> Transform:
    return register(
        patient_image=fixed,
        atlas_image=moving,
        patient_brain=_foreground(fixed),
        atlas_brain=_foreground(moving),
        lesion=lesion,
        preset=preset,
        seed=seed,
        report=report,
    ).transform


def _foreground(image: Volume) -> Volume:
    """Where an image shows something: above its lowest value, which is air or nothing; all of it for a noisy one."""
    return Volume(image.data > image.data.min(), image.grid)


def motion_of(transform: Transform) -> tuple[float, float]:
    """Angle [degrees] and shift [mm] of the rigid part; the shift is that of the origin of the fixed image's world."""
    left, _, right = np.linalg.svd(transform.atlas_from_patient[:3, :3])
    cosine = (float(np.trace(left @ right)) - 1.0) / 2.0
    shift = float(np.linalg.norm(transform.atlas_from_patient[:3, 3]))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))), shift


def residual_of(fixed: Volume, aligned: Volume, *, around: Volume | None = None) -> Residual | None:
    """How far like structures lie apart in two images that should agree.

    Blocks of 14 mm of the fixed image with the most structure are compared with the other image at shifts of up to 8 mm
    by the squared correlation, which does not ask for equal contrast; the best shift, refined by a parabola, is the
    distance. None where fewer than 20 blocks reach a squared correlation of 0.5.

    Parameters
    ----------
    fixed, aligned : Volume
        The images, in one world.
    around : Volume, optional
        A mask (non-zero = set) on the grid of the fixed image: blocks lie from 5 to 50 mm from it.

    Raises
    ------
    DicomError
        If the images have nothing in common.
    """
    lattice = _lattice(fixed.grid)
    here, there = (resample(_smoothed(image), lattice).data for image in (fixed, aligned))
    if not (there != there.flat[0]).any():
        raise DicomError("the images do not overlap: expected scans of one head. Check that both are of this patient.")
    size = 2 * _BLOCK + 1
    # Blocks lie inside what both show: the border of a stripped brain is bright in one contrast and dark in another.
    shown = (here > _BACKGROUND * here.max()) & (there > _BACKGROUND * there.max())
    seen = ndimage.minimum_filter(shown, size)
    if around is not None:
        outside = resample(Volume((around.data != 0).astype(np.float32), fixed.grid), lattice).data <= 0.5
        away = ndimage.distance_transform_edt(outside, sampling=_LATTICE_MM)
        seen &= (away > _RIM_MM) & (away <= _NEAR_MM)
    spread = ndimage.generic_gradient_magnitude(here, ndimage.sobel)
    structure = ndimage.uniform_filter(spread, size) * seen
    margin = _BLOCK + _REACH
    inner = tuple(slice(margin, n - margin) for n in here.shape)
    if any(n <= 2 * margin for n in here.shape):
        return None
    peaks = np.zeros(here.shape, dtype=bool)
    peaks[inner] = (ndimage.maximum_filter(structure, 5) == structure)[inner] & (structure[inner] > 0)
    places = np.argwhere(peaks)
    places = places[np.argsort(-structure[peaks], kind="stable")[:_MOST_BLOCKS]]
    distances = np.array([d for d in (_distance_mm(here, there, place) for place in places) if d is not None])
    if len(distances) < _FEWEST_BLOCKS:
        return None
    median, p95 = np.percentile(distances, [50.0, 95.0])
    return Residual(
        median_mm=float(median), p95_mm=float(p95), num_blocks=len(distances), is_near_lesion=around is not None
    )


def _distance_mm(here: NDArray[np.float32], there: NDArray[np.float32], place: NDArray[np.int64]) -> float | None:
    """How far from its place a block is found again [mm]; None where it is not."""
    found, at_home = _displacement(here, there, place), _displacement(here, here, place)
    # Between the steps of the lattice a parabola is off; by as much in the block's own image, where the truth is 0.
    return None if found is None or at_home is None else float(np.linalg.norm(found - at_home)) * _LATTICE_MM


def _displacement(
    here: NDArray[np.float32], there: NDArray[np.float32], place: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Shift [lattice steps] at which a block is found again; None where it is not."""
    block = here[tuple(slice(p - _BLOCK, p + _BLOCK + 1) for p in place)].astype(np.float64)
    reach = _BLOCK + _REACH
    around = there[tuple(slice(p - reach, p + reach + 1) for p in place)].astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(around, block.shape).reshape(-1, block.size)
    centered = block.ravel() - block.mean()
    sums, squares = windows.sum(axis=1), np.einsum("ij,ij->i", windows, windows)
    variances = np.maximum(squares - sums**2 / block.size, 0.0) * (centered @ centered)
    products = windows @ centered
    agreement = np.where(variances > 1e-9, products**2 / np.maximum(variances, 1e-9), 0.0)
    scores = agreement.reshape((2 * _REACH + 1,) * 3)
    best = np.array(np.unravel_index(int(np.argmax(scores)), scores.shape))
    if scores[tuple(best)] < _LEAST_AGREEMENT:
        return None
    return best - _REACH + _parabola(scores, best)


def _parabola(scores: NDArray[np.float64], best: NDArray[np.int64]) -> NDArray[np.float64]:
    """Offset of the maximum from the best place, axis by axis; 0 at the border of the search."""
    offset = np.zeros(3)
    for axis in range(3):
        if 0 < best[axis] < scores.shape[axis] - 1:
            low, mid, high = (scores[tuple(best + step * np.eye(3, dtype=int)[axis])] for step in (-1, 0, 1))
            curve = low - 2.0 * mid + high
            offset[axis] = 0.0 if curve >= 0 else np.clip(0.5 * (low - high) / curve, -0.5, 0.5)
    return offset


def _smoothed(image: Volume) -> Volume:
    """An image as a voxel of the lattice sees it; what is not brighter than the background becomes 0."""
    sigmas = [max(_LATTICE_MM**2 - h**2, 0.0) ** 0.5 / 12**0.5 / h for h in image.grid.spacing_mm]
    return Volume(ndimage.gaussian_filter(image.data - image.data.min(), sigmas, output=np.float32), image.grid)


def _lattice(grid: Grid) -> Grid:
    """The field of view at an even spacing along the axes of the world."""
    corners = grid.world_of(np.array(np.meshgrid(*[(0, n - 1) for n in grid.shape])).reshape(3, -1).T)
    shape = np.ceil(np.ptp(corners, axis=0) / _LATTICE_MM).astype(int) + 1
    return Grid.axis_aligned(shape, _LATTICE_MM, corners.min(axis=0))
