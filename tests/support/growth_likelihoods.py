"""A small patient whose tumor is known, and growth models for tests of likelihoods; importable by worker processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from growth_phantoms import center_of, mixed_anatomy

from gliofield.bayes import BoxPrior, ParameterRange, growth_importance, importance
from gliofield.errors import NumericalError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, Solution
from gliofield.imaging import ImagingLikelihood, LikelihoodOptions, Observation, make_virtual_pet, normalized_pet
from gliofield.volume import Volume

ANATOMY = mixed_anatomy(spacing_mm=3.0)
SEED_MM = center_of(ANATOMY)
#: Truth of the phantom patient, by name.
TRUTH = {
    "white_matter_diffusivity_mm2_per_day": 0.08,
    "proliferation_rate_per_day": 0.03,
    "growth_time_days": 220.0,
    "seed_x_mm": SEED_MM[0],
    "seed_y_mm": SEED_MM[1],
    "seed_z_mm": SEED_MM[2],
    "t1gd_threshold": 0.6,
    "flair_threshold": 0.2,
    "visibility_width": 0.06,
    # 0.7, 0.3 and 0.04 of a fully occupied voxel's uptake; the highest here is 0.927.
    "pet_scale": 0.755,
    "pet_background": 0.324,
    "pet_noise_std": 0.043,
}
NAMES = tuple(TRUTH)


def truth_row(**changes) -> np.ndarray:
    """The truth as a row of parameters, (1, 12)."""
    return np.array([list({**TRUTH, **changes}.values())])


def rows_around_truth(number: int) -> np.ndarray:
    """Rows that differ by up to a tenth, (number, 12)."""
    return truth_row() * (1.0 + 0.1 * np.random.default_rng(3).uniform(-1.0, 1.0, (number, len(NAMES))))


def observation(*, has_pet: bool = True) -> Observation:
    """Masks of the true tumor and a virtual FET-PET."""
    from gliofield.growth import growth_parameters_of

    density = FisherKolmogorov().simulate(ANATOMY, growth_parameters_of(TRUTH), (TRUTH["growth_time_days"],))
    values = density.cell_density[0]
    everywhere = np.ones(values.shape, dtype=bool)
    pet = normalized_pet(
        make_virtual_pet(Volume(values, ANATOMY.grid), everywhere, rng=np.random.default_rng(1), noise_std=0.04)
    )
    return Observation(
        tumor_core=values > TRUTH["t1gd_threshold"],
        whole_tumor=values > TRUTH["flair_threshold"],
        pet=pet if has_pet else None,
        grid=ANATOMY.grid,
    )


def imaging_likelihood(*, has_pet: bool = True, weight: float = 1.0) -> ImagingLikelihood:
    """Likelihood of that observation in the whole domain."""
    options = LikelihoodOptions(mask_weight=weight, pet_weight=weight)
    return ImagingLikelihood(observation=observation(has_pet=has_pet), domain=ANATOMY.domain, options=options)


def narrow_prior() -> BoxPrior:
    """Uniform ranges around the truth of the nine parameters without PET, the seed in tissue."""
    low_high = {
        "white_matter_diffusivity_mm2_per_day": (0.03, 0.2),
        "proliferation_rate_per_day": (0.015, 0.06),
        "growth_time_days": (120.0, 360.0),
        "seed_x_mm": (SEED_MM[0] - 8.0, SEED_MM[0] + 8.0),
        "seed_y_mm": (SEED_MM[1] - 8.0, SEED_MM[1] + 8.0),
        "seed_z_mm": (SEED_MM[2] - 8.0, SEED_MM[2] + 8.0),
        "t1gd_threshold": (0.5, 0.8),
        "flair_threshold": (0.05, 0.4),
        "visibility_width": (0.05, 0.08),
    }
    ranges = [ParameterRange(name=name, unit="1", low=low, high=high) for name, (low, high) in low_high.items()]
    return BoxPrior(ranges=ranges, seed_anatomy=ANATOMY)


def solution_of(density: np.ndarray, times_days: Sequence[float], grid: Grid) -> Solution:
    """Densities (N, X, Y, Z) of a model that solves nothing, as a solution."""
    return Solution(
        cell_density=density,
        times_days=tuple(times_days),
        grid=grid,
        num_steps=1,
        num_voxel_steps=1,
        scheme="none",
        backend="none",
        front_resolution=1.0,
    )


@dataclass(frozen=True)
class BallModel:
    """A model that grows a ball of ρ T/2 mm without solving anything, and fails for slow growth as told."""

    failure: str = "none"

    @property
    def name(self) -> str:
        return "ball"

    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        density = np.zeros((1, *anatomy.grid.shape), dtype=np.float32)
        voxels = np.stack(np.meshgrid(*[np.arange(n) for n in anatomy.grid.shape], indexing="ij"), axis=-1)
        distance = np.linalg.norm(anatomy.grid.world_of(voxels) - np.array(parameters.seed_mm), axis=-1)
        radius = 2.0 * parameters.proliferation_rate_per_day * times_days[-1]
        density[0] = np.where(anatomy.domain, np.clip((radius - distance) / 8.0 + 0.5, 0.0, 1.0), 0.0)
        is_slow = parameters.proliferation_rate_per_day < 0.03
        if self.failure == "always" or (self.failure == "raises" and is_slow):
            raise NumericalError("the solver gave up")
        if self.failure == "nan" and is_slow:
            density[0, 5, 5, 5] = np.nan
        return solution_of(density, times_days, anatomy.grid)


def use_small_batches(patch) -> None:
    """Let importance sampling draw a quarter of what it usually does at a time, and search one mode less long."""
    for name, value in (("_BATCH", 32), ("_FIRST_BATCH", 64)):
        patch.setattr(importance, name, value)
    for name, value in (("_DRAWS_FOR_STARTS", 64), ("_NUM_STARTS", 1)):
        patch.setattr(growth_importance, name, value)


class Echo:
    """An object whose methods tell worker processes apart."""

    def doubled(self, number: int) -> int:
        return 2 * number

    def refused(self, number: int) -> int:
        raise ParameterError(f"not this one: {number}")

    def death(self, number: int) -> int:
        os._exit(number)
