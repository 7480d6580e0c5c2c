"""Where a posterior has its mode, and how wide it is there: what importance sampling begins with.

Quasi-Newton steps (BFGS) with gradients by central differences, all points of a gradient computed side by side; then
the matrix of second derivatives at the mode (Laplace). Directions in which the density does not fall as it should, at
an edge of the tissue or where it is no parabola, keep the width that the search began with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import NumericalError

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
# Steps of differences, in parts of the width that is expected at first and of that found at the end.
_GRADIENT_STEP, _HESSIAN_STEP = 0.02, 1.0
_MAX_ITERATIONS = 30
# Places nearer to a mode than this, in its standard deviations, belong to it.
_APART = 4.0
# Nats that stand for the impossible, below the lowest value so far.
_IMPOSSIBLE = 1e3


@dataclass(frozen=True, kw_only=True, eq=False)
class Mode:
    """A mode and its width.

    Parameters
    ----------
    place : (D,) float64 array
        Coordinates.
    covariance : (D, D) float64 array
        Inverse of the negative matrix of second derivatives, positive definite.
    log_density : float
        At the mode [nats].
    """

    place: _Vector
    covariance: _Matrix
    log_density: float

    def reaches(self, place: _Vector) -> bool:
        """Whether a place is within four standard deviations."""
        difference = place - self.place
        return bool(difference @ np.linalg.solve(self.covariance, difference) < _APART**2)


def find_mode(
    log_density: Callable[[_Matrix], _Vector], start: _Vector, spread: _Vector, *, known: Sequence[Mode] = ()
) -> Mode | None:
    """The mode that is reached from a start; None as soon as the search comes to a known one.

    Parameters
    ----------
    log_density : callable
        From rows (N, D) to log densities (N,); −∞ for the impossible.
    start : (D,) float64 array
        Where the search begins.
    spread : (D,) float64 array
        How far off the mode may be, > 0; coordinates are searched in these units.
    known : sequence of Mode
        Found before, from other starts.

    Raises
    ------
    NumericalError
        If the density is 0 at the start.
    """
    from scipy.optimize import minimize

    search = _Search(log_density=log_density, start=start, spread=spread, dimensions=len(start), known=known)
    first = float(search.values(np.zeros((1, len(start))))[0])
    if not np.isfinite(first):
        raise NumericalError("the search for the mode began where the posterior has no mass.")
    try:
        found = minimize(
            search.value_and_gradient,
            np.zeros(len(start)),
            jac=True,
            method="BFGS",
            options={"maxiter": _MAX_ITERATIONS, "gtol": 0.5},
        )
    except _KnownModeError:
        return None
    place, value = search.best_place, search.best_value
    widths = np.sqrt(np.clip(np.diag(found.hess_inv), 1e-8, 1.0))
    return Mode(
        place=start + spread * place,
        covariance=search.covariance(place, widths) * np.outer(spread, spread),
        log_density=value,
    )


class _KnownModeError(Exception):
    """A search that came to a mode that is known."""


@dataclass(kw_only=True, eq=False)
class _Search:
    log_density: Callable[[_Matrix], _Vector]
    start: _Vector
    spread: _Vector
    dimensions: int
    known: Sequence[Mode] = ()
    best_value: float = -np.inf
    lowest: float = 0.0

    def __post_init__(self) -> None:
        self.best_place = np.zeros(self.dimensions)

    def values(self, places: _Matrix) -> _Vector:
        """Log densities; the best is remembered."""
        values = self.log_density(self.start + self.spread * places)
        best = int(np.argmax(values))
        if values[best] > self.best_value:
            self.best_value, self.best_place = float(values[best]), places[best].copy()
        finite = values[np.isfinite(values)]
        if finite.size:
            self.lowest = min(self.lowest, float(finite.min()))
        return values

    def value_and_gradient(self, place: _Vector) -> tuple[float, _Vector]:
        """−log density and its gradient; one-sided where a neighbor is impossible."""
        if any(mode.reaches(self.start + self.spread * place) for mode in self.known):
            raise _KnownModeError
        steps = _GRADIENT_STEP * np.eye(self.dimensions)
        values = self.values(np.vstack([place, place + steps, place - steps]))
        middle, up, down = values[0], values[1 : 1 + self.dimensions], values[1 + self.dimensions :]
        if not np.isfinite(middle):
            return _IMPOSSIBLE - self.lowest, np.zeros(self.dimensions)
        up, down = np.where(np.isfinite(up), up, np.nan), np.where(np.isfinite(down), down, np.nan)
        central = (up - down) / (2.0 * _GRADIENT_STEP)
        forward, backward = (up - middle) / _GRADIENT_STEP, (middle - down) / _GRADIENT_STEP
        gradient = np.where(np.isfinite(central), central, np.where(np.isfinite(forward), forward, backward))
        return -float(middle), -np.nan_to_num(gradient)

    def covariance(self, place: _Vector, widths: _Vector) -> _Matrix:
        """Inverse of the negative second derivatives, by differences as wide as the mode is thought to be."""
        steps = _HESSIAN_STEP * np.diag(widths)
        pairs = [(i, j) for i in range(self.dimensions) for j in range(i)]
        rows = [place, *(place + steps), *(place - steps)]
        rows += [place + steps[i] + steps[j] for i, j in pairs] + [place - steps[i] - steps[j] for i, j in pairs]
        values = self.values(np.array(rows))
        values = np.where(np.isfinite(values), values, np.nan)
        middle, number = values[0], self.dimensions
        up, down = values[1 : 1 + number], values[1 + number : 1 + 2 * number]
        both = values[1 + 2 * number :].reshape(2, len(pairs))
        curvature = np.diag((up + down - 2.0 * middle) / np.diag(steps) ** 2)
        for number_of_pair, (i, j) in enumerate(pairs):
            sums = both[:, number_of_pair].sum() - up[[i, j]].sum() - down[[i, j]].sum() + 2.0 * middle
            curvature[i, j] = curvature[j, i] = sums / (2.0 * steps[i, i] * steps[j, j])
        curvature = -np.where(np.isfinite(curvature), curvature, 0.0)
        scaled = curvature * np.outer(widths, widths)
        sizes, directions = np.linalg.eigh(scaled)
        # A direction that is flat or rises keeps the width of the search; none is a tenth of what was expected.
        variances = np.where(sizes > 0.05, 1.0 / np.clip(sizes, 0.05, 100.0), 4.0)
        return (directions * variances) @ directions.T * np.outer(widths, widths)
