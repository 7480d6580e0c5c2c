"""Virtual patients: tumors grown in another brain than the atlas, with images, a segmentation and a known truth.

The tumor grows in a deformed MNI152 brain (`brain`) with the forward model; T1, T1Gd and FLAIR are painted from tissue
and density (`images`); the segmentation follows from the visibility thresholds. Files look like a BraTS case (LPS, 1
mm, 240 x 240 x 155, labels 1 necrotic, 2 edema, 3 enhancing).

What they are not: images of a scanner physics simulation, or tumors with mass effect (`cohort_patient` has those).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.atlas import Atlas
from gliofield.errors import NumericalError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, GrowthModel
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.nifti import write_volume
from gliofield.output import FolderMarker, atomic_folder
from gliofield.resample import resample
from gliofield.virtual.brain import Resolution, drawn_from, make_virtual_brain, seed_candidates
from gliofield.virtual.images import IMAGE_ENDINGS, TumorSigns, paint_images
from gliofield.volume import Volume

_DEFAULT_NAME = "virtual"
#: Density above which tumor is necrotic.
NECROTIC_DENSITY = 0.95


def _marker(name: str) -> FolderMarker:
    """By what the folder of a virtual patient of this name is known."""
    images = (f"{name}_{ending}.nii.gz" for ending in (*IMAGE_ENDINGS.values(), "seg"))
    return FolderMarker("truth.json", files=("truth_density.nii.gz", *images))


#: In every folder of a virtual patient; a folder without it is never replaced.
TRUTH_FILE = _marker(_DEFAULT_NAME)


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
    stored_grid : Grid
        Grid of the files (LPS, as BraTS).
    """

    images: Mapping[str, Volume]
    labels: Volume
    cell_density: Volume
    brain: NDArray[np.bool_]
    parameters: FisherKolmogorovParameters
    growth_time_days: float
    thresholds: VisibilityThresholds
    stored_grid: Grid


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
    grown = VirtualTumor() if tumor is None else tumor
    resolution = Resolution()
    brain = make_virtual_brain(atlas, rng=rng, deformation_mm=deformation_mm, resolution=resolution)
    anatomy = brain.anatomy(resolution.simulation_grid)
    parameters = grown.parameters(drawn_from(seed_candidates(anatomy), rng))
    solution = (model or FisherKolmogorov()).simulate(anatomy, parameters, [grown.growth_time_days])
    in_images = resample(Volume(solution.cell_density[-1], anatomy.grid), resolution.image_grid)
    density, thresholds = in_images.data * brain.maps.brain, grown.thresholds
    if not thresholds.tumor_core(density).any():
        raise NumericalError(
            f"the virtual tumor is too small to be seen: its highest density is {float(density.max()):.3f}, "
            f"T1Gd shows {thresholds.t1gd_threshold} and more. Raise proliferation_number."
        )
    signs = TumorSigns(
        whole_tumor=thresholds.whole_tumor(density),
        tumor_core=thresholds.tumor_core(density),
        necrotic=density > NECROTIC_DENSITY,
    )
    return VirtualPatient(
        images=paint_images(brain, signs, rng=rng),
        labels=Volume(signs.labels(), resolution.image_grid),
        cell_density=Volume(density.astype(np.float32), resolution.image_grid),
        brain=brain.maps.brain,
        parameters=parameters,
        growth_time_days=grown.growth_time_days,
        thresholds=thresholds,
        stored_grid=resolution.stored_grid,
    )


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
            write_volume(partial / f"{name}_{IMAGE_ENDINGS[modality]}.nii.gz", image, stored_as=patient.stored_grid)
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
