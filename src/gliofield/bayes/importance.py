"""The posterior by importance sampling: draws from a fitted, heavy-tailed proposal, each weighted by what it missed.

    w(x) = π(x) L(x) / q(x),    q = 0.95 · (mixture of Student t) + 0.05 · (the start)

Growth has few parameters once imaging is integrated out, and a fit finds its mode in seconds; then a proposal that has
the posterior's place and shape is worth a third of its draws and more, where a chain is worth a hundredth of its steps.
A run has two parts:

1. **Adaptation.** Batches of draws; after each the proposal is fitted to all draws so far, by weights (π L / q̄)ᵖ,
   q̄ the mixture of all proposals so far in the shares of their draws [1]. p is the largest exponent at which enough
   effective samples are left: a start that is off moves toward the posterior in steps, one that is near gets there
   at once. It ends when p = 1 and the last batch alone is worth enough.
2. **Sampling** from that proposal alone, until the effective samples that are wanted are there. These draws are
   independent and identically distributed, and those of the adaptation are not used, so the evidence is unbiased but
   for where a run ends. If k̂ of the weights (`pareto_smoothing`) says that the proposal misses a part, the proposal is
   fitted once more to all draws, and sampling begins again.

The growth time T hardly touches the likelihood (a density depends on D_w T and ρ T), so it is not proposed by a fit but
drawn from its prior given the others, which is known: `conditional_prior`.

What this module does not do: simulate, or know what coordinates mean.

References
----------
.. [1] Cornuet, Marin, Mira, Robert (2012), Adaptive multiple importance sampling, doi:10.1111/j.1467-9469.2011.00756.x.
.. [2] Owen, Zhou (2000), Safe and effective importance sampling, doi:10.1080/01621459.2000.10473909 (the share of the
   start in every proposal).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from gliofield.bayes.diagnostics import effective_sample_size
from gliofield.bayes.pareto_smoothing import LARGEST_RELIABLE_SHAPE, smoothed_log_weights
from gliofield.bayes.t_mixture import TMixture
from gliofield.errors import NumericalError, ParameterError
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
#: From coordinates (N, P) with prior mass, to log-likelihoods (N,), and further numbers of each row (N, E) that travel
#: with it, such as imaging parameters drawn for it.
Evaluate = Callable[[_Matrix, np.random.Generator], tuple[_Vector, _Matrix]]
#: From those coordinates that are proposed (N, D), to all of them (N, P), and the log density of what was added (N,).
Complete = Callable[[_Matrix, np.random.Generator], tuple[_Matrix, _Vector]]

_BATCH, _FIRST_BATCH = 128, 256
# Share of the start in every proposal [2], and the most components. *Chosen*.
_START_SHARE, _MAX_COMPONENTS, _DEGREES = 0.05, 3, 6.0
# Effective samples that a fit needs, per coordinate; and the share of a batch that is enough to end the adaptation.
_EFFECTIVE_PER_COORDINATE, _ENOUGH = 8.0, 0.3
# How often sampling may begin again with a better proposal.
_MAX_REFITS = 2
# Draws after which a run ends, per likelihood that it may compute.
_DRAWS_PER_SIMULATION = 4
# Streams of random numbers of one seed; `growth_importance` has others.
_DRAWS, _FITS = 1, 2


@dataclass(frozen=True, kw_only=True)
class ImportanceSettings:
    """Size of a run.

    Parameters
    ----------
    seed : int
        Root of all randomness, ≥ 0.
    num_effective : int
        Effective samples wanted, (Σw)²/Σw², ≥ 10.
    max_simulations : int
        Likelihoods after which a run ends with what it has, ≥ 512.
    max_adaptations : int
        Batches after which the adaptation ends, ≥ 1.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    seed: int = 0
    num_effective: int = 500
    max_simulations: int = 6000
    max_adaptations: int = 20

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("num_effective", 10), ("max_simulations", 512), ("max_adaptations", 1)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name} must be at least {least}, got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class BatchInfo:
    """What one batch of draws was worth.

    Parameters
    ----------
    kind : str
        ``"adapting"`` or ``"sampling"``.
    num_draws, num_simulations : int
        Draws, and those of them with prior mass, whose likelihood was computed.
    tempering_exponent : float
        p of the weights that its draws, and all before, are fitted with; 1 when sampling.
    num_components : int
        Components of the proposal it was drawn from; 0 for the start.
    effective_share : float
        Effective samples per draw of this batch alone, at p = 1.
    """

    name: ClassVar[str] = "batch"
    share_name: ClassVar[str] = "effective draws"

    kind: str
    num_draws: int
    num_simulations: int
    tempering_exponent: float
    num_components: int
    effective_share: float

    @property
    def share(self) -> float:
        """Effective samples per draw."""
        return self.effective_share

    @property
    def num_likelihoods(self) -> int:
        """Likelihoods computed."""
        return self.num_simulations

    @property
    def is_adapting(self) -> bool:
        """Whether its draws do not count."""
        return self.kind == "adapting"


