"""The one training loop of gliofield: every network is trained by `train`.

    with process_group(settings.device):          # several devices under torchrun; one process otherwise
        history = train(task, settings, folder=Path("run"), identity={"database": checksum})

The loop is small on purpose: it draws batches, minimizes what the task calls its loss, keeps the best weights, and can
be killed at any time. What is random depends on (seed, epoch, batch) alone, and the state on disk is always that of a
moment between two batches, so a run that was killed and started again gives the weights of one that was not. On the
processor they are equal to the last bit, with the same number of threads and the same PyTorch. On CUDA the state is
restored to the last bit as well, but some of PyTorch's kernels add in an order that differs from run to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gliofield.errors import ParameterError, unknown_name
from gliofield.learning.history import TrainingHistory
from gliofield.learning.require import require_torch
from gliofield.learning.settings import TrainingSettings
from gliofield.progress import Reporter, ignore_progress
from gliofield_training.task import TrainingTask

Keep = Literal["best", "last"]
_KEEP = ("best", "last")


def train(
    task: TrainingTask,
    settings: TrainingSettings,
    *,
    folder: Path,
    identity: Mapping[str, Any],
    resume: bool = True,
    report: Reporter = ignore_progress,
    keep: Keep = "best",
) -> TrainingHistory:
    """Train the network of a task, or go on where an earlier call with the same folder was stopped.

    On return the network is on its device, in evaluation mode, with the chosen weights.

    Parameters
    ----------
    task : TrainingTask
        Network, samples and losses.
    settings : TrainingSettings
        How to train.
    folder : Path
        Holds the running state, replaced as a whole at each saving, and event files for TensorBoard where that is
        installed. Made if missing. One run per folder.
    identity : mapping
        JSON values: everything else the result depends on, such as a checksum of the data and the settings of the
        network.
    resume : bool
        Go on with the run in the folder, if there is one; otherwise start anew and replace it.
    report : Reporter
        Called after every batch, those of the validation too, with the number of epochs done. Only by the first of
        several processes.
    keep : {"best", "last"}
        Weights of the epoch with the lowest validation loss, or of the last epoch. Without validation samples every
        epoch is the best one so far.

    Returns
    -------
    TrainingHistory
        Losses of all epochs, those before an interruption too.

    Raises
    ------
    ParameterError
        If the folder holds a run with another identity or other settings (more epochs are allowed, unless the learning
        rate depends on their number), PyTorch or the device is not there, or the task has no training samples.
    CheckpointError
        If the state in the folder is damaged or does not fit the network.
    NumericalError
        If a loss or a weight is not finite; `step` counts the batches from the first epoch on, from 0.
    OutputError
        If the state cannot be written.
    TrainingInterruptedError
        After SIGTERM, when the batch under way is done and the state is saved.
    KeyboardInterrupt
        After Ctrl-C, when the batch under way is done and the state is saved; a second Ctrl-C does not wait.
    """
    require_torch()
    if keep not in _KEEP:
        raise ParameterError(unknown_name("keep", keep, _KEEP))
    if task.num_training_samples < 1:
        raise ParameterError(
            "the task has no training samples: expected at least 1. Choose other data or another split."
        )
    if settings.patience_epochs is not None and task.num_validation_samples < 1:
        raise ParameterError(
            "patience_epochs needs validation samples, and the task has none. Leave it out, or choose another split."
        )
    from gliofield_training.loop import run_training

    return run_training(
        task, settings, folder=Path(folder), identity=identity, resume=resume, report=report, keep_best=keep == "best"
    )
