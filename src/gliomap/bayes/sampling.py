"""Run TMCMC from start to end, with a stage file and progress if wanted."""

from __future__ import annotations

import os
from pathlib import Path

from gliomap.bayes.stage_file import read_stage_file, write_stage_file
from gliomap.bayes.target import Target
from gliomap.bayes.tmcmc import advance, result, start
from gliomap.bayes.tmcmc_state import TmcmcResult, TmcmcSettings, TmcmcState
from gliomap.errors import ParameterError
from gliomap.progress import ProgressEvent, Reporter, ignore_progress


def sample_posterior(
    target: Target,
    settings: TmcmcSettings,
    *,
    stage_file: str | os.PathLike[str] | None = None,
    fingerprint: str = "",
    report: Reporter = ignore_progress,
) -> TmcmcResult:
    """Samples of the posterior and its evidence.

    Parameters
    ----------
    target : Target
        Prior and likelihood.
    settings : TmcmcSettings
        `TmcmcSettings.thorough()` where the samples themselves matter; the plain ones repeat the paper.
    stage_file : path, optional
        Written after every stage; if it exists, the run goes on from it, with the same result as if never stopped.
    fingerprint : str
        With a stage file: what the target is made of, such as a hash of data, prior and model. A file of another
        target is refused.
    report : Reporter
        Told the tempering exponent p (of 1) after every stage.

    Raises
    ------
    NumericalError
        If a likelihood is not a number, the data are impossible under the prior, or samples collapse.
    ParameterError
        If the stage file is damaged or of another run, or a fingerprint is missing.
    OutputError
        If the stage file cannot be written.
    """
    if stage_file is not None and not fingerprint:
        raise ParameterError("a stage file needs a fingerprint of the target: otherwise it could continue another run.")
    state = _first_state(target, settings, stage_file, fingerprint)
    while not state.is_finished:
        state, info = advance(target, state)
        if stage_file is not None:
            write_stage_file(stage_file, state, fingerprint=fingerprint)
        message = f"stage {info.stage}: p = {info.tempering_exponent:.3g}, accepted {info.acceptance_rate:.0%}"
        report(ProgressEvent(task="sample", completed=info.tempering_exponent, total=1.0, message=message))
    return result(state)


def _first_state(
    target: Target, settings: TmcmcSettings, stage_file: str | os.PathLike[str] | None, fingerprint: str
) -> TmcmcState:
    if stage_file is not None and Path(stage_file).exists():
        return read_stage_file(
            stage_file, settings=settings, num_parameters=target.num_parameters, fingerprint=fingerprint
        )
    state = start(target, settings)
    if stage_file is not None:
        write_stage_file(stage_file, state, fingerprint=fingerprint)
    return state
