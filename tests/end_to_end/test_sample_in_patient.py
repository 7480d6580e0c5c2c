"""Method sample in the patient's own anatomy through the command line, on a small brain."""

import json

import numpy as np
import pytest
from phantom_brain import write_phantom_atlas, write_phantom_patient
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.nifti import read_volume

MAPS = ("mean", "std", "probability_t1gd", "probability_flair")


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Folder with an atlas and a patient."""
    root = tmp_path_factory.mktemp("phantom")
    write_phantom_atlas(root / "atlas")
    write_phantom_patient(root / "patient")
    return root


def _sample(phantom, out, *more):
    arguments = [
        "personalize", phantom / "patient", "--method", "sample", "--space", "patient", "--spacing-mm", "6",
        "--atlas", phantom / "atlas", "--registration", "none", "--samples", "24", "--threads", "1",
        "--out", out, *more,
    ]  # fmt: skip
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_posterior_in_the_patient_lies_in_both_spaces(phantom, tmp_path):
    """Maps on the patient's grid and in the atlas; seeds are named by their space; the provenance says where."""
    out = tmp_path / "result"

    result = _sample(phantom, out)

    assert result.exit_code == 0, result.output
    for space in ("patient", "atlas"):
        mean, std, *_ = (read_volume(out / "posterior" / f"{name}_{space}.nii.gz").data for name in MAPS)
        assert 0.0 <= mean.min() < mean.max() <= 1.0
        assert std.max() > 0.0
    parameters = json.loads((out / "parameters.json").read_text())
    intervals, seeds = parameters["intervals"], parameters["identifiable"]
    assert {"seed_x_mm", "seed_patient_x_mm"} <= set(intervals)
    # Without a registration patient and atlas are one space.
    np.testing.assert_allclose(seeds["seed_atlas_mm"], seeds["seed_patient_mm"])
    assert intervals["seed_x_mm"] == pytest.approx(intervals["seed_patient_x_mm"])
    record = json.loads((out / "provenance.json").read_text())
    assert (record["settings"]["space"], record["settings"]["spacing_mm"]) == ("patient", 6.0)
    assert record["method"]["sampler"]["num_effective"] == 24


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--database", "somewhere"], "--database belongs to method 'query'"),
        (["--space", "mars"], "space 'mars' is unknown"),
        (["--space", "atlas"], "--spacing-mm belongs to the patient's space"),
        (["--method", "query"], "--samples belongs to method 'sample'"),
        (["--spacing-mm", "-1"], "--spacing-mm must be > 0"),
    ],
)
def test_options_that_do_not_belong_together(phantom, tmp_path, options, message):
    """Refused by name, and nothing is written."""
    result = _sample(phantom, tmp_path / "result", *options)

    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert not (tmp_path / "result").exists()


def test_the_device_belongs_to_sampling(phantom, tmp_path):
    """A query has nothing to grow; unknown devices are named."""
    query = ["personalize", str(phantom / "patient"), "--device", "cuda", "--out", str(tmp_path / "result")]
    result = CliRunner().invoke(app, query)
    assert "--device belongs to method 'sample'" in result.stderr.replace("\n", " ")
    result = _sample(phantom, tmp_path / "result", "--device", "abacus")
    assert "device 'abacus' is unknown" in result.stderr.replace("\n", " ")
