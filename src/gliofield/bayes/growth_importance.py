"""The posterior of a tumor's growth by importance sampling, imaging parameters drawn beside it.

From one or more tumors the nearest modes are searched (`mode`), each with its width, of the posterior with the growth
time left out; the proposal that sampling starts from is the mixture of these (`importance`). What comes back are
weighted samples of all parameters, in the prior's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from gliofield.bayes.conditional_prior import ConditionalPrior
from gliofield.bayes.growth_target import GrowthLikelihood, SimulationCounts
from gliofield.bayes.imaging_integral import ImagingPrior
from gliofield.bayes.importance import ImportanceResult, ImportanceSettings, all_are_proposed, sample_by_importance
from gliofield.bayes.journal import LikelihoodJournal
from gliofield.bayes.mode import Mode, find_mode
from gliofield.bayes.posterior import PosteriorSamples
from gliofield.bayes.prior import BoxPrior, GrowthTimePrior
from gliofield.bayes.t_mixture import TMixture
from gliofield.bayes.target import PosteriorTarget
from gliofield.bayes.transforms import ScanTransform
from gliofield.errors import NumericalError
from gliofield.growth.parameters import SEED_NAMES
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
# How far off a start is taken to be: the seed [mm], and all other coordinates, of which one is half a range or so.
_SEED_MM, _OTHERS = 3.0, 0.5
# A start is moved so far inside the ranges, in parts of their logarithm: the fit knows no prior.
_INSIDE = 0.02
# The start is wider than the modes it comes from by this factor of their variance, and its tails are heavy.
_WIDER, _DEGREES = 2.0, 4.0
# The least share of a mode in the start.
_LEAST_SHARE = 0.1
_DRAWS_FOR_STARTS, _NUM_STARTS = 256, 2
# Stream of random numbers beside those of `importance`.
_STARTS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class GrowthPosterior:
    """What a run came back with.

    Parameters
    ----------
    samples : PosteriorSamples
        Of all parameters, weighted.
    run : ImportanceResult
        Of those of growth.
    num_modes : int
        Modes it began with.
    counts : SimulationCounts
        Simulations since the run was started last.
    """

    samples: PosteriorSamples
    run: ImportanceResult
    num_modes: int
    counts: SimulationCounts


def sample_growth(
    whole: GrowthLikelihood,
    prior: BoxPrior | GrowthTimePrior,
    settings: ImportanceSettings,
    *,
    tumors: Sequence[Sequence[float]] = (),
    journal: LikelihoodJournal | None = None,
    report: Reporter = ignore_progress,
) -> GrowthPosterior:
    """Samples of all parameters of a prior.

    Parameters
    ----------
    whole : GrowthLikelihood
        Of all parameters.
    prior : BoxPrior or GrowthTimePrior
        Of all parameters.
    settings : ImportanceSettings
        Effective samples and seed.
    tumors : sequence of (D_w T [mm²], ρ T, seed x, y, z [mm])
        Where modes are searched; without any that the prior allows, from the best of a few hundred draws of it.
    journal : LikelihoodJournal, optional
        From which a run that was stopped goes on.
    report : Reporter
        Told the effective samples so far.

    Raises
    ------
    ParameterError
        If imaging parameters are fixed, the prior does not fit the images, or the journal is of another run.
    NumericalError
        If the data are impossible where the search begins, or every simulation failed.
    """
    imaging = ImagingPrior.of(prior)
    kept = LikelihoodJournal(None, "") if journal is None else journal
    with whole.integrated(imaging) as growth:
        target = PosteriorTarget(prior=prior.without(*imaging.names), log_likelihood_of=growth)
        search = _Search(target=target, growth=growth, journal=kept)
        try:
            starts = [start for tumor in tumors if (start := search.start_of(tumor)) is not None]
            report(ProgressEvent(task="modes of the posterior", completed=0, total=1))
            modes = search.modes(starts or search.starts_of_prior(settings.seed))
            report(ProgressEvent(task="modes of the posterior", completed=1, total=1, message=f"{len(modes)} found"))
            run = sample_by_importance(
                target.log_prior,
                search.evaluate,
                mixture_of_modes(modes),
                settings,
                complete=all_are_proposed if search.time is None else search.time.completed,
                report=report,
            )
        except NumericalError as error:
            growth.counts.require_some(error)
            raise
        return GrowthPosterior(
            samples=_completed(target, run, prior, imaging),
            run=run,
            num_modes=len(modes),
            counts=growth.counts,
        )


def _completed(
    target: PosteriorTarget, run: ImportanceResult, prior: BoxPrior | GrowthTimePrior, imaging: ImagingPrior
) -> PosteriorSamples:
    """Samples of growth with the imaging parameters that were drawn for them, in the order of the whole prior."""
    growth = target.to_parameters(run.coordinates)
    columns = dict(zip((*target.prior.names, *imaging.names), [*growth.T, *run.extras[:, :-1].T], strict=True))
    parameters = np.column_stack([columns[name] for name in prior.names])
    return PosteriorSamples(
        names=prior.names,
        units=prior.units,
        parameters=parameters,
        log_weights=run.log_weights,
        log_prior=prior.log_density(parameters),
        log_likelihood=run.extras[:, -1],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Search:
    """Coordinates, likelihoods and proposals of one target."""

    target: PosteriorTarget
    growth: GrowthLikelihood
    journal: LikelihoodJournal

    @property
    def column(self) -> int | None:
        """Of the growth time, where coordinates follow what a scan determines."""
        transform = self.target.prior.transform
        return transform.columns[2] if isinstance(transform, ScanTransform) else None

    def without_time(self, coordinates: _Matrix) -> _Matrix:
        return coordinates if self.column is None else np.delete(coordinates, self.column, axis=1)

    def with_time(self, others: _Matrix) -> _Matrix:
        """Coordinates with the growth time in the middle of what is left to it."""
        return others if self.column is None else np.insert(others, self.column, 0.0, axis=1)

    @property
    def time(self) -> ConditionalPrior | None:
        """The growth time given the other coordinates."""
        if self.column is None:
            return None
        return ConditionalPrior(column=self.column, log_prior=self.target.log_prior)

    def evaluate(self, coordinates: _Matrix, rng: np.random.Generator) -> tuple[_Vector, _Matrix]:
        """Log-likelihoods of growth, and a draw of the imaging parameters of each row."""

        def compute(parameters: _Matrix) -> _Matrix:
            values, imaging = self.growth.with_imaging(parameters, rng)
            return np.column_stack([values, imaging])

        found = self.journal.answer(self.target.to_parameters(coordinates), compute)
        return found[:, 0], found[:, 1:]

    def log_posterior(self, others: _Matrix) -> _Vector:
        """Log density of the posterior without the growth time, rows (N, D) -> (N,)."""
        rows = self.with_time(others)
        log_prior = self.target.log_prior(others) if self.time is None else self.time.log_prior_of_others(others)
        has_mass = np.isfinite(log_prior) & np.isfinite(self.target.log_prior(rows))
        found = np.full(len(rows), -np.inf)
        if has_mass.any():
            found[has_mass] = log_prior[has_mass] + self._log_likelihood(rows[has_mass])
        return found

    def _log_likelihood(self, rows: _Matrix) -> _Vector:
        return self.journal.kept(self.growth)(self.target.to_parameters(rows))

    def start_of(self, tumor: Sequence[float]) -> _Vector | None:
        """Coordinates of a tumor, moved into the prior's ranges; None if its seed lies where none may be."""
        prior, transform = self.target.prior, self.target.prior.transform
        if not isinstance(transform, ScanTransform):
            return None
        products = np.log(np.array(tumor[:2]))
        box = transform.products
        low, high = (np.log(np.array(ends)[list(transform.columns[:2])]) for ends in (box.low, box.high))
        products = np.clip(products, low + _INSIDE * (high - low), high - _INSIDE * (high - low))
        seed = dict(zip(SEED_NAMES, tumor[2:], strict=True))
        middle = 0.5 * prior.bounds.sum(axis=1)
        boxed = np.array([[seed.get(name, value) for name, value in zip(prior.names, middle, strict=True)]])
        boxed[:, transform.columns[:2]] = np.exp(products)
        start = self.without_time(box.to_coordinates(np.clip(boxed, box.low, box.high)))[0]
        return start if np.isfinite(self.target.log_prior(self.with_time(start[None])))[0] else None

    def starts_of_prior(self, seed: int) -> list[_Vector]:
        """The best of a few hundred draws of the prior."""
        rng = np.random.default_rng([seed, _STARTS])
        rows = self.target.from_unit_cube(rng.random((_DRAWS_FOR_STARTS, self.target.num_parameters)))
        values = self._log_likelihood(rows)
        if not np.isfinite(values).any():
            raise NumericalError(
                f"the data are impossible (log-likelihood −inf) for all {len(values)} draws of the prior. Check that "
                "prior and data belong together: seed box, grid, units."
            )
        order = np.argsort(-values, kind="stable")[:_NUM_STARTS]
        return list(self.without_time(rows[order[np.isfinite(values[order])]]))

    def modes(self, starts: Sequence[_Vector]) -> list[Mode]:
        """Modes that are reached, best first; one that several starts lead to comes once."""
        found: list[Mode] = []
        for start in starts:
            with suppress(NumericalError):
                mode = find_mode(self.log_posterior, start, self._spread(start), known=found)
                if mode is not None:
                    found.append(mode)
        if not found:
            raise NumericalError("the data are impossible (log-likelihood −inf) wherever a mode was searched.")
        apart: list[Mode] = []
        for mode in sorted(found, key=lambda each: -each.log_density):
            if not any(other.reaches(mode.place) for other in apart):
                apart.append(mode)
        return apart

    def _spread(self, start: _Vector) -> _Vector:
        """How far off a start may be, in coordinates."""
        names = [name for column, name in enumerate(self.target.prior.names) if column != self.column]
        row = self.target.to_parameters(self.with_time(start[None]))
        spread = np.full(len(start), _OTHERS)
        low, high = self.target.prior.bounds.T
        for place, name in enumerate(names):
            if name in SEED_NAMES:
                column = self.target.prior.names.index(name)
                moved = row.copy()
                step = 1.0 if row[0, column] + 1.0 < high[column] else -1.0
                moved[0, column] = max(row[0, column] + step, low[column])
                there = self.without_time(self.target.prior.transform.to_coordinates(moved))[0]
                spread[place] = _SEED_MM * max(abs(there[place] - start[place]), 1e-6)
        return spread


def mixture_of_modes(modes: Sequence[Mode]) -> TMixture:
    """The mixture that sampling starts with, modes by their mass in the Gaussian approximation."""
    masses = np.array([mode.log_density + 0.5 * np.linalg.slogdet(mode.covariance)[1] for mode in modes])
    shares = np.maximum(np.exp(masses - logsumexp(masses)), _LEAST_SHARE)
    return TMixture(
        weights=shares / shares.sum(),
        means=np.array([mode.place for mode in modes]),
        scales=np.asarray(np.linalg.cholesky(_WIDER * np.array([mode.covariance for mode in modes])), np.float64),
        degrees=_DEGREES,
    )
