"""Run TMCMC from start to end, with progress if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gliofield.bayes.target import Target
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield_papers.tmcmc.state import TmcmcResult
from gliofield_papers.tmcmc.tmcmc import advance, result, start

if TYPE_CHECKING:
    from gliofield_papers.tmcmc.settings import TmcmcSettings


def sample_posterior(target: Target, settings: TmcmcSettings, *, report: Reporter = ignore_progress) -> TmcmcResult:
    """Samples of the posterior and its evidence.

    Parameters
    ----------
    target : Target
        Prior and likelihood. With a likelihood that keeps a journal (`LikelihoodJournal`) a run that was stopped goes
        on where it was, with the same result.
    settings : TmcmcSettings
        `TmcmcSettings.thorough()` where the samples themselves matter; the plain ones repeat the paper.
    report : Reporter
        Told the tempering exponent p (of 1) after every stage.

    Raises
    ------
    NumericalError
        If a likelihood is not a number, the data are impossible under the prior, or samples collapse.
    """
    report(ProgressEvent(task="sample", completed=0.0, total=1.0, message="first draws"))
    state = start(target, settings)
    while not state.is_finished:
        state, info = advance(target, state)
        message = f"stage {info.stage}: p = {info.tempering_exponent:.3g}, accepted {info.acceptance_rate:.0%}"
        report(ProgressEvent(task="sample", completed=info.tempering_exponent, total=1.0, message=message))
    return result(state)
