"""Imaging parameters integrated out: growth alone is sampled, thresholds, width and those of PET follow.

Given a density, the likelihood as a function of the imaging parameters costs next to nothing (`mask_integral`,
`pet_evidence`), while every new density costs a simulation. So six of twelve parameters need no sampling: their
integral over the prior is the likelihood of the growth parameters, and to each sample of these belongs a draw of the
others from their distribution given its density. Together they are samples of the same posterior, with the same
evidence, in six dimensions instead of twelve; draws of the imaging parameters are independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.mask_integral import MaskIntegral, MaskTable
from gliofield.bayes.pet_evidence import PetPrior, PetSums
from gliofield.bayes.pet_kernels import density_sums
from gliofield.bayes.prior import BoxPrior, GrowthTimePrior, ParameterRange
from gliofield.bayes.published_priors import BACKGROUND_NAME, PET_NAMES
from gliofield.errors import ParameterError
from gliofield.imaging import ComparedVoxels, ImagingLikelihood, ImagingParameters

THRESHOLD_NAMES = ("t1gd_threshold", "flair_threshold")
WIDTH_NAME = "visibility_width"
IMAGING_NAMES = (*THRESHOLD_NAMES, WIDTH_NAME)
_ALL_NAMES = (*IMAGING_NAMES, *PET_NAMES, BACKGROUND_NAME)


def tumors_of(rows: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """What tells one tumor from another in rows (N, P): the columns of growth and seed, without imaging parameters."""
    return rows[:, [column for column, name in enumerate(names) if name not in _ALL_NAMES]]


@dataclass(frozen=True, kw_only=True)
class ImagingPrior:
    """Prior of the imaging parameters, independent of each other and of growth.

    Parameters
    ----------
    ranges : tuple of ParameterRange
        Both thresholds and the width; with PET its scale and noise, and its background unless that is 0.

    Raises
    ------
    ParameterError
        If one is missing, or a range holds values the likelihood is not defined for.
    """

    ranges: tuple[ParameterRange, ...]

    def __post_init__(self) -> None:
        names = [each.name for each in self.ranges]
        if sorted(names) not in (sorted(IMAGING_NAMES), sorted((*IMAGING_NAMES, *PET_NAMES)), sorted(_ALL_NAMES)):
            raise ParameterError(
                f"a prior of imaging parameters needs {', '.join(IMAGING_NAMES)} once each, and with PET "
                f"{', '.join(PET_NAMES)} and, unless it is 0, {BACKGROUND_NAME}; got {', '.join(names) or 'none'}."
            )
        ends = self._by_name
        for end in ("low", "high"):
            ImagingParameters(**{name: getattr(each, end) for name, each in ends.items()})

    @classmethod
    def of(cls, prior: BoxPrior | GrowthTimePrior) -> ImagingPrior:
        """That part of a prior."""
        box = prior.box if isinstance(prior, GrowthTimePrior) else prior
        return cls(ranges=tuple(each for each in box.ranges if each.name in _ALL_NAMES))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of the ranges."""
        return tuple(each.name for each in self.ranges)

    @cached_property
    def masks(self) -> MaskIntegral:
        """Integral over thresholds and width."""
        return MaskIntegral(
            thresholds={name: self._by_name[name] for name in THRESHOLD_NAMES},
            visibility_width=self._by_name[WIDTH_NAME],
        )

    @cached_property
    def pet(self) -> PetPrior | None:
        """Integral over scale, noise and background; None without PET."""
        scale, noise = (self._by_name.get(name) for name in PET_NAMES)
        if scale is None or noise is None:
            return None
        return PetPrior(pet_scale=scale, pet_noise_std=noise, pet_background=self._by_name.get(BACKGROUND_NAME))

    @property
    def _by_name(self) -> dict[str, ParameterRange]:
        return {each.name: each for each in self.ranges}


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagingIntegral:
    """Likelihood of one patient's images given a density, imaging parameters integrated over their prior.

    Parameters
    ----------
    likelihood : ImagingLikelihood
        The images and how they are compared; by the paper's formula.
    prior : ImagingPrior
        With PET parameters exactly where PET was observed.

    Raises
    ------
    ParameterError
        If formula or prior do not fit.
    """

    likelihood: ImagingLikelihood
    prior: ImagingPrior

    def __post_init__(self) -> None:
        if self.likelihood.options.formula != "paper":
            raise ParameterError(
                "imaging parameters are integrated over the paper's formula only, got "
                f"{self.likelihood.options.formula!r}: sample them instead."
            )
        if (self.prior.pet is None) != (self.likelihood.observation.pet is None):
            raise ParameterError(
                f"PET was {'not ' if self.prior.pet else ''}observed, and the prior of the imaging parameters has "
                f"{', '.join(self.prior.names)}: expected {', '.join(PET_NAMES)} exactly where PET was observed."
            )
        _ = self.prior.masks  # ranges it cannot integrate over are an error now, not in a process

    def log_evidence(self, cell_density: NDArray[np.floating]) -> float:
        """log ∫ L(density, φ) p(φ) dφ over the imaging parameters φ [nats], of a density (X, Y, Z).

        Raises
        ------
        GridMismatchError, NumericalError
            As `ImagingLikelihood.log_likelihood`.
        """
        voxels = self.likelihood.compared(cell_density)
        value = self._mask_table(voxels).log_evidence
        if self.prior.pet is not None:
            value += float(self.prior.pet.log_evidence(self._pet_sums(voxels), self._pet_weight)[0])
        return value

    def drawn(self, cell_density: NDArray[np.floating], points: Mapping[str, float]) -> tuple[float, dict[str, float]]:
        """`log_evidence` of a density, and imaging parameters drawn from their distribution given it, by name.

        Parameters
        ----------
        cell_density : (X, Y, Z) array
            Density on the observation's grid.
        points : mapping of str to float
            A uniform random number in (0, 1) for each of the prior's names.

        Raises
        ------
        GridMismatchError, NumericalError
            As `ImagingLikelihood.log_likelihood`.
        """
        voxels = self.likelihood.compared(cell_density)
        table = self._mask_table(voxels)
        value = table.log_evidence
        values = table.drawn({name: points[name] for name in THRESHOLD_NAMES}, points[WIDTH_NAME])
        if self.prior.pet is not None:
            sums = self._pet_sums(voxels)
            value += float(self.prior.pet.log_evidence(sums, self._pet_weight)[0])
            values |= self.prior.pet.drawn(sums, self._pet_weight, points)
        return value, values

    def _mask_table(self, voxels: ComparedVoxels) -> MaskTable:
        seen = zip(THRESHOLD_NAMES, (voxels.tumor_core, voxels.whole_tumor), strict=True)
        masks = {name: mask for name, mask in seen if mask is not None}
        return self.prior.masks.tabulated(masks, voxels.mask_density, self.likelihood.options.mask_weight)

    def _pet_sums(self, voxels: ComparedVoxels) -> PetSums:
        assert voxels.pet is not None
        assert voxels.pet_density is not None
        density, product, squared = density_sums(voxels.pet_density, voxels.pet)
        total, squared_pet = self._sums_of_pet
        return PetSums(
            num_voxels=len(voxels.pet),
            pet=total,
            squared_pet=squared_pet,
            density=np.array([density]),
            product=np.array([product]),
            squared_density=np.array([squared]),
        )

    @cached_property
    def _sums_of_pet(self) -> tuple[float, float]:
        """Σy and Σy² of the voxels compared."""
        pet = self.likelihood.compared(np.zeros(self.likelihood.observation.grid.shape, dtype=np.float32)).pet
        assert pet is not None
        return density_sums(pet, pet)[:2]

    @property
    def _pet_weight(self) -> float:
        return self.likelihood.options.pet_weight
