"""Training of an embedding: one network for FLAIR, one for T1Gd, into one checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.box import Box, enclosing_box, make_box
from gliofield.database.quantization import levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.learning import require_torch
from gliofield.progress import Reporter, ignore_progress
from gliofield.records import to_record
from gliofield_papers.indexes.embedding.checkpoint import CHECKPOINT_KIND, EmbeddingHeader
from gliofield_papers.indexes.embedding.settings import MODALITIES, EmbeddingSettings
from gliofield_papers.indexes.embedding.volumes import TumorVolumes, VolumeLayout
from gliofield_training import ProcessGroup
from gliofield_training.members import Member, train_members
from gliofield_training.outputs import checkpoint_path
from gliofield_training.training_frame import train_to_checkpoint


def train_embedding(
    database: SimulationDatabase,
    settings: EmbeddingSettings,
    out: str | os.PathLike[str],
    *,
    thresholds: VisibilityThresholds | None = None,
    replace: bool = False,
    restart: bool = False,
    report: Reporter = ignore_progress,
) -> EmbeddingHeader:
    """Train the two networks of an embedding and write them as one checkpoint.

    The running state lies beside the checkpoint, in a folder with ``.training`` added to its name: interrupted and
    called again, training goes on where it was and ends with the same weights. At the end only the TensorBoard files
    are left of it. Tumors for training and validation are drawn from the database by the settings' seed; a database
    that has grown gives other ones. Under PyTorch's launcher several processes share every batch, and the first writes.

    Parameters
    ----------
    database : SimulationDatabase
        Where the tumors are.
    settings : EmbeddingSettings
        Networks, training, numbers of tumors.
    out : path
        The checkpoint, ``.safetensors``.
    thresholds : VisibilityThresholds or None
        Cell densities above which a tumor shows, rounded to multiples of 1/255; None: 0.6 and 0.2.
    replace : bool
        Whether an older checkpoint may be replaced.
    restart : bool
        Whether an interrupted training is begun anew instead of gone on with.
    report : Reporter
        Receives the batches done and the losses of each epoch.

    Raises
    ------
    ParameterError
        If the database holds fewer tumors than asked for, PyTorch is missing, an interrupted training was started with
        other settings, or a process would meet a batch of one tumor in training a hash.
    OutputError
        If the checkpoint exists and may not be replaced, or cannot be written.
    NumericalError
        If the loss is no longer a finite number.
    """
    require_torch()
    path = checkpoint_path(out, replace=replace)
    training_tumors, validation_tumors = _chosen_tumors(database, settings)
    header = database.header
    levels = levels_of(thresholds if thresholds is not None else VisibilityThresholds())
    box = _box(database, settings)
    volumes = TumorVolumes(database, VolumeLayout(settings.network, header.grid.shape, box), levels)
    trained_on = {**header.to_attributes(), "num_tumors": database.num_tumors}

    def run(folder: Path, group: ProcessGroup) -> tuple[EmbeddingHeader, Mapping[str, Any]]:
        _require_batches(settings, group.num_processes)
        shown = {"box": to_record(box), "levels": list(levels), "trained_on": trained_on}
        members = _make_members(settings, volumes, training_tumors, validation_tumors, shown)
        histories, tensors = train_members(members, folder=folder, resume=not restart, report=report)
        made = EmbeddingHeader(
            settings=settings,
            grid=header.grid,
            atlas_name=header.atlas_name,
            atlas_hash=header.atlas_hash,
            box=box,
            levels=levels,
            trained_on=trained_on,
            history=histories,
        )
        return made, tensors

    return train_to_checkpoint(path, run, kind=CHECKPOINT_KIND, device=settings.training.device, replace=replace)


def _make_members(
    settings: EmbeddingSettings,
    volumes: TumorVolumes,
    training_tumors: NDArray[np.int64],
    validation_tumors: NDArray[np.int64],
    shown: Mapping[str, Any],
) -> Iterator[Member]:
    """The network of each modality; `shown` is what the volumes were made of."""
    from gliofield_papers.indexes.embedding.training_task import ReconstructionTask

    for modality, name in enumerate(MODALITIES):
        if name not in settings.modalities:
            continue
        yield Member(
            name=name,
            task=ReconstructionTask(
                settings.network,
                volumes,
                modality=modality,
                training_tumors=training_tumors,
                validation_tumors=validation_tumors,
                seed=settings.training.seed,
            ),
            settings=settings.training,
            # The training settings are compared by the loop, which lets the number of epochs grow.
            identity={
                "network": to_record(settings.network),
                "training_tumors": training_tumors.tolist(),
                "validation_tumors": validation_tumors.tolist(),
                "modality": name,
                **shown,
            },
            # The thesis takes the epoch of the lowest validation loss of its autoencoders, and the last of its VAEs.
            keep="last" if settings.network.kind == "vae" else "best",
        )


def _require_batches(settings: EmbeddingSettings, num_processes: int) -> None:
    """Refuse batches in which a Bi-half layer has nothing to balance: of one tumor in some process."""
    size, number = settings.training.batch_size, settings.num_training_tumors
    last = number % size or size
    if settings.network.kind == "hash" and min(size, last) // num_processes < 2:
        raise ParameterError(
            f"a hash needs at least two tumors in every batch of every process, to balance its bits: {number} tumors "
            f"in batches of {size} leave a last one of {last}, shared by {num_processes} process(es). Choose another "
            "batch size or number of tumors."
        )


def _chosen_tumors(
    database: SimulationDatabase, settings: EmbeddingSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the tumors for training and for validation."""
    wanted = settings.num_training_tumors + settings.num_validation_tumors
    if database.num_tumors < wanted:
        raise ParameterError(
            f"{database.path} holds {database.num_tumors} tumors, training takes {settings.num_training_tumors} and "
            f"validation {settings.num_validation_tumors}. Ask for fewer, or let the database grow."
        )
    rng = np.random.default_rng(settings.training.seed)
    shuffled = rng.permutation(database.num_tumors)
    return shuffled[: settings.num_training_tumors], shuffled[settings.num_training_tumors : wanted]


def _box(database: SimulationDatabase, settings: EmbeddingSettings) -> Box:
    """The part of the grid the networks see: all of it, or what holds all tumors."""
    if settings.network.is_cropped:
        return enclosing_box(database.bounding_box)
    return make_box((0, length) for length in database.header.grid.shape)
