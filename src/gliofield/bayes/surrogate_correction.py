"""A smooth guess of how much the fine log-likelihood differs from the coarse one, as a function of the coordinates.

A least-squares polynomial, quadratic where the samples are three times as many as its coefficients, linear or constant
where they are fewer. Coordinates are clipped to the range of the samples it was fitted to, so it is bounded: a
polynomial that grows outside would send samples there. A bad guess costs accepted moves, never the right answer
(`multilevel`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Matrix = NDArray[np.float64]
_SAMPLES_PER_COEFFICIENT = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelCorrection:
    """A polynomial of coordinates; made by `none` or `fitted`.

    Parameters
    ----------
    degree : int
        0, 1 or 2; −1 for no correction at all.
    low, high : (P,) float64 arrays
        Range to which coordinates are clipped.
    coefficients : (Q,) float64 array
        In the order of `_terms`.
    """

    degree: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    @classmethod
    def none(cls) -> LevelCorrection:
        """The correction that is 0 everywhere."""
        nothing = np.zeros(0)
        return cls(degree=-1, low=nothing, high=nothing, coefficients=nothing)

    @classmethod
    def fitted(cls, coordinates: _Matrix, differences: NDArray[np.float64]) -> LevelCorrection:
        """Correction fitted to log F − log C of samples, (N, P) and (N,); infinite ones are left out."""
        is_finite = np.isfinite(differences)
        points, values = coordinates[is_finite], differences[is_finite]
        if len(values) == 0:
            return cls.none()
        num_parameters = coordinates.shape[1]
        sizes = (1, 1 + num_parameters, (num_parameters + 1) * (num_parameters + 2) // 2)
        # Samples that resampling doubled say nothing new.
        enough = len(np.unique(points, axis=0)) // _SAMPLES_PER_COEFFICIENT
        degree = max((degree for degree, size in enumerate(sizes) if size <= enough), default=0)
        low, high = points.min(axis=0), points.max(axis=0)
        shape = cls(degree=degree, low=low, high=high, coefficients=np.zeros(sizes[degree]))
        coefficients, *_ = np.linalg.lstsq(shape._terms(points), values, rcond=1e-10)
        return cls(degree=degree, low=low, high=high, coefficients=coefficients)

    def at(self, coordinates: _Matrix) -> NDArray[np.float64]:
        """Value at each row, (N, P) -> (N,)."""
        if self.degree < 0:
            return np.zeros(len(coordinates))
        return self._terms(np.clip(coordinates, self.low, self.high)) @ self.coefficients

    def _terms(self, points: _Matrix) -> _Matrix:
        """Products of up to `degree` coordinates, scaled to [−1, 1], (N, Q)."""
        columns = [np.ones(len(points))]
        width = np.where(self.high > self.low, self.high - self.low, 1.0)
        scaled = 2.0 * (points - self.low) / width - 1.0
        if self.degree >= 1:
            columns.extend(scaled.T)
        if self.degree >= 2:
            first, second = np.triu_indices(scaled.shape[1])
            columns.extend((scaled[:, first] * scaled[:, second]).T)
        return np.stack(columns, axis=1)
