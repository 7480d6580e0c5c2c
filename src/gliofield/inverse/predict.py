"""Use of a trained inverse method: the masks of a patient, in the atlas, to growth parameters.

The networks of an ensemble each say what they think; their mean is the prediction, their spread an estimate of how
sure it is. Predictions are means of scaled targets, clamped to the trained ranges: what was clamped is named.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import CheckpointError, DatabaseError, SegmentationError
from gliofield.growth.parameters import RATE_NAMES, SEED_NAMES
from gliofield.imaging.observation import Observation
from gliofield.inverse.checkpoint import CHECKPOINT_KIND, InverseHeader, network_names, read_inverse_header
from gliofield.inverse.targets import FRONT_SPEED_MM_PER_DAY, GrowthRates
from gliofield.learning import read_checkpoint, require_torch, resolve_device

if TYPE_CHECKING:
    import torch

    from gliofield.inverse.networks import InverseNetwork


@dataclass(frozen=True, kw_only=True)
class InversePrediction:
    """What an inverse method says of one tumor.

    Parameters
    ----------
    rates : GrowthRates
        D_w, ρ, T. With the targets μ1, μ2 they are those of a fixed front speed, and only μ1 and μ2 mean something.
    seed_mm : (float, float, float)
        Position of the seed [mm, RAS+], which may lie outside the tissue.
    targets : dict of str to float
        What the networks predicted, units in the names.
    spread : dict of str to float
        Standard deviation of each target over the members of the ensemble; empty for a single member.
    clamped : tuple of str
        Targets whose prediction lay outside the trained range and was clamped to it.
    """

    rates: GrowthRates
    seed_mm: tuple[float, float, float]
    targets: dict[str, float]
    spread: dict[str, float]
    clamped: tuple[str, ...]


class InversePredictor:
    """A trained inverse method, ready to be asked.

    Parameters
    ----------
    path : path
        Checkpoint of `train_inverse`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be read, or its weights do not fit what it says of its networks.
    ParameterError
        If PyTorch or the device is missing.
    """

    def __init__(self, path: str | os.PathLike[str], *, device: str = "auto") -> None:
        require_torch()
        self.path = os.fspath(path)
        self.header: InverseHeader = read_inverse_header(path)
        self._device = resolve_device(device)
        stored = read_checkpoint(path, kind=CHECKPOINT_KIND)
        self.digest = stored.digest
        self._networks: dict[str, list[InverseNetwork]] = {group: [] for group in self.header.scalings}
        for group, member in network_names(self.header.settings):
            prefix = f"{group}.{member}."
            weights = {
                name.removeprefix(prefix): tensor for name, tensor in stored.tensors.items() if name.startswith(prefix)
            }
            self._networks[group].append(self._network(group, weights))

    def predict(self, observation: Observation) -> InversePrediction:
        """Parameters of the tumor with these masks, on the grid of the training in atlas space.

        Raises
        ------
        GridMismatchError
            If the masks lie on another grid.
        SegmentationError
            If there is no tumor core, or none where the network looks.
        """
        return self.predict_many([observation])[0]

    def predict_many(self, observations: Sequence[Observation]) -> list[InversePrediction]:
        """As `predict`, several at once."""
        for observation in observations:
            self._require_fit(observation)
        layout = self.header.layout
        volumes = np.stack([layout.volume(each.tumor_core, each.whole_tumor) for each in observations])[:, np.newaxis]
        return self.predict_volumes(volumes)

    def predict_volumes(self, volumes: NDArray[np.float32]) -> list[InversePrediction]:
        """Predictions of merged masks (n, 1, X, Y, Z) that already have the layout of the training."""
        names: list[str] = []
        columns = []
        for group, scaling in self.header.scalings.items():
            # (members, n, K)
            scaled = np.stack([self._scaled(network, volumes) for network in self._networks[group]])
            values, is_clamped = scaling.decode(scaled.mean(axis=0))
            # Not clamped: members that agree only in being beyond the range disagree.
            members = scaling.decode_unclamped(scaled)
            names.extend(scaling.names)
            columns.append((values, is_clamped, members.std(axis=0, ddof=1 if len(members) > 1 else 0)))
        values, is_clamped, spread = (np.concatenate(parts, axis=1) for parts in zip(*columns, strict=True))
        has_spread = self.header.settings.num_members > 1
        return [
            _prediction(names, values[row], is_clamped[row], spread[row] if has_spread else None)
            for row in range(len(volumes))
        ]

    def require_atlas(self, name: str, content_hash: str) -> None:
        """Refuse another atlas than that of the training.

        Raises
        ------
        DatabaseError
            If it is another one.
        """
        origin = self.header.origin
        if content_hash != origin.atlas_hash:
            raise DatabaseError(
                f"{self.path} was trained in the atlas {origin.atlas_name!r} (content hash {origin.atlas_hash[:12]}…), "
                f"not in {name!r} ({content_hash[:12]}…). Use that atlas, or train in this one with "
                "`gliofield train inverse`."
            )

    def _require_fit(self, observation: Observation) -> None:
        self.header.origin.grid.require_same_as(
            observation.grid, self_name="grid of the training", other_name="grid of the masks"
        )
        if not observation.has_core:
            raise SegmentationError(
                "the segmentation has no tumor core, and the inverse network was trained on tumors that show one in "
                "T1Gd. Use the method query, which can match the whole tumor alone."
            )
        if self.header.layout.share_outside(observation.tumor_core) == 1.0:
            raise SegmentationError(
                "the tumor core lies where no tumor of the training grew, and where the inverse network does not look. "
                "Check the registration, or use the method query."
            )

    def _network(self, group: str, weights: dict[str, torch.Tensor]) -> InverseNetwork:
        from gliofield.inverse.networks import make_network

        channels = self.header.settings.network.channels
        network = make_network(channels, len(self.header.scalings[group].names), seed=0)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"{self.path} holds weights that do not fit a network of {channels} channels: {error}. Train it again."
            ) from error
        return network.to(self._device).eval()

    def _scaled(self, network: InverseNetwork, volumes: NDArray[np.float32]) -> NDArray[np.float64]:
        import torch

        from gliofield.learning.single_samples import paired

        with torch.inference_mode():
            scaled = network(paired(torch.from_numpy(volumes).to(self._device)))[: len(volumes)]
        return scaled.cpu().numpy().astype(np.float64)


def _prediction(
    names: Sequence[str],
    values: NDArray[np.float64],
    is_clamped: NDArray[np.bool_],
    spread: NDArray[np.float64] | None,
) -> InversePrediction:
    targets = {name: float(value) for name, value in zip(names, values, strict=True)}
    if "mu1_mm" in targets:
        rates = GrowthRates.of_invariants(
            targets["mu1_mm"], targets["mu2"], front_speed_mm_per_day=FRONT_SPEED_MM_PER_DAY
        )
    else:
        rates = GrowthRates(**{name: targets[name] for name in RATE_NAMES})
    x_mm, y_mm, z_mm = (targets[name] for name in SEED_NAMES)
    return InversePrediction(
        rates=rates,
        seed_mm=(x_mm, y_mm, z_mm),
        targets=targets,
        spread={} if spread is None else {name: float(value) for name, value in zip(names, spread, strict=True)},
        clamped=tuple(name for name, clamped in zip(names, is_clamped, strict=True) if clamped),
    )
