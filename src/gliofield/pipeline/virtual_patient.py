"""Virtual patients: tumors grown in another brain than the atlas, with images, a segmentation and a known truth.

The brain is the MNI152 anatomy moved by a known smooth deformation (a small affine change and a random smooth field),
so neither its shape nor its tissue maps are the atlas a method works in, and registration is part of what is scored.
The tumor grows in that brain with the forward model; T1, T1Gd and FLAIR are painted from tissue and density with noise
and an intensity bias; the segmentation follows from the visibility thresholds. Files look like a BraTS case (LPS, 1 mm,
240 x 240 x 155, labels 1 necrotic, 2 edema, 3 enhancing).

What they are not: images of a scanner physics simulation, or tumors with mass effect.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy.atlas import Atlas
from gliofield.anatomy.growth_domain import Anatomy, growth_domain
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.errors import NumericalError, ParameterError
from gliofield.grid import Grid, reoriented_to_ras
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, GrowthModel
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.metrics.coverage import CoverageAtEqualVolume, cells_covered_at_equal_volume
from gliofield.metrics.overlap import dice
from gliofield.nifti import write_volume
from gliofield.output import FolderMarker, atomic_folder
from gliofield.pipeline.result import PersonalizationResult
from gliofield.registration import Transform
from gliofield.resample import resample
from gliofield.volume import Volume

# BraTS files: 240 x 240 x 155 voxels of 1 mm stored LPS with the world origin at the (0, 239, 0) corner.
_BRATS_GRID = Grid((240, 240, 155), np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]]))
_BRATS_GRID_RAS = reoriented_to_ras(_BRATS_GRID)[0]
_SIMULATION_SPACING_MM = 1.875
# In every folder of a virtual patient; a folder without it is never replaced.
_IMAGE_ENDINGS = {"t1": "t1", "t1c": "t1ce", "flair": "flair"}
_DEFAULT_NAME = "virtual"


def _marker(name: str) -> FolderMarker:
    """By what the folder of a virtual patient of this name is known."""
    images = (f"{name}_{ending}.nii.gz" for ending in (*_IMAGE_ENDINGS.values(), "seg"))
    return FolderMarker("truth.json", files=("truth_density.nii.gz", *images))


TRUTH_FILE = _marker(_DEFAULT_NAME)
_NECROTIC_DENSITY = 0.95
# The MNI152 brain is larger than life (1.88 l); patients get about 1.45 l, which also fits the BraTS field of view.
_ATLAS_OVER_PATIENT_SIZE = 1.09


@dataclass(frozen=True, kw_only=True)
class VirtualTumor:
    """What to grow: the numbers a single scan can tell, √(D_w T) and √(ρT), and the visibility thresholds.

    Parameters
    ----------
    diffusion_length_mm : float
        μ1 = √(D_w T) [mm].
    proliferation_number : float
        μ2 = √(ρT) [1].
    thresholds : VisibilityThresholds
        Densities that T1Gd and FLAIR show.
    growth_time_days : float
        T; arbitrary at fixed μ1, μ2 (Learn-Morph-Infer 2021, "learning the inverse model").
    """

    diffusion_length_mm: float = 10.0
    proliferation_number: float = 2.85
    thresholds: VisibilityThresholds = VisibilityThresholds()
    growth_time_days: float = 300.0

    def parameters(self, seed_mm: tuple[float, float, float]) -> FisherKolmogorovParameters:
        """The same numbers as D_w, ρ and a seed."""
        return FisherKolmogorovParameters(
            white_matter_diffusivity_mm2_per_day=self.diffusion_length_mm**2 / self.growth_time_days,
            proliferation_rate_per_day=self.proliferation_number**2 / self.growth_time_days,
            seed_mm=seed_mm,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class VirtualPatient:
    """A patient whose tumor is known.

    Parameters
    ----------
    images : mapping of str to Volume
        ``t1``, ``t1c`` and ``flair`` on one grid (RAS+), 0 outside the brain.
    labels : Volume
        uint8 labels of the scheme ``brats2023``.
    cell_density : Volume
        The truth on the same grid.
    brain : (X, Y, Z) bool array
    parameters : FisherKolmogorovParameters
        With the seed in the patient's world.
    growth_time_days : float
    thresholds : VisibilityThresholds
    """

    images: Mapping[str, Volume]
    labels: Volume
    cell_density: Volume
    brain: NDArray[np.bool_]
    parameters: FisherKolmogorovParameters
    growth_time_days: float
    thresholds: VisibilityThresholds

    @property
    def stored_grid(self) -> Grid:
        """Grid of the files (LPS, as BraTS)."""
        return _BRATS_GRID


def make_virtual_patient(
    atlas: Atlas,
    *,
    rng: np.random.Generator,
    tumor: VirtualTumor | None = None,
    deformation_mm: float = 5.0,
    model: GrowthModel[FisherKolmogorovParameters] | None = None,
) -> VirtualPatient:
    """Grow and image a tumor in a deformed brain.

    Parameters
    ----------
    atlas : Atlas
        Brain to deform, another one than the atlas used for personalization (normally ``mni152``).
    rng : Generator
        Draws deformation, seed and noise.
    tumor : VirtualTumor, optional
        What to grow.
    deformation_mm : float
        Standard deviation of each component of the random smooth displacement [mm], ≥ 0.
    model : GrowthModel, optional
        Default `FisherKolmogorov()`.

    Raises
    ------
    ParameterError
        If `deformation_mm` is negative.
    NumericalError
        If the tumor is too small to be seen, the brain has no room for its seed, or the deformation folds space.
    """
    if not deformation_mm >= 0:  # NaN fails too
        raise ParameterError(f"deformation_mm must be ≥ 0, got {deformation_mm}.")
    grown = VirtualTumor() if tumor is None else tumor
    image_grid = _BRATS_GRID_RAS
    deformation = _random_deformation(atlas, image_grid, deformation_mm, rng)
    maps = _warped_tissue_maps(atlas, deformation, image_grid)
    simulation_grid = _simulation_grid(image_grid)
    anatomy = growth_domain(maps.resampled(simulation_grid))
    parameters = grown.parameters(_draw_seed(anatomy, rng))
    solution = (model or FisherKolmogorov()).simulate(anatomy, parameters, [grown.growth_time_days])
    density = resample(Volume(solution.cell_density[-1], simulation_grid), image_grid).data * maps.brain
    if not grown.thresholds.tumor_core(density).any():
        raise NumericalError(
            f"the virtual tumor is too small to be seen: its highest density is {float(density.max()):.3f}, "
            f"T1Gd shows {grown.thresholds.t1gd_threshold} and more. Raise proliferation_number."
        )
    return VirtualPatient(
        images=_paint_images(atlas, deformation, maps, density, grown.thresholds, rng),
        labels=Volume(_labels(density, grown.thresholds), image_grid),
        cell_density=Volume(density.astype(np.float32), image_grid),
        brain=maps.brain,
        parameters=parameters,
        growth_time_days=grown.growth_time_days,
        thresholds=grown.thresholds,
    )


def virtual_tissue_maps(atlas: Atlas, *, rng: np.random.Generator, deformation_mm: float = 5.0) -> TissueMaps:
    """The brain of a virtual patient without its tumor, on the grid its tumors grow on (128³, 1.875 mm).

    Parameters
    ----------
    atlas, rng, deformation_mm : see `make_virtual_patient`
    """
    deformation = _random_deformation(atlas, _BRATS_GRID_RAS, deformation_mm, rng)
    return _warped_tissue_maps(atlas, deformation, _BRATS_GRID_RAS).resampled(_simulation_grid(_BRATS_GRID_RAS))


def write_virtual_patient(
    patient: VirtualPatient, folder: str | os.PathLike[str], *, name: str = _DEFAULT_NAME, force: bool = False
) -> None:
    """Write the patient as a BraTS folder, with its truth beside it (`truth_density.nii.gz`, `truth.json`).

    Raises
    ------
    OutputError
        If the folder exists and `force` is false or it is no virtual patient, or it cannot be written.
    """
    with atomic_folder(folder, replace=force, marker=_marker(name)) as partial:
        for modality, image in patient.images.items():
            write_volume(partial / f"{name}_{_IMAGE_ENDINGS[modality]}.nii.gz", image, stored_as=patient.stored_grid)
        write_volume(partial / f"{name}_seg.nii.gz", patient.labels, stored_as=patient.stored_grid)
        write_volume(partial / "truth_density.nii.gz", patient.cell_density, stored_as=patient.stored_grid)
        truth = {
            "white_matter_diffusivity_mm2_per_day": patient.parameters.white_matter_diffusivity_mm2_per_day,
            "proliferation_rate_per_day": patient.parameters.proliferation_rate_per_day,
            "seed_mm": list(patient.parameters.seed_mm),
            "growth_time_days": patient.growth_time_days,
            "t1gd_threshold": patient.thresholds.t1gd_threshold,
            "flair_threshold": patient.thresholds.flair_threshold,
        }
        (partial / TRUTH_FILE).write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class TruthScore:
    """How near a personalization came to a known truth, all on the patient's grid.

    Parameters
    ----------
    dice_t1gd, dice_flair : float
        Dice of the visible masks.
    dice_infiltration : float
        Dice of {u > 0.02}, most of which no scan shows.
    mean_absolute_error : float
        Mean |u - truth| over voxels where either exceeds 0.01.
    seed_error_mm : float or None
        Distance of the seeds [mm]; None where the method gives none.
    coverage : CoverageAtEqualVolume
        True cells inside a 15 mm margin around the tumor core (the usual clinical target volume of glioblastoma), and
        inside the predicted isoline of the same volume.
    """

    dice_t1gd: float
    dice_flair: float
    dice_infiltration: float
    mean_absolute_error: float
    seed_error_mm: float | None
    coverage: CoverageAtEqualVolume


def score_against_truth(result: PersonalizationResult, patient: VirtualPatient) -> TruthScore:
    """Score a personalization of a virtual patient.

    Raises
    ------
    GridMismatchError
        If the result lies on another grid than the patient.
    """
    truth, estimate = patient.cell_density, result.density_patient
    truth.grid.require_same_as(estimate.grid, self_name="truth", other_name="result")
    thresholds = patient.thresholds
    nan = float("nan")
    either = (truth.data > 0.01) | (estimate.data > 0.01)
    return TruthScore(
        dice_t1gd=dice(thresholds.tumor_core(estimate.data), thresholds.tumor_core(truth.data), if_both_empty=nan),
        dice_flair=dice(thresholds.whole_tumor(estimate.data), thresholds.whole_tumor(truth.data), if_both_empty=nan),
        dice_infiltration=dice(estimate.data > 0.02, truth.data > 0.02, if_both_empty=nan),
        mean_absolute_error=float(np.abs(estimate.data - truth.data)[either].mean()),
        seed_error_mm=None
        if result.seed_patient_mm is None
        else float(np.linalg.norm(np.subtract(result.seed_patient_mm, patient.parameters.seed_mm))),
        coverage=cells_covered_at_equal_volume(
            truth.data, estimate.data, thresholds.tumor_core(truth.data), patient.brain, truth.grid
        ),
    )


def _random_deformation(atlas: Atlas, image_grid: Grid, deformation_mm: float, rng: np.random.Generator) -> Transform:
    """Random smooth map from the patient's world to the atlas's: affine change, then displacement."""
    grid = Grid.axis_aligned((64, 64, 64), 4.0, np.round(image_grid.center_mm - 126.0, 6))
    smoothness_voxels = 30.0 / 4.0
    noise = rng.standard_normal((*grid.shape, 3))
    field = np.stack(
        [ndimage.gaussian_filter(noise[..., axis], smoothness_voxels, mode="nearest") for axis in range(3)], axis=-1
    )
    field *= deformation_mm / field.std() * _border_window(grid.shape)[..., np.newaxis]
    scale = np.diag(_ATLAS_OVER_PATIENT_SIZE * (1.0 + 0.03 * rng.standard_normal(3)))
    angles = np.radians(3.0) * rng.standard_normal(3)
    affine = np.eye(4)
    affine[:3, :3] = _rotation(angles) @ scale
    affine[:3, 3] = atlas.grid.center_mm - affine[:3, :3] @ image_grid.center_mm
    try:
        return Transform.from_displacement(field.astype(np.float32), grid, atlas_from_patient=affine)
    except NumericalError as error:
        raise NumericalError(
            f"the random deformation of {deformation_mm} mm folds space. Use a smaller deformation_mm (5 is safe)."
        ) from error


def _border_window(shape: tuple[int, int, int], width: int = 8) -> NDArray[np.float64]:
    """1 inside, falling smoothly to 0 over the outer `width` voxels, so that a field vanishes at its border."""
    window = np.ones(shape)
    for axis, length in enumerate(shape):
        depth = np.minimum(np.arange(length), np.arange(length)[::-1]) / width
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip(depth, 0.0, 1.0))
        window *= ramp.reshape(tuple(-1 if a == axis else 1 for a in range(3)))
    return window


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = [a for a in range(3) if a != axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _warped_tissue_maps(atlas: Atlas, deformation: Transform, grid: Grid) -> TissueMaps:
    def warp(data: NDArray[np.generic]) -> NDArray[np.float32]:
        warped = deformation.to_patient(Volume(np.asarray(data, dtype=np.float32), atlas.grid), grid)
        return np.asarray(warped.data, dtype=np.float32)

    brain = warp(atlas.tissue_maps.brain) > 0.5
    fractions = {
        name: np.clip(warp(getattr(atlas.tissue_maps, name)), 0.0, 1.0) * brain
        for name in ("white_matter", "gray_matter", "csf")
    }
    return TissueMaps(**fractions, brain=brain, grid=grid)


def _simulation_grid(image_grid: Grid) -> Grid:
    shape = (128, 128, 128)
    origin = image_grid.center_mm - (np.array(shape) - 1) / 2 * _SIMULATION_SPACING_MM
    return Grid.axis_aligned(shape, _SIMULATION_SPACING_MM, np.round(origin, 9))


def _draw_seed(anatomy: Anatomy, rng: np.random.Generator) -> tuple[float, float, float]:
    """A voxel of mostly white matter at least 8 mm inside the domain."""
    depth_mm = ndimage.distance_transform_edt(anatomy.domain, sampling=anatomy.spacing_mm)
    candidates = np.argwhere((anatomy.white_matter > 0.7) & (depth_mm > 8.0))
    if len(candidates) == 0:
        raise NumericalError(
            "the virtual patient has no place for a seed: expected a voxel with white_matter > 0.7 at least 8 mm "
            "inside the domain. Check the tissue maps of the atlas."
        )
    x, y, z = anatomy.grid.world_of(candidates[rng.integers(len(candidates))])
    return float(x), float(y), float(z)


def _labels(density: NDArray[np.float32], thresholds: VisibilityThresholds) -> NDArray[np.uint8]:
    labels = np.zeros(density.shape, dtype=np.uint8)
    labels[thresholds.whole_tumor(density)] = 2
    labels[thresholds.tumor_core(density)] = 3
    labels[density > max(_NECROTIC_DENSITY, thresholds.t1gd_threshold)] = 1
    return labels


def _paint_images(
    atlas: Atlas,
    deformation: Transform,
    maps: TissueMaps,
    density: NDArray[np.float32],
    thresholds: VisibilityThresholds,
    rng: np.random.Generator,
) -> dict[str, Volume]:
    """T1, T1Gd and FLAIR of tissue and tumor: arbitrary units, about 1000 for the brightest tissue."""
    template = deformation.to_patient(atlas.t1, maps.grid).data
    t1 = 1000.0 * template / np.percentile(template[maps.brain], 99)
    edema = ndimage.gaussian_filter(thresholds.whole_tumor(density).astype(np.float32), 1.0)
    core = ndimage.gaussian_filter(thresholds.tumor_core(density).astype(np.float32), 0.7)
    necrosis = ndimage.gaussian_filter((density > _NECROTIC_DENSITY).astype(np.float32), 0.7)
    t1_tumor = t1 * (1.0 - 0.25 * edema - 0.25 * necrosis)
    t1c = t1_tumor + 550.0 * np.clip(core - necrosis, 0.0, 1.0)
    flair = 520.0 * maps.white_matter + 680.0 * maps.gray_matter + 120.0 * maps.csf
    flair = flair + 420.0 * edema - 250.0 * necrosis
    return {
        name: Volume(_as_acquired(image, maps.brain, rng), maps.grid)
        for name, image in (("t1", t1_tumor), ("t1c", t1c), ("flair", flair))
    }


def _as_acquired(
    image: NDArray[np.floating], brain: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Intensity bias of ± 10 %, noise of 2 %, integers ≥ 1 inside the brain and 0 outside."""
    fine = Grid.axis_aligned(image.shape, 1.0, (0.0, 0.0, 0.0))
    coarse = Grid.axis_aligned(tuple(n // 40 + 3 for n in image.shape), 40.0, (-20.0, -20.0, -20.0))
    bias = resample(Volume(rng.standard_normal(coarse.shape, dtype=np.float32), coarse), fine).data
    noisy = image * (1.0 + 0.1 * bias / np.abs(bias).max()) + 20.0 * rng.standard_normal(image.shape, dtype=np.float32)
    return np.where(brain, np.maximum(np.rint(noisy), 1.0), 0.0).astype(np.float32)
