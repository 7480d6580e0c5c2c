"""How networks are trained and stored: one loop, one file format, for all networks of gliomap."""

from gliomap.learning.checkpoint import (
    CHECKPOINT_VERSION,
    Checkpoint,
    CheckpointHeader,
    read_checkpoint,
    read_checkpoint_header,
    write_checkpoint,
)
from gliomap.learning.devices import DEVICE_NAMES, resolve_device, threads_of_worker
from gliomap.learning.history import EpochRecord, TrainingHistory
from gliomap.learning.interrupts import TrainingInterruptedError
from gliomap.learning.processes import ProcessGroup, process_group
from gliomap.learning.require import require_torch
from gliomap.learning.settings import (
    OPTIMIZER_NAMES,
    Constant,
    Cosine,
    ExponentialPerBatch,
    Schedule,
    TrainingSettings,
)
from gliomap.learning.task import Batch, Part, TrainingTask
from gliomap.learning.training import Keep, train

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
