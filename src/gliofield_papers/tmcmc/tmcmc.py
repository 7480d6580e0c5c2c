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
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.target import Target
from gliofield.errors import NumericalError, ParameterError
from gliofield_papers.tmcmc.stage_moves import (
    Purpose,
    adapted_scale,
    covariance_root,
    evaluated,
    first_coordinates,
    is_below,
    leaders_of,
    next_exponent,
    proposals,
    target_cv_of,
    weights_of,
)
from gliofield_papers.tmcmc.state import StageInfo, TmcmcResult, TmcmcState, evidence_error

if TYPE_CHECKING:
    from gliofield_papers.tmcmc.settings import TmcmcSettings

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]


def start(target: Target, settings: TmcmcSettings) -> TmcmcState:
    """Independent samples of the prior, with p = 0.

    Raises
    ------
    NumericalError
        If the data are impossible for every one of them, or a sample of the prior has no prior density.
    """
    coordinates = first_coordinates(target, settings)
    log_prior, log_likelihood = evaluated(target, coordinates)
    if not np.isfinite(log_prior).all():
        raise NumericalError(
            f"{np.count_nonzero(~np.isfinite(log_prior))} samples of the prior have no prior density: the target's "
            "from_unit_cube and log_prior describe different distributions."
        )
    if not np.isfinite(log_likelihood).any():
        raise NumericalError(
            f"the data are impossible (log-likelihood −inf) for all {settings.num_first} samples of the prior. "
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
    target_cv = target_cv_of(settings, state.log_likelihood)
    exponent = next_exponent(state.log_likelihood, state.tempering_exponent, target_cv)
    weights, log_mean_weight = weights_of(state.log_likelihood, exponent - state.tempering_exponent)
    leaders = leaders_of(weights, settings, stage)
    root = covariance_root(state.coordinates, weights, stage)
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
    return TmcmcResult(
        coordinates=state.coordinates,
        log_likelihood=state.log_likelihood,
        log_evidence=math.fsum(info.log_mean_weight for info in state.stages),
        log_evidence_error=evidence_error(state.settings, state.stages),
        stages=state.stages,
    )


def log_acceptance(proposed: _Vector, current: _Vector) -> _Vector:
    """Logarithm of the Metropolis acceptance ratio for a symmetric proposal, of log densities (N,)."""
    return proposed - current


def _move(
    target: Target, state: TmcmcState, root: _Matrix, stage: int, step: int
) -> tuple[TmcmcState, NDArray[np.bool_], int]:
    """One Metropolis step of every sample; also who moved, and how many likelihoods were computed."""
    settings, exponent = state.settings, state.tempering_exponent
    proposal = proposals(state.coordinates, state.proposal_scale, root, settings, stage=stage, step=step)
    log_prior, log_likelihood = evaluated(target, proposal)
    ratio = log_acceptance(log_prior + exponent * log_likelihood, state.log_prior + exponent * state.log_likelihood)
    is_accepted = is_below(ratio, settings, stage=stage, step=step, purpose=Purpose.ACCEPT)
    moved = replace(
        state,
        coordinates=np.where(is_accepted[:, None], proposal, state.coordinates),
        log_prior=np.where(is_accepted, log_prior, state.log_prior),
        log_likelihood=np.where(is_accepted, log_likelihood, state.log_likelihood),
        proposal_scale=adapted_scale(state.proposal_scale, float(is_accepted.mean()), settings.target_acceptance),
    )
    return moved, is_accepted, int(np.count_nonzero(np.isfinite(log_prior)))
