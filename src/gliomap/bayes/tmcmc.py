"""Transitional Markov chain Monte Carlo: from the prior to the posterior through tempered stages.

Ching and Chen (2007, doi 10.1061/(ASCE)0733-9399(2007)133:7(816)). With prior π and likelihood L, stage j holds samples
of π L^p_j, p from 0 (the prior) to 1 (the posterior). A stage

1. chooses the next exponent so that the weights w = L^(p_{j+1} − p_j) have coefficient of variation 1,
2. multiplies the evidence by the mean weight,
3. resamples by the weights, and
4. moves every sample by Metropolis steps, proposals Gaussian with β² times the weighted covariance.

`start` → `advance` … → `result`: immutable states, and a `StageInfo` for every stage. The settings' defaults are those
of the surrogate paper: 2,048 samples and one step of β² = 0.04 per sample. That algorithm is biased, for samples hardly
leave the places where resampling put them. `TmcmcSettings.thorough` moves them until they forget where they started.

All randomness is a function of (seed, stage, step, sample), so a run can be stopped after any stage and continued.
What this module does not do: loop, store, report or start processes (`sampling`, `stage_file`; the target may).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gliomap.bayes.target import Target
from gliomap.bayes.tmcmc_state import StageInfo, TmcmcResult, TmcmcSettings, TmcmcState
from gliomap.errors import NumericalError, ParameterError

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
# What a random number is for; part of its source.
_PRIOR, _LEADER, _MOVE, _ACCEPT = range(4)
_SCALE_LIMITS = (1e-5, 4.0)
# Exponents closer than this to 1 are 1.
_LAST = 1.0 - 1e-12


def start(target: Target, settings: TmcmcSettings) -> TmcmcState:
    """Independent samples of the prior, with p = 0.

    Raises
    ------
    NumericalError
        If the data are impossible for every one of them, or a sample of the prior has no prior density.
    """
    points = _uniform(settings, stage=0, step=0, purpose=_PRIOR, columns=target.num_parameters)
    coordinates = target.from_unit_cube(points)
    log_prior, log_likelihood = _evaluate(target, coordinates)
    if not np.isfinite(log_prior).all():
        raise NumericalError(
            f"{np.count_nonzero(~np.isfinite(log_prior))} samples of the prior have no prior density: the target's "
            "from_unit_cube and log_prior describe different distributions."
        )
    if not np.isfinite(log_likelihood).any():
        raise NumericalError(
            f"the data are impossible (log-likelihood −inf) for all {settings.num_samples} samples of the prior. "
            "Check that prior and data belong together: seed box, grid, units."
        )
    return TmcmcState(
        settings=settings,
        tempering_exponent=0.0,
        coordinates=coordinates,
        log_prior=log_prior,
        log_likelihood=log_likelihood,
        proposal_scale=settings.proposal_scale,
    )


def advance(target: Target, state: TmcmcState) -> tuple[TmcmcState, StageInfo]:
    """One stage: a larger exponent, resampling, moves.

    Raises
    ------
    ParameterError
        If the state is finished.
    NumericalError
        If a likelihood is not a number, samples collapsed to a point, or `max_stages` are over.
    """
    settings, stage = state.settings, len(state.stages) + 1
    if state.is_finished:
        raise ParameterError("the state is finished (p = 1): take its result.")
    if stage > settings.max_stages:
        raise NumericalError(
            f"the posterior was not reached within {settings.max_stages} stages (p = {state.tempering_exponent:.3g}).",
            step=stage,
        )
    exponent = next_exponent(state.log_likelihood, state.tempering_exponent, settings.target_weight_cv)
    weights, log_mean_weight = _weights(state.log_likelihood, exponent - state.tempering_exponent)
    leaders = _resample(weights, settings, stage)
    root = _covariance_root(state.coordinates, weights, stage)
    moving = replace(
        state,
        tempering_exponent=exponent,
        coordinates=state.coordinates[leaders],
        log_prior=state.log_prior[leaders],
        log_likelihood=state.log_likelihood[leaders],
    )
    has_moved = np.zeros(settings.num_samples, dtype=bool)
    num_accepted = num_evaluations = 0
    for step in range(settings.num_steps):
        moving, is_accepted, evaluations = _move(target, moving, root, stage, step)
        has_moved |= is_accepted
        num_accepted += int(np.count_nonzero(is_accepted))
        num_evaluations += evaluations
    info = StageInfo(
        stage=stage,
        tempering_exponent=exponent,
        log_mean_weight=log_mean_weight,
        weight_cv=float(weights.std() / weights.mean()),
        effective_sample_size=float(weights.sum() ** 2 / (weights**2).sum()),
        num_distinct_leaders=len(np.unique(leaders)),
        num_distinct=int(np.count_nonzero(has_moved)) + len(np.unique(leaders[~has_moved])),
        acceptance_rate=num_accepted / (settings.num_steps * settings.num_samples),
        proposal_scale=moving.proposal_scale,
        num_evaluations=num_evaluations,
    )
    return replace(moving, stages=(*state.stages, info)), info


def result(state: TmcmcState) -> TmcmcResult:
    """Posterior samples and evidence of a finished state.

    Raises
    ------
    ParameterError
        If the state is not finished.
    """
    if not state.is_finished:
        raise ParameterError(
            f"the state is not finished: p = {state.tempering_exponent:.4g} of 1 after {len(state.stages)} stages. "
            "Advance it further."
        )
    variance = sum(info.weight_cv**2 for info in state.stages) / state.settings.num_samples
    return TmcmcResult(
        coordinates=state.coordinates,
        log_likelihood=state.log_likelihood,
        log_evidence=math.fsum(info.log_mean_weight for info in state.stages),
        log_evidence_error=math.sqrt(variance),
        stages=state.stages,
    )


def next_exponent(log_likelihood: _Vector, exponent: float, target_weight_cv: float) -> float:
    """Exponent at which the weights' coefficient of variation reaches the target, at most 1.

    The coefficient grows with the exponent, so it is found by bisection (geometric, for exponents span many orders of
    magnitude). Samples for which the data are impossible are left aside: they drop out at any exponent.

    Raises
    ------
    NumericalError
        If log-likelihoods differ so much that no larger exponent can be told from the present one.
    """
    possible = log_likelihood[np.isfinite(log_likelihood)]
    shifted = possible - possible.max()

    def weight_cv(increment: float) -> float:
        weights = np.exp(increment * shifted)
        return float(weights.std() / weights.mean())

    high = 1.0 - exponent
    if weight_cv(high) <= target_weight_cv:
        return 1.0
    # Weights between exp(−δ range) and 1 vary by no more than exp(δ range) − 1.
    low = math.log1p(target_weight_cv) / -float(shifted.min())
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if weight_cv(middle) <= target_weight_cv else (low, middle)
    reached = exponent + low
    if reached <= exponent:
        raise NumericalError(
            f"log-likelihoods of the samples span {-float(shifted.min()):.3g} nats: no exponent above {exponent:.3g} "
            "is small enough. Weight the likelihood, or use fewer voxels."
        )
    return 1.0 if reached > _LAST else reached


def log_acceptance(proposed: _Vector, current: _Vector) -> _Vector:
    """Logarithm of the Metropolis acceptance ratio for a symmetric proposal, of log densities (N,)."""
    return proposed - current


def _weights(log_likelihood: _Vector, increment: float) -> tuple[_Vector, float]:
    """Weights relative to the largest, and the log of the mean weight."""
    log_weights = increment * log_likelihood
    largest = float(log_weights.max())
    weights = np.exp(log_weights - largest)
    return weights, largest + math.log(float(weights.mean()))


def _resample(weights: _Vector, settings: TmcmcSettings, stage: int) -> NDArray[np.int64]:
    """Index of the leader of each new sample."""
    cumulative = np.cumsum(weights)
    cumulative /= cumulative[-1]
    points = _uniform(settings, stage=stage, step=0, purpose=_LEADER, columns=1)[:, 0]
    if settings.resampling == "systematic":
        points = (np.arange(settings.num_samples) + points[0]) / settings.num_samples
    return np.searchsorted(cumulative, np.minimum(points, np.nextafter(1.0, 0.0)), side="right")


def _covariance_root(coordinates: _Matrix, weights: _Vector, stage: int) -> _Matrix:
    """Cholesky factor of the weighted covariance, (P, P)."""
    shares = weights / weights.sum()
    centered = coordinates - shares @ coordinates
    covariance = (centered * shares[:, None]).T @ centered
    variances = np.diag(covariance)
    if not (np.isfinite(covariance).all() and variances.min() > 0.0):
        raise NumericalError(
            f"the samples collapsed to a point in stage {stage} (variances {variances.min():.3g} to "
            f"{variances.max():.3g}). Use more samples, or a smaller target_weight_cv.",
            step=stage,
        )
    # Fewer distinct samples than dimensions leave the matrix singular.
    return np.linalg.cholesky(covariance + np.diag(1e-10 * variances))


def _move(
    target: Target, state: TmcmcState, root: _Matrix, stage: int, step: int
) -> tuple[TmcmcState, NDArray[np.bool_], int]:
    """One Metropolis step of every sample; also who moved, and how many likelihoods were computed."""
    from scipy.special import ndtri

    settings, exponent = state.settings, state.tempering_exponent
    normal = ndtri(_uniform(settings, stage=stage, step=step, purpose=_MOVE, columns=root.shape[0]))
    proposal = state.coordinates + math.sqrt(state.proposal_scale) * normal @ root.T
    log_prior, log_likelihood = _evaluate(target, proposal)
    ratio = log_acceptance(log_prior + exponent * log_likelihood, state.log_prior + exponent * state.log_likelihood)
    is_accepted = np.log(_uniform(settings, stage=stage, step=step, purpose=_ACCEPT, columns=1)[:, 0]) < ratio
    moved = replace(
        state,
        coordinates=np.where(is_accepted[:, None], proposal, state.coordinates),
        log_prior=np.where(is_accepted, log_prior, state.log_prior),
        log_likelihood=np.where(is_accepted, log_likelihood, state.log_likelihood),
        proposal_scale=_adapted_scale(state, float(is_accepted.mean())),
    )
    return moved, is_accepted, int(np.count_nonzero(np.isfinite(log_prior)))


def _adapted_scale(state: TmcmcState, acceptance: float) -> float:
    """β² of the next step: larger where more than the wanted share was accepted."""
    wanted = state.settings.target_acceptance
    if wanted is None:
        return state.proposal_scale
    low, high = _SCALE_LIMITS
    return min(max(state.proposal_scale * math.exp(2.0 * (acceptance - wanted)), low), high)


def _evaluate(target: Target, coordinates: _Matrix) -> tuple[_Vector, _Vector]:
    """Log prior and log-likelihood; the latter −∞ where the former is."""
    log_prior = target.log_prior(coordinates)
    has_mass = np.isfinite(log_prior)
    log_likelihood = np.full(len(coordinates), -np.inf)
    if has_mass.any():
        log_likelihood[has_mass] = target.log_likelihood(coordinates[has_mass])
    is_wrong = np.isnan(log_prior) | (log_prior == np.inf) | np.isnan(log_likelihood) | (log_likelihood == np.inf)
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong)[0])
        raise NumericalError(
            f"log prior and log-likelihood must be numbers below +inf, got {log_prior[row]} and {log_likelihood[row]} "
            f"at coordinates {coordinates[row].tolist()}."
        )
    return log_prior, log_likelihood


def _uniform(settings: TmcmcSettings, *, stage: int, step: int, purpose: int, columns: int) -> _Matrix:
    """Uniform random numbers in (0, 1), one row per sample: a function of seed, stage, step, purpose and the row.

    Rows do not depend on how many there are; normal ones are made of them by inversion, which takes one each.
    """
    source = np.random.SeedSequence(settings.seed, spawn_key=(stage, step, purpose))
    generator = np.random.Generator(np.random.Philox(source))
    points = generator.random((settings.num_samples, columns))
    return np.maximum(points, 2.0**-54)
