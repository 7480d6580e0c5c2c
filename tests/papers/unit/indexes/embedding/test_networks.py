"""Shapes of the networks, and what is random in them."""

import pytest

from gliofield_papers.indexes.embedding import EMBEDDING_KINDS, NetworkSettings

torch = pytest.importorskip("torch")

from gliofield_papers.indexes.embedding.networks import (  # noqa: E402
    MaskAutoencoder,
    MaskEncoder,
    latent_of,
    make_decoder,
    make_encoder,
)

SHAPE = (16, 8, 24)


def _network(kind, **settings):
    torch.manual_seed(0)
    chosen = NetworkSettings(kind=kind, latent_size=5, channels=(3, 4), **settings)
    return chosen, MaskAutoencoder(chosen, SHAPE)


@pytest.fixture
def volumes():
    """Two volumes."""
    return (torch.rand(2, 1, *SHAPE, generator=torch.Generator().manual_seed(1)) < 0.2).float()


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_a_reconstruction_has_the_shape_of_its_mask(kind, volumes):
    """And the latent vector the size asked for."""
    settings, network = _network(kind)
    assert network(volumes).logits.shape == volumes.shape
    assert latent_of(network.encoder, settings, volumes).shape == (2, 5)


def test_the_papers_network_goes_down_to_16_voxels_per_axis():
    """Three halvings of 128³, 64 channels there, 1,024 numbers."""
    with torch.device("meta"):
        encoder = MaskEncoder(NetworkSettings(kind="ae"), (128, 128, 128), 1024)
        bottom = encoder.convolutions(torch.empty(1, 1, 128, 128, 128))
    assert bottom.shape == (1, 64, 16, 16, 16)
    assert encoder.linear.weight.shape == (1024, 64 * 16**3)


def test_a_vae_is_random_in_training_alone(volumes):
    """Its noise comes from the generator; in use it takes the mean."""
    _, network = _network("vae")
    first, again, other = (network(volumes, torch.Generator().manual_seed(seed)).logits for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    made = network(volumes)
    assert torch.equal(made.logits, network.decoder(made.mean))


def test_a_vae_draws_from_the_distribution_it_names(volumes):
    """Mean and variance of many draws of z are μ and σ²; seen through a decoder that is the identity."""
    _, network = _network("vae")
    network.decoder = torch.nn.Identity()
    made = network(volumes)
    # Rows of a batch draw numbers of their own, so 2,000 draws of each volume need few passes.
    many = volumes.repeat(100, 1, 1, 1, 1)
    with torch.no_grad():
        draws = torch.cat([network(many, torch.Generator().manual_seed(seed)).logits for seed in range(20)])
    draws = draws.reshape(2000, *made.mean.shape)
    assert draws.mean(0).detach().numpy() == pytest.approx(made.mean.detach().numpy(), abs=5 * 1.2 / 2000**0.5)
    assert draws.var(0).detach().numpy() == pytest.approx(made.log_variance.exp().detach().numpy(), rel=0.2)


def test_a_hash_is_balanced_in_training_and_signs_in_use(volumes):
    """With a decoder that is the identity."""
    settings, network = _network("hash")
    network.decoder = torch.nn.Identity()
    in_training = network(volumes, torch.Generator()).logits
    assert in_training.sum(0).tolist() == [0.0] * 5
    in_use = network(volumes).logits
    assert torch.equal(in_use, torch.where(network.encoder(volumes) > 0, 1.0, -1.0))
    assert torch.equal(in_use, latent_of(network.encoder, settings, volumes))


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_encoder_and_decoder_can_be_made_again_from_their_weights(kind, volumes):
    """They give what the whole network gives."""
    settings, network = _network(kind)
    encoder = make_encoder(settings, SHAPE, network.encoder.state_dict())
    decoder = make_decoder(settings, SHAPE, network.decoder.state_dict())
    assert torch.equal(decoder(latent_of(encoder, settings, volumes)), network(volumes).logits)
