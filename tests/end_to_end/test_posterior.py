"""Uncertainty through the command line: method sample, and the query with its posterior, on a small brain."""

import json

import numpy as np
import pytest
from phantom_brain import write_phantom_atlas, write_phantom_patient
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.nifti import read_volume

MAPS = {
    f"{name}_{space}.nii.gz"
    for name in ("mean", "std", "probability_t1gd", "probability_flair")
    for space in ("atlas", "patient")
}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Folder with an atlas, a database of 48 tumors in it, and a patient."""
    root = tmp_path_factory.mktemp("phantom")
    write_phantom_atlas(root / "atlas")
    write_phantom_patient(root / "patient")
    build = ["database", "build", str(root / "database"), "--number", "48", "--atlas", str(root / "atlas")]
    result = _run([*build, "--spacing-mm", "4", "--workers", "1"])
    assert result.exit_code == 0, result.output
    return root


def _run(arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def _personalize(phantom, out, *more):
    common = ["--atlas", phantom / "atlas", "--registration", "none"]
    method = [] if "--method" in more else ["--method", "query", "--database", phantom / "database"]
    return _run(["personalize", phantom / "patient", *common, *method, "--threads", "1", "--out", out, *more])


def _read(out, name):
    return json.loads((out / "posterior" / name).read_text())


def test_the_query_says_what_its_database_cannot_tell_apart(phantom, tmp_path):
    """Maps, intervals and the exponent stand beside the best match, which stays what it was."""
    plain, out = tmp_path / "plain", tmp_path / "result"
    assert _personalize(phantom, plain).exit_code == 0

    result = _personalize(phantom, out, "--posterior")

    assert result.exit_code == 0, result.output
    assert {path.name for path in (out / "posterior").iterdir()} == {
        *MAPS, "maps.png", "posterior.json", "corner.png", "samples.npz", "samples.json"
    }  # fmt: skip
    parameters, before = (json.loads((folder / "parameters.json").read_text()) for folder in (out, plain))
    assert parameters["parameters"] == before["parameters"]
    assert before["intervals"] is None
    interval = parameters["intervals"]["diffusion_length_mm"]
    assert interval["low"] < interval["high"]
    details = _read(out, "posterior.json")["details"]
    assert details["effective_tumors"] == pytest.approx(10.0, abs=0.1)
    concerns = json.loads((out / "quality.json").read_text())["concerns"]
    assert 0.0 < details["tempering_exponent"] < 1.0
    assert any(
        "These intervals are rough: only about 10 tumors of the database" in concern["text"] for concern in concerns
    )


def test_the_query_refuses_an_uncertainty_that_one_tumor_carries(phantom, tmp_path):
    """The result is written, without a posterior, and says why."""
    out = tmp_path / "result"

    result = _personalize(phantom, out, "--posterior", "--posterior-tempering", "1")

    assert result.exit_code == 0, result.output
    assert not (out / "posterior").exists()
    concerns = json.loads((out / "quality.json").read_text())["concerns"]
    assert any("no uncertainty" in each["text"] and "effective tumors" in each["text"] for each in concerns)


def test_sampling_writes_density_intervals_and_checks(phantom, tmp_path):
    """Every file of the posterior; maps in range, nothing outside the brain, one interval per parameter."""
    out = tmp_path / "result"

    result = _personalize(phantom, out, "--method", "sample", "--samples", "24", "--json")

    assert result.exit_code == 0, result.output
    assert {path.name for path in (out / "posterior").iterdir()} == {
        *MAPS, "maps.png", "posterior.json", "corner.png", "stages.png", "samples.npz", "samples.json"
    }  # fmt: skip
    posterior = _read(out, "posterior.json")
    assert posterior["stages"][-1]["tempering_exponent"] == 1.0
    assert set(posterior["mask_checks"]) == {"t1gd", "flair"}
    assert {"seed_x_mm", "flair_threshold", "proliferation_number"} <= set(posterior["intervals"])
    mean = read_volume(out / "posterior" / "mean_patient.nii.gz").data
    std = read_volume(out / "posterior" / "std_patient.nii.gz").data
    assert 0.0 <= mean.min() < mean.max() <= 1.0
    assert 0.0 < std.max() <= 0.5
    assert np.isfinite(mean).all()
    chain = _read(out, "samples.json")["posterior"]["seed_x_mm"]
    assert np.array(chain).shape[0] == 1
    assert np.array(chain).shape[1] >= 24
    assert json.loads((out / "provenance.json").read_text())["method"]["sampler"]["name"] == "importance"


def test_assimilation_says_how_sure_it_is(phantom, tmp_path):
    """Maps, members and the interval of the cells outside the core; without a database."""
    out = tmp_path / "result"
    words = ["personalize", phantom / "patient", "--atlas", phantom / "atlas", "--registration", "none", "--out", out]

    result = _run([*words, "--threads", "2", "--uncertainty", "--members", "4"])

    assert result.exit_code == 0, result.output
    assert {path.name for path in (out / "posterior").iterdir()} == {
        *MAPS, "maps.png", "posterior.json", "corner.png", "samples.npz", "samples.json", "members.npz"
    }  # fmt: skip
    cells = json.loads((out / "quality.json").read_text())["cells_outside_core_ml"]
    assert 0.0 < cells["low"] < cells["mean"] < cells["high"]
    assert f"cells outside the core {cells['mean']:.1f} ml" in result.output
    assert _read(out, "posterior.json")["details"]["num_members"] == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "sample", "--index", "direct"], "--index belongs to method 'query'"),
        (["--method", "sample", "--posterior"], "--posterior belongs to method 'query'"),
        (["--posterior-tempering", "0.5"], "--posterior-tempering has no effect without the posterior"),
        (["--stage-file", "run.npz"], "belongs to method 'sample'"),
        (["--method", "sample", "--prior", "flat"], "prior 'flat' is unknown"),
    ],
)
def test_options_that_do_not_belong_together(phantom, tmp_path, options, message):
    """Refused before anything is read or written."""
    result = _personalize(phantom, tmp_path / "result", *options)

    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert not (tmp_path / "result").exists()
