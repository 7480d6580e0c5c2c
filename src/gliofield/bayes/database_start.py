"""Start a sampler from the best matches of a database instead of the prior, without changing the posterior.

Samples placed where the matches are would be a biased start of TMCMC: they are no draws of a tempered posterior. What
is exact is to temper between another pair. With a reference density q, normalized and nowhere 0 where the prior π has
mass, a run passes through q^(1−p) (π L)^p: its "prior" is q, its "likelihood" π L/q; posterior and evidence are
those of π and L. The closer q is to the posterior, the fewer stages.

Here q is a mixture: a normal distribution over the coordinates of the matches, made wider, and the prior itself, which
bounds π/q by the inverse of its share and keeps every place open that the matches know nothing of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.identifiable import IdentifiableTumors
from gliofield.bayes.target import PosteriorTarget, Target
from gliofield.bayes.tmcmc_state import TmcmcResult
from gliofield.errors import ParameterError
from gliofield.growth.parameters import DIFFUSIVITY_NAME, RATE_NAME, SEED_NAMES, TIME_NAME

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
# Draws per match of what its scan does not determine.
_DRAWS_PER_MATCH = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceDensity:
    """A normal distribution in the coordinates of a target, mixed with its prior.

    Parameters
    ----------
    target : Target
        Whose prior is mixed in.
    mean : (P,) float64 array
        Mean of the normal part.
    root : (P, P) float64 array
        Lower Cholesky factor of its covariance.
    prior_share : float
        Share of the prior, in (0, 1).

    Raises
    ------
    ParameterError
        If the share is out of range.
    """

    target: Target
    mean: _Vector
    root: _Matrix
    prior_share: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 < self.prior_share < 1.0:
            raise ParameterError(f"prior_share must lie strictly between 0 and 1, got {self.prior_share}.")

    def from_unit_cube(self, points: _Matrix) -> _Matrix:
        """Coordinates distributed as the mixture; the first coordinate of a point also chooses the part."""
        from scipy.special import ndtri

        is_prior = points[:, 0] < self.prior_share
        inner = points.copy()
        inner[is_prior, 0] /= self.prior_share
        inner[~is_prior, 0] = (inner[~is_prior, 0] - self.prior_share) / (1.0 - self.prior_share)
        inner = np.clip(inner, 2.0**-54, 1.0 - 2.0**-53)
        coordinates = self.mean + ndtri(inner) @ self.root.T
        if is_prior.any():
            coordinates[is_prior] = self.target.from_unit_cube(inner[is_prior])
        return coordinates

    def log_density(self, coordinates: _Matrix) -> _Vector:
        """Log density per unit of the coordinates, (N,); finite everywhere."""
        from scipy.linalg import solve_triangular

        scaled = solve_triangular(self.root, (coordinates - self.mean).T, lower=True)
        log_volume = np.log(np.diag(self.root)).sum() + 0.5 * len(self.mean) * math.log(2.0 * math.pi)
        log_normal = -0.5 * (scaled**2).sum(axis=0) - log_volume
        return np.logaddexp(
            math.log(self.prior_share) + self.target.log_prior(coordinates),
            math.log1p(-self.prior_share) + log_normal,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class StartedTarget:
    """A target that is tempered from a reference density instead of its prior; posterior and evidence are the same.

    Parameters
    ----------
    target : Target
        Prior and likelihood.
    reference : ReferenceDensity
        Where runs start.
    """

    target: Target
    reference: ReferenceDensity

    @property
    def num_parameters(self) -> int:
        """See `Target`."""
        return self.target.num_parameters

    def from_unit_cube(self, points: _Matrix) -> _Matrix:
        """See `Target`: distributed as the reference."""
        return self.reference.from_unit_cube(points)

    def log_prior(self, coordinates: _Matrix) -> _Vector:
        """See `Target`: of the reference."""
        return self.reference.log_density(coordinates)

    def log_likelihood(self, coordinates: _Matrix) -> _Vector:
        """See `Target`: log(π L/q); −∞ without asking for L where the prior has no mass."""
        log_prior = self.target.log_prior(coordinates)
        values = np.full(len(coordinates), -np.inf)
        has_mass = np.isfinite(log_prior)
        if has_mass.any():
            rows = coordinates[has_mass]
            values[has_mass] = self.target.log_likelihood(rows) + log_prior[has_mass] - self.reference.log_density(rows)
        return values

    def restored(self, sampled: TmcmcResult) -> TmcmcResult:
        """A result of this target with the log-likelihoods of the original one."""
        log_prior = self.target.log_prior(sampled.coordinates)
        log_reference = self.reference.log_density(sampled.coordinates)
        return replace(sampled, log_likelihood=sampled.log_likelihood - log_prior + log_reference)


def reference_of_matches(
    target: PosteriorTarget,
    matches: IdentifiableTumors,
    *,
    rng: np.random.Generator,
    widening: float = 2.0,
    prior_share: float = 0.2,
) -> ReferenceDensity:
    """Reference density around tumors found in a database.

    Parameters
    ----------
    target : PosteriorTarget
        Its prior knows D_w, ρ, T and the seed; other parameters follow it.
    matches : IdentifiableTumors
        Tumors, such as the nearest of an index. What a scan does not determine of them, ρ at fixed λ and τ, is drawn
        from the prior's range.
    rng : Generator
        For these draws.
    widening : float
        Factor on the standard deviations of the matches, > 0: they stand for a posterior nobody knows yet.
    prior_share : float
        Share of the prior in the mixture.

    Raises
    ------
    ParameterError
        If the prior lacks a growth parameter, has mass on too few of the matches, or a number is out of range.
    """
    if not (math.isfinite(widening) and widening > 0.0):
        raise ParameterError(f"widening must be finite and above 0, got {widening}.")
    names = target.prior.names
    missing = [name for name in (DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME, *SEED_NAMES) if name not in names]
    if missing:
        raise ParameterError(f"a start from matches needs a prior of {', '.join(missing)}.")
    rows = _rows_of_matches(target, matches, rng)
    if len(np.unique(rows, axis=0)) <= 2 * len(names):
        raise ParameterError(
            f"the prior has mass on too few of the {len(matches.scaled_time)} matches to start from them: their growth "
            "parameters or seeds lie outside its ranges. Start from the prior, or use a wider one."
        )
    coordinates = target.prior.transform.to_coordinates(rows)
    covariance = widening**2 * np.atleast_2d(np.cov(coordinates.T))
    variances = np.diag(covariance)
    # Matches may share a coordinate; a spread of a tenth keeps the density proper. Samples beyond the ranges of D_w and
    # ρ, which `ScanTransform` allows, have no prior mass and are lost, which costs samples and biases nothing.
    covariance = covariance + np.diag(np.maximum(1e-8 * variances, 1e-2))
    return ReferenceDensity(
        target=target, mean=coordinates.mean(axis=0), root=np.linalg.cholesky(covariance), prior_share=prior_share
    )


def _rows_of_matches(target: PosteriorTarget, matches: IdentifiableTumors, rng: np.random.Generator) -> _Matrix:
    """Rows with prior mass that have λ, τ and the seed of a match, (M, P)."""
    prior = target.prior
    column = {name: prior.names.index(name) for name in (DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME, *SEED_NAMES)}
    which = np.repeat(np.arange(len(matches.scaled_time)), _DRAWS_PER_MATCH)
    rows = prior.sample(len(which), rng)
    low, high = np.log(np.maximum(prior.bounds[column[RATE_NAME]], 1e-12))
    rate = np.exp(rng.uniform(low, high, len(which)))
    rows[:, column[RATE_NAME]] = rate
    rows[:, column[DIFFUSIVITY_NAME]] = matches.infiltration_length_mm[which] ** 2 * rate
    rows[:, column[TIME_NAME]] = matches.scaled_time[which] / rate
    for axis, name in enumerate(SEED_NAMES):
        rows[:, column[name]] = matches.seed_mm[which, axis]
    return rows[np.isfinite(prior.log_density(rows))]
