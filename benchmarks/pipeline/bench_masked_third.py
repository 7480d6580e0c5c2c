"""The masked third: what growth is worth on real scans without follow-up.

    python benchmarks/pipeline/bench_masked_third.py [--data FOLDER] [--sectors 12] [--workers 2]

A half-space that holds a third of the visible tumor is hidden. Everything is fitted to the visible two thirds, in the
patient's own brain at 1.875 mm, and the hidden part of the brain is ranked, at the volume of the tumor that is hidden
there: the share of it that is found is the coverage. Directions are those of an icosahedron. Prints the mean coverage
of each ranking by patient, and over patients the mean with its standard error, and the paired difference to the
ellipsoid; beside them the Dice of both outlines with nothing hidden.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from bench_patients import default_data, patient_files
from numpy.typing import NDArray
from scipy import ndimage, optimize

from gliofield.anatomy import Anatomy, load_atlas
from gliofield.assimilation import FitSettings, add_foci, correct_phase, fit_tumor, open_domain
from gliofield.imaging import Observation, VisibilityThresholds
from gliofield.pipeline import CaseFiles, PatientSpace, PersonalizationSettings, observe, read_case, register_case
from gliofield.pipeline.spaces import tumor_grid

Mask = NDArray[np.bool_]
Scores = NDArray[np.float64]

SPACING_MM, REACH_MM = 1.875, 34.0
# Below this a density says nothing of order.
LEAST_LOG = -14.0

FITS = {
    "growth, tensor": FitSettings(),
    "growth, isotropic": FitSettings(num_stretched=0),
    "growth, ratio 1": FitSettings(num_stretched=0, diffusivity_ratio=1.0),
}


def directions() -> Scores:
    """The twelve vertices of an icosahedron, (12, 3)."""
    golden = (1.0 + 5.0**0.5) / 2.0
    corners = [(0.0, a, b * golden) for a in (1.0, -1.0) for b in (1.0, -1.0)]
    turned = [tuple(np.roll(corner, shift)) for shift in range(3) for corner in corners]
    return np.array(turned) / np.linalg.norm(corners[0])


def fit_ellipsoid(visible: Mask, where: Mask, world: Scores) -> Scores:
    """Squared level of the axis-aligned ellipsoid that overlaps most with what is visible: 1 on its surface."""
    points = world[visible]
    start = np.concatenate([points.mean(axis=0), 0.5 * np.log(5.0 * points.var(axis=0))])

    def level(x: Scores) -> Scores:
        return np.sum(((world - x[:3]) / np.exp(x[3:])) ** 2, axis=-1)

    def cost(x: Scores) -> float:
        inside = (level(x) < 1.0) & where
        return 1.0 - 2.0 * np.count_nonzero(inside & visible) / (np.count_nonzero(inside) + np.count_nonzero(visible))

    simplex = np.vstack([start, start + np.diag([5.0, 5.0, 5.0, 0.2, 0.2, 0.2])])
    found = optimize.minimize(cost, start, method="Nelder-Mead", options={"maxfev": 250, "initial_simplex": simplex})
    return level(found.x)


def coverage_of(score: Scores, tumor: Mask, hidden: Mask) -> float:
    """Share of the hidden tumor among as many of the highest hidden voxels."""
    inside = tumor[hidden]
    order = np.argsort(-score[hidden], kind="stable")
    return float(inside[order[: np.count_nonzero(inside)]].mean())


def score_sector(direction: Scores, seen: Observation, anatomy: Anatomy) -> dict[str, float]:
    """Coverage of every ranking with one half-space hidden."""
    world = seen.grid.world_of(np.moveaxis(np.indices(seen.grid.shape), 0, -1))
    along = world @ direction
    is_hidden = along > np.quantile(along[seen.whole_tumor], 2.0 / 3.0)
    where, brain = ~is_hidden, anatomy.tissue_maps.brain | seen.whole_tumor
    hidden = is_hidden & brain
    core = seen.tumor_core & where if (seen.tumor_core & where).any() else seen.tumor_core
    visible = seen.whole_tumor & where
    from_core, from_whole = (
        ndimage.distance_transform_edt(~mask, sampling=seen.grid.spacing_mm) for mask in (core, visible)
    )
    ellipsoid = -np.sqrt(fit_ellipsoid(visible, where, world))
    scores = {"core distance": -from_core, "whole-tumor distance": -from_whole, "ellipsoid": ellipsoid}
    domain = open_domain(anatomy, visible)
    masks = seen.tumor_core & where, visible
    for name, settings in FITS.items():
        density = fit_tumor(seen, domain, settings=settings, where=where).cell_density
        # Where there are no cells at all the nearer voxel comes first.
        scores[name] = np.maximum(np.log(density + 1e-12), LEAST_LOG) - 1e-6 * from_core
        corrected = correct_phase(density, *masks, domain.domain, seen.grid.spacing_mm, where=where)
        scores[f"{name}, corrected"] = scores[name] + corrected.shift
    scores["tensor, corrected, and ellipsoid"] = scores["growth, tensor, corrected"] + 5.0 * ellipsoid
    return {name: coverage_of(score, seen.whole_tumor, hidden) for name, score in scores.items()}


def explain(seen: Observation, anatomy: Anatomy) -> str:
    """How well growth explains both outlines with nothing hidden, before a correction, and its time."""
    domain = open_domain(anatomy, seen.whole_tumor)
    begin = time.process_time()
    fit = fit_tumor(seen, domain)
    foci = add_foci(fit, seen, domain)
    seconds = time.process_time() - begin
    return f"Dice sum {foci.dice_sum:.2f} with {1 + len(foci.foci)} foci before correction, {seconds:.1f} s of one core"


def prepare(files: CaseFiles) -> tuple[Observation, Anatomy]:
    """A patient's masks and brain on the grid of the simulations."""
    case, atlas = read_case(files), load_atlas("sri24")
    transform = register_case(case, atlas, PersonalizationSettings(deterministic=True)).transform
    scan = PatientSpace(case=case, atlas=atlas, transform=transform, grid=case.grid)
    grid = tumor_grid(scan, case.segmentation.whole_tumor, spacing_mm=SPACING_MM, reach_mm=REACH_MM)
    seen = observe(case, scan.on_grid(grid), VisibilityThresholds())
    return replace(seen, space=None), scan.on_grid(grid).anatomy


