"""Run TMCMC from start to end, with a stage file and progress if wanted."""

from __future__ import annotations

import os

from gliofield.bayes.stage_file import read_stage_file, write_stage_file
from gliofield.bayes.stage_runner import StageRunner, require_fingerprint
from gliofield.bayes.target import Target
from gliofield.bayes.tmcmc import advance, result, start
from gliofield.bayes.tmcmc_state import TmcmcResult, TmcmcSettings
from gliofield.progress import Reporter, ignore_progress


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
    require_fingerprint(stage_file, fingerprint)
    runner = StageRunner(
        start=lambda: start(target, settings),
        advance=lambda state: advance(target, state),
        read=lambda path: read_stage_file(
            path, settings=settings, num_parameters=target.num_parameters, fingerprint=fingerprint
        ),
        write=lambda path, state: write_stage_file(path, state, fingerprint=fingerprint),
        message=lambda info: (
            f"stage {info.stage}: p = {info.tempering_exponent:.3g}, accepted {info.acceptance_rate:.0%}"
        ),
    )
    return result(runner.run(stage_file, report))
