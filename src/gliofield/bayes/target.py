"""What a sampler samples: a prior and a likelihood in coordinates without bounds.

A `Target` takes a batch of coordinate rows, because simulations are what costs: it may spread the rows over processes
or a GPU, and the sampler knows nothing of it. `PosteriorTarget` makes one of a `Prior` and a function from parameter
rows to log-likelihoods; rows without prior mass never reach that function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.prior import Prior
from gliofield.errors import NumericalError

_Matrix = NDArray[np.float64]
#: From parameter rows in their own units, (N, P), to log-likelihoods [nats], (N,); −∞ for the impossible, never NaN.
LogLikelihood = Callable[[_Matrix], NDArray[np.float64]]


class Target(Protocol):
    """A posterior, split into the part that is tempered and the part that is not. Rows are independent."""

    @property
    def num_parameters(self) -> int:
        """P, the number of coordinates."""

    def from_unit_cube(self, points: _Matrix) -> _Matrix:
        """Coordinates distributed as the prior, of points uniform in the unit cube, both (N, P)."""

    def log_prior(self, coordinates: _Matrix) -> NDArray[np.float64]:
        """Log density of the prior per unit of the coordinates, (N, P) -> (N,); −∞ where there is no mass."""

    def log_likelihood(self, coordinates: _Matrix) -> NDArray[np.float64]:
        """Log-likelihood [nats], (N, P) -> (N,); −∞ where the data are impossible. Asked only where the prior has mass.

        Raises
        ------
        NumericalError
            If a value is NaN or +∞.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class PosteriorTarget:
    """The posterior of a prior and a likelihood of parameters.

    Parameters
    ----------
    prior : Prior
        Names, units, density and coordinates.
    log_likelihood_of : LogLikelihood
        From parameter rows in the prior's units to log-likelihoods.
    """

    prior: Prior
    log_likelihood_of: LogLikelihood

    @property
    def num_parameters(self) -> int:
        """See `Target`."""
        return len(self.prior.names)

    def from_unit_cube(self, points: _Matrix) -> _Matrix:
        """See `Target`."""
        return self.prior.transform.to_coordinates(self.prior.from_unit_cube(points))

    def to_parameters(self, coordinates: _Matrix) -> _Matrix:
        """Parameters in their own units, both (N, P)."""
        return self.prior.transform.to_parameters(coordinates)

    def log_prior(self, coordinates: _Matrix) -> NDArray[np.float64]:
        """See `Target`: the density of the parameters times |d parameters / d coordinates|."""
        return self.prior.log_density(self.to_parameters(coordinates)) + self.prior.transform.log_jacobian(coordinates)

    def log_likelihood(self, coordinates: _Matrix) -> NDArray[np.float64]:
        """See `Target`."""
        parameters = self.to_parameters(coordinates)
        values = np.asarray(self.log_likelihood_of(parameters), dtype=np.float64)
        if values.shape != (len(parameters),):
            raise NumericalError(
                f"log_likelihood_of must return one value per row: expected shape ({len(parameters)},), got "
                f"{values.shape}."
            )
        is_wrong = np.isnan(values) | (values == np.inf)
        if is_wrong.any():
            row = int(np.flatnonzero(is_wrong)[0])
            where = ", ".join(f"{n} = {x:.6g}" for n, x in zip(self.prior.names, parameters[row], strict=True))
            raise NumericalError(
                f"the log-likelihood is {values[row]} in {int(is_wrong.sum())} of {len(values)} samples, first at "
                f"{where}. Return −inf where the data are impossible; NaN means that the model or the data are broken."
            )
        return values
