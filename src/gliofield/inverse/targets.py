"""Between growth parameters and the numbers in [-1, 1] that an inverse network predicts.

At a fixed anatomy and seed a tumor depends on D_w T and ρ T only, so masks determine

    μ1 = √(D_w T) [mm],   μ2 = √(ρ T)

and nothing else of growth. To simulate, one more number is needed, and any will do: the front speed v = 2 √(D_w ρ) is
fixed at the middle of its published range, and D_w = μ1 v / (2 μ2), ρ = μ2 v / (2 μ1), T = 2 μ1 μ2 / v (Ezhov et al.
2023, Learn-Morph-Infer, section 2.0.4).

Ranges are the published ones in mm and days; those of the seed are where the tissue is. A prediction beyond its range
is clamped, as in the published code, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.growth.parameters import DEFAULT_PUSH_PA, PUSH_NAME, RATE_NAMES, SEED_NAMES, TUMOR_NAMES
from gliofield.inverse.config import TargetSettings

#: Low and high of a quantity.
Range = tuple[float, float]

_GROWTH_TARGETS = {
    "invariants": ("mu1_mm", "mu2"),
    "rates": RATE_NAMES,
}
#: Published ranges (sampling ranges of D_w, ρ, T, and what follows from them).
PUBLISHED_RANGES: Mapping[str, Range] = {
    "mu1_mm": (1.0, math.sqrt(2250.0)),
    "mu2": (math.sqrt(0.1), math.sqrt(300.0)),
    "white_matter_diffusivity_mm2_per_day": (0.02, 1.5),
    "proliferation_rate_per_day": (0.002, 0.2),
    "growth_time_days": (50.0, 1500.0),
    # Not published: what designs draw (`gliofield.database.named_design`).
    PUSH_NAME: (0.0, 2.0 * DEFAULT_PUSH_PA),
}
#: Front speed [mm/day] at which μ1 and μ2 become D_w, ρ and T: the middle of the published range of 2 √(D_w ρ),
#: 202.2 mm/year.
FRONT_SPEED_MM_PER_DAY = math.sqrt(0.02 * 0.002) + math.sqrt(1.5 * 0.2)


@dataclass(frozen=True, kw_only=True)
class GrowthRates:
    """D_w [mm²/day], ρ [1/day] and T [days] of one tumor."""

    white_matter_diffusivity_mm2_per_day: float
    proliferation_rate_per_day: float
    growth_time_days: float

    @classmethod
    def of_invariants(
        cls, mu1_mm: float, mu2: float, *, front_speed_mm_per_day: float = FRONT_SPEED_MM_PER_DAY
    ) -> GrowthRates:
        """The rates with these invariants and this front speed.

        Raises
        ------
        ParameterError
            If a value is not finite and positive.

        Examples
        --------
        >>> rates = GrowthRates.of_invariants(10.0, 5.0, front_speed_mm_per_day=0.4)
        >>> rates.white_matter_diffusivity_mm2_per_day, rates.proliferation_rate_per_day, rates.growth_time_days
        (0.4, 0.1, 250.0)
        """
        for name, value in (("mu1_mm", mu1_mm), ("mu2", mu2), ("front_speed_mm_per_day", front_speed_mm_per_day)):
            if not (math.isfinite(value) and value > 0.0):
                raise ParameterError(f"{name} must be finite and > 0, got {value}.")
        return cls(
            white_matter_diffusivity_mm2_per_day=mu1_mm * front_speed_mm_per_day / (2.0 * mu2),
            proliferation_rate_per_day=mu2 * front_speed_mm_per_day / (2.0 * mu1_mm),
            growth_time_days=2.0 * mu1_mm * mu2 / front_speed_mm_per_day,
        )

    @property
    def mu1_mm(self) -> float:
        """√(D_w T) [mm]."""
        return math.sqrt(self.white_matter_diffusivity_mm2_per_day * self.growth_time_days)

    @property
    def mu2(self) -> float:
        """√(ρ T)."""
        return math.sqrt(self.proliferation_rate_per_day * self.growth_time_days)


def growth_targets(settings: TargetSettings) -> tuple[str, ...]:
    """Names of the growth targets, units in the names."""
    return (*_GROWTH_TARGETS[settings.growth], *((PUSH_NAME,) if settings.has_push else ()))


def target_groups(settings: TargetSettings) -> dict[str, tuple[str, ...]]:
    """Targets of each network, by the network's name: ``joint``, or ``growth`` and ``seed``."""
    growth = growth_targets(settings)
    return {"joint": (*growth, *SEED_NAMES)} if settings.is_joint else {"growth": growth, "seed": SEED_NAMES}


