"""The default design: tumors of the sizes and shapes that patients show.

At a fixed anatomy a tumor depends on D_w T, ρ T and the seed only, so the growth rate without the growth time is
arbitrary and fixed here by one front speed, v = 2 √(D_w ρ). What is left to choose has a meaning each:

- infiltration length λ = √(D_w/ρ), its logarithm triangular: how blurred the edge is, and with it the ratio of FLAIR to
  T1Gd volume. Most patients are matched best by 1-5 mm, a few need ten;
- reach, triangular: how far from the seed FLAIR shows tumor. Few tumors are very small, and large ones need few seeds,
  since a miss of some millimeters costs them little;
- seed, half as dense in gray as in white matter.

These five numbers are points of a low-discrepancy sequence, so they fill their space without clusters and holes.

The growth time follows from the reach by the linear theory of a small seed of mass M in uniform white matter,

    reach² = 4 λ² τ (τ + ln(M/u_F) − 3/2 ln(4π λ² τ)),     τ = ρ T,   u_F the FLAIR threshold.

Real tissue is slower and saturates, which makes the true radius 0.6 to 0.85 of the reach; that is a matter of
sampling, not of accuracy. Sampling the radius 2 √(D_w ρ) T instead wastes more than half of the simulations: with a
large λ most of that range shows no tumor at all.

The size filter keeps what patients show: cores of 0.5-190 ml, whole tumors of 3-250 ml, ratios up to 50. On SRI24 about
nine of ten draws pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database.design import (
    AttemptRng,
    TumorDraw,
    growth_parameters,
    require_peak,
    require_push,
    require_range,
    require_snapshots,
    seed_at,
    triangular,
)
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth import VolumeLimit
from gliofield.imaging.visibility import VisibilityThresholds

# Mass of the published smooth seed in full tissue: 5.45 nodes of 1.789 mm.
_SEED_MASS_MM3 = 31.2
# Beyond τ = 3/2 the reach grows with τ wherever it is real.
_EARLIEST_SCALED_TIME = 1.5


@dataclass(frozen=True, kw_only=True)
class ClinicalDesign:
    """Tumors as dense in infiltration length, reach and seed as patients are.

    Parameters
    ----------
    infiltration_length_mm : (low, mode, high)
        Range of λ [mm] and where its logarithm is densest.
    reach_mm : (low, mode, high)
        Range of the reach [mm] and where it is densest; from `smallest_reach_mm` on, 3.7 mm at the default threshold.
    gray_matter_seed_weight : float
        Density of seeds in gray over that in white matter, ≥ 0.
    front_speed_mm_per_day : float
        v [mm/day]; the default, 36 mm/year, keeps D_w and ρ within the published ranges.
    diffusivity_ratio : float
        D_w/D_g.
    core_volume_ml, whole_volume_ml : (low, high)
        Size filter at the thresholds below [ml].
    max_whole_to_core_ratio : float
        Upper bound of whole over core volume.
    t1gd_threshold, flair_threshold : float
        Densities that bound core and whole tumor in the filter; the latter also in the reach.
    push_pa : (low, high) or None
        Range of the uniform push γ of a model with mass effect [Pa]; None for one without.
    snapshots_per_run : int
        Tumors taken from one simulation, at several reaches.

    Raises
    ------
    ParameterError
        If a range is empty or not positive, or a threshold is out of range.
    """

    infiltration_length_mm: tuple[float, float, float] = (0.5, 1.5, 12.0)
    reach_mm: tuple[float, float, float] = (8.0, 30.0, 60.0)
    gray_matter_seed_weight: float = 0.5
    front_speed_mm_per_day: float = 0.1
    diffusivity_ratio: float = 10.0
    core_volume_ml: tuple[float, float] = (0.5, 190.0)
    whole_volume_ml: tuple[float, float] = (3.0, 250.0)
    max_whole_to_core_ratio: float = 50.0
    t1gd_threshold: float = 0.6
    flair_threshold: float = 0.2
    push_pa: tuple[float, float] | None = None
    snapshots_per_run: int = 1

    def __post_init__(self) -> None:
        require_peak("infiltration_length_mm", self.infiltration_length_mm, "mm")
        require_peak("reach_mm", self.reach_mm, "mm")
        require_range("core_volume_ml", self.core_volume_ml, "ml")
        require_range("whole_volume_ml", self.whole_volume_ml, "ml")
        require_push(self.push_pa)
        require_snapshots(self.snapshots_per_run)
        VisibilityThresholds(t1gd_threshold=self.t1gd_threshold, flair_threshold=self.flair_threshold)
        smallest_mm = smallest_reach_mm(self.flair_threshold)
        if self.reach_mm[0] < smallest_mm:
            raise ParameterError(
                f"reach_mm must start at {smallest_mm:.2f} mm or more, which the seed itself reaches at "
                f"flair_threshold {self.flair_threshold:g}, got {self.reach_mm}."
            )
        if not (math.isfinite(self.front_speed_mm_per_day) and self.front_speed_mm_per_day > 0.0):
            raise ParameterError(f"front_speed_mm_per_day must be > 0 [mm/day], got {self.front_speed_mm_per_day}.")
        if not (math.isfinite(self.gray_matter_seed_weight) and self.gray_matter_seed_weight >= 0.0):
            raise ParameterError(f"gray_matter_seed_weight must be finite and ≥ 0, got {self.gray_matter_seed_weight}.")
        if not self.max_whole_to_core_ratio >= 1.0:
            raise ParameterError(f"max_whole_to_core_ratio must be at least 1, got {self.max_whole_to_core_ratio}.")

    @property
    def name(self) -> str:
        """``clinical``."""
        return "clinical"

    def draw(self, rng: AttemptRng, anatomy: Anatomy) -> TumorDraw:
        """Parameters and sorted times of one simulation."""
        point = rng.low_discrepancy_point(4 + self.snapshots_per_run)
        seed_mm = seed_at(point[:3], anatomy, self.gray_matter_seed_weight)
        low, mode, high = (math.log(length) for length in self.infiltration_length_mm)
        length_mm = _rounded(math.exp(triangular(float(point[3]), (low, mode, high))))
        reaches_mm = sorted(triangular(float(part), self.reach_mm) for part in point[4:])
        # ρ = v / 2λ and D_w = λ v / 2, from λ = √(D_w/ρ) and v = 2 √(D_w ρ).
        proliferation_rate = self.front_speed_mm_per_day / (2.0 * length_mm)
        scaled_times = [_rounded(scaled_time_of_reach(r, length_mm, self.flair_threshold)) for r in reaches_mm]
        return TumorDraw(
            parameters=growth_parameters(
                rng,
                self.push_pa,
                white_matter_diffusivity_mm2_per_day=length_mm * self.front_speed_mm_per_day / 2.0,
                proliferation_rate_per_day=proliferation_rate,
                seed_mm=seed_mm,
                diffusivity_ratio=self.diffusivity_ratio,
            ),
            times_days=tuple(scaled_time / proliferation_rate for scaled_time in scaled_times),
            volume_limit=VolumeLimit(threshold=self.flair_threshold, max_volume_ml=self.whole_volume_ml[1]),
        )

    def accepts(self, draw: TumorDraw, cell_density: NDArray[np.float32], grid: Grid) -> bool:
        """Whether core, whole tumor and their ratio lie in range in every snapshot."""
        for snapshot in cell_density:
            core_ml = np.count_nonzero(snapshot > self.t1gd_threshold) * grid.voxel_volume_ml
            whole_ml = np.count_nonzero(snapshot > self.flair_threshold) * grid.voxel_volume_ml
            if not self.core_volume_ml[0] <= core_ml <= self.core_volume_ml[1]:
                return False
            if not self.whole_volume_ml[0] <= whole_ml <= self.whole_volume_ml[1]:
                return False
            if whole_ml > self.max_whole_to_core_ratio * core_ml:
                return False
        return True


def _rounded(value: float) -> float:
    """The value in single precision: exponentials and logarithms differ in their last bits between machines."""
    return float(np.float32(value))


def smallest_reach_mm(threshold: float) -> float:
    """Largest reach, over all λ, at the earliest time the linear theory is used for, τ = 3/2 [mm].

    There reach² = 6 λ² (3/2 + ln(M/u) − 3/2 ln(6π λ²)), which is largest, 9 λ², where λ³ = M/u / (6π)^(3/2).

    Examples
    --------
    >>> round(smallest_reach_mm(0.2), 2)
    3.72
    """
    return 3.0 * (_SEED_MASS_MM3 / threshold) ** (1.0 / 3.0) / math.sqrt(6.0 * math.pi)


def scaled_time_of_reach(reach_mm: float, infiltration_length_mm: float, threshold: float) -> float:
    """τ = ρ T at which the linear theory of the module docstring reaches `reach_mm`, from `smallest_reach_mm` on.

    By bisection down to the last bit: the result feeds into the parameters of stored tumors, so it must not depend on
    the version of a root finder.

    Examples
    --------
    >>> round(scaled_time_of_reach(30.0, 2.0, 0.2), 3)
    9.933
    """
    squared_mm2 = infiltration_length_mm**2
    constant = math.log(_SEED_MASS_MM3 / threshold) - 1.5 * math.log(4.0 * math.pi * squared_mm2)

    def squared_reach_mm2(scaled_time: float) -> float:
        return 4.0 * squared_mm2 * scaled_time * (scaled_time + constant - 1.5 * math.log(scaled_time))

    low, high = _EARLIEST_SCALED_TIME, 2.0 * _EARLIEST_SCALED_TIME
    while squared_reach_mm2(high) < reach_mm**2:
        low, high = high, 2.0 * high
    while low < (middle := 0.5 * (low + high)) < high:
        if squared_reach_mm2(middle) < reach_mm**2:
            low = middle
        else:
            high = middle
    return high
