"""FET-PET with a background: do 95 % intervals hold the truth, and does a tumor of twice the size win? Two tables.

    python benchmarks/bayes/bench_pet_background.py [--cases 20] [--samples 250] [--seed 0]
                                                    [--spacing-mm 3.75] [--models background paper] [--only evidence]

Virtual patients in boxes of 82 mm of the atlas. Growth, thresholds and width are drawn from the paper's prior, and a
patient is kept if its masks have 1 ml of core and 10 to 80 ml of whole tumor. Masks are drawn by Eq. 5 and 6 of Ezhov
et al. 2021 ("Learnable surrogate"), the errors of neighbors alike over 3 mm; PET is `make_virtual_pet`: a background of
0.2 to 0.4 of the peak, a blur of 5 mm, noise of 0.03 to 0.08, divided by its maximum. `SampleMethod` explains the same
images twice: with its default model of PET, and with the paper's, which knows neither background nor blur. True scale,
background and noise are those of the image after the division.

The second table: log evidence of a tumor of 29 ml less that of one of twice its visible volume and eight times its
diffusivity, which other thresholds make look alike in masks; of masks alone, and with PET without and with background.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special, stats

from gliofield.anatomy import Anatomy, AtlasSpace, load_atlas
from gliofield.bayes import ImagingIntegral, ImagingPrior, ImportanceSettings, surrogate_paper_prior
from gliofield.errors import NumericalError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, growth_parameters_of
from gliofield.growth.parameters import SEED_NAMES
from gliofield.imaging import (
    PET_FWHM_MM,
    ImagingLikelihood,
    LikelihoodOptions,
    Observation,
    PetModel,
    independent_voxel_fraction,
    log_visibility,
    make_virtual_pet,
    normalized_pet,
)
from gliofield.pipeline import SampleMethod, SampleSettings
from gliofield.progress import ignore_progress
from gliofield.volume import Volume

Field = NDArray[np.float32]

BOX_VOXELS, LENGTH_MM = 22, 3.0
LEAST_CORE_ML, WHOLE_ML = 1.0, (10.0, 80.0)
BACKGROUND, NOISE = (0.2, 0.4), (0.03, 0.08)


@dataclass(frozen=True, kw_only=True, eq=False)
class Patient:
    """Images with a known truth."""

    truth: Mapping[str, float]
    observation: Observation


def box_of(anatomy: Anatomy, rng: np.random.Generator, num_voxels: int) -> Anatomy:
    """A cube of an anatomy, at random, most of it tissue."""
    while True:
        first = np.array([rng.integers(length - num_voxels + 1) for length in anatomy.grid.shape])
        part = tuple(slice(start, start + num_voxels) for start in first)
        if anatomy.domain[part].mean() > 0.6:
            break
    world_from_voxel = anatomy.grid.world_from_voxel.copy()
    world_from_voxel[:3, 3] = anatomy.grid.world_of(first)
    return Anatomy(
        white_matter=anatomy.white_matter[part].copy(),
        gray_matter=anatomy.gray_matter[part].copy(),
        domain=anatomy.domain[part].copy(),
        grid=Grid((num_voxels,) * 3, world_from_voxel),
        domain_rule=anatomy.domain_rule,
    )


def density_of(anatomy: Anatomy, truth: Mapping[str, float]) -> Field | None:
    """The tumor of some parameters; None where none can be grown."""
    try:
        days = truth["growth_time_days"]
        return FisherKolmogorov().simulate(anatomy, growth_parameters_of(truth), (days,)).cell_density[-1]
    except (NumericalError, ParameterError):
        return None


def mask_of(density: Field, threshold: float, width: float, spacing_mm: float, rng: np.random.Generator) -> Field:
    """A mask with the probabilities of the likelihood, errors of neighbors alike over `LENGTH_MM`."""
    voxels = LENGTH_MM / np.sqrt(2.0) / spacing_mm
    smooth = ndimage.gaussian_filter(rng.standard_normal(density.shape), voxels, mode="wrap")
    log_visible = log_visibility(density.astype(np.float64), threshold=threshold, visibility_width=width)[0]
    return special.ndtr(smooth / smooth.std()) < np.exp(log_visible)


def draw_patient(anatomy: Anatomy, rng: np.random.Generator) -> Patient:
    """The first draw of the prior whose masks look like those of a patient."""
    prior = surrogate_paper_prior(anatomy, has_pet=False)
    grid, spacing_mm = anatomy.grid, anatomy.spacing_mm
    while True:
        truth = dict(zip(prior.names, (float(x) for x in prior.sample(1, rng)[0]), strict=True))
        density = density_of(anatomy, truth)
        if density is None:
            continue
        core, whole = (
            mask_of(density, truth[name], truth["visibility_width"], spacing_mm, rng) & anatomy.domain
            for name in ("t1gd_threshold", "flair_threshold")
        )
        whole_ml = np.count_nonzero(whole) * grid.voxel_volume_ml
        if np.count_nonzero(core) * grid.voxel_volume_ml < LEAST_CORE_ML or not WHOLE_ML[0] <= whole_ml <= WHOLE_ML[1]:
            continue
        background, noise_std = rng.uniform(*BACKGROUND), rng.uniform(*NOISE)
        image = make_virtual_pet(
            Volume(density, grid), anatomy.domain, rng=rng, background=background, noise_std=noise_std
        )
        highest = float(image.data.max())
        of_pet = {
            "pet_scale": (1.0 - background) / highest,
            "pet_background": background / highest,
            "pet_noise_std": noise_std / highest,
        }
        return Patient(
            truth={**truth, **of_pet},
            observation=Observation(
                tumor_core=core,
                whole_tumor=whole | core,
                pet=normalized_pet(image),
                grid=grid,
                space=AtlasSpace(anatomy=anatomy),
            ),
        )


def covered(patient: Patient, model: PetModel, sampler: ImportanceSettings) -> dict[str, bool]:
    """Whether the 95 % interval of each parameter holds the truth."""
    method = SampleMethod(settings=SampleSettings(sampler=sampler, pet_model=model, num_densities=2))
    estimate = method.estimate(patient.observation, report=ignore_progress)
    assert estimate.posterior is not None
    intervals = estimate.posterior.samples.credible_intervals(0.95)
    return {name: each.low <= patient.truth[name] <= each.high for name, each in intervals.items()}


def print_coverage(found: Mapping[str, list[dict[str, bool]]], seconds: Mapping[str, float]) -> None:
    """Covered cases by parameter, and all together with the exact binomial interval."""
    print("| parameter | " + " | ".join(found) + " |\n|---|" + "---|" * len(found))
    names = max((cases[0] for cases in found.values()), key=len)
    for name in names:
        cells = [
            f"{sum(case[name] for case in cases)} of {len(cases)}" if name in cases[0] else "-"
            for cases in found.values()
        ]
        print(f"| `{name}` | " + " | ".join(cells) + " |")
    cells = []
    for cases in found.values():
        hits = [each for case in cases for each in case.values()]
        low, high = stats.binomtest(sum(hits), len(hits)).proportion_ci()
        cells.append(f"{np.mean(hits):.1%} ({low:.1%} to {high:.1%})")
    print("| all | " + " | ".join(cells) + " |")
    print("| seconds per patient | " + " | ".join(f"{seconds[name]:.0f}" for name in found) + " |")


def print_evidence(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Log evidence of a tumor less that of a larger one, masks alone, and with PET of two kinds."""
    fixed = {"t1gd_threshold": 0.65, "flair_threshold": 0.25, "visibility_width": 0.06}
    truth = tumor_of(anatomy, 0.05, fixed["flair_threshold"], 29.0)
    larger = tumor_of(anatomy, 0.4, fixed["flair_threshold"], 58.0)
    core, whole = (
        mask_of(truth, fixed[name], fixed["visibility_width"], anatomy.spacing_mm, rng) & anatomy.domain
        for name in ("t1gd_threshold", "flair_threshold")
    )
    masks = Observation(tumor_core=core & whole, whole_tumor=whole, grid=anatomy.grid)

    def won(seen: Observation, model: PetModel | None) -> str:
        of_truth, of_larger = (log_evidence(seen, anatomy, density, model) for density in (truth, larger))
        return f"{of_truth - of_larger:+.0f}"

    print("\n| masks and | background of the image | default model | the paper's model |\n|---|---|---|---|")
    print(f"| nothing | - | {won(masks, None)} | {won(masks, None)} |")
    for background in (0.0, 0.2, 0.3, 0.4):
        image = make_virtual_pet(
            Volume(truth, anatomy.grid), anatomy.domain, rng=rng, background=background, noise_std=0.05
        )
        seen = replace(masks, pet=normalized_pet(image))
        print(f"| PET | {background:g} | {won(seen, 'background')} | {won(seen, 'paper')} |")


