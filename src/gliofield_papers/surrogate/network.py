"""The network of the surrogate: an anatomy encoder and a tumor decoder (Ezhov et al. 2021, Fig. 1).

The encoder takes the tissues in a cube around the seed through blocks of convolutions with ReLU, each with its input
added to its output, and halves the resolution between them by a convolution of stride 2. The growth parameters become,
through one linear layer, three channels at the coarsest resolution, concatenated with the code of the anatomy. The
decoder goes back up through the same blocks and nearest-neighbor upsampling, to one volume of density. Its output is
not bounded; the model that uses it clips.

Block lengths follow the paper's figure (four), not its code (five); the decoder has no further convolution after an
upsampling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gliofield_papers.surrogate.config import SurrogateNetworkSettings

#: D_w, ρ and T: as many inputs as channels at the bottom.
NUM_PARAMETERS = 3
# Log-odds of a guess, and of a correction, that count as 1.
_LOGITS, _CORRECTION = 8.0, 4.0


class _ResidualBlock(nn.Module):
    """Convolutions with ReLU, plus their input."""

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(length):
            layers += [nn.Conv3d(channels, channels, 3, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.convolutions(features)


class SurrogateNetwork(nn.Module):
    """Tissues (B, num_tissues, S, S, S) and scaled parameters (B, 3) to densities (B, 1, S, S, S).

    Parameters
    ----------
    settings : SurrogateNetworkSettings
        Sizes.
    """

    def __init__(self, settings: SurrogateNetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        channels, length = settings.channels, settings.block_length
        encoder: list[nn.Module] = [nn.Conv3d(len(settings.tissues), channels, 3, padding=1), nn.ReLU()]
        decoder: list[nn.Module] = []
        for _ in range(settings.num_halvings):
            encoder += [_ResidualBlock(channels, length), nn.Conv3d(channels, channels, 3, stride=2, padding=1)]
            encoder += [nn.ReLU()]
            decoder += [_ResidualBlock(channels, length), nn.Upsample(scale_factor=2, mode="nearest")]
        encoder += [_ResidualBlock(channels, length), nn.Conv3d(channels, channels - NUM_PARAMETERS, 3, padding=1)]
        decoder += [_ResidualBlock(channels, length), nn.Conv3d(channels, 1, 3, padding=1)]
        self.encoder = nn.Sequential(*encoder, nn.ReLU())
        self.linear = nn.Linear(NUM_PARAMETERS, NUM_PARAMETERS * settings.bottom_size**3)
        self.decoder = nn.Sequential(*decoder)

    def encode(self, tissues: Tensor) -> Tensor:
        """Code of the anatomies, (B, channels − 3, b, b, b)."""
        return self.encoder(tissues)

    def decode(self, code: Tensor, parameters: Tensor) -> Tensor:
        """Densities (B, 1, S, S, S) of codes and scaled parameters (B, 3)."""
        size = self.settings.bottom_size
        channels = self.linear(parameters).unflatten(1, (NUM_PARAMETERS, size, size, size))
        return self.decoder(torch.cat([channels, code], dim=1))

    def forward(self, tissues: Tensor, parameters: Tensor) -> Tensor:
        """Densities of a batch."""
        return self.decode(self.encode(tissues), parameters)


class CorrectingNetwork(nn.Module):
    """Tissues, scaled parameters (B, 3) and log-odds of a guess (B, 1, S, S, S) to densities (B, 1, S, S, S).

    Beyond the paper: what it adds to the log-odds looks at the finest and one coarser resolution. Untrained it adds
    nothing, so its answer is the guess.
    """

    def __init__(self, settings: SurrogateNetworkSettings) -> None:
        super().__init__()
        channels = settings.channels
        num_inputs = len(settings.tissues) + NUM_PARAMETERS + 2
        self.fine = nn.Sequential(nn.Conv3d(num_inputs, channels, 3, padding=1), nn.ReLU())
        coarse: list[nn.Module] = []
        for number in range(settings.num_halvings):
            inputs = channels if number == 0 else 2 * channels
            coarse += [nn.Conv3d(inputs, 2 * channels, 3, stride=2, padding=1), nn.ReLU()]
        coarse += [_ResidualBlock(2 * channels, settings.block_length)]
        self.coarse = nn.Sequential(*coarse, nn.Upsample(scale_factor=2**settings.num_halvings, mode="nearest"))
        self.join = nn.Sequential(nn.Conv3d(3 * channels, channels, 1), nn.ReLU())
        self.correction = nn.Conv3d(channels, 1, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)  # type: ignore[arg-type]

    def forward(self, tissues: Tensor, parameters: Tensor, guess: Tensor) -> Tensor:
        """Densities of a batch, in [0, 1]."""
        everywhere = parameters[:, :, None, None, None].expand(-1, -1, *guess.shape[2:])
        inputs = torch.cat([tissues, everywhere, guess / _LOGITS, guess.sigmoid()], dim=1)
        fine = self.fine(inputs)
        joined = self.join(torch.cat([fine, self.coarse(fine)], dim=1))
        return (guess + _CORRECTION * self.correction(joined)).sigmoid()


def make_network(settings: SurrogateNetworkSettings, *, seed: int) -> SurrogateNetwork | CorrectingNetwork:
    """Network with first weights of a seed; PyTorch's global generator is left as it was.

    Channels lie beside each other in memory, which makes a step faster on a processor.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # The annotation of Module.to knows no memory formats of volumes.
        network = (CorrectingNetwork if settings.corrects_guess else SurrogateNetwork)(settings)
        return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
