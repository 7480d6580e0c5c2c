"""What one comparison with a patient's images costs: compiled sums beside NumPy's, a Markdown table.

    python benchmarks/imaging/bench_likelihood.py [--repeats 30]

A tumor with a soft edge on the default grid (128³, 1.875 mm), compared in the sphere of twice its radius and in the
whole brain-sized domain. Both ways take turns; times are medians on one thread, relative differences are of the sums.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from gliofield.grid import Grid
from gliofield.imaging import (
    ImagingLikelihood,
    ImagingParameters,
    Observation,
    equal_volume_sphere,
    log_visibility,
)
from gliofield.volume import Volume

GRID = Grid.axis_aligned((128, 128, 128), 1.875, (-119.0625, -119.0625, -119.0625))
PARAMETERS = ImagingParameters(
    t1gd_threshold=0.65, flair_threshold=0.25, visibility_width=0.06, pet_scale=0.8, pet_noise_std=0.1
)


def plain_log_likelihood(likelihood: ImagingLikelihood, density: np.ndarray, voxels: np.ndarray) -> float:
    """The three terms with NumPy."""
    seen, values = likelihood.observation, density[voxels].astype(np.float64)
    total = 0.0
    for mask, threshold in ((seen.tumor_core, 0.65), (seen.whole_tumor, 0.25)):
        inside, outside = log_visibility(values, threshold=threshold, visibility_width=0.06)
        total += float(np.where(mask[voxels], inside, outside).sum())
    residuals = seen.pet.data[voxels] - 0.8 * values
    return total + float((-0.5 * (residuals / 0.1) ** 2 - np.log(0.1) - 0.5 * np.log(2 * np.pi)).sum())


def median_ms(functions: list[Callable[[], float]], repeats: int) -> list[float]:
    """Median wall time of each [ms], in turns, after one run that is not counted."""
    seconds: list[list[float]] = [[] for _ in functions]
    for repeat in range(repeats + 1):
        for function, times in zip(functions, seconds, strict=True):
            begin = time.perf_counter()
            function()
            if repeat:
                times.append(1000 * (time.perf_counter() - begin))
    return [float(np.median(times)) for times in seconds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    world = GRID.world_of(np.stack(np.meshgrid(*[np.arange(128)] * 3, indexing="ij"), axis=-1))
    radius = np.linalg.norm(world, axis=-1)
    density = np.where(radius < 60, 1 / (1 + np.exp((radius - 22) / 4)), 0).astype(np.float32)
    noise = np.random.default_rng(0).normal(scale=0.05, size=GRID.shape)
    pet = Volume(np.clip(0.8 * density + noise, 0, 1).astype(np.float32), GRID)
    seen = Observation(tumor_core=density > 0.6, whole_tumor=density > 0.2, pet=pet, grid=GRID)
    domain = np.linalg.norm(world / [66, 80, 60], axis=-1) <= 1
    sphere = equal_volume_sphere(density > 0.2, GRID).region(GRID)
    print("| region | voxels | compiled [ms] | NumPy [ms] | ratio | relative difference |")
    print("|---|---|---|---|---|---|")
    for name, region in (("twice the radius", sphere), ("whole domain", None)):
        likelihood = ImagingLikelihood(observation=seen, domain=domain, region=region)
        voxels = domain if region is None else domain & region

        def compiled(likelihood: ImagingLikelihood = likelihood) -> float:
            return likelihood.log_likelihood(density, PARAMETERS).total

        def plain(likelihood: ImagingLikelihood = likelihood, voxels: np.ndarray = voxels) -> float:
            return plain_log_likelihood(likelihood, density, voxels)

        fast, slow = median_ms([compiled, plain], repeats)
        difference = abs(compiled() / plain() - 1)
        times = f"{fast:.2f} | {slow:.2f} | {slow / fast:.1f}"
        print(f"| {name} | {likelihood.num_mask_voxels:,} | {times} | {difference:.1g} |")


if __name__ == "__main__":
    main()
