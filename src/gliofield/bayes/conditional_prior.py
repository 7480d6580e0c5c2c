"""The growth time, which a scan says next to nothing of: from its prior given all other coordinates.

A density depends on D_w T and ρ T alone (`ScanTransform`), so a scan says of T only what the ranges of D_w and ρ leave.
That distribution is known without a simulation: the prior along one coordinate, tabulated in cells of equal width of
T's place in its range, with a twentieth spread over all of them so that no part is ever left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
_NUM_CELLS, _SPREAD = 48, 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionalPrior:
    """One coordinate given the others.

    Parameters
    ----------
    column : int
        Which one; its place is 1/(1 + exp(−coordinate)).
    log_prior : callable
        Log density of the prior per unit of the coordinates, (N, P) -> (N,).
    """

    column: int
    log_prior: Callable[[_Matrix], _Vector]

    def completed(self, others: _Matrix, rng: np.random.Generator) -> tuple[_Matrix, _Vector]:
        """Rows (N, P) with a draw beside the others (N, P − 1), and the log density of the draws, (N,)."""
        log_cells = self._log_cells(others)
        odds, drawn = np.exp(log_cells), rng.random((len(others), 2))
        cells = (np.cumsum(odds, axis=1) < drawn[:, :1] * odds.sum(axis=1, keepdims=True)).sum(axis=1)
        places = (np.minimum(cells, _NUM_CELLS - 1) + drawn[:, 1]) / _NUM_CELLS
        along = logit(np.clip(places, 1e-12, 1.0 - 1e-12))
        return np.insert(others, self.column, along, axis=1), _log_density(log_cells, along)

    def log_density(self, coordinates: _Matrix) -> _Vector:
        """Log density of the coordinate given the others of its row, (N, P) -> (N,)."""
        others = np.delete(coordinates, self.column, axis=1)
        return _log_density(self._log_cells(others), coordinates[:, self.column])

    def log_prior_of_others(self, others: _Matrix) -> _Vector:
        """Log density of the prior of the other coordinates alone, (N,)."""
        return np.asarray(logsumexp(self._log_prior_by_place(others), axis=1)) - math.log(_NUM_CELLS)

    def _log_prior_by_place(self, others: _Matrix) -> _Matrix:
        """Log density per unit of the others and of the place, at the middle of each cell, (N, cells)."""
        places = (np.arange(_NUM_CELLS) + 0.5) / _NUM_CELLS
        along = np.tile(logit(places), len(others))
        rows = np.insert(np.repeat(others, _NUM_CELLS, axis=0), self.column, along, axis=1)
        return self.log_prior(rows).reshape(len(others), _NUM_CELLS) - np.log(places * (1.0 - places))

    def _log_cells(self, others: _Matrix) -> _Matrix:
        """Log probability of each cell given the other coordinates, (N, cells)."""
        per_place = self._log_prior_by_place(others)
        per_place[~np.isfinite(per_place).any(axis=1)] = 0.0
        normalized = per_place - logsumexp(per_place, axis=1, keepdims=True)
        return np.logaddexp(math.log1p(-_SPREAD) + normalized, math.log(_SPREAD / _NUM_CELLS))


def _log_density(log_cells: _Matrix, along: _Vector) -> _Vector:
    """Log density per unit of the coordinate, whose place lies in a cell."""
    cells = np.minimum((expit(along) * _NUM_CELLS).astype(np.int64), _NUM_CELLS - 1)
    # d place / d coordinate is the logistic density.
    slope = -np.logaddexp(0.0, along) - np.logaddexp(0.0, -along)
    return log_cells[np.arange(len(cells)), cells] + math.log(_NUM_CELLS) + slope
