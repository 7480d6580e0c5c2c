"""Virtual cases for the calibration of posteriors: the truth from the prior, the images from the likelihood itself.

Simulation-based calibration asks whether a posterior means what it says. So nothing may differ between how data come
about and how they are explained: growth model, anatomy and grid are the sampler's, masks are drawn by Eq. 5 and 6 and
PET by Eq. 7 of Ezhov et al. 2021 ("Learnable surrogate") on a background, voxel by voxel, and every voxel that is
compared counts in full. A coarse grid, long time steps and a stride of voxels make a case cheap and no less exact: they
are part of both.

Many draws of the paper's prior show no tumor. A case is kept if the drawn core is large enough. That is a condition on
the data alone, so ranks stay uniform and intervals keep their coverage among the cases that are kept; a condition on
the truth would not leave them so. Draws beyond the volume limit of the likelihood, or that the solver refuses, have no
likelihood and are drawn again: that is the prior both sides believe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.bayes import BoxPrior, GrowthLikelihood, surrogate_paper_prior
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import FisherKolmogorov, GrowthModel, VolumeLimit, growth_parameters_of
from gliofield.imaging import ImagingLikelihood, LikelihoodOptions, Observation, PetModel, log_visibility
from gliofield.volume import Volume

# Far more than it takes where tumors of that size fit.
_MOST_DRAWS = 10_000
_TRUTH_STREAM = 0


class DrawnObservation(Observation):
    """Images drawn from the likelihood; PET is what its model gives, below 0 and above 1 where its noise goes there.

    `Observation` refuses such PET, for no scanner gives it. Clipped, it would not be the likelihood's own, and the
    noise of every case would seem smaller than it is.
    """

    def __post_init__(self) -> None:
        """Nothing to check: the images were made for the grid."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VirtualCase:
    """One case with known truth.

    Parameters
    ----------
    number : int
        Which of its cohort.
    truth : mapping of str to float
        All parameters, twelve or, with the paper's model of PET, eleven.
    density : (X, Y, Z) float32 array
        The true cell density.
    observation : DrawnObservation
        Masks and PET; False and 0 in voxels that are not compared.
    num_draws : int
        Draws of the prior until a tumor was visible.
    """

    number: int
    truth: Mapping[str, float]
    density: NDArray[np.float32]
    observation: DrawnObservation
    num_draws: int


