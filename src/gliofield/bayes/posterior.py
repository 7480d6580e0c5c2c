"""Weighted samples of a posterior in the parameters' own units, and what is said of them.

The best sample (MAP) is the one with the largest density per unit of the parameters themselves, not of the coordinates
the sampler works in: a maximum depends on the coordinates, and the paper reports it in the original ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.diagnostics import effective_sample_size
from gliofield.bayes.imaging_integral import tumors_of
from gliofield.errors import ParameterError

if TYPE_CHECKING:
    import arviz


@dataclass(frozen=True, kw_only=True)
class CredibleInterval:
    """Equal-tailed interval of one parameter: `level` of the posterior lies in it, half of the rest on each side."""

    low: float
    high: float
    level: float


@dataclass(frozen=True, kw_only=True, eq=False)
class PosteriorSamples:
    """Samples of a posterior with their weights.

    Parameters
    ----------
    names, units : P strings
        Parameters and their units.
    parameters : (N, P) float64 array
        Samples, in these units.
    log_weights : (N,) float64 array
        Unnormalized; −∞ is no weight.
    log_prior, log_likelihood : (N,) float64 arrays
        Log density of the prior per unit of the parameters, and log-likelihood.

    Raises
    ------
    ParameterError
        If shapes do not agree, a parameter is not finite, or no sample has weight.
    """

    names: Sequence[str]
    units: Sequence[str]
    parameters: NDArray[np.float64]
    log_weights: NDArray[np.float64]
    log_prior: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]

    def __post_init__(self) -> None:
        number = len(self.parameters)
        if self.parameters.shape != (number, len(self.names)) or len(self.units) != len(self.names) or number == 0:
            raise ParameterError(
                f"PosteriorSamples: expected parameters of shape (N, {len(self.names)}) and as many units, got "
                f"{self.parameters.shape} and {len(self.units)} units."
            )
        for name in ("log_weights", "log_prior", "log_likelihood"):
            if getattr(self, name).shape != (number,):
                raise ParameterError(
                    f"PosteriorSamples: {name} must have shape ({number},), got {getattr(self, name).shape}."
                )
        if not np.isfinite(self.parameters).all():
            raise ParameterError("PosteriorSamples: parameters must be finite.")
        effective_sample_size(self.log_weights)  # raises without weight

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Weights that sum to 1, (N,)."""
        weights = np.exp(self.log_weights - self.log_weights.max())
        return weights / weights.sum()

    @property
    def tumors(self) -> NDArray[np.float64]:
        """What tells one tumor from another: the columns of growth and seed, without imaging parameters."""
        return tumors_of(self.parameters, self.names)

    @property
    def effective_sample_size(self) -> float:
        """(Σw)²/Σw²; duplicates and correlation are not seen by it."""
        return effective_sample_size(self.log_weights)

    @property
    def map_index(self) -> int:
        """Row of the sample with the largest posterior density per unit of the parameters."""
        return int(np.argmax(self.log_prior + self.log_likelihood))

    @property
    def map_parameters(self) -> dict[str, float]:
        """The best sample, by name."""
        return self._by_name(self.parameters[self.map_index])

    @property
    def mean(self) -> dict[str, float]:
        """Posterior mean, by name."""
        return self._by_name(self.weights @ self.parameters)

    @property
    def std(self) -> dict[str, float]:
        """Posterior standard deviation, by name."""
        centered = self.parameters - self.weights @ self.parameters
        return self._by_name(np.sqrt(self.weights @ centered**2))

    def credible_intervals(self, level: float = 0.95) -> dict[str, CredibleInterval]:
        """Equal-tailed intervals, by name.

        Raises
        ------
        ParameterError
            If the level is not in (0, 1).
        """
        if not 0.0 < level < 1.0:
            raise ParameterError(f"level must lie in (0, 1), got {level}.")
        low, high = self.quantile(0.5 * (1.0 - level)), self.quantile(0.5 * (1.0 + level))
        return {name: CredibleInterval(low=low[name], high=high[name], level=level) for name in self.names}

    def quantile(self, probability: float) -> dict[str, float]:
        """Smallest sample value below or at which at least `probability` of the weight lies, by name."""
        values = []
        for column in self.parameters.T:
            order = np.argsort(column)
            cumulative = np.cumsum(self.weights[order])
            position = np.searchsorted(cumulative, probability * cumulative[-1])
            values.append(column[order[min(int(position), len(order) - 1)]])
        return self._by_name(np.array(values))

    def resampled(self, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Equally weighted rows drawn by weight with replacement (systematic), in random order, (number, P)."""
        return self.parameters[self._drawn_by_weight(number, rng)]

    def _drawn_by_weight(self, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
        points = (np.arange(number) + rng.random()) / number
        cumulative = np.cumsum(self.weights)
        chosen = np.searchsorted(cumulative / cumulative[-1], points, side="right")
        return rng.permutation(np.minimum(chosen, len(cumulative) - 1))

    def equally_weighted(self, rng: np.random.Generator) -> PosteriorSamples:
        """As many samples as the weights are worth, drawn by weight (systematic); these themselves, if equal."""
        if np.ptp(self.log_weights) == 0.0:
            return self
        number = math.ceil(self.effective_sample_size)
        chosen = self._drawn_by_weight(number, rng)
        return replace(
            self,
            parameters=self.parameters[chosen],
            log_weights=np.zeros(number),
            log_prior=self.log_prior[chosen],
            log_likelihood=self.log_likelihood[chosen],
        )

    def to_inference_data(self) -> arviz.InferenceData:
        """The samples as ArviZ's `InferenceData`: groups ``posterior`` (with units) and ``sample_stats``, one chain.

        Raises
        ------
        ParameterError
            If the samples are weighted (ArviZ knows equal weights only) or arviz is not installed.
        """
        if np.ptp(self.log_weights) > 0.0:
            raise ParameterError(
                "ArviZ knows samples of equal weight only, and these are weighted. Draw equally weighted ones first, "
                "with equally_weighted(...)."
            )
        try:
            import arviz
        except ImportError as error:
            raise ParameterError("arviz is not installed: pip install 'gliofield[bayes]'.") from error
        data = arviz.from_dict(
            posterior={name: column[None] for name, column in zip(self.names, self.parameters.T, strict=True)},
            sample_stats={
                "lp": (self.log_prior + self.log_likelihood)[None],
                "log_prior": self.log_prior[None],
                "log_likelihood": self.log_likelihood[None],
            },
        )
        for name, unit in zip(self.names, self.units, strict=True):
            data.posterior[name].attrs["units"] = unit
        return data

    def _by_name(self, values: NDArray[np.float64]) -> dict[str, float]:
        return {name: float(value) for name, value in zip(self.names, values, strict=True)}
