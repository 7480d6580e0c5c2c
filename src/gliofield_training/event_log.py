"""Curves of a training for TensorBoard, where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gliofield.learning.history import EpochRecord

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_EVENT_FILES = "events.out.tfevents.*"


class EventLog:
    """Event files in a folder; does nothing without TensorBoard.

    Parameters
    ----------
    folder : Path or None
        Where the event files go; None: nowhere.
    first_epoch : int
        Number of the first epoch to be logged. Points of an earlier run from there on are hidden; 1: its files are
        removed.
    """

    def __init__(self, folder: Path | None, *, first_epoch: int) -> None:
        self._writer = None if folder is None else _open_writer(folder, first_epoch)

    def add(self, record: EpochRecord) -> None:
        """Log an epoch, readable at once."""
        if self._writer is None:
            return
        for part, losses in (("training", record.training), ("validation", record.validation)):
            for name, value in losses.items():
                self._writer.add_scalar(f"{name}/{part}", value, record.epoch)
        self._writer.add_scalar("learning rate", record.learning_rate, record.epoch)
        self._writer.add_scalar("seconds per epoch", record.seconds, record.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()


def _open_writer(folder: Path, first_epoch: int) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        if error.name != "tensorboard":
            raise
        return None
    if first_epoch == 1:
        for path in folder.glob(_EVENT_FILES):
            path.unlink()
    return SummaryWriter(str(folder), purge_step=first_epoch)