@dataclass(frozen=True, kw_only=True, eq=False)
class ImportanceResult:
    """Weighted samples of the posterior, and the evidence.

    Parameters
    ----------
    coordinates : (N, P) float64 array
        Draws with weight, in coordinates without bounds.
    log_likelihood : (N,) float64 array
        Of the draws.
    log_weights : (N,) float64 array
        Pareto-smoothed, normalized to a sum of 1.
    extras : (N, E) float64 array
        What the likelihood gave beside its values.
    log_evidence : float
        log ∫ π L [nats].
    log_evidence_error : float
        Its standard error [nats].
    pareto_shape : float
        k̂ of the weights; above 0.7 they are not to be believed.
    effective_samples : float
        (Σw)²/Σw² of the smoothed weights.
    stages : tuple of BatchInfo
        All batches.
    """

    coordinates: _Matrix
    log_likelihood: _Vector
    log_weights: _Vector
    extras: _Matrix
    log_evidence: float
    log_evidence_error: float
    pareto_shape: float
    effective_samples: float
    stages: tuple[BatchInfo, ...]

    @property
    def is_reliable(self) -> bool:
        """Whether k̂ lies below 0.7."""
        return self.pareto_shape <= LARGEST_RELIABLE_SHAPE

    @property
    def num_simulations(self) -> int:
        """Likelihoods computed in all."""
        return sum(stage.num_simulations for stage in self.stages)


def all_are_proposed(rows: _Matrix, rng: np.random.Generator) -> tuple[_Matrix, _Vector]:
    """Nothing is added: a `Complete` for proposals of all coordinates."""
    return rows, np.zeros(len(rows))


