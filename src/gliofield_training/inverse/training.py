"""Training of an inverse method: all its networks, one after the other, into one checkpoint."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gliofield.database.schema import without_backend
from gliofield.errors import ParameterError
from gliofield.growth.parameters import PUSH_NAME
from gliofield.inverse.checkpoint import CHECKPOINT_KIND, InverseHeader, network_names
from gliofield.inverse.config import InverseSettings
from gliofield.inverse.origin import TumorOrigin
from gliofield.inverse.targets import TargetScaling, target_groups
from gliofield.learning import require_torch
from gliofield.progress import Reporter, ignore_progress
from gliofield.records import to_record
from gliofield_training import ProcessGroup
from gliofield_training.inverse.trained_ranges import trained_ranges
from gliofield_training.inverse.tumors import TumorSource
from gliofield_training.members import Member, train_members
from gliofield_training.outputs import checkpoint_path
from gliofield_training.training_frame import train_to_checkpoint

# Seeds of first weights and of batches of the members lie this far apart.
_SEEDS_PER_MEMBER = 1000


def train_inverse(
    source: TumorSource,
    settings: InverseSettings,
    out: str | os.PathLike[str],
    *,
    replace: bool = False,
    restart: bool = False,
    report: Reporter = ignore_progress,
) -> InverseHeader:
    """Train the networks of an inverse method and write them as one checkpoint.

    The running state lies beside the checkpoint, in a folder with ``.training`` added to its name: interrupted and
    called again, training goes on where it was and ends with the same weights. At the end only the TensorBoard files
    are left of it. Under PyTorch's launcher several processes share every batch, and the first writes.

    Parameters
    ----------
    source : TumorSource
        `DatabaseTumors` or `SimulatedTumors`.
    settings : InverseSettings
        Targets, masks, networks, training.
    out : path
        The checkpoint, ``.safetensors``.
    replace : bool
        Whether an older checkpoint may be replaced.
    restart : bool
        Whether an interrupted training is begun anew instead of gone on with.
    report : Reporter
        Receives the batches done, the losses of each epoch, and at the end the tumors whose ranges are taken.

    Raises
    ------
    ParameterError
        If the volumes are too small for the network, PyTorch is missing, or an interrupted training was started with
        other settings.
    OutputError
        If the checkpoint exists and may not be replaced, or cannot be written.
    NumericalError
        If the loss is no longer a finite number.
    TrainingInterruptedError
        After SIGTERM, when the state is saved.
    """
    require_torch()
    from gliofield.inverse.networks import SMALLEST_INPUT
    from gliofield_training.inverse.training_task import input_layout

    path = checkpoint_path(out, replace=replace)
    origin = source.origin
    layout = input_layout(settings, origin)
    if min(layout.shape) < SMALLEST_INPUT:
        raise ParameterError(
            f"the network would see volumes of {layout.shape} voxels: expected at least {SMALLEST_INPUT} along each "
            "axis. Choose less pooling, or a finer grid."
        )
    low, high = origin.design_settings.get(PUSH_NAME) or (0.0, 0.0)
    if settings.targets.has_push and low == high:
        raise ParameterError(
            "no push can be learned from tumors that all push alike, or not at all: expected tumors with mass effect "
            "whose push is drawn."
        )
    groups = target_groups(settings.targets)
    seed_ranges_mm = origin.shown_with(settings.observation).seed_ranges_mm
    scalings = {group: TargetScaling.of(settings.targets, names, seed_ranges_mm) for group, names in groups.items()}

    def run(folder: Path, processes: ProcessGroup) -> tuple[InverseHeader, Mapping[str, Any]]:
        members = _make_members(source, settings, scalings)
        histories, tensors = train_members(members, folder=folder, resume=not restart, report=report)
        header = InverseHeader(
            settings=settings,
            origin=origin,
            layout=layout,
            scalings=scalings,
            num_training_tumors=source.num_training_tumors,
            history=histories,
            # Only the first process writes the header, and ranges may cost simulations.
            trained_ranges=trained_ranges(source, settings, report=report) if processes.is_first else None,
        )
        return header, tensors

    return train_to_checkpoint(path, run, kind=CHECKPOINT_KIND, device=settings.training.device, replace=replace)


def _make_members(
    source: TumorSource, settings: InverseSettings, scalings: Mapping[str, TargetScaling]
) -> Iterator[Member]:
    """The networks of each group of targets, with first weights and batches of their own."""
    from gliofield_training.inverse.training_task import InverseTask

    for group, number in network_names(settings):
        seed = settings.training.seed + _SEEDS_PER_MEMBER * number
        yield Member(
            name=f"{group}.{number}",
            task=InverseTask(settings, source, scalings[group], seed=seed),
            settings=dataclasses.replace(settings.training, seed=seed),
            identity=_identity(settings, source.origin, scalings[group]),
            keep="best" if source.num_validation_tumors else "last",
        )


def _identity(settings: InverseSettings, origin: TumorOrigin, scaling: TargetScaling) -> dict[str, Any]:
    """What the weights depend on besides the training settings, which the loop compares itself."""
    return {
        "observation": to_record(settings.observation),
        "network": to_record(settings.network),
        "targets": to_record(scaling),
        "occupied": to_record(origin.occupied),
        # The record of a database says its model itself. A training may go on on another device.
        "trained_on": {"model": without_backend(origin.model), **origin.record},
    }