@dataclass(frozen=True, kw_only=True, eq=False)
class VirtualCohort:
    """Where virtual cases come from, and the likelihood that belongs to them.

    Parameters
    ----------
    anatomy : Anatomy
        Where tumors grow, and the grid of the images.
    model : GrowthModel
        How.
    seed : int
        Root of all draws, ≥ 0; a case depends on it and its own number alone.
    voxel_stride : int
        Every how many voxels along each axis images are seen and compared, ≥ 1.
    volume_limit : VolumeLimit
        Tumors beyond it are not believed in.
    min_core_ml : float
        Smallest core of a visible tumor, by the voxels compared [ml], ≥ 0.
    pet_model : {"background", "paper"}
        Whether healthy tissue takes up tracer.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    anatomy: Anatomy
    model: GrowthModel[Any] = field(default_factory=FisherKolmogorov)
    seed: int = 0
    voxel_stride: int = 1
    volume_limit: VolumeLimit = field(default_factory=lambda: VolumeLimit(threshold=0.05, max_volume_ml=700.0))
    min_core_ml: float = 1.0
    pet_model: PetModel = "background"

    def __post_init__(self) -> None:
        if self.seed < 0 or self.voxel_stride < 1 or not self.min_core_ml >= 0.0:
            raise ParameterError(
                "a virtual cohort needs seed ≥ 0, voxel_stride ≥ 1 and min_core_ml ≥ 0, got "
                f"{self.seed}, {self.voxel_stride} and {self.min_core_ml}."
            )

    def prior(self, *, has_pet: bool) -> BoxPrior:
        """The paper's prior of nine parameters, with PET of three more, or of two in the paper's own model."""
        return self._priors[has_pet]

    @cached_property
    def compared(self) -> NDArray[np.bool_]:
        """Voxels that are seen and compared, (X, Y, Z)."""
        every = slice(None, None, self.voxel_stride)
        compared = np.zeros_like(self.anatomy.domain)
        compared[every, every, every] = self.anatomy.domain[every, every, every]
        return compared

    def case(self, number: int) -> VirtualCase:
        """The case of a number, the same in every cohort of these settings.

        Raises
        ------
        NumericalError
            If no draw shows a tumor.
        """
        rng = np.random.default_rng([self.seed, _TRUTH_STREAM, number])
        prior = self.prior(has_pet=True)
        for num_draws in range(1, _MOST_DRAWS + 1):
            truth = dict(zip(prior.names, (float(x) for x in prior.sample(1, rng)[0]), strict=True))
            density = self._density(truth)
            if density is None:
                continue
            observation = self._observation(density, truth, rng)
            if observation is not None:
                return VirtualCase(
                    number=number, truth=truth, density=density, observation=observation, num_draws=num_draws
                )
        raise NumericalError(
            f"none of {_MOST_DRAWS} draws of the prior shows a core of {self.min_core_ml:g} ml. Ask for less, or take "
            "an anatomy that holds such tumors."
        )

    def likelihood(self, case: VirtualCase, *, has_pet: bool) -> GrowthLikelihood:
        """Likelihood of a case's images, with or without PET, every voxel compared for one."""
        seen = case.observation
        observation = DrawnObservation(
            tumor_core=seen.tumor_core, whole_tumor=seen.whole_tumor, pet=seen.pet if has_pet else None, grid=seen.grid
        )
        options = LikelihoodOptions(mask_stride=self.voxel_stride, pet_stride=self.voxel_stride)
        return GrowthLikelihood(
            model=self.model,
            anatomy=self.anatomy,
            likelihood=ImagingLikelihood(observation=observation, domain=self.anatomy.domain, options=options),
            names=self.prior(has_pet=has_pet).names,
            volume_limit=self.volume_limit,
        )

    @cached_property
    def _priors(self) -> dict[bool, BoxPrior]:
        return {
            has_pet: surrogate_paper_prior(self.anatomy, has_pet=has_pet, pet_model=self.pet_model)
            for has_pet in (False, True)
        }

    def _density(self, truth: Mapping[str, float]) -> NDArray[np.float32] | None:
        """True density; None where the likelihood would be 0."""
        try:
            solution = self.model.simulate(
                self.anatomy,
                growth_parameters_of(truth),
                (truth["growth_time_days"],),
                volume_limit=self.volume_limit,
            )
        except (NumericalError, ParameterError):
            return None
        limit = self.volume_limit
        if solution.stopped_at_days is not None or solution.volume_ml(limit.threshold)[-1] > limit.max_volume_ml:
            return None
        return solution.cell_density[-1].astype(np.float32)

    def _observation(
        self, density: NDArray[np.float32], truth: Mapping[str, float], rng: np.random.Generator
    ) -> DrawnObservation | None:
        """Images of a density; None if they show no tumor."""
        seen = density[self.compared].astype(np.float64)
        core, whole = (
            rng.random(seen.shape)
            < np.exp(log_visibility(seen, threshold=truth[name], visibility_width=truth["visibility_width"])[0])
            for name in ("t1gd_threshold", "flair_threshold")
        )
        uptake = truth["pet_scale"] * seen + truth.get("pet_background", 0.0)
        pet = uptake + truth["pet_noise_std"] * rng.standard_normal(seen.shape)
        grid = self.anatomy.grid
        seen_voxel_ml = grid.voxel_volume_ml * self.voxel_stride**3
        if not whole.any() or np.count_nonzero(core) * seen_voxel_ml < self.min_core_ml:
            return None
        return DrawnObservation(
            tumor_core=self._placed(core, np.bool_),
            whole_tumor=self._placed(whole, np.bool_),
            pet=Volume(self._placed(pet, np.float32), grid),
            grid=grid,
        )

    def _placed(self, values: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
        """Values of the voxels compared, 0 elsewhere."""
        placed = np.zeros(self.anatomy.grid.shape, dtype=kind)
        placed[self.compared] = values
        return placed
