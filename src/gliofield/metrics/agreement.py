"""How well what a density shows agrees with the masks of a segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gliofield.metrics.overlap import dice


class TumorMasks(Protocol):
    """What was seen of a tumor: a segmentation, or an observation."""

    @property
    def tumor_core(self) -> NDArray[np.bool_]:
        """What T1Gd shows, (X, Y, Z)."""

    @property
    def whole_tumor(self) -> NDArray[np.bool_]:
        """What FLAIR shows, (X, Y, Z)."""

    @property
    def has_core(self) -> bool:
        """Whether there is a core."""


@dataclass(frozen=True, kw_only=True)
class MaskAgreement:
    """Dice of the thresholded density with the tumor masks in one space.

    `dice_t1gd` is None where the patient has no tumor core; `combined` is the sum over the modalities there are,
    `num_modalities` its largest possible value (the papers' Dice_T1Gd + Dice_FLAIR when it is 2).
    """

    dice_t1gd: float | None
    dice_flair: float

    @property
    def combined(self) -> float:
        """Sum of the Dice values there are."""
        return self.dice_flair + (self.dice_t1gd or 0.0)

    @property
    def num_modalities(self) -> int:
        """1 or 2."""
        return 1 if self.dice_t1gd is None else 2


def mask_agreement(shown_core: NDArray[np.bool_], shown_whole: NDArray[np.bool_], seen: TumorMasks) -> MaskAgreement:
    """Dice of what a density shows, (X, Y, Z) above each threshold, with the masks seen on that grid.

    A mask that a density does not show at all has Dice 0.
    """
    core = None
    if seen.has_core:
        core = dice(shown_core, seen.tumor_core, if_both_empty=0.0)
    return MaskAgreement(dice_t1gd=core, dice_flair=dice(shown_whole, seen.whole_tumor, if_both_empty=0.0))
