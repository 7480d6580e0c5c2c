"""What the scans of one patient show of a tumor: the one input of searches, likelihoods and inverse methods.

Masks of T1Gd and FLAIR lie on one grid, FET-PET beside them where it was taken. The grid is that of a space
(`anatomy.Space`) where a tumor is to be grown; a search needs no more than masks in the world of its database, so the
space may be left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.segmentation import Segmentation
from gliofield.anatomy.space import Space
from gliofield.errors import GridMismatchError, ImageError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging.pet import require_pet_values
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.volume import Volume


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """Masks of a tumor, and PET where there is one, on one grid.

    Parameters
    ----------
    tumor_core : (X, Y, Z) bool array
        What T1Gd shows. May be empty: a tumor that does not enhance is an observation.
    whole_tumor : (X, Y, Z) bool array
        What FLAIR shows, core included; not empty.
    grid : Grid
        Grid of all images.
    pet : Volume or None
        FET-PET in [0, 1] on the same grid, see `normalized_pet`; 0 where nothing was measured.
    thresholds : VisibilityThresholds
        Cell densities above which T1Gd and FLAIR are taken to show tumor.
    space : Space or None
        Whose brain the grid lies in; None where only the masks matter.

    Raises
    ------
    GridMismatchError
        If a mask has another shape than the grid, or PET or space another grid.
    ImageError
        If a mask is not bool, the whole tumor is empty or does not include the core, or PET is negative, above 1 or not
        finite.
    """

    tumor_core: NDArray[np.bool_]
    whole_tumor: NDArray[np.bool_]
    grid: Grid
    pet: Volume | None = None
    thresholds: VisibilityThresholds = VisibilityThresholds()
    space: Space | None = None

    def __post_init__(self) -> None:
        for name in ("tumor_core", "whole_tumor"):
            mask = getattr(self, name)
            if tuple(mask.shape) != self.grid.shape:
                raise GridMismatchError(
                    f"Observation: {name} must lie on the observation's grid ({self.grid.describe()}), got shape "
                    f"{tuple(mask.shape)}. Resample it onto that grid first."
                )
            if mask.dtype != np.bool_:
                raise ImageError(f"Observation: {name} must be a bool array, got {mask.dtype}.")
        if not self.whole_tumor.any():
            raise ImageError(
                "Observation: whole_tumor is empty: there is no tumor to explain. Check that the mask lies on the grid "
                "it claims."
            )
        if np.any(self.tumor_core & ~self.whole_tumor):
            raise ImageError("Observation: whole_tumor must include tumor_core. Were the two masks swapped?")
        if self.pet is not None:
            self.pet.grid.require_same_as(self.grid, self_name="pet", other_name="Observation")
            _require_normalized(self.pet)
        if self.space is not None:
            self.space.grid.require_same_as(self.grid, self_name="space", other_name="Observation")

    def __repr__(self) -> str:
        """Volumes, what was taken, and the grid."""
        pet = "" if self.pet is None else ", with FET-PET"
        where = "" if self.space is None else f", space {self.space.name!r}"
        return (
            f"Observation(core {self.core_ml:.2f} ml, whole tumor {self.whole_ml:.2f} ml{pet}{where}; "
            f"{self.grid.describe()})"
        )

    @classmethod
    def of(cls, segmentation: Segmentation) -> Observation:
        """What a segmentation shows, on its grid, without a space."""
        return cls(tumor_core=segmentation.tumor_core, whole_tumor=segmentation.whole_tumor, grid=segmentation.grid)

    @property
    def has_core(self) -> bool:
        """Whether T1Gd shows anything; without a core only FLAIR can be compared."""
        return bool(self.tumor_core.any())

    @property
    def num_modalities(self) -> int:
        """Number of masks that can be compared: 2 with a core, 1 without."""
        return 2 if self.has_core else 1

    @property
    def core_ml(self) -> float:
        """Volume of the tumor core [ml]."""
        return float(np.count_nonzero(self.tumor_core)) * self.grid.voxel_volume_ml

    @property
    def whole_ml(self) -> float:
        """Volume of the whole tumor [ml]."""
        return float(np.count_nonzero(self.whole_tumor)) * self.grid.voxel_volume_ml

    def require_space(self) -> Space:
        """The space, for methods that grow a tumor in it.

        Raises
        ------
        ParameterError
            If there is none.
        """
        if self.space is None:
            raise ParameterError(
                "this observation lies in no space: expected the anatomy a tumor can grow in. Give space=, for example "
                "AtlasSpace(anatomy=atlas.anatomy())."
            )
        return self.space


def _require_normalized(pet: Volume) -> None:
    require_pet_values(pet.data)
    highest = float(pet.data.max())
    if highest > 1.0:
        raise ImageError(
            f"Observation: pet must lie in [0, 1], got a maximum of {highest:.4g}. Normalize it first, with "
            "normalized_pet(...)."
        )
