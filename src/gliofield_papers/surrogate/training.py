"""Training of a surrogate, from simulated samples to a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gliofield.anatomy import Atlas
from gliofield.errors import ParameterError
from gliofield.learning import require_torch
from gliofield.progress import Reporter, ignore_progress
from gliofield.records import to_record
from gliofield_papers.surrogate.checkpoint import CHECKPOINT_KIND, SurrogateHeader
from gliofield_papers.surrogate.config import SurrogateSettings
from gliofield_papers.surrogate.samples import SurrogateSamples
from gliofield_training import ProcessGroup, train
from gliofield_training.outputs import checkpoint_path
from gliofield_training.training_frame import train_to_checkpoint


def train_surrogate(
    training: SurrogateSamples,
    validation: SurrogateSamples,
    settings: SurrogateSettings,
    out: str | os.PathLike[str],
    *,
    atlas: Atlas | None = None,
    replace: bool = False,
    restart: bool = False,
    report: Reporter = ignore_progress,
) -> SurrogateHeader:
    """Train a surrogate on samples of `simulate_samples` and write it as a checkpoint.

    The running state lies beside the checkpoint, in a folder with ``.training`` added to its name: interrupted and
    called again, training goes on where it was and ends with the same weights. At the end only the TensorBoard files
    are left of it. Under PyTorch's launcher several processes share every batch, and the first writes.

    Parameters
    ----------
    training, validation : SurrogateSamples
        Tumors to learn from and to validate on, in different anatomies.
    settings : SurrogateSettings
        Network, loss, training; ranges and numbers of samples are those of the samples.
    out : path
        The checkpoint, ``.safetensors``.
    atlas : Atlas or None
        Whose brain was moved for the anatomies, for the record.
    replace : bool
        Whether an older checkpoint may be replaced.
    restart : bool
        Whether an interrupted training is begun anew instead of gone on with.
    report : Reporter
        Receives the batches done and the losses of each epoch.

    Raises
    ------
    ParameterError
        If samples do not fit the settings or each other, the two share an anatomy, PyTorch is missing, or an
        interrupted training was started with other settings.
    OutputError
        If the checkpoint exists and may not be replaced, or cannot be written.
    NumericalError
        If the loss is no longer a finite number.
    """
    require_torch()
    from gliofield_papers.surrogate.training_task import SurrogateTask

    path = checkpoint_path(out, replace=replace)
    _require_fit(training, validation, settings)
    task = SurrogateTask(settings, training, validation)
    identity = {
        "network": to_record(settings.network),
        "loss": settings.loss,
        "trained_on": training.identity,
        "validated_on": validation.identity,
    }

    def run(folder: Path, processes: ProcessGroup) -> tuple[SurrogateHeader, Mapping[str, Any]]:
        history = train(task, settings.training, folder=folder, identity=identity, resume=not restart, report=report)
        header = SurrogateHeader(
            settings=settings,
            spacing_mm=training.spacing_mm,
            trained_on=training.identity,
            validated_on=validation.identity,
            history=history,
            domain_rule=training.domain_rule,
            atlas_name=None if atlas is None else atlas.name,
            atlas_hash=None if atlas is None else atlas.content_hash,
        )
        return header, task.network.state_dict()

    return train_to_checkpoint(path, run, kind=CHECKPOINT_KIND, device=settings.training.device, replace=replace)


def _require_fit(training: SurrogateSamples, validation: SurrogateSamples, settings: SurrogateSettings) -> None:
    _require_as_in_settings(training, settings, "training", settings.num_training_samples)
    _require_as_in_settings(validation, settings, "validation", settings.num_validation_samples)
    shared = set(training.identity["anatomies"]) & set(validation.identity["anatomies"])
    if shared:
        raise ParameterError(
            f"training and validation share {len(shared)} of their anatomies: expected none, or what is measured is "
            "no generalization. Give anatomies of other numbers."
        )
    if abs(training.spacing_mm / validation.spacing_mm - 1.0) > 1e-3:
        raise ParameterError(
            f"training samples have a spacing of {training.spacing_mm:g} mm, those of validation "
            f"{validation.spacing_mm:g} mm: expected one spacing."
        )
    if training.domain_rule != validation.domain_rule:
        raise ParameterError(
            f"training samples grew in domains of the rule {training.domain_rule!r}, those of validation "
            f"{validation.domain_rule!r}: expected one rule."
        )


def _require_as_in_settings(samples: SurrogateSamples, settings: SurrogateSettings, part: str, number: int) -> None:
    if len(samples) != number:
        raise ParameterError(
            f"there are {len(samples)} samples for {part}: expected {number}, num_{part}_samples of the settings."
        )
    if samples.crop_size != settings.network.crop_size:
        raise ParameterError(
            f"the samples are cut out at {samples.crop_size}³ voxels: expected {settings.network.crop_size}³, the "
            "network's crop_size. Simulate them again."
        )
    drawn = to_record(samples.ranges)
    for name, expected in to_record(settings.ranges).items():
        if drawn[name] != expected:
            raise ParameterError(
                f"the samples for {part} were drawn with {name} {drawn[name]}: expected {expected}, that of the "
                "settings. Simulate them again, or change the settings."
            )
