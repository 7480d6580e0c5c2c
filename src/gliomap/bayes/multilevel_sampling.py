"""Run multilevel TMCMC from start to end, with a stage file and progress if wanted.

The stage file is as that of `stage_file`: one NumPy archive without pickle, written whole after each stage, refused by
a run with other settings or another target. A run that goes on from it ends with the same samples.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliomap.bayes.multilevel import advance, result, start
from gliomap.bayes.multilevel_state import Levels, MultilevelSettings, MultilevelStageInfo, MultilevelState
from gliomap.bayes.tmcmc_state import TmcmcResult
from gliomap.errors import ParameterError
from gliomap.output import atomic_file
from gliomap.progress import ProgressEvent, Reporter, ignore_progress

_FORMAT = "gliomap-multilevel-stage-1"
_ARRAYS = ("coordinates", "log_prior", "log_coarse", "log_fine")
_NUMBERS = ("tempering_exponent", "fine_share", "is_switched", "proposal_scale")


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
    if stage_file is not None and Path(stage_file).exists():
        state = _read(stage_file, settings, num_parameters=levels.fine.num_parameters, fingerprint=fingerprint)
    else:
        state = start(levels, settings)
        _write(stage_file, state, fingerprint)
    while not state.is_finished:
        state, info = advance(levels, state)
        _write(stage_file, state, fingerprint)
        message = (
            f"stage {info.stage}: p = {info.tempering_exponent:.3g}, fine level {info.fine_share:.3g}, accepted "
            f"{info.acceptance_rate:.0%}"
        )
        report(ProgressEvent(task="sample", completed=info.tempering_exponent, total=1.0, message=message))
    return result(state)


def _write(path: str | os.PathLike[str] | None, state: MultilevelState, fingerprint: str) -> None:
    if path is None:
        return
    header = {
        "format": _FORMAT,
        "fingerprint": fingerprint,
        "settings": asdict(state.settings),
        "stages": [asdict(info) for info in state.stages],
        **{name: getattr(state, name) for name in _NUMBERS},
    }
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with atomic_file(path) as partial, open(partial, "wb") as handle:
        np.savez(
            handle,
            header=text,
            coordinates=state.coordinates,
            log_prior=state.log_prior,
            log_coarse=state.log_coarse,
            log_fine=state.log_fine,
        )


def _read(
    path: str | os.PathLike[str], settings: MultilevelSettings, *, num_parameters: int, fingerprint: str
) -> MultilevelState:
    header, arrays = _content(path)
    if header["fingerprint"] != fingerprint or header["settings"] != asdict(settings):
        what = "data, prior or model" if header["settings"] == asdict(settings) else "settings"
        raise ParameterError(
            f"stage file {path} belongs to a run with other {what}. Continue that run, or remove the file to start "
            "anew."
        )
    shape = (settings.sampler.num_samples, num_parameters)
    if arrays["coordinates"].shape != shape:
        raise ParameterError(
            f"stage file {path} holds samples of shape {arrays['coordinates'].shape}: expected {shape}. Remove the "
            "file to start anew."
        )
    return MultilevelState(
        settings=settings,
        tempering_exponent=header["tempering_exponent"],
        fine_share=header["fine_share"],
        is_switched=header["is_switched"],
        proposal_scale=header["proposal_scale"],
        stages=tuple(MultilevelStageInfo(**info) for info in header["stages"]),
        **arrays,
    )


def _content(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            header = json.loads(archive["header"].tobytes())
            if not isinstance(header, dict) or header.get("format") != _FORMAT:
                raise ValueError("it is of another format")
            return header, {name: archive[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ParameterError(
            f"stage file {path} cannot be continued ({error}): it is damaged, or no file of a multilevel run. Remove "
            "it to start anew."
        ) from error
