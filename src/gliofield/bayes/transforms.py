"""Coordinates without bounds for parameters with bounds.

Samplers propose Gaussian moves; parameters live in boxes, and an 11-dimensional box is mostly edge. So all sampling
happens in coordinates over the whole real line: a parameter x between a and b is

    x = a + (b − a) / (1 + exp(−t)),

on a logarithmic scale the same for log x. Moving a density along costs a factor |dx/dt|, whose logarithm every
transform here gives beside the map; leaving it out samples another distribution (a test does, and sees it). The
published code redraws proposals that leave the box instead, which is not reversible at the edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError

# A parameter on the edge of its box has an infinite coordinate; it is moved inside by the smallest step of a float64.
_EDGE = 2.0**-53


class CoordinateTransform(Protocol):
    """A smooth one-to-one map from all of R^P to the parameters of a prior, for rows of samples."""

    def to_parameters(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Parameters in their own units, both of shape (N, P)."""

    def to_coordinates(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse, both of shape (N, P)."""

    def log_jacobian(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """log |det d parameters / d coordinates| of each row, (N, P) -> (N,)."""


@dataclass(frozen=True, kw_only=True)
class BoxTransform:
    """Logistic map onto a box, on a linear or logarithmic scale per parameter.

    Parameters
    ----------
    low, high : P floats
        Bounds, low < high.
    is_logarithmic : P bools
        Whether the parameter is mapped by its logarithm; its bounds are positive then.

    Raises
    ------
    ParameterError
        If bounds are not finite and increasing, or not positive on a logarithmic scale.

    Examples
    --------
    >>> box = BoxTransform(low=(0.0, 1.0), high=(2.0, 100.0), is_logarithmic=(False, True))
    >>> box.to_parameters(np.zeros((1, 2))).round(6).tolist()
    [[1.0, 10.0]]
    """

    low: Sequence[float]
    high: Sequence[float]
    is_logarithmic: Sequence[bool]

    def __post_init__(self) -> None:
        low, high, is_logarithmic = np.array(self.low), np.array(self.high), np.array(self.is_logarithmic, dtype=bool)
        if not (low.shape == high.shape == is_logarithmic.shape and low.ndim == 1):
            raise ParameterError(
                f"BoxTransform: low, high and is_logarithmic must have one length, got shapes {low.shape}, "
                f"{high.shape} and {is_logarithmic.shape}."
            )
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
            raise ParameterError(
                f"BoxTransform: bounds must be finite with low < high, got {self.low} and {self.high}."
            )
        if (low[is_logarithmic] <= 0.0).any():
            raise ParameterError(f"BoxTransform: logarithmic parameters need bounds above 0, got low {self.low}.")

    def to_parameters(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CoordinateTransform`; never outside the box by rounding."""
        from scipy.special import expit

        return self.from_fractions(expit(coordinates))

    def to_coordinates(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CoordinateTransform`.

        Raises
        ------
        ParameterError
            If a parameter lies outside the box.
        """
        from scipy.special import logit

        inside = (parameters >= np.array(self.low)) & (parameters <= np.array(self.high))
        if not inside.all():
            row, column = np.argwhere(~inside)[0]
            raise ParameterError(
                f"parameter {column} of row {row} lies outside its box: expected {self.low[column]:g} to "
                f"{self.high[column]:g}, got {parameters[row, column]:g}."
            )
        scaled = parameters.copy()
        columns = self._logarithmic
        scaled[:, columns] = np.log(scaled[:, columns])
        fractions = (scaled - self._scaled_low) / self._scaled_width
        return logit(np.clip(fractions, _EDGE, 1.0 - _EDGE))

    def log_jacobian(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CoordinateTransform`."""
        per_parameter = np.log(self._scaled_width) - np.logaddexp(0.0, coordinates) - np.logaddexp(0.0, -coordinates)
        columns = self._logarithmic
        per_parameter[:, columns] += np.log(self.to_parameters(coordinates)[:, columns])
        return per_parameter.sum(axis=1)

    def from_fractions(self, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Parameters at given fractions of the box's edges, (N, P) in [0, 1], on each parameter's own scale."""
        parameters = self._scaled_low + self._scaled_width * fractions
        columns = self._logarithmic
        parameters[:, columns] = np.exp(parameters[:, columns])
        return np.clip(parameters, self.low, self.high)

    @cached_property
    def _logarithmic(self) -> NDArray[np.bool_]:
        return np.array(self.is_logarithmic, dtype=bool)

    @cached_property
    def _scaled_low(self) -> NDArray[np.float64]:
        return self._on_own_scale(self.low)

    @cached_property
    def _scaled_width(self) -> NDArray[np.float64]:
        return self._on_own_scale(self.high) - self._scaled_low

    def _on_own_scale(self, bounds: Sequence[float]) -> NDArray[np.float64]:
        scaled = np.array(bounds, dtype=np.float64)
        scaled[self._logarithmic] = np.log(scaled[self._logarithmic])
        return scaled


@dataclass(frozen=True, kw_only=True)
class GrowthTimeTransform:
    """A box whose one parameter is c = ρ T² where the growth time T = √(c/ρ) is wanted.

    The published sampler does so: c decides the size of a tumor more than T does, so the box can follow the patient's.

    Parameters
    ----------
    box : BoxTransform
        With ρ and c among its parameters, both positive.
    rate_column, time_column : int
        Columns of ρ [1/day], and of c [days] in the box, T [days] outside.
    """

    box: BoxTransform
    rate_column: int
    time_column: int

    def to_parameters(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CoordinateTransform`."""
        return self.with_time(self.box.to_parameters(coordinates))

    def to_coordinates(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CoordinateTransform`; raises as `BoxTransform.to_coordinates`."""
        return self.box.to_coordinates(self.with_product(parameters))

    def log_jacobian(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CoordinateTransform`; beside the box's, dT/dc = T/(2c) = 1/(2 ρ T)."""
        parameters = self.to_parameters(coordinates)
        return self.box.log_jacobian(coordinates) - self.log_product_per_time(parameters)

    def with_time(self, boxed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows with T in the place of c."""
        parameters = boxed.copy()
        parameters[:, self.time_column] = np.sqrt(boxed[:, self.time_column] / boxed[:, self.rate_column])
        return parameters

    def with_product(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows with c in the place of T."""
        boxed = parameters.copy()
        boxed[:, self.time_column] = parameters[:, self.rate_column] * parameters[:, self.time_column] ** 2
        return boxed

    def log_product_per_time(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """log dc/dT = log(2 ρ T) of each row, (N,)."""
        return np.log(2.0 * parameters[:, self.rate_column] * parameters[:, self.time_column])


@dataclass(frozen=True, kw_only=True)
class ScanTransform:
    """Coordinates along what a scan determines of a tumor: D_w T, ρ T, and T between what these two leave of its range.

    A density depends on D_w T and ρ T only, so a posterior over D_w, ρ and T is a thin sheet along T. In coordinates of
    their own ranges that sheet is curved, and Gaussian moves of one covariance do not get along it: intervals of T and
    D_w come out too narrow (docs/design/0008-bayes-decisions.md). Here it is straight, and ends where the ranges end:
    with a = D_w T and b = ρ T, T lies between max(T_min, a / D_max, b / ρ_max) and min(T_max, a / D_min, b / ρ_min).
    Where nothing lies between them, the prior has no mass. All three are logarithmic.

    Parameters
    ----------
    products : BoxTransform
        Of the parameters, D_w T and ρ T in the places of D_w and ρ, each between the products of the ends.
    ranges : three (low, high)
        Of D_w, ρ and T, all positive.
    columns : (int, int, int)
        Of D_w, ρ and T.
    squared_time_range : (low, high)
        Of c = ρ T², where that is bounded, too.
    """

    products: BoxTransform
    ranges: Sequence[tuple[float, float]]
    columns: tuple[int, int, int]
    squared_time_range: tuple[float, float] = (0.0, math.inf)

    def to_parameters(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CoordinateTransform`."""
        from scipy.special import expit

        parameters = self.products.to_parameters(coordinates)
        low, high = self._log_time_ends(parameters)
        time = np.exp(low + (high - low) * expit(coordinates[:, self.columns[2]]))
        parameters[:, self.columns[2]] = time
        parameters[:, self.columns[:2]] /= time[:, None]
        return parameters

    def to_coordinates(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CoordinateTransform`.

        Raises
        ------
        ParameterError
            If a parameter lies outside its range.
        """
        from scipy.special import logit

        boxed, time = parameters.copy(), parameters[:, self.columns[2]]
        boxed[:, self.columns[:2]] *= time[:, None]
        ends = np.array([self.products.low, self.products.high])[:, self.columns[:2]]
        # At the end of both ranges a product may round to beyond it.
        inside = np.clip(boxed[:, self.columns[:2]], *ends)
        is_rounding = np.isclose(boxed[:, self.columns[:2]], inside, rtol=1e-12, atol=0.0)
        boxed[:, self.columns[:2]] = np.where(is_rounding, inside, boxed[:, self.columns[:2]])
        coordinates = self.products.to_coordinates(boxed)
        low, high = self._log_time_ends(boxed)
        places = (np.log(time) - low) / np.where(high > low, high - low, 1.0)
        coordinates[:, self.columns[2]] = logit(np.clip(places, _EDGE, 1.0 - _EDGE))
        return coordinates

    def log_jacobian(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CoordinateTransform`; beside the box's, dD_w dρ = d(D_w T) d(ρ T) / T², and T's own range.

        −∞ where nothing is left to T.
        """
        boxed = self.products.to_parameters(coordinates)
        low, high = self._log_time_ends(boxed)
        time_low, time_high = self.ranges[2]
        log_time = np.log(self.to_parameters(coordinates)[:, self.columns[2]])
        # The box maps T over all of its range, here it is a part: both by the same logistic function.
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.log((high - low) / math.log(time_high / time_low))
        log_ratio = log_time - np.log(boxed[:, self.columns[2]])
        return np.where(
            high > low, self.products.log_jacobian(coordinates) + part + log_ratio - 2.0 * log_time, -np.inf
        )

    def _log_time_ends(self, boxed: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """log of the least and the longest T, (N,) each, of rows with D_w T and ρ T."""
        low = np.full(len(boxed), self.ranges[2][0])
        high = np.full(len(boxed), self.ranges[2][1])
        for column, (least, most) in zip(self.columns[:2], self.ranges[:2], strict=True):
            low = np.maximum(low, boxed[:, column] / most)
            high = np.minimum(high, boxed[:, column] / least)
        rate_times_time = boxed[:, self.columns[1]]
        low = np.maximum(low, self.squared_time_range[0] / rate_times_time)
        high = np.minimum(high, self.squared_time_range[1] / rate_times_time)
        return np.log(low), np.log(high)
