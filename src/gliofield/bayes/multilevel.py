"""TMCMC that does most of its work on a coarse level and corrects it on the fine one, without changing the posterior.

With prior π, coarse likelihood C and fine likelihood F, a run passes through

    π C^p,               p from 0 upward               (tempering on the coarse level)
    π C^(p(1−s)) F^(ps), s from 0 to 1, p fixed        (the bridge)
    π F^p,               p to 1                        (tempering on the fine level)

and leaves the first line once the weights (F/C)^p of a few probes vary too much, or p = 1 (after Latz, Papaioannou and
Ullmann 2018, doi 10.1016/j.jcp.2018.04.014). From the bridge on every sample moves by delayed acceptance (Christen and
Fox 2005, doi 10.1198/106186005X76983): several Metropolis steps in a surrogate distribution that needs the coarse level
only, then one decision with the fine likelihood of where they ended. The surrogate is C times a quadratic correction,
fitted at the start of the stage to log F − log C of all samples.

What is exact. Steps of a fixed number and length are reversible in the surrogate, so the decision by the ratio of fine
to surrogate leaves the distribution of the stage invariant, whatever coarse level and correction are: they decide the
cost, not the answer. Weights of a stage are ratios of true densities, so the evidence is that of the fine level. As in
TMCMC, exponents, lengths and the correction are adapted to the samples of the stage before, which costs an error that
vanishes with their number. One assumption: the coarse likelihood is 0 only where the fine one is.

A `MultilevelSettings` with ``num_coarse_steps=1`` is delayed acceptance with single steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.multilevel_state import Levels, MultilevelSettings, MultilevelStageInfo, MultilevelState
from gliofield.bayes.stage_moves import (
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
    uniform_numbers,
    weights_of,
)
from gliofield.bayes.surrogate_correction import LevelCorrection
from gliofield.bayes.tmcmc_state import TmcmcResult, evidence_error
from gliofield.errors import NumericalError, ParameterError

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]
# Share of walks kept below which a stage decides more often, and how many times as often at most. *Chosen*.
_WANTED_RATE, _MOST_REPEATS = 0.3, 5


def start(levels: Levels, settings: MultilevelSettings) -> MultilevelState:
    """Independent samples of the prior, with p = s = 0.

    Raises
    ------
    NumericalError
        If the data are impossible for every one of them.
    """
    sampler = settings.sampler
    coordinates = first_coordinates(levels.coarse, sampler)
    log_prior, log_coarse = evaluated(levels.coarse, coordinates)
    if not np.isfinite(log_coarse).any():
        raise NumericalError(
            f"the data are impossible (log-likelihood −inf) on the coarse level for all {sampler.num_first} samples "
            "of the prior. Check that prior and data belong together: seed box, grid, units."
        )
    return MultilevelState(
        settings=settings,
        tempering_exponent=0.0,
        fine_share=0.0,
        is_switched=False,
        coordinates=coordinates,
        log_prior=log_prior,
        log_coarse=log_coarse,
        log_fine=np.full(len(coordinates), np.nan),
        proposal_scale=sampler.proposal_scale,
    )


def advance(levels: Levels, state: MultilevelState) -> tuple[MultilevelState, MultilevelStageInfo]:
    """One stage: a larger exponent or share, resampling, moves.

    Raises
    ------
    ParameterError
        If the state is finished.
    NumericalError
        If a likelihood is not a number, the levels exclude each other, samples collapsed, or `max_stages` are over.
    """
    sampler, stage = state.settings.sampler, len(state.stages) + 1
    if state.is_finished:
        raise ParameterError("the state is finished (p = 1, all on the fine level): take its result.")
    if stage > sampler.max_stages:
        raise NumericalError(
            f"the posterior was not reached within {sampler.max_stages} stages (p = {state.tempering_exponent:.3g}, "
            f"share of the fine level {state.fine_share:.3g}).",
            step=stage,
        )
    num_fine = 0
    if state.is_switched and np.isnan(state.log_fine).all():
        state = replace(state, log_fine=_fine(levels, state.coordinates, state.log_coarse))
        num_fine += len(state.coordinates)
    weighted, log_steps = _next_temperature(state)
    weights, log_mean_weight = weights_of(log_steps, 1.0)
    leaders = leaders_of(weights, sampler, stage)
    root = covariance_root(state.coordinates, weights, stage)
    moving = weighted.at(leaders)
    move = _walk_with_decisions if state.is_switched else _walk_on_coarse
    walk = move(levels, moving, root, stage)
    num_fine += walk.num_fine
    after = walk.state
    if not after.is_switched:
        is_switched, num_probes = _is_time_to_switch(levels, after, stage)
        after = replace(after, is_switched=is_switched)
        num_fine += num_probes
    info = MultilevelStageInfo(
        stage=stage,
        tempering_exponent=after.tempering_exponent,
        fine_share=after.fine_share,
        log_mean_weight=log_mean_weight,
        weight_cv=float(weights.std() / weights.mean()),
        effective_sample_size=float(weights.sum() ** 2 / (weights**2).sum()),
        num_distinct_leaders=len(np.unique(leaders)),
        num_distinct=int(np.count_nonzero(walk.has_moved)) + len(np.unique(leaders[~walk.has_moved])),
        acceptance_rate=walk.acceptance_rate,
        fine_acceptance_rate=walk.fine_acceptance_rate,
        proposal_scale=after.proposal_scale,
        num_evaluations=walk.num_coarse,
        num_fine_evaluations=num_fine,
    )
    return replace(after, stages=(*state.stages, info)), info


def result(state: MultilevelState) -> TmcmcResult:
    """Posterior samples and evidence of a finished state, those of the fine level.

    Raises
    ------
    ParameterError
        If the state is not finished.
    """
    if not state.is_finished:
        raise ParameterError(
            f"the state is not finished: p = {state.tempering_exponent:.4g} of 1, share of the fine level "
            f"{state.fine_share:.4g} of 1. Advance it further."
        )
    return TmcmcResult(
        coordinates=state.coordinates,
        log_likelihood=state.log_fine,
        log_evidence=math.fsum(info.log_mean_weight for info in state.stages),
        log_evidence_error=evidence_error(state.settings.sampler, state.stages),
        stages=state.stages,
    )


def log_decision(ends: _Vector, starts: _Vector) -> _Vector:
    """Logarithm of the acceptance ratio of a walk, of log(fine / surrogate) where it ended and started, (N,)."""
    return ends - starts


@dataclass(frozen=True, kw_only=True, eq=False)
class _Walk:
    """Where samples are after a stage's moves, and what that cost."""

    state: MultilevelState
    has_moved: NDArray[np.bool_]
    acceptance_rate: float
    fine_acceptance_rate: float | None
    num_coarse: int
    num_fine: int


