"""What a network to be trained has to say about itself: its samples, and what it loses on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch

Part = Literal["training", "validation"]
Batch: TypeAlias = "tuple[torch.Tensor, ...]"


class TrainingTask(Protocol):
    """A network, its samples, and its losses.

    Samples are numbered from 0 in each part. `load` may do anything that gives tensors: read a database, or simulate.
    """

    @property
    def network(self) -> torch.nn.Module:
        """The network, with its initial weights before `train` and the trained ones after it."""
        ...

    @property
    def num_training_samples(self) -> int:
        """Number of samples of part "training", ≥ 1."""
        ...

    @property
    def num_validation_samples(self) -> int:
        """Number of samples of part "validation"; 0: there is no validation."""
        ...

    def load(self, samples: Sequence[int], *, part: Part, rng: np.random.Generator) -> Batch:
        """Tensors of some samples, on the processor; samples lead.

        Called from one thread of its own while the previous batch is computed. All randomness has to come from `rng`:
        it depends on the seed, the epoch and the batch for training, and on the seed and the batch for validation,
        which therefore sees the same every epoch. With several processes each loads its share of the batch, with an
        `rng` of its own.
        """
        ...

    def losses(
        self, network: torch.nn.Module, batch: Batch, *, generator: torch.Generator | None
    ) -> Mapping[str, torch.Tensor]:
        """Losses of a batch, on the device: scalars, means over the samples.

        Parameters
        ----------
        network : torch.nn.Module
            `self.network`, on the device.
        batch : tuple of torch.Tensor
            What `load` gave, on the device.
        generator : torch.Generator or None
            For noise, on the device; depends on the seed, the epoch and the batch. None in validation: no noise.

        Returns
        -------
        mapping of str to torch.Tensor
            "loss" is what is minimized; other names are recorded. The names are the same for every batch.
        """
        ...