def tumor_of(anatomy: Anatomy, diffusivity: float, threshold: float, volume_ml: float) -> Field:
    """A tumor in white matter of a diffusivity and a visible volume, by bisection of its age."""
    depth = ndimage.distance_transform_edt(anatomy.white_matter > 0.7)
    place = np.unravel_index(int(np.argmax(depth)), depth.shape)
    seed = dict(zip(SEED_NAMES, (float(x) for x in anatomy.grid.world_of(np.array(place))), strict=True))
    growth = {"white_matter_diffusivity_mm2_per_day": diffusivity, "proliferation_rate_per_day": 0.02, **seed}
    low, high = 50.0, 4000.0
    for _ in range(14):
        days = 0.5 * (low + high)
        density = density_of(anatomy, {**growth, "growth_time_days": days})
        assert density is not None
        is_small = np.count_nonzero(density > threshold) * anatomy.grid.voxel_volume_ml < volume_ml
        low, high = (days, high) if is_small else (low, days)
    return density


def log_evidence(seen: Observation, anatomy: Anatomy, density: Field, model: PetModel | None) -> float:
    """Log evidence of a density with imaging parameters integrated, at the default weight; without PET for None."""
    weight = independent_voxel_fraction(seen.grid.spacing_mm, correlation_length_mm=LENGTH_MM)
    fwhm_mm = PET_FWHM_MM if model == "background" else 0.0
    options = LikelihoodOptions(mask_weight=weight, pet_weight=weight, pet_fwhm_mm=fwhm_mm)
    prior = surrogate_paper_prior(anatomy, has_pet=model is not None, pet_model=model or "background")
    likelihood = ImagingLikelihood(observation=seen, domain=anatomy.domain, options=options)
    return ImagingIntegral(likelihood=likelihood, prior=ImagingPrior.of(prior)).log_evidence(density)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--samples", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spacing-mm", type=float, default=3.75)
    parser.add_argument("--models", nargs="+", default=["background", "paper"], choices=["background", "paper"])
    parser.add_argument("--only", choices=["coverage", "evidence"])
    asked = parser.parse_args()

    atlas = load_atlas("sri24")
    anatomy = atlas.anatomy(atlas.simulation_grid(spacing_mm=asked.spacing_mm))
    if asked.only != "evidence":
        found: dict[str, list[dict[str, bool]]] = {model: [] for model in asked.models}
        seconds = dict.fromkeys(asked.models, 0.0)
        for case in range(asked.cases):
            rng = np.random.default_rng([asked.seed, case])
            patient = draw_patient(box_of(anatomy, rng, BOX_VOXELS), rng)
            for model in asked.models:
                sampler = ImportanceSettings(seed=case, num_effective=asked.samples)
                begin = time.perf_counter()
                found[model].append(covered(patient, model, sampler))
                seconds[model] += (time.perf_counter() - begin) / asked.cases
                hits = found[model][-1]
                missed = ", ".join(name for name, is_inside in hits.items() if not is_inside) or "none"
                print(f"patient {case}, {model}: outside of {len(hits)}: {missed}", file=sys.stderr, flush=True)
        settings = f"{asked.spacing_mm:g} mm, {asked.samples} effective samples"
        print(f"{asked.cases} virtual patients, {settings}: 95 % intervals that hold the truth.\n")
        print_coverage(found, seconds)
    if asked.only != "coverage":
        print_evidence(anatomy, np.random.default_rng(asked.seed))


if __name__ == "__main__":
    main()
