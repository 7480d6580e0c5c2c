"""What the training of an embedding minimizes, beside the reconstruction."""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gliofield_papers.indexes.embedding.networks import Reconstruction  # noqa: E402
from gliofield_papers.indexes.embedding.settings import EmbeddingSettings, NetworkSettings  # noqa: E402
from gliofield_papers.indexes.embedding.training_task import ReconstructionTask  # noqa: E402

VALUES = [[0.5, 2.0, -3.0], [-0.25, 3.0, 1.0]]
BITS = [[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0]]


def _task(settings):
    """The task of a network on 8³ voxels; its tumors are never read."""
    none = np.zeros(0, dtype=np.int64)
    volumes = SimpleNamespace(layout=SimpleNamespace(shape=(8, 8, 8)))
    return ReconstructionTask(settings, volumes, modality=0, training_tumors=none, validation_tumors=none, seed=0)


@pytest.mark.parametrize(
    "weight",
    [setting("hash").network.quantization_weight for setting in (EmbeddingSettings.papers, EmbeddingSettings.small)],
    ids=["as the papers", "small"],
)
def test_numbers_are_drawn_toward_their_bits_as_in_the_published_layer(weight):
    """Beside the decoder's, the derivative of the loss by a latent number is 6 (U − B) / (batch × bits).

    That is γ (U − B)/N of Li and van Gemert (2021), Eq. 8, with γ = 6 and N the number of bits in the batch, as in
    their code (ImageHashing/Cifar10_I.py: gamma = 6, add_g = (U - B)/B.numel()).
    """
    values, bits = torch.tensor(VALUES, requires_grad=True), torch.tensor(BITS)
    masks = torch.zeros(2, 1, 8, 8, 8)
    task = _task(NetworkSettings(kind="hash", latent_size=3, channels=(2,), quantization_weight=weight))

    def network(volumes, generator):
        return Reconstruction(logits=torch.zeros_like(volumes), values=values, bits=bits)

    task.losses(network, (masks,), generator=torch.Generator())["loss"].backward()

    assert torch.allclose(values.grad, 6.0 * (torch.tensor(VALUES) - bits) / 6)
