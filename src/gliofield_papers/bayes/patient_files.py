"""Results of patients on disk: parameters as JSON, densities and masks in an archive beside it.

Both are written again whenever a growth model is done, each whole or not at all.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.output import atomic_file
from gliofield_papers.bayes.measuring import MachineConditions


@dataclass(frozen=True, kw_only=True)
class ParameterEstimate:
    """Best sample and 95 % interval of one parameter, in its unit."""

    map: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ModelPosterior:
    """Posterior of one patient by one growth model.

    Parameters
    ----------
    parameters : mapping of str to ParameterEstimate
        All that were sampled, and √(D_w T), √(ρ T), √(D_w/ρ) as intervals with NaN for the MAP.
    dice_core, dice_whole : float
        Mean Dice of masks drawn from the posterior with the observed ones.
    num_simulations : int
        Of the sampler and of the search for its start; since it was started last, if it was stopped in between.
    seconds : float
        Wall time of sampling; NaN if it was stopped in between.
    concerns : tuple of str
        What the method itself remarks.
    conditions : MachineConditions
        Under which the seconds were measured.
    """

    parameters: Mapping[str, ParameterEstimate]
    dice_core: float
    dice_whole: float
    num_simulations: int
    seconds: float
    concerns: tuple[str, ...]
    conditions: MachineConditions


@dataclass(frozen=True, kw_only=True, eq=False)
class PatientPosterior:
    """Posteriors of one patient.

    Parameters
    ----------
    name : str
        Of the patient's folder.
    inputs : mapping
        What it depends on beside the evaluation's settings: digests of the files, spacing, registration, growth models;
        JSON-ready.
    core_ml, whole_ml : float
        Volumes of the masks where tumors grow [ml]; NaN before it was registered.
    spacing_mm : float
        Of the grid [mm].
    uses_pet : bool
        Whether FET-PET was there.
    models : mapping of str to ModelPosterior
        By name of the growth model, those that were sampled.
    failures : mapping of str to str
        Why others were not, by the same names, or by that of an earlier step.
    map_dice : mapping of float to float
        Dice of both MAP densities above each level; NaN where neither exceeds it; empty without both models.
    map_distance : float
        Their mean |difference| over voxels where either has tumor; NaN without both models.
    densities : mapping of str to array (X, Y, Z)
        MAP densities by model, float32.
    masks : mapping of str to array (X, Y, Z)
        ``tumor_core`` and ``whole_tumor`` where tumors grow.
    """

    name: str
    inputs: Mapping[str, Any]
    spacing_mm: float
    core_ml: float = float("nan")
    whole_ml: float = float("nan")
    uses_pet: bool = False
    models: Mapping[str, ModelPosterior] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    map_dice: Mapping[float, float] = field(default_factory=dict)
    map_distance: float = float("nan")
    densities: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict, repr=False)


def patient_file(folder: Path, name: str) -> Path:
    """Where the record of a patient lies."""
    return folder / f"{name}.json"


def write_patient(path: Path, patient: PatientPosterior) -> None:
    """Write a patient's record, and its densities and masks in an archive beside it.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {
        **{f"density {label}": values for label, values in patient.densities.items()},
        **{f"mask {name}": values for name, values in patient.masks.items()},
    }
    # The archive first: a record stands for both.
    with atomic_file(path.with_suffix(".npz")) as partial, open(partial, "wb") as handle:
        np.savez_compressed(handle, **cast(dict[str, Any], arrays))
    content = {
        each.name: getattr(patient, each.name)
        for each in dataclasses.fields(patient)
        if each.name not in ("densities", "masks")
    }
    content["models"] = {label: dataclasses.asdict(model) for label, model in patient.models.items()}
    with atomic_file(path) as partial:
        # NaN stays NaN: the file is read by `read_patient` alone.
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_patient(path: str | os.PathLike[str]) -> PatientPosterior:
    """Read what `write_patient` wrote.

    Raises
    ------
    ParameterError
        If the files are none.
    """
    archive_path = Path(path).with_suffix(".npz")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        with np.load(archive_path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        models = {label: _model_of(model) for label, model in content.pop("models").items()}
        overlaps = {float(level): float(value) for level, value in content.pop("map_dice").items()}
        return PatientPosterior(
            **content,
            models=models,
            map_dice=overlaps,
            densities=_starting(arrays, "density "),
            masks=_starting(arrays, "mask "),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(
            f"{os.fspath(path)} is no result of a patient ({error}). Remove it, and the patient is sampled again."
        ) from error


def _model_of(content: Mapping[str, Any]) -> ModelPosterior:
    parameters = {name: ParameterEstimate(**value) for name, value in content["parameters"].items()}
    changed = {
        "parameters": parameters,
        "concerns": tuple(content["concerns"]),
        "conditions": MachineConditions(**content["conditions"]),
    }
    return ModelPosterior(**{**content, **changed})


def _starting(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
