"""How networks are trained and stored: one loop, one file format, for all networks of gliofield."""

from gliofield.learning.checkpoint import (
    CHECKPOINT_VERSION,
    Checkpoint,
    CheckpointHeader,
    read_checkpoint,
    read_checkpoint_header,
    write_checkpoint,
)
from gliofield.learning.devices import DEVICE_NAMES, resolve_device, threads_of_worker
from gliofield.learning.history import EpochRecord, TrainingHistory
from gliofield.learning.interrupts import TrainingInterruptedError
from gliofield.learning.processes import ProcessGroup, process_group
from gliofield.learning.require import require_torch
from gliofield.learning.settings import (
    OPTIMIZER_NAMES,
    Constant,
    Cosine,
    ExponentialPerBatch,
    Schedule,
    TrainingSettings,
)
from gliofield.learning.task import Batch, Part, TrainingTask
from gliofield.learning.training import Keep, train

__all__ = [
    "CHECKPOINT_VERSION",
    "DEVICE_NAMES",
    "OPTIMIZER_NAMES",
    "Batch",
    "Checkpoint",
    "CheckpointHeader",
    "Constant",
    "Cosine",
    "EpochRecord",
    "ExponentialPerBatch",
    "Keep",
    "Part",
    "ProcessGroup",
    "Schedule",
    "TrainingHistory",
    "TrainingInterruptedError",
    "TrainingSettings",
    "TrainingTask",
    "process_group",
    "read_checkpoint",
    "read_checkpoint_header",
    "require_torch",
    "resolve_device",
    "threads_of_worker",
    "train",
    "write_checkpoint",
]