def sample_by_importance(
    log_prior: Callable[[_Matrix], _Vector],
    evaluate: Evaluate,
    start: TMixture,
    settings: ImportanceSettings,
    *,
    complete: Complete = all_are_proposed,
    report: Reporter = ignore_progress,
) -> ImportanceResult:
    """Weighted samples of the posterior.

    Parameters
    ----------
    log_prior : callable
        Log density of the prior per unit of the coordinates, (N, P) -> (N,); −∞ where there is no mass.
    evaluate : callable
        Log-likelihoods and extras of rows with prior mass.
    start : TMixture
        What the first draws come from; it should reach all of the posterior.
    settings : ImportanceSettings
        Size and seed.
    complete : callable
        Adds coordinates that are not proposed, such as draws of their prior given the others.
    report : Reporter
        Told the effective samples so far of those wanted.

    Raises
    ------
    NumericalError
        If no draw has a likelihood above 0.
    """
    run = _Run(log_prior=log_prior, evaluate=evaluate, start=start, settings=settings, complete=complete)
    proposal = run.adapt(report)
    for number_of_refits in range(_MAX_REFITS + 1):
        result = run.sample(proposal, report)
        if result.is_reliable or number_of_refits == _MAX_REFITS or run.is_spent:
            return result
        proposal = run.refitted()
    raise AssertionError("unreachable")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Proposal:
    """A fitted mixture with the share of the start that every one has [2]; or the start alone."""

    start: TMixture
    fitted: TMixture | None = None

    @property
    def num_components(self) -> int:
        return 0 if self.fitted is None else len(self.fitted.weights)

    def sample(self, number: int, rng: np.random.Generator) -> _Matrix:
        if self.fitted is None:
            return self.start.sample(number, rng)
        is_start = rng.random(number) < _START_SHARE
        return np.where(is_start[:, None], self.start.sample(number, rng), self.fitted.sample(number, rng))

    def log_density(self, rows: _Matrix) -> _Vector:
        if self.fitted is None:
            return self.start.log_density(rows)
        return np.logaddexp(
            math.log(1.0 - _START_SHARE) + self.fitted.log_density(rows),
            math.log(_START_SHARE) + self.start.log_density(rows),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Draws:
    """One batch: what was proposed, by what, the whole rows, and the log density of what was added to them."""

    proposal: _Proposal
    proposed: _Matrix
    coordinates: _Matrix
    log_added: _Vector
    log_prior: _Vector
    log_likelihood: _Vector
    extras: _Matrix

    @property
    def num_simulations(self) -> int:
        return int(np.count_nonzero(np.isfinite(self.log_prior)))

    @property
    def log_weights(self) -> _Vector:
        return self.log_prior + self.log_likelihood - self.log_added - self.proposal.log_density(self.proposed)


@dataclass(kw_only=True, eq=False)
class _Run:
    """The draws so far; one run, one use."""

    log_prior: Callable[[_Matrix], _Vector]
    evaluate: Evaluate
    start: TMixture
    settings: ImportanceSettings
    complete: Complete
    batches: list[_Draws] = field(default_factory=list)
    stages: list[BatchInfo] = field(default_factory=list)

    @property
    def is_spent(self) -> bool:
        """Whether as many likelihoods were computed as may be, or far more draws had no prior mass."""
        most = self.settings.max_simulations
        draws = sum(stage.num_draws for stage in self.stages)
        return sum(stage.num_simulations for stage in self.stages) >= most or draws >= _DRAWS_PER_SIMULATION * most

    def adapt(self, report: Reporter) -> _Proposal:
        """The proposal to sample from."""
        proposal = _Proposal(start=self.start)
        for number in range(self.settings.max_adaptations):
            drawn = self._draw(proposal, _FIRST_BATCH if number == 0 else _BATCH)
            exponent = self._exponent()
            self._note(drawn, "adapting", exponent)
            report(
                ProgressEvent(
                    task="posterior",
                    completed=0,
                    total=self.settings.num_effective,
                    message=f"batch {number + 1}: p = {exponent:.3g}, {self.stages[-1].effective_share:.0%} effective",
                )
            )
            is_good = exponent == 1.0 and number > 0 and self.stages[-1].effective_share >= _ENOUGH
            # Without enough draws that have a likelihood there is nothing to fit to: more from the same.
            proposal = self._fitted(exponent) if exponent > 0.0 else proposal
            if is_good or self.is_spent:
                break
        return proposal

    def refitted(self) -> _Proposal:
        """A proposal fitted to all draws, at the largest p that can be."""
        return self._fitted(self._exponent())

    def sample(self, proposal: _Proposal, report: Reporter) -> ImportanceResult:
        """Draws from one proposal, until there are enough."""
        first, wanted = len(self.batches), self.settings.num_effective
        while True:
            self._note(self._draw(proposal, _BATCH), "sampling", 1.0)
            parts = self.batches[first:]
            log_weights = np.concatenate([part.log_weights for part in parts])
            if not np.isfinite(log_weights).any():
                if self.is_spent:
                    raise NumericalError(
                        "no draw of the fitted proposal has a likelihood above 0: the posterior was lost."
                    )
                continue
            smoothed, shape = smoothed_log_weights(log_weights)
            effective = effective_sample_size(smoothed)
            report(ProgressEvent(task="posterior", completed=min(int(effective), wanted), total=wanted))
            if effective >= wanted or self.is_spent:
                return self._result(parts, log_weights, smoothed, shape, effective)

    def _result(
        self, parts: list[_Draws], log_weights: _Vector, smoothed: _Vector, shape: float, effective: float
    ) -> ImportanceResult:
        number, has_weight = len(log_weights), np.isfinite(smoothed)
        scaled = np.exp(log_weights - log_weights.max())
        error = float(scaled.std() / (scaled.mean() * math.sqrt(number)))
        return ImportanceResult(
            coordinates=np.concatenate([part.coordinates for part in parts])[has_weight],
            log_likelihood=np.concatenate([part.log_likelihood for part in parts])[has_weight],
            log_weights=(smoothed - logsumexp(smoothed))[has_weight],
            extras=np.concatenate([part.extras for part in parts])[has_weight],
            log_evidence=float(logsumexp(log_weights) - math.log(number)),
            log_evidence_error=error,
            pareto_shape=shape,
            effective_samples=effective,
            stages=tuple(self.stages),
        )

    def _draw(self, proposal: _Proposal, number: int) -> _Draws:
        rng = np.random.default_rng([self.settings.seed, _DRAWS, len(self.batches)])
        proposed = proposal.sample(number, rng)
        coordinates, log_added = self.complete(proposed, rng)
        log_prior = self.log_prior(coordinates)
        has_mass = np.isfinite(log_prior)
        values, given = self.evaluate(coordinates[has_mass], rng)
        log_likelihood, extras = np.full(number, -np.inf), np.full((number, given.shape[1]), np.nan)
        log_likelihood[has_mass], extras[has_mass] = values, given
        drawn = _Draws(
            proposal=proposal,
            proposed=proposed,
            coordinates=coordinates,
            log_added=log_added,
            log_prior=log_prior,
            log_likelihood=log_likelihood,
            extras=extras,
        )
        self.batches.append(drawn)
        return drawn

    def _note(self, drawn: _Draws, kind: str, exponent: float) -> None:
        weights = drawn.log_weights
        share = effective_sample_size(weights) / len(weights) if np.isfinite(weights).any() else 0.0
        info = BatchInfo(
            kind=kind,
            num_draws=len(weights),
            num_simulations=drawn.num_simulations,
            tempering_exponent=exponent,
            num_components=drawn.proposal.num_components,
            effective_share=share,
        )
        self.stages.append(info)

    def _weighted(self) -> tuple[_Matrix, _Vector]:
        """What was proposed of all draws with weight, and log π L / q̄."""
        proposed, log_added, log_prior, log_likelihood = (
            np.concatenate([getattr(batch, name) for batch in self.batches])
            for name in ("proposed", "log_added", "log_prior", "log_likelihood")
        )
        if not np.isfinite(log_likelihood).any():
            raise NumericalError(
                f"none of {len(log_likelihood)} draws has a likelihood above 0: the data are impossible under the "
                "prior, or where the search began."
            )
        kept = np.isfinite(log_likelihood) & np.isfinite(log_prior)
        sizes = dict.fromkeys((batch.proposal for batch in self.batches), 0)
        for batch in self.batches:
            sizes[batch.proposal] += len(batch.proposed)
        shares = np.array(list(sizes.values())) / len(proposed)
        logs = np.array([proposal.log_density(proposed[kept]) for proposal in sizes])
        log_mixture = logsumexp(logs, axis=0, b=shares[:, None]) + log_added[kept]
        return proposed[kept], log_prior[kept] + log_likelihood[kept] - log_mixture

    def _exponent(self) -> float:
        """The largest p in [0, 1] that leaves enough effective samples; 0 if there are fewer draws than that."""
        proposed, log_weights = self._weighted()
        enough = _EFFECTIVE_PER_COORDINATE * proposed.shape[1]
        if effective_sample_size(log_weights) >= enough:
            return 1.0
        if len(log_weights) < enough:
            return 0.0
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = 0.5 * (low + high)
            is_enough = effective_sample_size(middle * log_weights) >= enough
            low, high = (middle, high) if is_enough else (low, middle)
        return low

    def _fitted(self, exponent: float) -> _Proposal:
        proposed, log_weights = self._weighted()
        mixture = TMixture.fitted(
            proposed,
            exponent * log_weights,
            degrees=_DEGREES,
            max_components=_MAX_COMPONENTS,
            rng=np.random.default_rng([self.settings.seed, _FITS, len(self.batches)]),
        )
        return _Proposal(start=self.start, fitted=mixture)
