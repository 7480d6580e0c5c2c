"""The papers' three networks: autoencoder, variational autoencoder, and autoencoder with a Bi-half layer.

All share one encoder and one decoder. The encoder halves the resolution of a mask, down to 16³ for 128³, each time by
a convolution of stride 2 followed by one of stride 1, and ends in a linear layer; the decoder mirrors it with
transposed convolutions and ends in logits. In between:

- ``ae``: the latent numbers as they are;
- ``vae``: two linear layers give mean μ and log σ²; in training z = μ + σ ε, in use z = μ;
- ``hash``: the latent numbers become bits ±1 (`bi_half`).

Logits of a voxel are those of its share of tumor, since masks may have been pooled. How weights start is chosen here,
the papers do not say: after He, with 5 % of tumor everywhere. From PyTorch's own start, and 50 %, the Dice loss hardly
moves at first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from gliofield_papers.indexes.embedding.bi_half import bi_half, signs
from gliofield_papers.indexes.embedding.settings import NetworkSettings

_FIRST_LOGIT = -3.0


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """What a network makes of a batch of masks.

    Parameters
    ----------
    logits : (B, 1, X, Y, Z) tensor
        Of the share of tumor in each voxel.
    mean, log_variance : (B, L) tensor or None
        Of the latent numbers, VAE only.
    values, bits : (B, L) tensor or None
        Latent numbers and what they were rounded to, hash only.
    """

    logits: Tensor
    mean: Tensor | None = None
    log_variance: Tensor | None = None
    values: Tensor | None = None
    bits: Tensor | None = None


class MaskEncoder(nn.Module):
    """Volumes (B, 1, X, Y, Z) to latent numbers (B, num_outputs).

    Parameters
    ----------
    settings : NetworkSettings
        Channels.
    shape : (int, int, int)
        Shape of a volume, as `NetworkSettings.volume_shape` gives it.
    num_outputs : int
        Numbers per volume.
    """

    def __init__(self, settings: NetworkSettings, shape: tuple[int, int, int], num_outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((1, *settings.channels)):
            layers += [nn.Conv3d(before, after, 3, stride=2, padding=1), nn.ReLU()]
            layers += [nn.Conv3d(after, after, 3, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        self.linear = nn.Linear(num_features(settings, shape), num_outputs)

    def forward(self, volumes: Tensor) -> Tensor:
        """Latent numbers of a batch."""
        return self.linear(self.convolutions(volumes).flatten(1))


class MaskDecoder(nn.Module):
    """Latent numbers (B, L) to logits (B, 1, X, Y, Z); the mirror of `MaskEncoder`."""

    def __init__(self, settings: NetworkSettings, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.bottom_shape = bottom_shape(settings, shape)
        self.linear = nn.Linear(settings.latent_size, num_features(settings, shape))
        layers: list[nn.Module] = [nn.ReLU()]
        for before, after in pairwise((*settings.channels[::-1], 1)):
            layers += [nn.Conv3d(before, before, 3, padding=1), nn.ReLU()]
            layers += [nn.ConvTranspose3d(before, after, 3, stride=2, padding=1, output_padding=1), nn.ReLU()]
        # The last transposed convolution gives logits, of any sign.
        self.convolutions = nn.Sequential(*layers[:-1])

    def set_first_logit(self, logit: float) -> None:
        """What every voxel begins with, before anything is learned."""
        nn.init.constant_(cast(Tensor, self.convolutions[-1].bias), logit)

    def forward(self, latent: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.convolutions(self.linear(latent).unflatten(1, self.bottom_shape))


class MaskAutoencoder(nn.Module):
    """Network of any of the three kinds.

    Parameters
    ----------
    settings : NetworkSettings
        Kind and sizes.
    shape : (int, int, int)
        Shape of a volume, as `NetworkSettings.volume_shape` gives it.
    """

    def __init__(self, settings: NetworkSettings, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.settings = settings
        num_outputs = settings.latent_size * (2 if settings.kind == "vae" else 1)
        self.encoder = MaskEncoder(settings, shape, num_outputs)
        self.decoder = MaskDecoder(settings, shape)
        self.apply(_start_as_he)
        self.decoder.set_first_logit(_FIRST_LOGIT)

    def forward(self, volumes: Tensor, generator: torch.Generator | None = None) -> Reconstruction:
        """Reconstruct a batch, (B, 1, X, Y, Z).

        With a generator as in training: a VAE adds its noise, a Bi-half layer balances its bits over the batch.
        Without one as in use: mean, and signs.
        """
        outputs = self.encoder(volumes)
        if self.settings.kind == "vae":
            mean, log_variance = outputs.chunk(2, dim=1)
            latent = mean
            if generator is not None:
                noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
                latent = mean + noise * (0.5 * log_variance).exp()
            return Reconstruction(logits=self.decoder(latent), mean=mean, log_variance=log_variance)
        if self.settings.kind == "hash":
            bits = signs(outputs) if generator is None else bi_half(outputs)
            return Reconstruction(logits=self.decoder(bits), values=outputs, bits=bits)
        return Reconstruction(logits=self.decoder(outputs))


def first_network(settings: NetworkSettings, shape: tuple[int, int, int], *, seed: int) -> MaskAutoencoder:
    """The network that a training of that seed begins with."""
    # PyTorch's layers draw from its global generator alone.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskAutoencoder(settings, shape)


def _start_as_he(layer: nn.Module) -> None:
    """Normal weights of variance 2 / fan-in, so that signals keep their size from layer to layer; no bias [1]_.

    .. [1] He et al. (2015), Delving deep into rectifiers, ICCV, Eq. 10.
    """
    if isinstance(layer, nn.ConvTranspose3d):
        # Of stride 2: only an eighth of the weights meets each output voxel.
        fan_in = layer.weight[:, 0].numel() / math.prod(layer.stride)
    elif isinstance(layer, nn.Conv3d | nn.Linear):
        fan_in = layer.weight[0].numel()
    else:
        return
    nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / fan_in))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def latent_of(encoder: MaskEncoder, settings: NetworkSettings, volumes: Tensor) -> Tensor:
    """What tumors are compared by, (B, L): numbers, a VAE's means, or ±1."""
    outputs = encoder(volumes)
    if settings.kind == "vae":
        return outputs[:, : settings.latent_size]
    return signs(outputs) if settings.kind == "hash" else outputs


def make_encoder(settings: NetworkSettings, shape: tuple[int, int, int], weights: Mapping[str, Tensor]) -> MaskEncoder:
    """Encoder with given weights, for use; it holds these tensors, no copies."""
    with torch.device("meta"):
        encoder = MaskEncoder(settings, shape, settings.latent_size * (2 if settings.kind == "vae" else 1))
    encoder.load_state_dict(dict(weights), assign=True)
    return encoder.eval()


def make_decoder(settings: NetworkSettings, shape: tuple[int, int, int], weights: Mapping[str, Tensor]) -> MaskDecoder:
    """Decoder with given weights, for use; it holds these tensors, no copies."""
    with torch.device("meta"):
        decoder = MaskDecoder(settings, shape)
    decoder.load_state_dict(dict(weights), assign=True)
    return decoder.eval()


def bottom_shape(settings: NetworkSettings, shape: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Channels and voxels where the resolution is lowest."""
    x, y, z = (length // 2 ** len(settings.channels) for length in shape)
    return settings.channels[-1], x, y, z


def num_features(settings: NetworkSettings, shape: tuple[int, int, int]) -> int:
    """Numbers that the linear layers take in and give back."""
    channels, x, y, z = bottom_shape(settings, shape)
    return channels * x * y * z