def _next_temperature(state: MultilevelState) -> tuple[MultilevelState, _Vector]:
    """The state with its next exponent or share, and the logarithms of the weights that lead there."""
    target_cv = target_cv_of(state.settings.sampler, state.log_coarse)
    exponent, share = state.tempering_exponent, state.fine_share
    if state.is_switched and share < 1.0:
        with np.errstate(invalid="ignore"):
            differences = exponent * (state.log_fine - state.log_coarse)
        if np.isnan(differences).any() or not np.isfinite(differences).any():
            raise NumericalError("coarse and fine level exclude each other: no sample is possible on both.")
        new = next_exponent(differences, share, target_cv)
        return replace(state, fine_share=new), (new - share) * differences
    log_likelihood = state.log_fine if state.is_switched else state.log_coarse
    new = next_exponent(log_likelihood, exponent, target_cv)
    return replace(state, tempering_exponent=new), (new - exponent) * log_likelihood


def _is_time_to_switch(levels: Levels, state: MultilevelState, stage: int) -> tuple[bool, int]:
    """Whether the coarse level has done its part, and how many fine likelihoods it took to see that."""
    settings = state.settings
    if state.tempering_exponent == 1.0:
        return True, 0
    if settings.num_probes == 0:
        return False, 0
    order = uniform_numbers(settings.sampler, stage=stage, step=0, purpose=Purpose.PROBE, columns=1)[:, 0].argsort()
    probes = order[: settings.num_probes]
    with np.errstate(invalid="ignore"):
        differences = _fine(levels, state.coordinates[probes], state.log_coarse[probes]) - state.log_coarse[probes]
    if not np.isfinite(differences).any():
        return True, len(probes)
    weights = np.exp(state.tempering_exponent * (differences - differences.max()))
    return bool(weights.std() > settings.switch_weight_cv * weights.mean()), len(probes)


def _walk_on_coarse(levels: Levels, state: MultilevelState, root: _Matrix, stage: int) -> _Walk:
    """Metropolis steps in π C^p, their length adapted after each."""
    sampler = state.settings.sampler
    has_moved = np.zeros(sampler.num_samples, dtype=bool)
    num_accepted = num_coarse = 0
    for step in range(sampler.num_steps):
        state, is_accepted, evaluations = _step(levels, state, root, stage, step, LevelCorrection.none())
        state = replace(state, proposal_scale=_adapted(state, float(is_accepted.mean())))
        has_moved |= is_accepted
        num_accepted += int(np.count_nonzero(is_accepted))
        num_coarse += evaluations
    return _Walk(
        state=state,
        has_moved=has_moved,
        acceptance_rate=num_accepted / (sampler.num_steps * sampler.num_samples),
        fine_acceptance_rate=None,
        num_coarse=num_coarse,
        num_fine=0,
    )