def standard_error(values: Scores) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def print_table(by_patient: dict[str, list[dict[str, float]]]) -> None:
    """Means by patient, then over patients, whose sectors are not independent."""
    patients = list(by_patient)
    print(f"| ranking | {' | '.join(patients)} | mean ± SEM | minus ellipsoid |")
    print("|---" * (len(patients) + 3) + "|")
    mean: Callable[[str, str], float] = lambda patient, name: float(  # noqa: E731
        np.mean([sector[name] for sector in by_patient[patient]])
    )
    for name in by_patient[patients[0]][0]:
        values = np.array([mean(patient, name) for patient in patients])
        gaps = values - np.array([mean(patient, "ellipsoid") for patient in patients])
        cells = " | ".join(f"{value:.3f}" for value in values)
        print(
            f"| {name} | {cells} | {values.mean():.3f} ± {standard_error(values):.3f} | "
            f"{gaps.mean():+.3f} ± {standard_error(gaps):.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--sectors", type=int, default=12, choices=range(1, 13), metavar="1-12")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    by_patient = {}
    with ProcessPoolExecutor(arguments.workers) as executor:
        for name, files in patient_files(arguments.data).items():
            seen, anatomy = prepare(files)
            sector = partial(score_sector, seen=seen, anatomy=anatomy)
            by_patient[name] = list(executor.map(sector, directions()[: arguments.sectors]))
            print(f"{name}: {explain(seen, anatomy)}; {len(by_patient[name])} sectors", flush=True)
    print_table(by_patient)


if __name__ == "__main__":
    main()
