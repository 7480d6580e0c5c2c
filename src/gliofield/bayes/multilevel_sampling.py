"""Run multilevel TMCMC from start to end, with a stage file and progress if wanted."""

from __future__ import annotations

import os

from gliofield.bayes.multilevel import advance, result, start
from gliofield.bayes.multilevel_state import Levels, MultilevelSettings, MultilevelStageInfo
from gliofield.bayes.stage_file import read_multilevel_file, write_multilevel_file
from gliofield.bayes.stage_runner import StageRunner, require_fingerprint
from gliofield.bayes.tmcmc_state import StageInfo, TmcmcResult
from gliofield.progress import Reporter, ignore_progress


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
    require_fingerprint(stage_file, fingerprint)
    runner = StageRunner(
        start=lambda: start(levels, settings),
        advance=lambda state: advance(levels, state),
        read=lambda path: read_multilevel_file(
            path, settings=settings, num_parameters=levels.fine.num_parameters, fingerprint=fingerprint
        ),
        write=lambda path, state: write_multilevel_file(path, state, fingerprint=fingerprint),
        message=_message,
    )
    return result(runner.run(stage_file, report))


def _message(info: StageInfo) -> str:
    fine = f", fine level {info.fine_share:.3g}" if isinstance(info, MultilevelStageInfo) else ""
    return f"stage {info.stage}: p = {info.tempering_exponent:.3g}{fine}, accepted {info.acceptance_rate:.0%}"
