"""The task of training a surrogate: tissues and parameters in, density out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gliofield_papers.surrogate.config import TISSUES, SurrogateSettings
from gliofield_papers.surrogate.losses import region_errors, total_loss, tumor_errors
from gliofield_papers.surrogate.network import make_network
from gliofield_papers.surrogate.samples import SurrogateSamples
from gliofield_papers.surrogate.scaling import scaled_growth
from gliofield_training import Batch, Part


class SurrogateTask:
    """Predict simulated tumors; a `gliofield_training.TrainingTask`.

    Parameters
    ----------
    settings : SurrogateSettings
        Network and loss.
    training, validation : SurrogateSamples
        Tumors, in different anatomies.
    """

    def __init__(self, settings: SurrogateSettings, training: SurrogateSamples, validation: SurrogateSamples) -> None:
        self._settings = settings
        self._samples = {"training": training, "validation": validation}
        self._channels = [TISSUES.index(tissue) for tissue in settings.network.tissues]
        self._guesses: dict[tuple[Part, int], NDArray[np.float16]] = {}
        self._network = make_network(settings.network, seed=settings.training.seed)

    @property
    def network(self) -> nn.Module:
        """The network."""
        return self._network

    @property
    def num_training_samples(self) -> int:
        """Tumors to learn from."""
        return len(self._samples["training"])

    @property
    def num_validation_samples(self) -> int:
        """Tumors to validate on."""
        return len(self._samples["validation"])

    def load(self, samples: Sequence[int], *, part: Part, rng: np.random.Generator) -> Batch:
        """Tissues (B, 3, S, S, S), scaled parameters (B, 3), densities (B, 1, S, S, S); guesses of the same shape."""
        source = self._samples[part]
        growth = scaled_growth(np.stack([source.growth(sample) for sample in samples]), self._settings.ranges)
        return (
            torch.from_numpy(np.stack([source.tissues(sample) for sample in samples])),
            torch.from_numpy(growth.astype(np.float32)),
            torch.from_numpy(np.stack([source.tumor(sample)[np.newaxis] for sample in samples])),
            *([torch.from_numpy(self._guess(samples, part))] if self._settings.network.corrects_guess else []),
        )

    def _guess(self, samples: Sequence[int], part: Part) -> NDArray[np.float32]:
        """Log-odds of the guesses (B, 1, S, S, S), made once and kept: 2 bytes per voxel."""
        for sample in samples:
            if (part, sample) not in self._guesses:
                self._guesses[part, sample] = self._samples[part].guess(sample).astype(np.float16)
        return np.stack([self._guesses[part, sample][np.newaxis] for sample in samples]).astype(np.float32)

    def losses(self, network: nn.Module, batch: Batch, *, generator: torch.Generator | None) -> Mapping[str, Tensor]:
        """``loss``, and the mean absolute errors in ``tumor``, ``csf``, ``healthy`` tissue and ``volume``."""
        tissues, growth, simulated, *guess = batch
        predicted = network(tissues[:, self._channels], growth, *guess).float()
        errors = region_errors(predicted, simulated, tissues)
        if self._settings.loss == "per-tumor":
            errors["per-tumor"] = tumor_errors(predicted, simulated)
        return {
            "loss": total_loss(errors, self._settings.loss),
            **{name: error.detach() for name, error in errors.items()},
        }
