"""The tumors both growth benchmarks run on, and how two densities are compared."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.cores import available_cores
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, Solution

THRESHOLDS = (0.2, 0.6)
# Published ranges of D_w [mm²/day], ρ [1/day] and T [day], sampled log-uniformly.
RANGES = ((0.02, 1.5), (0.002, 0.2), (50.0, 1500.0))
SEED_OF_SAMPLE = 2


@dataclass(frozen=True)
class Tumor:
    """One simulation of a benchmark."""

    parameters: FisherKolmogorovParameters
    time_days: float

    def solve(self, model: FisherKolmogorov, anatomy: Anatomy) -> Solution:
        """Solution at the end time."""
        return model.simulate(anatomy, self.parameters, [self.time_days])

    def grow(self, model: FisherKolmogorov, anatomy: Anatomy) -> NDArray[np.float32]:
        """Density at the end time, shape (X, Y, Z)."""
        return self.solve(model, anatomy).cell_density[0]


def make_tumor(
    seed_mm: NDArray[np.float64], diffusivity_mm2_per_day: float, rate_per_day: float, time_days: float
) -> Tumor:
    """Tumor from numbers."""
    x, y, z = (float(v) for v in seed_mm)
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=diffusivity_mm2_per_day,
        proliferation_rate_per_day=rate_per_day,
        seed_mm=(x, y, z),
    )
    return Tumor(parameters, time_days)


def random_tumors(anatomy: Anatomy, number: int, seed: int = SEED_OF_SAMPLE) -> list[Tumor]:
    """Sobol sample of the published ranges, seeds anywhere in the domain; a shorter list begins like a longer one.

    Kept are tumors above 1 ml at both thresholds that have not filled 90 % of the domain, where Dice is 1 by default.
    """
    voxels = np.argwhere(anatomy.domain)
    model = FisherKolmogorov()
    accepted: list[Tumor] = []
    sampler = qmc.Sobol(4, rng=np.random.default_rng(seed))
    while len(accepted) < number:
        u = sampler.random(1)[0]
        values = [low * (high / low) ** v for (low, high), v in zip(RANGES, u[:3], strict=True)]
        candidate = make_tumor(anatomy.grid.world_of(voxels[int(u[3] * len(voxels))]), *values)
        volumes_ml = volumes_of(candidate.grow(model, anatomy), anatomy)
        if volumes_ml.min() > 1.0 and volumes_ml[0] < 0.9 * anatomy.volume_ml:
            accepted.append(candidate)
    return accepted


def volumes_of(density: NDArray[np.float32], anatomy: Anatomy) -> NDArray[np.float64]:
    """Volume above each threshold [ml]."""
    return np.array([np.count_nonzero(density > t) * anatomy.grid.voxel_volume_ml for t in THRESHOLDS])


def dice(a: NDArray[np.float32], b: NDArray[np.float32], threshold: float) -> float:
    """Dice of two super-level sets of which one at least is not empty."""
    x, y = a > threshold, b > threshold
    return 2.0 * np.count_nonzero(x & y) / (np.count_nonzero(x) + np.count_nonzero(y))


def conditions(anatomy: Anatomy, atlas_name: str) -> str:
    """What the figures below were measured on, and how busy the machine was: seconds of a busy machine say little."""
    return (
        f"{atlas_name}, {anatomy.grid.describe()}, domain {anatomy.domain_rule} {anatomy.volume_ml:.0f} ml\n"
        f"float32, {platform.machine()}, numpy {np.__version__}, load average {os.getloadavg()[0]:.1f} on "
        f"{available_cores()} cores"
    )
