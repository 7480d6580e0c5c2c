"""The record of a training: losses of every epoch, as stored in checkpoints and drawn as curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One pass over the training samples.

    Attributes
    ----------
    epoch : int
        Number of the epoch, counted from 1.
    training : mapping of str to float
        Means of the losses over the training samples, each batch with the weights it met.
    validation : mapping of str to float
        Means of the losses over the validation samples with the weights at the end of the epoch; empty without any.
    learning_rate : float
        Learning rate of the last batch.
    seconds : float
        Time of training and validation [s], interruptions left out.
    num_samples : int
        Number of training samples.
    """

    epoch: int
    training: Mapping[str, float]
    validation: Mapping[str, float]
    learning_rate: float
    seconds: float
    num_samples: int


@dataclass(frozen=True, kw_only=True)
class TrainingHistory:
    """All epochs of a training, in order.

    Attributes
    ----------
    epochs : tuple of EpochRecord
        One per finished epoch; `epochs[0].epoch` is 1.
    best_epoch : int
        Number of the epoch with the lowest validation loss, the first of equals; without validation the last epoch.
    is_stopped_early : bool
        Whether the patience ended before the epochs did.
    """

    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    is_stopped_early: bool

    @property
    def best(self) -> EpochRecord:
        """Record of the best epoch."""
        return self.epochs[self.best_epoch - 1]
