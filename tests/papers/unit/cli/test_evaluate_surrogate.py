"""``gliofield papers surrogate``: what is checked before any work, and what reaches the evaluation."""

import json

import pytest
from small_surrogates import tiny_samples, tiny_surrogate
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield_papers.surrogate import SurrogateNetworkSettings, train_surrogate

pytest.importorskip("torch")


def trained(folder, **settings):
    """A surrogate that has hardly learned."""
    chosen = tiny_surrogate(num_epochs=1, **settings)
    samples = tiny_samples(folder, chosen), tiny_samples(folder, chosen, part="validation")
    train_surrogate(*samples, chosen, folder / "net.safetensors")
    return folder / "net.safetensors"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("first"))


def evaluate(*arguments):
    words = ["papers", "surrogate", *(str(argument) for argument in arguments), "--device", "cpu"]
    return CliRunner().invoke(app, words, catch_exceptions=False)


def test_checkpoints_that_do_not_fit_together_are_refused_before_any_brain_is_made(checkpoint, tmp_path):
    """There is not even an atlas."""
    network = SurrogateNetworkSettings(crop_size=4, channels=4, num_halvings=1, block_length=1)
    other = trained(tmp_path, network=network)
    result = evaluate("--checkpoint", checkpoint, "--checkpoint", other, "--atlas", tmp_path / "no atlas")

    assert result.exit_code == 2
    assert "crop_size (4, not 8)" in result.stderr.replace("\n", " ")


def test_brains_of_the_training_are_refused_before_a_tumor_grows(checkpoint, atlas_folder, tmp_path, monkeypatch):
    """The first test brain is one that the surrogate was trained in."""
    from small_surrogates import phantom

    monkeypatch.setattr("gliofield_papers.cli.surrogate.moved_brains", lambda *arguments: [phantom(0)])
    result = evaluate("--checkpoint", checkpoint, "--atlas", atlas_folder, "--samples-dir", tmp_path / "samples")

    assert result.exit_code == 2
    assert "was trained or validated in 1 of the anatomies" in result.stderr.replace("\n", " ")
    assert not (tmp_path / "samples").exists()


@pytest.mark.parametrize(("words", "number"), [((), 1), (("--threads", 2), 2)], ids=["default", "two"])
def test_threads_reach_the_timing(checkpoint, atlas_folder, words, number):
    """One by default; the tables and the JSON say how many."""
    result = evaluate(
        "--checkpoint", checkpoint, "--atlas", atlas_folder, "--anatomies", 1, "--samples", 2, "--timed", 1, "--json",
        *words,
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["num_threads"] == number
