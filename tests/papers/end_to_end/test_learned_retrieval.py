"""Networks through the command line: trained on a small database, then searched by and personalized with."""

import json

import numpy as np
import pytest
from phantom_brain import write_phantom_atlas, write_phantom_patient
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.database import SimulationDatabase
from gliofield.nifti import write_volume
from gliofield.volume import Volume

pytest.importorskip("torch")
pytest.importorskip("safetensors")


def _run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def _train(phantom, out, *more):
    sizes = ["--training-tumors", 16, "--validation-tumors", 4, "--epochs", 1, "--latent-size", 4, "--threads", 1]
    return _run("papers", "train", "ae", "--small", "--database", phantom / "database", *sizes, "--out", out, *more)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Folder with an atlas, a database of 24 tumors in it, the masks of one of them, a patient, and a checkpoint."""
    root = tmp_path_factory.mktemp("learned")
    write_phantom_atlas(root / "atlas")
    write_phantom_patient(root / "patient")
    build = ["database", "build", root / "database", "--number", 24, "--atlas", root / "atlas"]
    result = _run(*build, "--spacing-mm", 4, "--workers", 1)
    assert result.exit_code == 0, result.output
    database = SimulationDatabase.open(root / "database")
    levels = database.density_levels(int(database.volume_ml[:, 1].argmax()))
    for name, level in (("whole", 51), ("core", 153)):
        write_volume(root / f"{name}.nii.gz", Volume((levels > level).astype(np.uint8), database.header.grid))
    result = _train(root, root / "ae.safetensors")
    assert result.exit_code == 0, result.output
    return root


def test_train_says_what_it_made(phantom, tmp_path):
    """Label, losses of both modalities, and that it is small."""
    result = _train(phantom, tmp_path / "ae.safetensors", "--json")
    content = json.loads(result.stdout)
    assert content["label"] == "AE 4 0.016K (small)"
    assert content["history"].keys() == {"flair", "t1gd"}
    assert "labelled small" in result.stderr


def test_train_replaces_nothing_without_force(phantom):
    """Exit code 1, and the checkpoint stays."""
    before = (phantom / "ae.safetensors").read_bytes()
    result = _train(phantom, phantom / "ae.safetensors")
    assert result.exit_code == 1
    assert "exists" in result.stderr
    assert (phantom / "ae.safetensors").read_bytes() == before


def test_search_by_a_network(phantom):
    """Its hits come with distances of encodings and full Dice."""
    masks = ["--core", phantom / "core.nii.gz", "--whole", phantom / "whole.nii.gz"]
    options = ["--index", "ae", "--checkpoint", phantom / "ae.safetensors", "-k", 3, "--json"]
    result = _run("search", phantom / "database", *masks, *options)
    content = json.loads(result.stdout)
    assert content["index"] == "ae"
    assert content["hits"][0]["distance"] == pytest.approx(0.0, abs=1e-4)
    assert content["hits"][0]["dice_flair"] == 1.0


def test_personalize_by_a_network(phantom, tmp_path):
    """The checkpoint is in the provenance."""
    common = ["--atlas", phantom / "atlas", "--database", phantom / "database", "--registration", "none"]
    network = ["--index", "ae", "--checkpoint", phantom / "ae.safetensors"]
    result = _run("personalize", phantom / "patient", "--method", "query", *common, *network, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    method = json.loads((tmp_path / "out" / "provenance.json").read_text())["method"]
    assert method["checkpoint"] == "ae.safetensors"
    assert method["label"] == "AE 4 0.016K (small)"
    assert len(method["weights"]) == 2
    assert "less than the papers' setting" in result.stderr


def test_a_network_without_checkpoint_is_not_understood(phantom, tmp_path):
    """Exit code 2, before anything is registered."""
    for command in (
        ["search", phantom / "database", "--whole", phantom / "whole.nii.gz"],
        ["personalize", phantom / "patient", "--method", "query", "--out", tmp_path / "out"],
    ):
        result = _run(*command, "--index", "vae")
        assert result.exit_code == 2
        assert "index 'vae' needs a trained network" in result.stderr
