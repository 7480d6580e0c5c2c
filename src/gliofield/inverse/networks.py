"""The inverse network of Learn-Morph-Infer: two masks in one volume to a handful of numbers.

A convolution of kernel 7 and stride 2; four blocks of four 3×3×3 convolutions, each followed by ReLU, with the input of
a block added to what its last ReLU gave; max-pooling after the first three blocks; the mean over all voxels; a linear
layer. The number of channels is the same throughout (Ezhov et al. 2023, section 2.0.4 and Fig. 2). No normalization,
no dropout.

The stem is padded by 3, so that 128³ becomes 64³; the authors pad by 2 and feed 129³, whose last plane repeats the
first. Where in the brain a tumor lies the network can tell by the padding alone, which reaches every voxel within the
receptive field.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_NUM_BLOCKS = 4
_CONVOLUTIONS_PER_BLOCK = 4
#: Fewest voxels per axis: one is left after all halvings.
SMALLEST_INPUT = 2**_NUM_BLOCKS


class _ResidualBlock(nn.Module):
    """Four convolutions with ReLU, plus their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(_CONVOLUTIONS_PER_BLOCK):
            layers += [nn.Conv3d(channels, channels, 3, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.convolutions(features)


class InverseNetwork(nn.Module):
    """Merged masks (B, 1, X, Y, Z) to scaled targets (B, num_outputs).

    Parameters
    ----------
    channels : int
        Channels of every layer.
    num_outputs : int
        Targets.
    """

    def __init__(self, channels: int, num_outputs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(1, channels, 7, stride=2, padding=3), nn.ReLU())
        layers: list[nn.Module] = [_ResidualBlock(channels)]
        for _ in range(_NUM_BLOCKS - 1):
            layers += [nn.MaxPool3d(2), _ResidualBlock(channels)]
        self.blocks = nn.Sequential(*layers)
        self.linear = nn.Linear(channels, num_outputs)
        self.apply(_start_as_he)

    def forward(self, volumes: Tensor) -> Tensor:
        """Scaled targets of a batch; axes of `volumes` have at least `SMALLEST_INPUT` voxels."""
        return self.linear(self.blocks(self.stem(volumes)).mean(dim=(2, 3, 4)))


def make_network(channels: int, num_outputs: int, *, seed: int) -> InverseNetwork:
    """Network with first weights of a seed; PyTorch's global generator is left as it was.

    Channels lie beside each other in memory, which makes a step faster on a processor.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # The annotation of Module.to knows no memory formats of volumes.
        return InverseNetwork(channels, num_outputs).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def _start_as_he(layer: nn.Module) -> None:
    """Normal weights of variance 2 / fan-out, as the authors start their convolutions."""
    if isinstance(layer, nn.Conv3d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