def _walk_with_decisions(levels: Levels, state: MultilevelState, root: _Matrix, stage: int) -> _Walk:
    """Delayed acceptance: walks in the surrogate, each decided upon by the fine likelihood of its end."""
    settings, sampler = state.settings, state.settings.sampler
    correction = LevelCorrection.fitted(state.coordinates, state.log_fine - state.log_coarse)
    has_moved = np.zeros(sampler.num_samples, dtype=bool)
    num_proposed = num_decided = num_coarse = num_fine = 0
    num_steps = _num_decisions(state)
    for decision in range(num_steps):
        before, is_elsewhere = state, np.zeros(sampler.num_samples, dtype=bool)
        num_accepted = 0
        for coarse_step in range(settings.num_coarse_steps):
            number = decision * settings.num_coarse_steps + coarse_step
            state, is_accepted, evaluations = _step(levels, state, root, stage, number, correction)
            is_elsewhere |= is_accepted
            num_accepted += int(np.count_nonzero(is_accepted))
            num_coarse += evaluations
        log_fine = before.log_fine.copy()
        log_fine[is_elsewhere] = _fine(levels, state.coordinates[is_elsewhere], state.log_coarse[is_elsewhere])
        num_fine += int(np.count_nonzero(is_elsewhere))
        ended = replace(state, log_fine=log_fine)
        ratio = log_decision(_log_fine_to_surrogate(ended, correction), _log_fine_to_surrogate(before, correction))
        is_kept = is_elsewhere & is_below(ratio, sampler, stage=stage, step=decision, purpose=Purpose.CORRECT)
        state = replace(
            ended.where(is_kept, before),
            proposal_scale=_adapted(
                state,
                num_accepted / (settings.num_coarse_steps * sampler.num_samples),
                # A good walk that the fine level rejects was too long for the surrogate.
                float(is_kept.mean()),
            ),
        )
        has_moved |= is_kept
        num_proposed += num_accepted
        num_decided += int(np.count_nonzero(is_kept))
    num_decisions = num_steps * sampler.num_samples
    return _Walk(
        state=state,
        has_moved=has_moved,
        acceptance_rate=num_proposed / (num_decisions * settings.num_coarse_steps),
        fine_acceptance_rate=num_decided / num_decisions,
        num_coarse=num_coarse,
        num_fine=num_fine,
    )


def _step(
    levels: Levels, state: MultilevelState, root: _Matrix, stage: int, step: int, correction: LevelCorrection
) -> tuple[MultilevelState, NDArray[np.bool_], int]:
    """One Metropolis step of every sample in the surrogate; also who moved, and the coarse likelihoods it took."""
    sampler = state.settings.sampler
    proposal = proposals(state.coordinates, state.proposal_scale, root, sampler, stage=stage, step=step)
    log_prior, log_coarse = evaluated(levels.coarse, proposal)
    proposed = replace(state, coordinates=proposal, log_prior=log_prior, log_coarse=log_coarse)
    ratio = _log_surrogate(proposed, correction) - _log_surrogate(state, correction)
    is_accepted = is_below(ratio, sampler, stage=stage, step=step, purpose=Purpose.ACCEPT)
    return proposed.where(is_accepted, state), is_accepted, int(np.count_nonzero(np.isfinite(log_prior)))


def _log_surrogate(state: MultilevelState, correction: LevelCorrection) -> _Vector:
    """log π + p (log C + s r), r the correction."""
    corrected = state.log_coarse + state.fine_share * correction.at(state.coordinates)
    return state.log_prior + state.tempering_exponent * corrected


def _log_fine_to_surrogate(state: MultilevelState, correction: LevelCorrection) -> _Vector:
    """log of the stage's density over the surrogate's: p s (log F − log C − r)."""
    left = state.log_fine - state.log_coarse - correction.at(state.coordinates)
    return state.tempering_exponent * state.fine_share * left


def _fine(levels: Levels, coordinates: _Matrix, log_coarse: _Vector) -> _Vector:
    """Fine log-likelihoods; −∞ without asking where the coarse one is, for such samples have no weight."""
    log_fine = np.full(len(coordinates), -np.inf)
    is_possible = np.isfinite(log_coarse)
    if is_possible.any():
        log_fine[is_possible] = levels.fine.log_likelihood(coordinates[is_possible])
    return log_fine


def _num_decisions(state: MultilevelState) -> int:
    """Decisions per sample in the coming stage: more where the last stage's were mostly against the walk."""
    settings = state.settings
    last = state.stages[-1].fine_acceptance_rate if state.stages else None
    if last is None:
        return settings.num_fine_steps
    needed = math.ceil(_WANTED_RATE * settings.num_fine_steps / max(last, 1e-9))
    return min(max(needed, settings.num_fine_steps), _MOST_REPEATS * settings.num_fine_steps)


def _adapted(state: MultilevelState, *rates: float) -> float:
    """β² of the next walk: larger where more than the wanted share was accepted, by the strictest of several rates."""
    return adapted_scale(state.proposal_scale, min(rates), state.settings.sampler.target_acceptance)
