"""Surrogates evaluated together: what is refused before any work, and how they are told apart."""

import dataclasses
import shutil

import pytest
from small_surrogates import phantom, tiny_samples, tiny_surrogate

from gliofield.errors import CheckpointError, ParameterError
from gliofield_papers.forward.checkpoints import load_surrogates, require_fitting_anatomies, surrogate_names
from gliofield_papers.surrogate import SurrogateNetworkSettings, train_surrogate

pytest.importorskip("torch")


def trained(folder, settings):
    """A surrogate that has hardly learned."""
    samples = tiny_samples(folder, settings), tiny_samples(folder, settings, part="validation")
    train_surrogate(*samples, settings, folder / "net.safetensors")
    return folder / "net.safetensors"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("first"), tiny_surrogate(num_epochs=1))


def network(**changes):
    return SurrogateNetworkSettings(**{"crop_size": 8, "channels": 4, "num_halvings": 1, "block_length": 1} | changes)


def test_another_cube_is_refused(checkpoint, tmp_path):
    """Both checkpoints are named, and what differs."""
    other = trained(tmp_path, tiny_surrogate(network=network(crop_size=4), num_epochs=1))

    with pytest.raises(ParameterError, match=r"net\.safetensors cannot be asked .* crop_size \(4, not 8\)"):
        load_surrogates([checkpoint, other], device="cpu")


@pytest.mark.parametrize(("name", "value"), [("spacing_mm", 4.0), ("time_step_days", 25.0)])
def test_another_spacing_or_range_is_refused(checkpoint, monkeypatch, tmp_path, name, value):
    """Whatever the first header says, that of each further one is compared."""
    from gliofield_papers.surrogate import model as surrogate_model

    read = surrogate_model.read_surrogate_header

    def changed(path):
        header = read(path)
        if str(path) != str(tmp_path / "other.safetensors"):
            return header
        if name == "spacing_mm":
            return dataclasses.replace(header, spacing_mm=value)
        ranges = dataclasses.replace(header.settings.ranges, **{name: value})
        return dataclasses.replace(header, settings=dataclasses.replace(header.settings, ranges=ranges))

    monkeypatch.setattr(surrogate_model, "read_surrogate_header", changed)
    shutil.copy(checkpoint, tmp_path / "other.safetensors")

    with pytest.raises(ParameterError, match=rf"differs in {name} \({value}, not"):
        load_surrogates([checkpoint, tmp_path / "other.safetensors"], device="cpu")


def test_the_ablations_of_the_paper_fit_together(checkpoint, tmp_path):
    """Another loss and CSF alone are what is compared."""
    settings = tiny_surrogate(network=network(tissues=("csf",)), loss="whole-volume", num_epochs=1)

    assert len(load_surrogates([checkpoint, trained(tmp_path, settings)], device="cpu")) == 2


def test_every_checkpoint_is_read(checkpoint, tmp_path):
    """Not the first alone; none is nothing to evaluate."""
    with pytest.raises(CheckpointError, match="none"):
        load_surrogates([checkpoint, tmp_path / "none.safetensors"], device="cpu")
    with pytest.raises(ParameterError, match="at least one checkpoint"):
        load_surrogates([])


def test_equal_file_names_are_told_apart_by_paths(checkpoint, tmp_path):
    """Different names stay short."""
    same, other = tmp_path / "net.safetensors", tmp_path / "other.safetensors"
    shutil.copy(checkpoint, same)
    shutil.copy(checkpoint, other)
    models = load_surrogates([checkpoint, same, other], device="cpu")

    assert surrogate_names(models) == (str(checkpoint), str(same), "other.safetensors")


def test_a_checkpoint_given_twice_is_refused(checkpoint, tmp_path):
    """By another path as well."""
    link = tmp_path / "link.safetensors"
    link.symlink_to(checkpoint)

    with pytest.raises(ParameterError, match=r"link\.safetensors is given twice"):
        load_surrogates([checkpoint, link], device="cpu")


@pytest.mark.parametrize("number", [0, 1])
def test_anatomies_of_training_and_validation_are_refused(checkpoint, number):
    """By their content; others are not."""
    models = load_surrogates([checkpoint], device="cpu")

    require_fitting_anatomies(models, [phantom(2), phantom(3)])
    with pytest.raises(ParameterError, match="in 1 of the anatomies of the tests"):
        require_fitting_anatomies(models, [phantom(2), phantom(number)])


def test_anatomies_of_another_rule_are_refused(checkpoint):
    """What counts as CSF depends on the rule."""
    other = dataclasses.replace(phantom(2), domain_rule="brain")

    with pytest.raises(ParameterError, match="those of the tests follow 'brain'"):
        require_fitting_anatomies(load_surrogates([checkpoint], device="cpu"), [phantom(2), other])
