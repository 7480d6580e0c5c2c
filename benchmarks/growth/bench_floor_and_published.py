"""What the density floor costs, and how far the published scheme is from the solution, on a brain at 128³ (1.875 mm).

    python benchmarks/growth/bench_floor_and_published.py [--atlas sri24] [--floors 32] [--published 32]

The atlas is a name known to gliofield or an atlas folder. --floors and --published are the numbers of random tumors for
the two parts, the first of those of `bench_reaction_diffusion.py`; 0 leaves a part out. Nothing is timed, so a busy
machine prints the same. Prints

1. floors: least and median Dice against a floor of 1e-30, and voxel updates;
2. published: volume of the converged tumor over that of the scheme ``published``, and the same by ρ Δt, the step of
   the published scheme in growth times. The published scheme stops at whole steps, up to one step late; a second row
   compares with the converged tumor of that later time, which leaves the error of the scheme alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from benchmark_tumors import THRESHOLDS, Tumor, conditions, dice, random_tumors, volumes_of
from numpy.typing import NDArray

from gliofield.anatomy import load_atlas
from gliofield.anatomy.growth_domain import Anatomy
from gliofield.growth import FisherKolmogorov, seed_density
from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.evolution import evolve
from gliofield.growth.reaction_diffusion import make_stepper
from gliofield.growth.seed import DENSITY_FLOOR, SEED_VARIANCE_MM2

REFERENCE_FLOOR = 1e-30
FLOORS = (1e-20, DENSITY_FLOOR, 1e-9, 1e-6, 1e-4)
# Edges of the groups by ρ Δt.
GROWTH_PER_STEP = (0.0, 0.05, 0.2, 0.5, 1.0, np.inf)


def grow_with_floor(anatomy: Anatomy, tumor: Tumor, density_floor: float) -> tuple[NDArray[np.float32], int]:
    """Density (X, Y, Z) and voxel updates of a run that clears densities below `density_floor`."""
    parameters = tumor.parameters
    faces = face_coefficients(anatomy, parameters.diffusivity_ratio)
    initial = seed_density(anatomy, parameters.seed_mm)
    evolution = evolve(
        make_stepper("numba", faces, initial, density_floor=density_floor),
        faces,
        spacing_mm=anatomy.spacing_mm,
        white_matter_diffusivity_mm2_per_day=parameters.white_matter_diffusivity_mm2_per_day,
        proliferation_rate_per_day=parameters.proliferation_rate_per_day,
        initial_variance_mm2=SEED_VARIANCE_MM2,
        times_days=[tumor.time_days],
    )
    return evolution.cell_density[0], evolution.num_voxel_steps


def floor_table(anatomy: Anatomy, tumors: list[Tumor], floors: tuple[float, ...]) -> list[str]:
    """Dice at both thresholds and mean voxel updates for each floor; the last line is the reference."""
    references = [grow_with_floor(anatomy, tumor, REFERENCE_FLOOR) for tumor in tumors]
    lines = [f"{'floor':>8} {'Dice min':>9} {'median':>8} {'voxel-steps (million, mean)':>28}"]
    for floor in floors:
        values, counts = [], []
        for tumor, (reference, _) in zip(tumors, references, strict=True):
            density, count = grow_with_floor(anatomy, tumor, floor)
            counts.append(count)
            values += [dice(density, reference, threshold) for threshold in THRESHOLDS]
        lines.append(f"{floor:8.0e} {min(values):9.4f} {np.median(values):8.4f} {np.mean(counts) / 1e6:28.1f}")
    mean_count = np.mean([count for _, count in references])
    lines.append(f"{REFERENCE_FLOOR:8.0e} {'reference':>18} {mean_count / 1e6:28.1f}")
    return lines


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """One tumor by the published scheme and converged.

    Parameters
    ----------
    growth_per_step : float
        ρ Δt of the published scheme [1].
    published_ml, converged_ml, converged_later_ml : (2,) float arrays
        Volumes at the thresholds [ml]; the last at the time the published run stopped at.
    dice : (2,) float array
        Published against converged at that time.
    """

    growth_per_step: float
    published_ml: NDArray[np.float64]
    converged_ml: NDArray[np.float64]
    converged_later_ml: NDArray[np.float64]
    dice: NDArray[np.float64]


def compare_with_published(anatomy: Anatomy, tumor: Tumor) -> Comparison:
    """Both schemes on one tumor."""
    published = tumor.solve(FisherKolmogorov(scheme="published"), anatomy)
    end_days = published.times_days[0]
    converged = tumor.grow(FisherKolmogorov(), anatomy)
    later = Tumor(tumor.parameters, end_days).grow(FisherKolmogorov(), anatomy)
    density = published.cell_density[0]
    return Comparison(
        growth_per_step=tumor.parameters.proliferation_rate_per_day * end_days / published.num_steps,
        published_ml=volumes_of(density, anatomy),
        converged_ml=volumes_of(converged, anatomy),
        converged_later_ml=volumes_of(later, anatomy),
        dice=np.array([dice(density, later, threshold) for threshold in THRESHOLDS]),
    )


def ratio_table(comparisons: list[Comparison]) -> list[str]:
    """Converged over published volume: at the time asked for, and at the time the published run stopped at."""
    published = np.array([c.published_ml for c in comparisons])
    lines = [f"{'time':12} {'threshold':>9} {'median':>7} {'mean':>6} {'min':>6} {'max':>6} {'published empty':>16}"]
    for name in ("converged_ml", "converged_later_ml"):
        converged = np.array([getattr(c, name) for c in comparisons])
        for index, threshold in enumerate(THRESHOLDS):
            is_there = published[:, index] > 0.0
            ratio = converged[is_there, index] / published[is_there, index]
            time = "asked for" if name == "converged_ml" else "stopped at"
            lines.append(
                f"{time:12} {threshold:9.1f} {np.median(ratio):7.2f} {np.mean(ratio):6.2f} {ratio.min():6.2f} "
                f"{ratio.max():6.2f} {np.count_nonzero(~is_there):16d}"
            )
    return lines


def growth_per_step_table(comparisons: list[Comparison]) -> list[str]:
    """The same by ρ Δt, at the time the published run stopped at; median over tumors and both thresholds."""
    growth = np.array([c.growth_per_step for c in comparisons])
    lines = [f"{'ρ Δt':>12} {'tumors':>7} {'ratio median':>13} {'Dice median':>12}"]
    for low, high in zip(GROWTH_PER_STEP[:-1], GROWTH_PER_STEP[1:], strict=True):
        group = [c for c, value in zip(comparisons, growth, strict=True) if low <= value < high]
        if not group:
            continue
        ratio = np.array([c.converged_later_ml / c.published_ml for c in group if c.published_ml.min() > 0.0])
        middle = f"{np.median(ratio):13.2f}" if ratio.size else f"{'-':>13}"
        name = f"{low:g} - {high:g}" if np.isfinite(high) else f"> {low:g}"
        lines.append(f"{name:>12} {len(group):7d} {middle} {np.median([c.dice for c in group]):12.3f}")
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas", default="sri24", help="name or folder of an atlas")
    parser.add_argument("--floors", type=int, default=32, help="tumors of the table of floors")
    parser.add_argument("--published", type=int, default=32, help="tumors of the comparison with the published scheme")
    return parser.parse_args()


def main() -> None:
    """Print the tables."""
    arguments = _arguments()
    atlas = load_atlas(arguments.atlas)
    anatomy = atlas.anatomy()
    print(conditions(anatomy, atlas.name))
    tumors = random_tumors(anatomy, max(arguments.floors, arguments.published))
    if arguments.floors:
        chosen = tumors[: arguments.floors]
        print(f"\nFloors, {len(chosen)} tumors, Dice at both thresholds against a floor of {REFERENCE_FLOOR:.0e}")
        print("\n".join(floor_table(anatomy, chosen, FLOORS)), flush=True)
    if arguments.published:
        comparisons = [compare_with_published(anatomy, tumor) for tumor in tumors[: arguments.published]]
        growth = np.array([c.growth_per_step for c in comparisons])
        print(f"\nConverged over published volume, {len(comparisons)} tumors")
        print("\n".join(ratio_table(comparisons)))
        print(f"\nρ Δt of the published scheme: median {np.median(growth):.2f}, max {growth.max():.1f}; by ρ Δt:")
        print("\n".join(growth_per_step_table(comparisons)))


if __name__ == "__main__":
    main()
