"""The inverse network at the paper's size, without computing anything at that size."""

import pytest

torch = pytest.importorskip("torch")

from gliofield.inverse.networks import SMALLEST_INPUT, InverseNetwork, make_network  # noqa: E402


@pytest.fixture(scope="module")
def network():
    """64 channels, five targets, on the device that only knows shapes."""
    with torch.device("meta"):
        return InverseNetwork(64, 5)


def test_it_has_1_79_million_weights(network):
    """Stem 22,016, sixteen convolutions of 110,656, linear layer 325."""
    assert sum(weight.numel() for weight in network.parameters()) == 22_016 + 16 * 110_656 + 325


def test_the_stem_halves_the_paper_grid(network):
    """128³ becomes 64³ with 64 channels."""
    assert network.stem(torch.empty(2, 1, 128, 128, 128, device="meta")).shape == (2, 64, 64, 64, 64)


def test_five_numbers_come_out(network):
    """After three halvings, 8³ voxels are averaged."""
    volumes = torch.empty(2, 1, 128, 128, 128, device="meta")
    assert network.blocks(network.stem(volumes)).shape == (2, 64, 8, 8, 8)
    assert network(volumes).shape == (2, 5)


def test_the_smallest_input_passes():
    """One voxel is left for the mean."""
    network = make_network(2, 3, seed=0)
    assert network(torch.zeros(1, 1, *[SMALLEST_INPUT] * 3)).shape == (1, 3)


def test_first_weights_follow_he_and_the_seed():
    """Variance 2 / fan-out; equal seeds give equal weights; the global generator is left alone."""
    before = torch.random.get_rng_state()
    network, same, other = (make_network(32, 2, seed=seed) for seed in (1, 1, 2))

    weights = network.blocks[0].convolutions[0].weight
    assert weights.std().item() == pytest.approx((2.0 / (32 * 27)) ** 0.5, rel=0.02)
    assert torch.equal(weights, same.blocks[0].convolutions[0].weight)
    assert not torch.equal(weights, other.blocks[0].convolutions[0].weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_block_adds_its_input():
    """With zero weights a block is the identity, also for negative values: no ReLU after the sum."""
    block = make_network(2, 1, seed=0).blocks[0]
    for weight in block.parameters():
        torch.nn.init.zeros_(weight)
    features = torch.linspace(-1.0, 1.0, 2 * 64).reshape(1, 2, 4, 4, 4)

    assert torch.equal(block(features), features)
