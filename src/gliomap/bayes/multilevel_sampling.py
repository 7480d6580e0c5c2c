"""Run multilevel TMCMC from start to end, with a stage file and progress if wanted."""

from __future__ import annotations

import os
from pathlib import Path

from gliomap.bayes.multilevel import advance, result, start
from gliomap.bayes.multilevel_state import Levels, MultilevelSettings, MultilevelState
from gliomap.bayes.stage_file import read_multilevel_file, write_multilevel_file
from gliomap.bayes.tmcmc_state import TmcmcResult
from gliomap.errors import ParameterError
from gliomap.progress import ProgressEvent, Reporter, ignore_progress


def sample_multilevel(
    levels: Levels,
    settings: MultilevelSettings,
    *,
    stage_file: str | os.PathLike[str] | None = None,
    fingerprint: str = "",
    report: Reporter = ignore_progress,
) -> TmcmcResult:
    """Samples of the fine level's posterior and its evidence, most of the work done on the coarse level.

    Parameters
    ----------
    levels : Levels
        Coarse and fine target.
    settings : MultilevelSettings
        Samples, steps, and when to switch.
    stage_file : path, optional
        Written after every stage; if it exists, the run goes on from it, with the same result as if never stopped.
    fingerprint : str
        With a stage file: what the target is made of, such as a hash of data, prior and model.
    report : Reporter
        Told the exponent of both levels together after every stage.

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
    state = _first_state(levels, settings, stage_file, fingerprint)
    while not state.is_finished:
        state, info = advance(levels, state)
        if stage_file is not None:
            write_multilevel_file(stage_file, state, fingerprint=fingerprint)
        message = (
            f"stage {info.stage}: p = {info.tempering_exponent:.3g}, fine level {info.fine_share:.3g}, accepted "
            f"{info.acceptance_rate:.0%}"
        )
        report(ProgressEvent(task="sample", completed=info.tempering_exponent, total=1.0, message=message))
    return result(state)


def _first_state(
    levels: Levels, settings: MultilevelSettings, stage_file: str | os.PathLike[str] | None, fingerprint: str
) -> MultilevelState:
    if stage_file is not None and Path(stage_file).exists():
        return read_multilevel_file(
            stage_file, settings=settings, num_parameters=levels.fine.num_parameters, fingerprint=fingerprint
        )
    state = start(levels, settings)
    if stage_file is not None:
        write_multilevel_file(stage_file, state, fingerprint=fingerprint)
    return state
