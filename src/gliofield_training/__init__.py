"""How networks learn: one loop for all networks of gliofield, and what the inverse networks learn from.

A package of its own, since a patient's map needs none of it: gliofield reads the network that is shipped
(docs/design/0013-what-stands-beside-the-product.md). It plugs in the command ``gliofield train``.
"""

from gliofield_training.checkpoint_files import write_checkpoint
from gliofield_training.interrupts import TrainingInterruptedError
from gliofield_training.processes import ProcessGroup, process_group
from gliofield_training.task import Batch, Part, TrainingTask
from gliofield_training.training import Keep, train

__all__ = [
    "Batch",
    "Keep",
    "Part",
    "ProcessGroup",
    "TrainingInterruptedError",
    "TrainingTask",
    "process_group",
    "train",
    "write_checkpoint",
]
