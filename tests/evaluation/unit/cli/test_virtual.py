import json

import pytest
from phantom_brain import phantom_atlas
from small_cohort import RESOLUTION
from typer.testing import CliRunner

import gliofield.anatomy
from gliofield.cli import app
from gliofield.virtual import patient
from gliofield_evaluation.cli import virtual
from gliofield_evaluation.virtual import cohort_files, read_cohort
from gliofield_evaluation.virtual.design import SPLITS


@pytest.fixture(autouse=True)
def _phantom(monkeypatch):
    """The phantom for the atlas, on voxels of 4 mm."""
    monkeypatch.setattr(gliofield.anatomy, "load_atlas", lambda name, **_: phantom_atlas())
    monkeypatch.setattr(cohort_files, "load_atlas", lambda name, **_: phantom_atlas())
    for module in (cohort_files, patient):
        monkeypatch.setattr(module, "Resolution", lambda: RESOLUTION)


def run(*words):
    return CliRunner().invoke(app, ["virtual", *map(str, words)], catch_exceptions=False)


def test_the_names_to_choose_from_are_those_of_the_design():
    """They stand twice, because asking the library would take seconds."""
    assert virtual.SPLITS == SPLITS


def test_one_patient_is_written_with_its_truth(tmp_path):
    """A BraTS folder; another one only with --force."""
    out = tmp_path / "patient"
    first, second = run("--out", out, "--seed", 3), run("--out", out)

    assert first.exit_code == 0
    assert "whole tumor" in first.stdout
    assert {path.name for path in out.iterdir()} == {
        *("virtual_t1.nii.gz", "virtual_t1ce.nii.gz", "virtual_flair.nii.gz", "virtual_seg.nii.gz"),
        *("truth.json", "truth_density.nii.gz"),
    }
    assert second.exit_code == 1
    assert "--force" in second.stderr
    assert run("--out", out, "--seed", 3, "--force").exit_code == 0


def test_a_cohort_grows_and_says_what_its_margin_covers(tmp_path):
    """The first patients of a split; the mean of the tune patients, from which it was tuned, is printed."""
    out = tmp_path / "cohort"
    two = ("--cohort", "--split", "tune", "--number", 2, "--workers", 1, "--out", out)
    content = json.loads(run(*two, "--json").stdout)
    coverage = [case.facts["cells_in_margin"] for case in read_cohort(out) if case.condition == "none"]

    assert content["num_patients"] == len(coverage) == 2
    assert content["tune_cells_in_margin"] == pytest.approx(sum(coverage) / 2)
    assert sum(content["kinds"].values()) == 2
    assert "cells outside the core within 15 mm" in run(*two).stdout


def test_nothing_is_said_of_the_margin_on_test_patients(tmp_path):
    """They are for no choice."""
    result = run("--cohort", "--split", "test", "--number", 1, "--workers", 1, "--out", tmp_path / "cohort", "--json")

    assert json.loads(result.stdout)["tune_cells_in_margin"] is None
    assert [case.split for case in read_cohort(tmp_path / "cohort")] == ["test"] * 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quick"], "--quick"),
        (["--number", 3], "--number"),
        (["--cohort", "--seed", 1], "--seed"),
        (["--cohort", "--force"], "--force"),
        (["--cohort", "--quick", "--split", "test"], "--split"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(tmp_path, words, message):
    """Before anything is made."""
    result = CliRunner().invoke(app, ["virtual", *map(str, words), "--out", str(tmp_path / "x")])

    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "x").exists()
