"""The task of training one inverse network: merged masks in, scaled targets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gliofield.cores import require_threads
from gliofield.growth.parameters import SEED_NAMES
from gliofield.inverse.config import InverseSettings
from gliofield.inverse.networks import make_network
from gliofield.inverse.observation import InputLayout
from gliofield.inverse.origin import TumorOrigin
from gliofield.inverse.targets import TargetScaling, target_values
from gliofield_training import Batch, Part
from gliofield_training.inverse.drawn_masks import drawn_masks, perturbed_masks
from gliofield_training.inverse.tumors import Tumor, TumorSource


def input_layout(settings: InverseSettings, origin: TumorOrigin) -> InputLayout:
    """What networks of these settings see of the tumors of an origin."""
    return InputLayout.of(settings.network, origin.grid.shape, origin.shown_with(settings.observation).occupied)


class InverseTask:
    """Predict the targets of tumors from their masks; a `gliofield_training.TrainingTask`.

    Parameters
    ----------
    settings : InverseSettings
        Network and observation.
    source : TumorSource
        Where tumors come from.
    scaling : TargetScaling
        Targets of this network.
    seed : int
        Of the first weights.
    """

    def __init__(self, settings: InverseSettings, source: TumorSource, scaling: TargetScaling, *, seed: int) -> None:
        self._observation = settings.observation
        self._source = source
        self._scaling = scaling
        self._num_threads = require_threads(settings.training.num_threads)
        self.layout = input_layout(settings, source.origin)
        self._network = make_network(settings.network.channels, len(scaling.names), seed=seed)

    @property
    def network(self) -> nn.Module:
        """The network."""
        return self._network

    @property
    def num_training_samples(self) -> int:
        """Tumors per epoch."""
        return self._source.num_training_tumors

    @property
    def num_validation_samples(self) -> int:
        """Tumors to validate on."""
        return self._source.num_validation_tumors

    def load(self, samples: Sequence[int], *, part: Part, rng: np.random.Generator) -> Batch:
        """Merged masks (B, 1, X, Y, Z) at thresholds drawn for each sample, and scaled targets (B, K)."""
        tumors = self._source.read(samples, part=part, rng=rng)
        values = target_values(np.stack([tumor.parameters for tumor in tumors]), self._scaling.names)
        volumes = np.empty((len(tumors), 1, *self.layout.shape), dtype=np.float32)
        # A generator for each sample, so that the number of threads does not matter.
        generators = rng.spawn(len(tumors))
        with ThreadPoolExecutor(self._num_threads) as executor:
            shown = executor.map(partial(self._shown, part=part), tumors, generators)
            for row, (volume, is_mirrored) in enumerate(shown):
                volumes[row, 0] = volume
                if is_mirrored:
                    values[row] = self._mirrored(values[row])
        return torch.from_numpy(volumes), torch.from_numpy(self._scaling.encode(values).astype(np.float32))

    def losses(self, network: nn.Module, batch: Batch, *, generator: torch.Generator | None) -> Mapping[str, Tensor]:
        """``loss``, the mean squared error of the scaled targets, and the mean absolute error of each."""
        volumes, targets = batch
        errors = network(volumes).float() - targets
        absolute = errors.detach().abs().mean(dim=0)
        return {"loss": (errors**2).mean(), **dict(zip(self._scaling.names, absolute, strict=True))}

    def _shown(self, tumor: Tumor, rng: np.random.Generator, *, part: Part) -> tuple[NDArray[np.float32], bool]:
        """What the network sees of a tumor, and whether that is mirrored."""
        observation = self._observation
        core, whole = drawn_masks(tumor.levels, observation, rng)
        is_mirrored = False
        if part == "training":
            if observation.perturbation is not None:
                spacing_mm = min(self._source.origin.grid.spacing_mm)
                core, whole = perturbed_masks(core, whole, observation.perturbation, spacing_mm, rng)
            is_mirrored = observation.flips and bool(rng.random() < 0.5)
            if is_mirrored:
                core, whole = core[::-1], whole[::-1]
        return self.layout.volume(core, whole), is_mirrored

    def _mirrored(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Targets of the tumor mirrored at the middle plane of the grid."""
        mirrored = values.copy()
        if SEED_NAMES[0] in self._scaling.names:
            column = self._scaling.names.index(SEED_NAMES[0])
            mirrored[column] = 2.0 * self._source.origin.grid.center_mm[0] - values[column]
        return mirrored