def target_values(parameters: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Targets of tumors, (n, K), from rows of a database's parameters.

    Parameters
    ----------
    parameters : (n, ≥ 6) float64 array
        D_w, ρ, T, seed x, y, z and, of models with mass effect, push, as `gliofield.database` stores them.
    names : sequence of str
        Targets wanted.
    """
    diffusivity, rate, time = parameters[:, 0], parameters[:, 1], parameters[:, 2]
    columns = {
        "mu1_mm": np.sqrt(diffusivity * time),
        "mu2": np.sqrt(rate * time),
        **dict(zip(_GROWTH_TARGETS["rates"], (diffusivity, rate, time), strict=True)),
        **{name: parameters[:, 3 + axis] for axis, name in enumerate(SEED_NAMES)},
        **({PUSH_NAME: parameters[:, len(TUMOR_NAMES)]} if PUSH_NAME in names else {}),
    }
    return np.stack([columns[name] for name in names], axis=1)


@dataclass(frozen=True, kw_only=True)
class TargetScaling:
    """Linear map of each target, or of its logarithm, from its range onto [-1, 1].

    Parameters
    ----------
    names : tuple of str
        Targets.
    ranges : tuple of (low, high)
        Range of each, units as in the name.
    is_log : tuple of bool
        Which are scaled by their logarithms.

    Raises
    ------
    ParameterError
        If lengths differ, a range is empty or not finite, or one to be taken the logarithm of is not positive.
    """

    names: tuple[str, ...]
    ranges: tuple[Range, ...]
    is_log: tuple[bool, ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.ranges) == len(self.is_log):
            raise ParameterError(
                f"names, ranges and is_log must have one length, got {len(self.names)}, {len(self.ranges)} and "
                f"{len(self.is_log)}."
            )
        for name, (low, high), is_log in zip(self.names, self.ranges, self.is_log, strict=True):
            if not (math.isfinite(low) and math.isfinite(high) and low < high and (low > 0.0 or not is_log)):
                positive = ", both positive" if is_log else ""
                raise ParameterError(f"range of {name} must be (low, high) with low < high{positive}, got {low, high}.")

    @classmethod
    def of(cls, settings: TargetSettings, names: Sequence[str], seed_ranges_mm: Sequence[Range]) -> TargetScaling:
        """Scaling of some targets: published ranges of growth, given ranges of the three coordinates of the seed."""
        ranges = {**PUBLISHED_RANGES, **dict(zip(SEED_NAMES, seed_ranges_mm, strict=True))}
        return cls(
            names=tuple(names),
            ranges=tuple(ranges[name] for name in names),
            is_log=tuple(settings.scale == "log" and name not in (*SEED_NAMES, PUSH_NAME) for name in names),
        )

    def encode(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scaled targets of values, both (n, K); beyond [-1, 1] where a value is out of its range."""
        low, high = self._bounds()
        return 2.0 * (self._warped(values) - low) / (high - low) - 1.0

    def decode(self, scaled: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Values of scaled targets (n, K), clamped to the ranges; and which were clamped."""
        return self.decode_unclamped(np.clip(scaled, -1.0, 1.0)), np.abs(scaled) > 1.0

    def decode_unclamped(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of scaled targets (n, K), also beyond the ranges."""
        low, high = self._bounds()
        warped = low + (scaled + 1.0) * 0.5 * (high - low)
        is_log = np.array(self.is_log)
        # Exponentials of the linear targets' values would overflow.
        return np.where(is_log, np.exp(np.where(is_log, warped, 0.0)), warped)

    def _warped(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        is_log = np.array(self.is_log)
        return np.where(is_log, np.log(np.where(is_log, values, 1.0)), values)

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low, high = self._warped(np.array(self.ranges, dtype=np.float64).T)
        return low, high
