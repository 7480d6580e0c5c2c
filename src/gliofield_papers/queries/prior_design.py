"""Tumors as an inference expects them before it has seen a patient: neither of the designs databases are made of.

Held-out tumors of a design favor databases of that design. These come from the prior of the published Bayesian
inference instead: D_w, ρ and T in the ranges of Ezhov et al. ("Learnable surrogate", Table I), sampled flat in their
logarithms as the program behind it does. Seeds are uniform over white matter, where gliomas begin. Kept is what
patients show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database.design import Screening, TumorDraw
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorovParameters, VolumeLimit

# Sizes on the coarse grid of the screening, relative to the smallest and largest whole tumor kept: as far off as those
# of the design ``papers``, whose benchmark measures that next to nothing is lost.
_SCREENING_FACTORS = (0.3, 1.8)


@dataclass(frozen=True, kw_only=True)
class PriorDesign:
    """Tumors from the prior of the published inference.

    Parameters
    ----------
    white_matter_diffusivity_mm2_per_day, proliferation_rate_per_day, growth_time_days : (low, high)
        Ranges of the log-uniform draws [mm²/day], [1/day], [days].
    core_volume_ml, whole_volume_ml : (low, high)
        Kept sizes, where T1Gd and FLAIR show tumor [ml].
    max_whole_to_core_ratio : float
        Upper bound of whole over core volume.
    t1gd_threshold, flair_threshold : float
        Densities that bound core and whole tumor.
    """

    white_matter_diffusivity_mm2_per_day: tuple[float, float] = (0.001, 0.09)
    proliferation_rate_per_day: tuple[float, float] = (0.001, 0.03)
    growth_time_days: tuple[float, float] = (30.0, 1000.0)
    core_volume_ml: tuple[float, float] = (0.5, 190.0)
    whole_volume_ml: tuple[float, float] = (10.0, 250.0)
    max_whole_to_core_ratio: float = 40.0
    t1gd_threshold: float = 0.6
    flair_threshold: float = 0.2

    @property
    def name(self) -> str:
        """``prior``."""
        return "prior"

    @property
    def snapshots_per_run(self) -> int:
        """1."""
        return 1

    @property
    def push_pa(self) -> None:
        """None: without mass effect."""
        return None

    def draw(self, rng: np.random.Generator, anatomy: Anatomy) -> TumorDraw:
        """Parameters and time of one tumor."""
        diffusivity, rate, time_days = (
            _log_uniform(rng, bounds)
            for bounds in (
                self.white_matter_diffusivity_mm2_per_day,
                self.proliferation_rate_per_day,
                self.growth_time_days,
            )
        )
        smallest_ml, largest_ml = self.whole_volume_ml
        return TumorDraw(
            parameters=FisherKolmogorovParameters(
                white_matter_diffusivity_mm2_per_day=diffusivity,
                proliferation_rate_per_day=rate,
                seed_mm=_seed_in_white_matter(rng, anatomy),
            ),
            times_days=(time_days,),
            volume_limit=VolumeLimit(threshold=self.flair_threshold, max_volume_ml=largest_ml),
            screening=Screening(
                threshold=self.flair_threshold,
                min_volume_ml=_SCREENING_FACTORS[0] * smallest_ml,
                max_volume_ml=_SCREENING_FACTORS[1] * largest_ml,
            ),
        )

    def accepts(self, draw: TumorDraw, cell_density: NDArray[np.float32], grid: Grid) -> bool:
        """Whether core, whole tumor and their ratio lie in range."""
        core_ml = np.count_nonzero(cell_density[-1] > self.t1gd_threshold) * grid.voxel_volume_ml
        whole_ml = np.count_nonzero(cell_density[-1] > self.flair_threshold) * grid.voxel_volume_ml
        is_sized = (
            self.core_volume_ml[0] <= core_ml <= self.core_volume_ml[1]
            and self.whole_volume_ml[0] <= whole_ml <= self.whole_volume_ml[1]
        )
        return bool(is_sized and whole_ml <= self.max_whole_to_core_ratio * core_ml)


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    low, high = np.log(bounds)
    return float(np.exp(low + (high - low) * rng.random()))


def _seed_in_white_matter(rng: np.random.Generator, anatomy: Anatomy) -> tuple[float, float, float]:
    """Place within a random voxel that is mostly white matter, world [mm]."""
    voxels = np.flatnonzero(anatomy.white_matter > 0.5)
    if len(voxels) == 0:
        raise ParameterError(
            "the anatomy has no voxel with more white matter than gray, so there is no place for a seed. Check its "
            "tissue maps."
        )
    voxel = np.unravel_index(voxels[int(rng.random() * len(voxels))], anatomy.grid.shape)
    x_mm, y_mm, z_mm = anatomy.grid.world_of(np.array(voxel) + rng.random(3) - 0.5)
    return float(x_mm), float(y_mm), float(z_mm)
