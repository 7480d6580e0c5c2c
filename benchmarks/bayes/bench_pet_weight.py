"""What FET-PET should weigh in the fit of method ``assimilate``: errors of the density by weight, a Markdown table.

    python benchmarks/bayes/bench_pet_weight.py [--cases 12] [--seed 100] [--weights 0 0.25 0.5 1 2 4]

Virtual patients in boxes of 105 mm of the atlas at 3.75 mm, which differ from what the fit assumes: cells move ten
times as fast in white matter as in gray (the fit: twice), T1Gd shows 0.55-0.75 and FLAIR 0.1-0.35 (the fit: 0.6 and
0.2), and in every second patient FLAIR reaches 11 mm too far on one side, for edema. PET has a background of 0.2-0.4 of
the peak, a blur of 5 mm and noise of 0.03-0.08. The error is the mean |u − û| over tissue outside the core and within
30 mm of the tumor, as a part of that without PET; its standard error is over patients.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from bench_pet_background import BACKGROUND, NOISE, Field, box_of, density_of
from scipy import ndimage

from gliofield.anatomy import Anatomy, load_atlas
from gliofield.assimilation import FitSettings, fit_tumor, open_domain
from gliofield.growth.parameters import SEED_NAMES
from gliofield.imaging import Observation, make_virtual_pet, normalized_pet
from gliofield.volume import Volume

BOX_VOXELS, EDEMA_VOXELS, REACH_MM, WHOLE_ML = 28, 3, 30.0, (10.0, 90.0)
DAYS = 100.0


def draw_patient(anatomy: Anatomy, rng: np.random.Generator, *, has_edema: bool) -> tuple[Observation, Field]:
    """Images of a tumor that fills 10 to 90 ml in FLAIR, and its density."""
    white = np.argwhere(anatomy.white_matter > 0.7)
    while True:
        seed_mm = anatomy.grid.world_of(white[rng.integers(len(white))])
        length_mm, number = rng.uniform(5.0, 14.0), rng.uniform(2.2, 4.5)
        values: Mapping[str, float] = {
            "white_matter_diffusivity_mm2_per_day": length_mm**2 / DAYS,
            "proliferation_rate_per_day": number**2 / DAYS,
            "growth_time_days": DAYS,
            "diffusivity_ratio": 10.0,
            **dict(zip(SEED_NAMES, (float(x) for x in seed_mm), strict=True)),
        }
        density = density_of(anatomy, values)
        if density is None:
            continue
        core, whole = density > rng.uniform(0.55, 0.75), density > rng.uniform(0.1, 0.35)
        if core.any() and WHOLE_ML[0] <= np.count_nonzero(whole) * anatomy.grid.voxel_volume_ml <= WHOLE_ML[1]:
            break
    if has_edema:
        axis, side = rng.integers(3), rng.choice((-1, 1))
        for _ in range(EDEMA_VOXELS):
            whole = whole | (np.roll(whole, side, axis=axis) & anatomy.domain)
    image = make_virtual_pet(
        Volume(density, anatomy.grid),
        anatomy.domain,
        rng=rng,
        background=rng.uniform(*BACKGROUND),
        noise_std=rng.uniform(*NOISE),
    )
    seen = Observation(tumor_core=core, whole_tumor=whole, pet=normalized_pet(image), grid=anatomy.grid)
    return seen, density


def errors_of(anatomy: Anatomy, seen: Observation, truth: Field, weights: list[float]) -> list[float]:
    """Mean absolute error outside the core and near the tumor, by weight."""
    near = ndimage.distance_transform_edt(~(truth > 0.1), sampling=anatomy.spacing_mm) <= REACH_MM
    scored = near & anatomy.domain & ~seen.tumor_core
    opened = open_domain(anatomy, seen.whole_tumor)
    errors = []
    for weight in weights:
        fit = fit_tumor(seen, opened, settings=replace(FitSettings(), pet_weight=weight))
        errors.append(float(np.abs(fit.cell_density - truth)[scored].mean()))
    return errors


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.25, 0.5, 1.0, 2.0, 4.0])
    asked = parser.parse_args()
    atlas = load_atlas("sri24")
    anatomy = atlas.anatomy(atlas.simulation_grid(spacing_mm=3.75))
    rows = []
    for case in range(asked.cases):
        rng = np.random.default_rng([asked.seed, case])
        part = box_of(anatomy, rng, BOX_VOXELS)
        seen, truth = draw_patient(part, rng, has_edema=case % 2 == 1)
        rows.append(errors_of(part, seen, truth, asked.weights))
        print(f"patient {case}: {' '.join(f'{error:.4f}' for error in rows[-1])}", file=sys.stderr, flush=True)
    errors = np.array(rows)
    parts = errors / errors[:, :1]
    print(
        f"{asked.cases} virtual patients: error as a part of that at weight {asked.weights[0]:g}, ± standard error.\n"
    )
    print("| weight | all | FLAIR as it is | false edema |\n|---|---|---|---|")
    for column, weight in enumerate(asked.weights):
        cells = [
            f"{group.mean():.2f} ± {group.std(ddof=1) / np.sqrt(len(group)):.2f}"
            for group in (parts[:, column], parts[::2, column], parts[1::2, column])
        ]
        print(f"| {weight:g} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
