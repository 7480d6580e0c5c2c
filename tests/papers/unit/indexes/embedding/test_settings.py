"""Settings of the embeddings: the papers' values, what is small, what is refused."""

import dataclasses

import pytest

from gliofield.errors import ParameterError
from gliofield_papers.indexes.embedding import EMBEDDING_KINDS, EmbeddingSettings, NetworkSettings
from gliofield_papers.indexes.embedding.settings import label_of


@pytest.mark.parametrize(("kind", "rate"), [("ae", 1e-5), ("vae", 3e-5), ("hash", 1e-5)])
def test_the_papers_setting_is_theirs(kind, rate):
    """Sections 2.4 (paper), 3.4.2 and 3.4.3 (thesis)."""
    settings = EmbeddingSettings.papers(kind)
    assert (settings.num_training_tumors, settings.num_validation_tumors) == (1500, 150)
    assert (settings.training.num_epochs, settings.training.batch_size) == (120, 2)
    assert (settings.training.optimizer, settings.training.learning_rate) == ("adam", rate)
    assert (settings.network.latent_size, settings.network.loss, settings.network.kl_weight) == (1024, "dice", 0.001)
    assert [length // 2 ** len(settings.network.channels) for length in (128, 128, 128)] == [16, 16, 16]
    assert not settings.is_small


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_the_small_setting_says_so(kind):
    """In every label."""
    assert EmbeddingSettings.small(kind).is_small
    assert label_of(EmbeddingSettings.small(kind)).endswith("(small)")


@pytest.mark.parametrize(
    "change",
    [
        {"num_training_tumors": 1499},
        {"training": dataclasses.replace(EmbeddingSettings.papers("ae").training, num_epochs=119)},
        {"network": NetworkSettings(kind="ae", pooling=2)},
        {"network": NetworkSettings(kind="ae", is_cropped=True)},
        {"network": NetworkSettings(kind="ae", channels=(8, 16, 32))},
    ],
)
def test_less_than_the_papers_is_small(change):
    """Tumors, epochs, resolution, field of view, channels."""
    assert dataclasses.replace(EmbeddingSettings.papers("ae"), **change).is_small


@pytest.mark.parametrize(
    ("change", "is_published"),
    [
        ({"num_training_tumors": 20_000}, True),
        ({"training": dataclasses.replace(EmbeddingSettings.papers("ae").training, num_epochs=200, seed=3)}, True),
        ({"network": NetworkSettings(kind="ae", latent_size=8, loss="bce")}, True),
        ({"training": dataclasses.replace(EmbeddingSettings.papers("ae").training, learning_rate=0.1)}, False),
        ({"training": dataclasses.replace(EmbeddingSettings.papers("ae").training, batch_size=64)}, False),
        ({"training": dataclasses.replace(EmbeddingSettings.papers("ae").training, mixed_precision=True)}, False),
    ],
)
def test_another_way_of_training_is_a_setting_of_its_own(change, is_published):
    """Not small, but not the papers' either; more tumors or epochs, latent sizes and losses are theirs."""
    settings = dataclasses.replace(EmbeddingSettings.papers("ae"), **change)
    assert not settings.is_small
    assert settings.is_published == is_published
    assert label_of(settings).endswith("(own setting)") != is_published


def test_labels_name_what_differs_between_networks():
    """Kind and latent size, a larger training set, another loss."""
    papers = EmbeddingSettings.papers("vae")
    eight = dataclasses.replace(papers, network=NetworkSettings(kind="vae", latent_size=8), num_training_tumors=20_000)
    squared = dataclasses.replace(papers, network=NetworkSettings(kind="vae", loss="mse"))
    few = dataclasses.replace(EmbeddingSettings.small("ae"), num_training_tumors=1600)
    labels = [label_of(one) for one in (papers, eight, squared, few)]
    assert labels == ["VAE 1024", "VAE 8 20K", "VAE 1024 MSE", "AE 1024 1.6K (small)"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "pca"}, "kind of embedding 'pca' is unknown"),
        ({"kind": "ae", "loss": "l1"}, "loss 'l1' is unknown"),
        ({"kind": "ae", "latent_size": 0}, "latent_size must be at least 1, got 0"),
        ({"kind": "ae", "pooling": 0}, "pooling must be at least 1"),
        ({"kind": "ae", "channels": ()}, "channels must be one or more"),
        ({"kind": "ae", "channels": (4, 0)}, "channels must be one or more"),
        ({"kind": "vae", "kl_weight": -1.0}, "kl_weight must be finite and not negative"),
        ({"kind": "hash", "quantization_weight": float("nan")}, "quantization_weight must be finite"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    """With the name and the value."""
    with pytest.raises(ParameterError, match=message):
        NetworkSettings(**settings)


@pytest.mark.parametrize("name", ["num_training_tumors", "num_validation_tumors"])
def test_training_without_tumors_is_refused(name):
    """At least one of each."""
    with pytest.raises(ParameterError, match=f"{name} must be at least 1, got 0"):
        dataclasses.replace(EmbeddingSettings.small("ae"), **{name: 0})
