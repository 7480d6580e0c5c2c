"""A run on disk after each stage, so that a killed run goes on where it stopped; of TMCMC, and of multilevel TMCMC.

One NumPy archive (.npz) of plain arrays, read without pickle, written whole or not at all. Settings and stages are JSON
beside them. Since all randomness of a stage is a function of the settings' seed and the stage's number, a run continued
from its file ends with the same samples as one that was never stopped, on the same machine and versions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.multilevel_state import MultilevelSettings, MultilevelStageInfo, MultilevelState
from gliofield.bayes.tmcmc_state import StageInfo, TmcmcSettings, TmcmcState
from gliofield.errors import ParameterError
from gliofield.output import atomic_file


@dataclass(frozen=True, kw_only=True)
class _Format:
    """What of a state goes into its file: fields with one value per sample, and fields that are one value."""

    name: str
    arrays: tuple[str, ...]
    numbers: tuple[str, ...]
    stage: type[StageInfo] | type[MultilevelStageInfo]


_TMCMC = _Format(
    name="gliofield-tmcmc-stage-3",
    arrays=("coordinates", "log_prior", "log_likelihood"),
    numbers=("tempering_exponent", "proposal_scale"),
    stage=StageInfo,
)
_MULTILEVEL = _Format(
    name="gliofield-multilevel-stage-3",
    arrays=("coordinates", "log_prior", "log_coarse", "log_fine"),
    numbers=("tempering_exponent", "fine_share", "is_switched", "proposal_scale"),
    stage=MultilevelStageInfo,
)


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
    _write(path, state, _TMCMC, fingerprint)


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
    stages, fields = _read(path, _TMCMC, settings, settings, num_parameters, fingerprint)
    return TmcmcState(settings=settings, stages=tuple(StageInfo(**info) for info in stages), **fields)


def write_multilevel_file(path: str | os.PathLike[str], state: MultilevelState, *, fingerprint: str) -> None:
    """As `write_stage_file`, of a multilevel run."""
    _write(path, state, _MULTILEVEL, fingerprint)


def read_multilevel_file(
    path: str | os.PathLike[str], *, settings: MultilevelSettings, num_parameters: int, fingerprint: str
) -> MultilevelState:
    """As `read_stage_file`, of a multilevel run."""
    stages, fields = _read(path, _MULTILEVEL, settings, settings.sampler, num_parameters, fingerprint)
    return MultilevelState(settings=settings, stages=tuple(MultilevelStageInfo(**info) for info in stages), **fields)


def _write(
    path: str | os.PathLike[str], state: TmcmcState | MultilevelState, file_format: _Format, fingerprint: str
) -> None:
    header = {
        "format": file_format.name,
        "fingerprint": fingerprint,
        "settings": asdict(state.settings),
        "stages": [asdict(info) for info in state.stages],
        **{name: getattr(state, name) for name in file_format.numbers},
    }
    arrays = {name: getattr(state, name) for name in file_format.arrays}
    # Floats survive JSON exactly: Python writes the shortest text that reads back the same.
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with atomic_file(path) as partial, open(partial, "wb") as handle:
        np.savez(handle, header=text, **arrays)


def _read(
    path: str | os.PathLike[str],
    file_format: _Format,
    settings: TmcmcSettings | MultilevelSettings,
    sampler: TmcmcSettings,
    num_parameters: int,
    fingerprint: str,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Stages of a run's file, and its state's other fields."""
    header, arrays = _content(path, file_format)
    wanted, stored = asdict(settings), header["settings"]
    if header["fingerprint"] != fingerprint or stored != wanted:
        differing = [name for name, value in wanted.items() if stored.get(name) != value]
        what = f"settings ({', '.join(differing)})" if differing else "data, prior or model"
        raise ParameterError(
            f"stage file {path} belongs to a run with other {what}. Continue that run, or remove the file "
            "to start anew."
        )
    shape = (sampler.num_samples if header["stages"] else sampler.num_first, num_parameters)
    coordinates, *others = arrays.values()
    if coordinates.shape != shape or any(array.shape != shape[:1] for array in others):
        raise ParameterError(
            f"stage file {path} holds samples of shape {coordinates.shape}: expected {shape}. "
            "Remove the file to start anew."
        )
    return header["stages"], {**{name: header[name] for name in file_format.numbers}, **arrays}


def _content(
    path: str | os.PathLike[str], file_format: _Format
) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Header and arrays of a file of this format."""
    try:
        # Opened here: of a damaged archive NumPy would leave the file open.
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
    except Exception as error:  # NumPy, zipfile and json raise many types for damaged files; the cause is chained
        raise ParameterError(
            f"stage file {path} cannot be read ({error}), so its run cannot be continued: it is missing, damaged, or "
            "no stage file. Remove it to start anew."
        ) from error
    if not isinstance(header, dict) or header.get("format") != file_format.name or [*arrays] != [*file_format.arrays]:
        raise ParameterError(
            f"stage file {path} has another format: expected {file_format.name}. Remove it to start anew."
        )
    if not _has_structure(header, file_format) or any(
        getattr(array, "dtype", None) != np.float64 for array in arrays.values()
    ):
        raise ParameterError(
            f"stage file {path} says of its format that it is {file_format.name}, but its content is another one. "
            "Remove it to start anew."
        )
    return header, arrays


def _has_structure(header: Mapping[str, Any], file_format: _Format) -> bool:
    """Whether a header has what a state is made of: texts, mappings and numbers where they should be."""
    stages = header.get("stages")
    if not isinstance(stages, list) or not all(isinstance(info, dict) for info in stages):
        return False
    names = {field.name for field in fields(file_format.stage)}
    values = [value for info in stages for value in info.values()]
    return (
        isinstance(header.get("fingerprint"), str)
        and isinstance(header.get("settings"), dict)
        and all(set(info) == names for info in stages)
        and all(isinstance(header.get(name), int | float) for name in file_format.numbers)
        and all(value is None or isinstance(value, int | float) for value in values)
    )
