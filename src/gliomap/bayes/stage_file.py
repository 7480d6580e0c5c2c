"""A TMCMC run on disk after each stage, so that a killed run goes on where it stopped.

One NumPy archive (.npz) of plain arrays, read without pickle, written whole or not at all. Settings and stages are JSON
beside them. Since all randomness of a stage is a function of the settings' seed and the stage's number, a run continued
from its file ends with the same samples as one that was never stopped, on the same machine and versions.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliomap.bayes.tmcmc_state import StageInfo, TmcmcSettings, TmcmcState
from gliomap.errors import ParameterError
from gliomap.output import atomic_file

_FORMAT = "gliomap-tmcmc-stage-1"
_ARRAYS = ("coordinates", "log_prior", "log_likelihood")


def write_stage_file(path: str | os.PathLike[str], state: TmcmcState, *, fingerprint: str) -> None:
    """Write a state, replacing an older file in one step.

    Parameters
    ----------
    path : path
        File ending in ``.npz``.
    state : TmcmcState
        After any stage.
    fingerprint : str
        What target the samples belong to, such as a hash of data, prior and model; `read_stage_file` compares it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    header = {
        "format": _FORMAT,
        "fingerprint": fingerprint,
        "settings": asdict(state.settings),
        "tempering_exponent": state.tempering_exponent,
        "proposal_scale": state.proposal_scale,
        "stages": [asdict(info) for info in state.stages],
    }
    # Floats survive JSON exactly: Python writes the shortest text that reads back the same.
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with atomic_file(path) as partial, open(partial, "wb") as handle:
        np.savez(
            handle,
            header=text,
            coordinates=state.coordinates,
            log_prior=state.log_prior,
            log_likelihood=state.log_likelihood,
        )


def read_stage_file(
    path: str | os.PathLike[str], *, settings: TmcmcSettings, num_parameters: int, fingerprint: str
) -> TmcmcState:
    """State of a run that was stopped.

    Parameters
    ----------
    path : path
        Written by `write_stage_file`.
    settings, num_parameters, fingerprint
        Those of the run that wants to go on.

    Raises
    ------
    ParameterError
        If the file cannot be read, is damaged or of another format, or belongs to another run.
    """
    header, arrays = _read(path)
    stored = header["settings"]
    if header["fingerprint"] != fingerprint or stored != asdict(settings):
        differing = [name for name, value in asdict(settings).items() if stored.get(name) != value]
        what = f"settings ({', '.join(differing)})" if differing else "data, prior or model"
        raise ParameterError(
            f"stage file {path} belongs to a run with other {what}. Continue that run, or remove the file "
            "to start anew."
        )
    shape = (settings.num_samples, num_parameters)
    if arrays["coordinates"].shape != shape or any(arrays[name].shape != shape[:1] for name in _ARRAYS[1:]):
        raise ParameterError(
            f"stage file {path} holds samples of shape {arrays['coordinates'].shape}: expected {shape}. "
            "Remove the file to start anew."
        )
    return TmcmcState(
        settings=settings,
        tempering_exponent=header["tempering_exponent"],
        proposal_scale=header["proposal_scale"],
        stages=tuple(StageInfo(**info) for info in header["stages"]),
        **arrays,
    )


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    try:
        # Opened here: of a damaged archive NumPy would leave the file open.
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            header = json.loads(archive["header"].tobytes())
            arrays = {name: archive[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ParameterError(
            f"stage file {path} cannot be read ({error}): it is missing, damaged, or no stage file. "
            "Remove it to start anew."
        ) from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ParameterError(f"stage file {path} has another format: expected {_FORMAT}. Remove it to start anew.")
    return header, arrays
