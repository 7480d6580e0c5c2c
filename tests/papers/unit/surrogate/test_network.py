"""The surrogate network at the paper's size, without computing anything at that size; and its losses."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gliofield_papers.surrogate import SURROGATE_LOSSES, SurrogateNetworkSettings  # noqa: E402
from gliofield_papers.surrogate.losses import region_errors, total_loss, tumor_errors  # noqa: E402
from gliofield_papers.surrogate.network import SurrogateNetwork, make_network  # noqa: E402


@pytest.fixture(scope="module")
def network():
    """The paper's network on the device that only knows shapes."""
    with torch.device("meta"):
        return SurrogateNetwork(SurrogateNetworkSettings())


def test_the_anatomy_is_encoded_to_8_cubed(network):
    """64³ to 8³, with room for three channels of parameters."""
    assert network.encode(torch.empty(2, 3, 64, 64, 64, device="meta")).shape == (2, 125, 8, 8, 8)


def test_the_parameters_become_8_by_8_by_8_by_3(network):
    """By one linear layer."""
    assert network.linear(torch.empty(2, 3, device="meta")).shape == (2, 8 * 8 * 8 * 3)


def test_a_tumor_of_64_cubed_comes_out(network):
    """One channel."""
    tissues, growth = torch.empty(2, 3, 64, 64, 64, device="meta"), torch.empty(2, 3, device="meta")
    assert network(tissues, growth).shape == (2, 1, 64, 64, 64)


def test_it_has_its_filters_in_every_convolution(network):
    """Eight blocks of four convolutions, three halvings, and what lies before and after them."""
    convolutions = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv3d)]
    assert len(convolutions) == 8 * 4 + 3 + 3
    assert {layer.out_channels for layer in convolutions} == {128, 125, 1}
    assert all(layer.kernel_size == (3, 3, 3) for layer in convolutions)


@pytest.fixture
def tiny_network():
    """8³ voxels, halved once, whose blocks have no weights."""
    network = make_network(
        SurrogateNetworkSettings(crop_size=8, channels=4, num_halvings=1, block_length=2), seed=0
    ).requires_grad_(requires_grad=False)
    for block in blocks_of(network):
        for parameter in block.parameters():
            parameter.zero_()
    return network


def blocks_of(network):
    return [layer for layer in network.modules() if type(layer).__name__ == "_ResidualBlock"]


def test_a_block_without_weights_changes_nothing(tiny_network, rng):
    """Every block adds its input to what its convolutions give."""
    features = torch.from_numpy(rng.random((2, 4, 4, 4, 4), dtype=np.float32))
    for block in blocks_of(tiny_network):
        assert torch.equal(block(features), features)
    assert len(blocks_of(tiny_network)) == 4


def test_the_decoder_repeats_the_nearest_voxel(tiny_network, rng):
    """What stands in a channel at the bottom comes out in cubes of 2³ equal voxels."""
    values = torch.from_numpy(rng.random((4, 4, 4), dtype=np.float32))
    tiny_network.linear.weight.zero_()
    tiny_network.linear.bias.zero_()
    tiny_network.linear.bias[: values.numel()] = values.flatten()
    last = tiny_network.decoder[-1]
    last.weight.zero_()
    last.bias.zero_()
    last.weight[0, 0, 1, 1, 1] = 1.0

    decoded = tiny_network.decode(torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 3))
    expected = values.numpy().repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(decoded[0, 0].numpy(), expected, rtol=1e-6)


def test_csf_alone_is_an_input_too():
    """The paper's ablation."""
    settings = SurrogateNetworkSettings(crop_size=8, channels=4, num_halvings=1, block_length=1, tissues=("csf",))
    assert make_network(settings, seed=0)(torch.zeros(1, 1, 8, 8, 8), torch.zeros(1, 3)).shape == (1, 1, 8, 8, 8)


def volumes(*values):
    """A batch of one sample, whose channels hold as many voxels as values."""
    return torch.tensor(values).reshape(1, len(values), -1, 1, 1)


def test_the_losses_are_means_over_their_regions():
    """Five voxels: tumor, tumor in CSF, CSF, healthy, background."""
    simulated = volumes([0.5, 0.2, 0.0, 0.0, 0.0])
    predicted = volumes([0.4, 0.5, 0.6, 0.9, 0.1])
    tissues = volumes([0.7, 0.0, 0.0, 0.2, 0.0], [0.3, 0.0, 0.0, 0.8, 0.0], [0.0, 1.0, 1.0, 0.0, 0.0])
    errors = region_errors(predicted, simulated, tissues)

    expected = {
        "tumor": (0.1 + 0.3) / 2,
        "csf": (0.3 + 0.6) / 2,
        "healthy": 0.9,
        "volume": (0.1 + 0.3 + 0.6 + 0.9 + 0.1) / 5,
    }
    assert {name: error.item() for name, error in errors.items()} == pytest.approx(expected)


def test_a_loss_is_the_sum_of_its_regions():
    """The paper's, its ablation, and the one that spares healthy tissue."""
    errors = {"tumor": torch.tensor(1.0), "csf": torch.tensor(2.0), "healthy": torch.tensor(4.0)}
    errors |= {"volume": torch.tensor(8.0), "per-tumor": torch.tensor(16.0)}
    totals = {name: total_loss(errors, name).item() for name in SURROGATE_LOSSES}
    assert totals == {"tumor-and-csf": 3.0, "whole-volume": 8.0, "all-regions": 7.0, "per-tumor": 16.0}


def test_an_empty_region_costs_nothing():
    """No tumor, no CSF, no tissue."""
    errors = region_errors(torch.ones(1, 1, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2), torch.zeros(1, 3, 2, 2, 2))
    assert {name: error.item() for name, error in errors.items()} == {
        "tumor": 0.0, "csf": 0.0, "healthy": 0.0, "volume": 1.0,
    }  # fmt: skip


def test_each_tumor_counts_alike_in_the_loss_per_tumor():
    """A missed small tumor costs as much as a missed large one, to within the voxel that keeps the loss finite."""
    small, large = torch.zeros(1, 1, 16, 16, 16), torch.zeros(1, 1, 16, 16, 16)
    small[..., :4, :4, :4] = large[..., :12, :12, :12] = 0.999
    missed = [tumor_errors(torch.zeros_like(tumor), tumor).item() for tumor in (small, large)]
    found = tumor_errors(torch.cat([small, large]), torch.cat([small, large])).item()

    assert missed == pytest.approx([2.0, 2.0], abs=0.1)
    assert found < 0.01
    both = tumor_errors(torch.zeros(2, 1, 16, 16, 16), torch.cat([small, large])).item()
    assert both == pytest.approx(sum(missed) / 2)
