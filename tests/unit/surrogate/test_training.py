"""Training surrogates: they over-fit a handful of tumors, the ablations train, what does not fit is refused."""

import copy
import dataclasses

import pytest
from small_surrogates import phantom, tiny_samples, tiny_surrogate

from gliomap.errors import CheckpointError, OutputError, ParameterError
from gliomap.learning import Cosine, read_checkpoint, write_checkpoint
from gliomap.surrogate import (
    LearnedFisherKolmogorov,
    ParameterRanges,
    SurrogateNetworkSettings,
    read_surrogate_header,
    train_surrogate,
)

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Samples for training and validation, in different anatomies."""
    folder = tmp_path_factory.mktemp("samples")
    return tiny_samples(folder), tiny_samples(folder, part="validation")


@pytest.mark.parametrize(
    ("num_epochs", "factor"), [(10, 5), pytest.param(50, 20, marks=pytest.mark.slow)], ids=["fast", "near zero"]
)
def test_eight_tumors_are_learned_by_heart(samples, tmp_path, num_epochs, factor):
    """In epochs of 20 batches, the loss falls to less than 1/5 of the first epoch's; given time, to less than 1/20."""
    training, validation = samples
    settings = tiny_surrogate(
        network=SurrogateNetworkSettings(crop_size=8, channels=16, num_halvings=1, block_length=1),
        num_epochs=num_epochs,
        batch_size=8,
        learning_rate=5e-3,
        schedule=Cosine(final_learning_rate=1e-5),
    )
    header = train_surrogate(_repeated(training, 20), validation, settings, tmp_path / "net.safetensors")
    losses = [record.training["loss"] for record in header.history.epochs]

    assert losses[-1] < losses[0] / factor, losses


def _repeated(samples, times):
    """The same samples several times over, as one epoch."""
    several = copy.copy(samples)
    several.draws = samples.draws * times
    several.tumor = lambda sample: samples.tumor(sample % len(samples.draws))
    return several


@pytest.mark.parametrize(
    "settings",
    [
        tiny_surrogate(),
        tiny_surrogate(loss="whole-volume"),
        tiny_surrogate(loss="all-regions"),
        tiny_surrogate(
            network=SurrogateNetworkSettings(crop_size=8, channels=4, num_halvings=2, block_length=1, tissues=("csf",))
        ),
    ],
    ids=["as the paper", "plain L1", "all regions", "CSF only"],
)
def test_every_option_trains_and_is_recorded(samples, tmp_path, settings):
    """The header comes back equal; only logs are left beside the checkpoint."""
    path = tmp_path / "net.safetensors"
    made = train_surrogate(*samples, settings, path)
    header = read_surrogate_header(path)

    assert header.to_dict() == made.to_dict()
    assert header.settings == settings
    assert header.spacing_mm == 5.0
    assert set(header.history.best.validation) == {"loss", "tumor", "csf", "healthy", "volume"}
    assert all(item.is_dir() for item in (tmp_path / "net.safetensors.training").iterdir())


def test_shared_anatomies_are_refused(samples, tmp_path):
    """What is measured in an anatomy that was trained on is no generalization."""
    shared = tiny_samples(tmp_path, part="validation", anatomies=[phantom()])
    with pytest.raises(ParameterError, match="share 1 of their anatomies"):
        train_surrogate(samples[0], shared, tiny_surrogate(), tmp_path / "net.safetensors")


def test_samples_of_another_size_or_range_are_refused(samples, tmp_path):
    """They were made for other settings."""
    wide = tiny_surrogate(network=SurrogateNetworkSettings(crop_size=16, channels=4, num_halvings=1))
    with pytest.raises(ParameterError, match="cut out at 8³ voxels: expected 16³"):
        train_surrogate(*samples, wide, tmp_path / "net.safetensors")
    other = dataclasses.replace(tiny_surrogate(), ranges=ParameterRanges(proliferation_rate_per_day=(0.001, 0.05)))
    with pytest.raises(ParameterError, match="samples have ranges"):
        train_surrogate(*samples, other, tmp_path / "net.safetensors")


def test_other_names_and_existing_files_are_refused(samples, tmp_path):
    """A checkpoint ends in .safetensors and is not overwritten."""
    with pytest.raises(ParameterError, match="must end in .safetensors"):
        train_surrogate(*samples, tiny_surrogate(), tmp_path / "net.pt")
    (tmp_path / "net.safetensors").touch()
    with pytest.raises(OutputError, match="exists"):
        train_surrogate(*samples, tiny_surrogate(), tmp_path / "net.safetensors")


def test_weights_and_headers_that_do_not_fit_are_refused(samples, tmp_path):
    """Another size, another kind, an empty header."""
    train_surrogate(*samples, tiny_surrogate(num_epochs=1), tmp_path / "net.safetensors")
    stored = read_checkpoint(tmp_path / "net.safetensors")
    network = {**stored.header["settings"]["network"], "channels": 16}
    wide = {**stored.header, "settings": {**stored.header["settings"], "network": network}}
    cases = {"do not fit": (stored.kind, wide), "of another kind": ("embedding", stored.header),
             "does not understand": (stored.kind, {})}  # fmt: skip
    for message, (kind, header) in cases.items():
        path = tmp_path / "changed.safetensors"
        write_checkpoint(path, kind=kind, header=header, tensors=stored.tensors)
        with pytest.raises(CheckpointError, match=message):
            LearnedFisherKolmogorov(checkpoint=str(path), device="cpu")
