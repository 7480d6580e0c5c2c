"""The task of training one embedding network: masks of one modality in, their reconstructions compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gliofield_papers.indexes.embedding.bi_half import quantization_loss
from gliofield_papers.indexes.embedding.losses import RECONSTRUCTION_LOSS, kl_divergence, reconstruction_dice
from gliofield_papers.indexes.embedding.networks import Reconstruction, first_network
from gliofield_papers.indexes.embedding.settings import NetworkSettings
from gliofield_papers.indexes.embedding.volumes import TumorVolumes
from gliofield_training import Batch, Part


class ReconstructionTask:
    """Reconstruct the masks of some tumors; a `gliofield_training.TrainingTask`.

    Parameters
    ----------
    settings : NetworkSettings
        The network and its loss.
    volumes : TumorVolumes
        Where masks are read.
    modality : int
        0 for FLAIR, 1 for T1Gd.
    training_tumors, validation_tumors : (n,) int arrays
        Numbers of tumors.
    seed : int
        Of the first weights.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        volumes: TumorVolumes,
        *,
        modality: int,
        training_tumors: NDArray[np.int64],
        validation_tumors: NDArray[np.int64],
        seed: int,
    ) -> None:
        self.settings = settings
        self.modality = modality
        self._volumes = volumes
        self._tumors = {"training": training_tumors, "validation": validation_tumors}
        self._network = first_network(settings, volumes.layout.shape, seed=seed)

    @property
    def network(self) -> nn.Module:
        """The network."""
        return self._network

    @property
    def num_training_samples(self) -> int:
        """Tumors to learn from."""
        return len(self._tumors["training"])

    @property
    def num_validation_samples(self) -> int:
        """Tumors to check with."""
        return len(self._tumors["validation"])

    def load(self, samples: Sequence[int], *, part: Part, rng: np.random.Generator) -> Batch:
        """Volumes of some tumors, (B, 1, X, Y, Z)."""
        tumors = self._tumors[part][list(samples)]
        return (torch.from_numpy(self._volumes.read(tumors.tolist(), modalities=(self.modality,))),)

    def losses(self, network: nn.Module, batch: Batch, *, generator: torch.Generator | None) -> Mapping[str, Tensor]:
        """``loss``, its parts ``reconstruction``, ``kl`` (VAE), ``quantization`` (hash); ``dice`` of what was made."""
        (masks,) = batch
        made: Reconstruction = network(masks, generator)
        logits = made.logits.float()
        reconstruction = RECONSTRUCTION_LOSS[self.settings.loss](logits, masks).mean()
        losses = {"reconstruction": reconstruction, "dice": reconstruction_dice(logits.detach(), masks).mean()}
        loss = reconstruction
        if made.mean is not None and made.log_variance is not None:
            losses["kl"] = kl_divergence(made.mean.float(), made.log_variance.float()).mean()
            loss = loss + self.settings.kl_weight * losses["kl"]
        if made.values is not None and made.bits is not None:
            losses["quantization"] = quantization_loss(made.values.float(), made.bits.float())
            loss = loss + self.settings.quantization_weight * losses["quantization"]
        return {"loss": loss, **losses}
