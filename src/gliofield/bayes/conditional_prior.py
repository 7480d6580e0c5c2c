"""Proposals in all coordinates: a mixture over most of them, the growth time from its prior given these.

A density depends on D_w T and ρ T alone (`ScanTransform`), so a scan says of T only what the ranges of D_w and ρ leave.
That distribution is known without a simulation: the prior along one coordinate, tabulated in cells of equal width of
T's place in its range, with a twentieth spread over all of them so that no part is ever left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp

from gliofield.bayes.t_mixture import TMixture

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
_NUM_CELLS, _SPREAD = 48, 0.05


class Proposal(Protocol):
    """A distribution that draws come from."""

    @property
    def num_components(self) -> int:
        """Components that were fitted; 0 if none was."""

    def sample(self, number: int, rng: np.random.Generator) -> _Matrix:
        """Independent draws, (number, P)."""

    def log_density(self, coordinates: _Matrix) -> _Vector:
        """Log density per unit of the coordinates, (N, P) -> (N,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionedMixture:
    """A mixture over all coordinates but one, which follows the prior given the others.

    Parameters
    ----------
    mixture : TMixture
        Over the other coordinates, in their order.
    column : int or None
        Which one; None: the mixture has all.
    log_prior : callable
        Log density of the prior, (N, P) -> (N,).
    num_components : int
        0 if the mixture was not fitted.
    """

    mixture: TMixture
    column: int | None
    log_prior: Callable[[_Matrix], _Vector]
    num_components: int = 0

    def sample(self, number: int, rng: np.random.Generator) -> _Matrix:
        """See `Proposal`."""
        others = self.mixture.sample(number, rng)
        if self.column is None:
            return others
        odds = np.exp(self._log_cells(others))
        drawn = rng.random((number, 2))
        cells = (np.cumsum(odds, axis=1) < drawn[:, :1] * odds.sum(axis=1, keepdims=True)).sum(axis=1)
        places = (np.minimum(cells, _NUM_CELLS - 1) + drawn[:, 1]) / _NUM_CELLS
        return np.insert(others, self.column, logit(np.clip(places, 1e-12, 1.0 - 1e-12)), axis=1)

    def log_density(self, coordinates: _Matrix) -> _Vector:
        """See `Proposal`."""
        if self.column is None:
            return self.mixture.log_density(coordinates)
        others, along = np.delete(coordinates, self.column, axis=1), coordinates[:, self.column]
        places = expit(along)
        cells = np.minimum((places * _NUM_CELLS).astype(np.int64), _NUM_CELLS - 1)
        log_cells = self._log_cells(others)[np.arange(len(cells)), cells]
        # Per unit of the coordinate: d place / d coordinate is the logistic density.
        slope = -np.logaddexp(0.0, along) - np.logaddexp(0.0, -along)
        return self.mixture.log_density(others) + log_cells + math.log(_NUM_CELLS) + slope

    def log_prior_of_others(self, others: _Matrix) -> _Vector:
        """Log density of the prior of the other coordinates alone, (N,)."""
        if self.column is None:
            return self.log_prior(others)
        return np.asarray(logsumexp(self._log_prior_by_place(others), axis=1)) - math.log(_NUM_CELLS)

    def _log_prior_by_place(self, others: _Matrix) -> _Matrix:
        """Log density per unit of the others and of the place, at the middle of each cell, (N, cells)."""
        assert self.column is not None
        places = (np.arange(_NUM_CELLS) + 0.5) / _NUM_CELLS
        along = np.tile(logit(places), len(others))
        rows = np.insert(np.repeat(others, _NUM_CELLS, axis=0), self.column, along, axis=1)
        return self.log_prior(rows).reshape(len(others), _NUM_CELLS) - np.log(places * (1.0 - places))

    def _log_cells(self, others: _Matrix) -> _Matrix:
        """Log probability of each cell given the other coordinates, (N, cells)."""
        per_place = self._log_prior_by_place(others)
        has_mass = np.isfinite(per_place).any(axis=1)
        per_place[~has_mass] = 0.0
        normalized = per_place - logsumexp(per_place, axis=1, keepdims=True)
        return np.logaddexp(math.log1p(-_SPREAD) + normalized, math.log(_SPREAD / _NUM_CELLS))
