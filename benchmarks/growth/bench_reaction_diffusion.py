"""Error against cost of the reaction-diffusion solver on the SRI24 brain at 128³ (1.875 mm).

    python benchmarks/growth/bench_reaction_diffusion.py ATLAS_FOLDER [--tumors 64] [--repeats 10] [--alternatives 12]

ATLAS_FOLDER holds p_wm.nii.gz, p_gm.nii.gz, p_csf.nii.gz and t1_brain.nii.gz. One thread, fixed seeds. Prints

1. speed: seconds and ns per voxel-step of typical tumors;
2. convergence: Dice against a quarter of the time step, over random tumors of the published parameter range;
3. alternatives: Dice against operator evaluations for the schemes that were not taken.
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from alternatives import ALTERNATIVES, simulate_with
from numpy.typing import NDArray
from scipy.stats import qmc

from gliomap.anatomy.growth_domain import Anatomy, growth_domain
from gliomap.anatomy.tissue_maps import normalized_tissue_maps
from gliomap.grid import Grid
from gliomap.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliomap.nifti import read_volume

THRESHOLDS = (0.2, 0.6)
# Published ranges of D_w [mm²/day], ρ [1/day] and T [day], sampled log-uniformly.
RANGES = ((0.02, 1.5), (0.002, 0.2), (50.0, 1500.0))
TYPICAL = {"median": (0.42, 0.079, 295.0), "slow": (0.034, 0.012, 1150.0), "fast": (1.35, 0.186, 88.0)}


@dataclass(frozen=True)
class Tumor:
    """One simulation of the benchmark."""

    parameters: FisherKolmogorovParameters
    time_days: float

    def grow(self, model: FisherKolmogorov, anatomy: Anatomy) -> NDArray[np.float32]:
        """Density at the end time."""
        return model.simulate(anatomy, self.parameters, [self.time_days]).cell_density[0]


def sri24_anatomy(folder: Path) -> Anatomy:
    """SRI24 on the default simulation grid."""
    maps = [read_volume(folder / f"p_{tissue}.nii.gz") for tissue in ("wm", "gm", "csf")]
    brain = read_volume(folder / "t1_brain.nii.gz").data > 0
    grid = Grid.axis_aligned((128,) * 3, 1.875, (-238.5625, 0.4375, -42.0625))
    return growth_domain(normalized_tissue_maps(*maps, brain).resampled(grid))


def tumor(anatomy: Anatomy, seed_mm: NDArray[np.float64], d: float, rho: float, time_days: float) -> Tumor:
    """Tumor from numbers."""
    x, y, z = (float(v) for v in seed_mm)
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=d, proliferation_rate_per_day=rho, seed_mm=(x, y, z)
    )
    return Tumor(parameters, time_days)


def random_tumors(anatomy: Anatomy, number: int, seed: int) -> list[Tumor]:
    """Sobol sample of the published ranges, seeds anywhere in the domain.

    Kept are tumors above 1 ml at both thresholds that have not filled 90 % of the domain, where Dice is 1 by default.
    """
    voxels = np.argwhere(anatomy.domain)
    model = FisherKolmogorov()
    accepted: list[Tumor] = []
    sampler = qmc.Sobol(4, rng=np.random.default_rng(seed))
    while len(accepted) < number:
        u = sampler.random(1)[0]
        values = [low * (high / low) ** v for (low, high), v in zip(RANGES, u[:3], strict=True)]
        candidate = tumor(anatomy, anatomy.grid.world_of(voxels[int(u[3] * len(voxels))]), *values)
        density = candidate.grow(model, anatomy)
        volumes = [np.count_nonzero(density > t) * anatomy.grid.voxel_volume_ml for t in THRESHOLDS]
        if min(volumes) > 1.0 and volumes[0] < 0.9 * anatomy.volume_ml:
            accepted.append(candidate)
    return accepted


def dice(a: NDArray[np.float32], b: NDArray[np.float32], threshold: float) -> float:
    """Dice of two super-level sets, neither empty here."""
    x, y = a > threshold, b > threshold
    return 2.0 * np.count_nonzero(x & y) / (np.count_nonzero(x) + np.count_nonzero(y))


def speed_table(anatomy: Anatomy, repeats: int) -> list[str]:
    """Median and spread of the run time of typical tumors, seeded in white matter."""
    white = np.argwhere(anatomy.white_matter > 0.9)
    seed = anatomy.grid.world_of(white[len(white) // 2])
    model = FisherKolmogorov()
    lines = [f"{'tumor':8} {'seconds':>8} {'(min-max)':>15} {'ns/voxel-step':>14} {'steps':>6} {'ml > 0.2':>9}"]
    for name, values in TYPICAL.items():
        one = tumor(anatomy, seed, *values)
        one.grow(model, anatomy)
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            solution = model.simulate(anatomy, one.parameters, [one.time_days])
            seconds.append(time.perf_counter() - start)
        middle = float(np.median(seconds))
        spread = f"({min(seconds):.3f}-{max(seconds):.3f})"
        lines.append(
            f"{name:8} {middle:8.3f} {spread:>15} {1e9 * middle / solution.num_voxel_steps:14.2f} "
            f"{solution.num_steps:6d} {solution.volume_ml(0.2)[0]:9.1f}"
        )
    return lines


def convergence_table(anatomy: Anatomy, tumors: list[Tumor], scales: tuple[float, ...]) -> list[str]:
    """Dice of runs at several step scales against a quarter of the default step."""
    references = [t.grow(FisherKolmogorov(time_step_scale=0.25), anatomy) for t in tumors]
    lines = [
        f"{'step':>6} {'Dice@0.2 min':>13} {'median':>8} {'Dice@0.6 min':>13} {'median':>8} {'s median':>9} {'max':>6}"
    ]
    for scale in scales:
        model = FisherKolmogorov(time_step_scale=scale)
        values, seconds = [], []
        for one, reference in zip(tumors, references, strict=True):
            start = time.perf_counter()
            density = one.grow(model, anatomy)
            seconds.append(time.perf_counter() - start)
            values.append([dice(density, reference, threshold) for threshold in THRESHOLDS])
        low, middle = np.min(values, axis=0), np.median(values, axis=0)
        lines.append(
            f"{scale:6.2f} {low[0]:13.4f} {middle[0]:8.4f} {low[1]:13.4f} {middle[1]:8.4f} "
            f"{np.median(seconds):9.3f} {max(seconds):6.3f}"
        )
    return lines


def alternatives_table(anatomy: Anatomy, tumors: list[Tumor], scales: tuple[float, ...]) -> list[str]:
    """Dice against operator evaluations of each scheme, against an eighth of the default step."""
    references = [t.grow(FisherKolmogorov(time_step_scale=0.125), anatomy) for t in tumors]
    lines = [f"{'scheme':14} {'step':>6} {'evaluations':>12} {'Dice min':>9} {'median':>8}"]
    for name, scheme in ALTERNATIVES.items():
        for scale in scales:
            values, evaluations = [], []
            for one, reference in zip(tumors, references, strict=True):
                density, count = simulate_with(scheme, anatomy, one.parameters, one.time_days, scale)
                evaluations.append(count)
                values += [dice(density, reference, threshold) for threshold in THRESHOLDS]
            lines.append(
                f"{name:14} {scale:6.2f} {np.mean(evaluations):12.0f} {min(values):9.4f} {np.median(values):8.4f}"
            )
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Error against cost of the reaction-diffusion solver.")
    parser.add_argument("atlas", type=Path, help="folder with p_wm, p_gm, p_csf and t1_brain (.nii.gz)")
    parser.add_argument("--tumors", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--alternatives", type=int, default=12, help="tumors for the table of schemes; 0 leaves it out")
    arguments = parser.parse_args()
    anatomy = sri24_anatomy(arguments.atlas)
    print(f"float32, 1 thread, {platform.machine()}, domain {anatomy.volume_ml:.0f} ml, numpy {np.__version__}")
    print("\n".join(speed_table(anatomy, arguments.repeats)))
    tumors = random_tumors(anatomy, arguments.tumors, seed=2)
    print(f"\nDice against a quarter of the time step, {len(tumors)} random tumors")
    print("\n".join(convergence_table(anatomy, tumors, (0.5, 1.0, 2.0))))
    if arguments.alternatives:
        chosen = tumors[: arguments.alternatives]
        print(f"\nSchemes, {len(chosen)} tumors, Dice at both thresholds against an eighth of the time step")
        print("\n".join(alternatives_table(anatomy, chosen, (0.5, 1.0, 2.0))))


if __name__ == "__main__":
    main()
