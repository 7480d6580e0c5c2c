"""What is believed of a tumor's parameters before its scans are seen.

A prior names its parameters with their units, maps the unit cube onto them (so a sample is a function of uniform random
numbers alone), gives the log density in the parameters' own units, and the coordinates without bounds in which samplers
work. Two kinds: `BoxPrior`, independent ranges with the seed kept to tissue, and `GrowthTimePrior`, the same with
c = ρ T² bounded in the place of T. The priors of the papers are in `published_priors`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.bayes.seed_tissue import TissueSeeds
from gliofield.bayes.transforms import BoxTransform, CoordinateTransform, GrowthTimeTransform, ScanTransform
from gliofield.errors import ParameterError, unknown_name
from gliofield.growth.parameters import DIFFUSIVITY_NAME, RATE_NAME, SEED_NAMES, TIME_NAME

Scale = Literal["uniform", "log-uniform"]
#: c = ρ T², bounded by `GrowthTimePrior` in the place of T.
PRODUCT_NAME = "proliferation_rate_times_squared_time_days"


class Prior(Protocol):
    """A distribution of parameter vectors (rows of length P) with a density and coordinates without bounds."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the P parameters, units in them where they have one."""

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each; "1" for plain numbers."""

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Lowest and highest value of each, (P, 2)."""

    @property
    def transform(self) -> CoordinateTransform:
        """Coordinates without bounds."""

    def from_unit_cube(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Parameters from points in the unit cube, both (N, P): distributed as the prior if the points are uniform."""

    def log_density(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log density per unit of the parameters, (N, P) -> (N,); −∞ where there is no mass."""

    def sample(self, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Independent draws, (number, P)."""


@dataclass(frozen=True, kw_only=True)
class ParameterRange:
    """Range of one parameter and how it is distributed over it.

    Parameters
    ----------
    name : str
        With the unit at its end, such as ``growth_time_days``.
    unit : str
        Unit of the bounds; "1" for a plain number.
    low, high : float
        Bounds.
    scale : str
        ``"uniform"``, or ``"log-uniform"``: uniform in the logarithm.

    Raises
    ------
    ParameterError
        If the range has no mass (low ≥ high), is not finite, or not positive on the logarithmic scale.
    """

    name: str
    unit: str
    low: float
    high: float
    scale: Scale = "uniform"

    def __post_init__(self) -> None:
        if self.scale not in get_args(Scale):
            raise ParameterError(unknown_name("scale", self.scale, get_args(Scale)))
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ParameterError(f"{self.name}: bounds must be finite [{self.unit}], got {self.low} and {self.high}.")
        if not self.low < self.high:
            raise ParameterError(
                f"prior of {self.name} has no mass: expected low < high [{self.unit}], got {self.low:g} and "
                f"{self.high:g}. To fix a parameter, leave it out of the prior and set it in the model."
            )
        if self.scale == "log-uniform" and self.low <= 0.0:
            raise ParameterError(f"{self.name}: a log-uniform range must lie above 0 [{self.unit}], got {self.low:g}.")

    def log_density(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log density per unit at values inside the range, an array of their shape."""
        if self.scale == "log-uniform":
            return -np.log(values) - math.log(math.log(self.high / self.low))
        return np.broadcast_to(-math.log(self.high - self.low), values.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxPrior:
    """Independent parameters, each uniform or log-uniform over its range; the seed uniform over tissue in its box.

    Parameters
    ----------
    ranges : sequence of ParameterRange
        In the order of the columns.
    seed_anatomy : Anatomy or None
        Keeps ``seed_x_mm``, ``seed_y_mm``, ``seed_z_mm`` to its tissue; None: no restriction.

    Raises
    ------
    ParameterError
        If a name comes twice or none at all, or the seed's ranges are missing, not uniform, or hold no tissue.

    Examples
    --------
    >>> prior = BoxPrior(ranges=[ParameterRange(name="growth_time_days", unit="day", low=30.0, high=1030.0)])
    >>> prior.log_density(np.array([[100.0], [2000.0]])).round(3).tolist()
    [-6.908, -inf]
    """

    ranges: Sequence[ParameterRange]
    seed_anatomy: Anatomy | None = None

    def __post_init__(self) -> None:
        if not self.ranges or len(set(self.names)) != len(self.ranges):
            raise ParameterError(f"BoxPrior: expected at least one range and each name once, got {list(self.names)}.")
        if self.seed_anatomy is not None:
            missing = [name for name in SEED_NAMES if name not in self.names]
            if missing or any(self.ranges[column].scale != "uniform" for column in self._seed_columns):
                raise ParameterError(
                    f"BoxPrior: a seed kept to tissue needs uniform ranges for {', '.join(SEED_NAMES)}, got "
                    f"{', '.join(f'{r.name} ({r.scale})' for r in self.ranges)}."
                )
            _ = self._seeds  # a box without tissue is an error now, not in the first sample

    @property
    def names(self) -> tuple[str, ...]:
        """See `Prior`."""
        return tuple(r.name for r in self.ranges)

    @property
    def units(self) -> tuple[str, ...]:
        """See `Prior`."""
        return tuple(r.unit for r in self.ranges)

    @property
    def bounds(self) -> NDArray[np.float64]:
        """See `Prior`."""
        return np.array([(r.low, r.high) for r in self.ranges])

    @cached_property
    def transform(self) -> CoordinateTransform:
        """See `Prior`; tissue is not known to the coordinates, only to the density."""
        return _scan_transform(self.names, self.ranges, self.bounds) or self.box_transform

    @cached_property
    def box_transform(self) -> BoxTransform:
        """Coordinates without bounds in which the parameters are independent."""
        return _box_transform(self.ranges)

    def from_unit_cube(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Prior`."""
        parameters = self.box_transform.from_fractions(points)
        if self._seeds is not None:
            parameters[:, self._seed_columns] = self._seeds.from_unit_cube(points[:, self._seed_columns])
        return parameters

    def log_density(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Prior`."""
        low, high = self.bounds.T
        inside = ((parameters >= low) & (parameters <= high)).all(axis=1)
        safe = np.where(inside[:, None], parameters, low)
        density = np.zeros(len(parameters))
        for column, bounds in enumerate(self.ranges):
            if self._seeds is None or column not in self._seed_columns:
                density += bounds.log_density(safe[:, column])
        if self._seeds is not None:
            density += self._seeds.log_density(safe[:, self._seed_columns])
        return np.where(inside, density, -np.inf)

    def sample(self, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `Prior`."""
        return self.from_unit_cube(rng.random((number, len(self.ranges))))

    def without(self, *names: str) -> BoxPrior:
        """The prior of the other parameters, for those that no observation depends on or that are fixed.

        Raises
        ------
        ParameterError
            If a name is not one of the prior's.
        """
        for name in names:
            if name not in self.names:
                raise ParameterError(unknown_name("parameter", name, self.names))
        kept = [r for r in self.ranges if r.name not in names]
        has_seed = all(name not in names for name in SEED_NAMES)
        return BoxPrior(ranges=kept, seed_anatomy=self.seed_anatomy if has_seed else None)

    @cached_property
    def _seed_columns(self) -> list[int]:
        return [self.names.index(name) for name in SEED_NAMES if name in self.names]

    @cached_property
    def _seeds(self) -> TissueSeeds | None:
        if self.seed_anatomy is None:
            return None
        low_x, low_y, low_z = (self.ranges[column].low for column in self._seed_columns)
        high_x, high_y, high_z = (self.ranges[column].high for column in self._seed_columns)
        return TissueSeeds(anatomy=self.seed_anatomy, low_mm=(low_x, low_y, low_z), high_mm=(high_x, high_y, high_z))


@dataclass(frozen=True, kw_only=True, eq=False)
class GrowthTimePrior:
    """A box in which c = ρ T² is bounded, as the prior of a growth time T = √(c/ρ).

    The range of T then depends on ρ: slow tumors may be older.

    Parameters
    ----------
    box : BoxPrior
        With ranges named ``proliferation_rate_per_day`` and ``proliferation_rate_times_squared_time_days``, the latter
        in the place that ``growth_time_days`` takes here.

    Raises
    ------
    ParameterError
        If one of them is missing or not positive.
    """

    box: BoxPrior

    def __post_init__(self) -> None:
        for name in (RATE_NAME, PRODUCT_NAME):
            if name not in self.box.names:
                raise ParameterError(f"GrowthTimePrior: the box needs {name}, got {', '.join(self.box.names)}.")
            if self.box.bounds[self.box.names.index(name), 0] <= 0.0:
                raise ParameterError(f"GrowthTimePrior: {name} must be positive, got a range that reaches 0.")

    @property
    def names(self) -> tuple[str, ...]:
        """See `Prior`."""
        return tuple(TIME_NAME if name == PRODUCT_NAME else name for name in self.box.names)

    @property
    def units(self) -> tuple[str, ...]:
        """See `Prior`."""
        return tuple(
            "day" if name == PRODUCT_NAME else r.unit for name, r in zip(self.box.names, self.box.ranges, strict=True)
        )

    @property
    def bounds(self) -> NDArray[np.float64]:
        """See `Prior`; those of T over all ρ."""
        bounds = self.box.bounds
        time_column = self.box_transform.time_column
        product, rate = bounds[time_column], bounds[self.box_transform.rate_column]
        bounds[time_column] = np.sqrt(product / rate[::-1])
        return bounds

    @cached_property
    def transform(self) -> CoordinateTransform:
        """See `Prior`."""
        return _scan_transform(self.names, self.box.ranges, self.bounds) or self.box_transform

    @cached_property
    def box_transform(self) -> GrowthTimeTransform:
        """Coordinates without bounds in which the parameters of the box are independent."""
        names = self.box.names
        return GrowthTimeTransform(
            box=self.box.box_transform, rate_column=names.index(RATE_NAME), time_column=names.index(PRODUCT_NAME)
        )

    def from_unit_cube(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Prior`."""
        return self.box_transform.with_time(self.box.from_unit_cube(points))

    def log_density(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Prior`: the box's density in c times dc/dT = 2 ρ T."""
        density = self.box.log_density(self.box_transform.with_product(parameters))
        has_mass = np.isfinite(density)
        density[has_mass] += self.box_transform.log_product_per_time(parameters[has_mass])
        return density

    def sample(self, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `Prior`."""
        return self.from_unit_cube(rng.random((number, len(self.box.ranges))))

    def without(self, *names: str) -> GrowthTimePrior:
        """As `BoxPrior.without`; rate and product cannot be left out."""
        return GrowthTimePrior(box=self.box.without(*names))


def _box_transform(ranges: Sequence[ParameterRange]) -> BoxTransform:
    return BoxTransform(
        low=[r.low for r in ranges],
        high=[r.high for r in ranges],
        is_logarithmic=[r.scale == "log-uniform" for r in ranges],
    )


def _scan_transform(
    names: tuple[str, ...], ranges: Sequence[ParameterRange], bounds: NDArray[np.float64]
) -> ScanTransform | None:
    """Coordinates along what a scan determines, where the parameters include all three that it does not tell apart."""
    growth = (DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME)
    if any(name not in names for name in growth):
        return None
    columns = [names.index(name) for name in growth]
    if (bounds[columns, 0] <= 0.0).any():
        return None
    low, high = bounds.T.copy()
    for ends in (low, high):
        ends[columns[:2]] *= ends[columns[2]]
    products = BoxTransform(
        low=low.tolist(),
        high=high.tolist(),
        is_logarithmic=[column in columns or each.scale == "log-uniform" for column, each in enumerate(ranges)],
    )
    squared = [(each.low, each.high) for each in ranges if each.name == PRODUCT_NAME]
    return ScanTransform(
        products=products,
        ranges=[(float(least), float(most)) for least, most in bounds[columns]],
        columns=(columns[0], columns[1], columns[2]),
        squared_time_range=squared[0] if squared else (0.0, math.inf),
    )
