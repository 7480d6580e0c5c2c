"""How networks are stored, and the settings and history of their training; `gliofield_training` trains them."""

from gliofield.learning.checkpoint import (
    CHECKPOINT_VERSION,
    Checkpoint,
    CheckpointHeader,
    read_checkpoint,
    read_checkpoint_header,
)
from gliofield.learning.devices import DEVICE_NAMES, resolve_device, threads_of_worker
from gliofield.learning.history import EpochRecord, TrainingHistory
from gliofield.learning.require import require_torch
from gliofield.learning.settings import (
    OPTIMIZER_NAMES,
    Constant,
    Cosine,
    ExponentialPerBatch,
    Schedule,
    TrainingSettings,
)

__all__ = [
    "CHECKPOINT_VERSION",
    "DEVICE_NAMES",
    "OPTIMIZER_NAMES",
    "Checkpoint",
    "CheckpointHeader",
    "Constant",
    "Cosine",
    "EpochRecord",
    "ExponentialPerBatch",
    "Schedule",
    "TrainingHistory",
    "TrainingSettings",
    "read_checkpoint",
    "read_checkpoint_header",
    "require_torch",
    "resolve_device",
    "threads_of_worker",
]
