"""Method ``infer`` through the command line: train, personalize, in the atlas and in the patient's own anatomy."""

import json

import pytest
from phantom_brain import write_phantom_atlas, write_phantom_patient
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.nifti import read_volume

pytest.importorskip("torch")


def _run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Folder with an atlas, a patient, and a network that has seen a few tumors."""
    root = tmp_path_factory.mktemp("infer")
    write_phantom_atlas(root / "atlas")
    write_phantom_patient(root / "patient")
    result = _run(
        "train", "inverse", "--on-the-fly", "--atlas", root / "atlas", "--spacing-mm", 5, "--tumors", 8,
        "--validation-tumors", 0, "--out", root / "net.safetensors", "--small", "--pooling", 1, "--channels", 2,
        "--epochs", 1, "--threads", 1, "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    return root


def _personalize(phantom, out, *more):
    common = ["--atlas", phantom / "atlas", "--registration", "none", "--method", "infer"]
    return _run("personalize", phantom / "patient", *common, "--out", out, *more)


@pytest.mark.parametrize("space", ["atlas", "patient"])
def test_a_patient_gets_a_density_and_its_growth_parameters(phantom, tmp_path, space):
    """The usual result folder; the provenance names the checkpoint, the concerns say that it is small."""
    out = tmp_path / "result"
    checkpoint = phantom / "net.safetensors"
    result = _personalize(phantom, out, "--checkpoint", checkpoint, "--space", space, "--json")

    assert result.exit_code == 0, result.stderr
    assert 0.0 < read_volume(out / "density_patient.nii.gz").data.max() <= 1.0
    parameters = json.loads(result.stdout)["parameters"]
    assert parameters["growth_time_days"] > 0.0
    provenance = (out / "provenance.json").read_text(encoding="utf-8")
    assert "net.safetensors" in provenance
    assert "Learn-Morph-Infer" in provenance
    assert "less than the paper's setting" in (out / "quality.json").read_text(encoding="utf-8")
    assert json.loads(provenance)["settings"]["space"] == space


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "no inverse network for the atlas"),
        (("--checkpoint", "nowhere.safetensors"), "cannot be read"),
        (("--checkpoint", "nowhere.safetensors", "--index", "exact"), "--index belongs to method 'query'"),
        (("--space", "mars"), "space 'mars' is unknown"),
    ],
)
def test_what_does_not_belong_together_is_refused(phantom, tmp_path, more, message):
    """Before anything is read or registered."""
    result = _personalize(phantom, tmp_path / "result", *more)

    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert not (tmp_path / "result").exists()
