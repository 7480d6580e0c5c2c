"""``gliofield evaluate virtual`` and ``gliofield evaluate masked-third``."""

import json

import pytest
from phantom_brain import phantom_atlas, write_phantom_patient
from small_cohort import RESOLUTION, first_of
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.pipeline import Assimilate
from gliofield_evaluation.cli import evaluate_scores
from gliofield_evaluation.scoring import RANKINGS, masked_third
from gliofield_evaluation.virtual import write_cohort


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_the_names_are_those_of_the_rankings():
    """In the order of the table."""
    assert tuple(RANKINGS) == evaluate_scores.RANKINGS


def test_the_masked_third_is_printed_and_written(atlas_folder, tmp_path, monkeypatch):
    """A folder that holds no patient is told; numbers on stdout, files in the folder."""
    monkeypatch.setattr(masked_third, "SPACING_MM", 4.0)
    write_phantom_patient(tmp_path / "patients" / "one")
    (tmp_path / "patients" / "notes").mkdir()
    out = tmp_path / "thirds"
    words = ("evaluate", "masked-third", tmp_path / "patients", "--out", out, "--atlas", atlas_folder, "--sectors", 1)
    result = run(*words, "--registration", "none", "--workers", 1, "--ranking", "constant map, corrected", "--json")

    assert result.exit_code == 0, result.stderr
    assert "note: left out: notes" in result.stderr
    content = json.loads(result.stdout)
    assert list(content["rankings"]) == [*masked_third.CONTROLS, "constant map, corrected"]
    assert 0.0 < content["rankings"]["ellipsoid"]["coverage"]["mean"] <= 1.0
    assert {path.name for path in out.iterdir()} == {
        *("masked_third.md", "masked_third.json", "sectors.csv", "sectors", "registrations"),
    }


@pytest.mark.parametrize(
    ("more", "message"), [(["--sectors", 13], "--sectors"), (["--ranking", "growths"], "Did you mean 'growth'")]
)
def test_what_cannot_be_scored_is_refused(tmp_path, more, message):
    """Before any work."""
    write_phantom_patient(tmp_path / "one")
    result = run("evaluate", "masked-third", tmp_path / "one", "--out", tmp_path / "out", *more)

    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_virtual_cohort_is_scored_by_split(atlas_folder, tmp_path):
    """Only the patients of the split; numbers on stdout, files in the folder, and a line per case on stderr."""
    patients = [first_of("plain"), first_of("plain", "test")]
    write_cohort(tmp_path / "cohort", patients, atlas=phantom_atlas(), resolution=RESOLUTION)
    out = tmp_path / "scores"
    words = ("evaluate", "virtual", tmp_path / "cohort", "--out", out, "--atlas", atlas_folder, "--workers", 1)
    result = run(*words, "--registration", "none", "--methods", "distance, whole-margin", "--json", "--verbose")

    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["methods"] == ["distance", "whole-margin"]
    assert [found["num_cases"] for found in content["conditions"].values()] == [1, 1, 1]
    assert "score cases: 2 of 3" in result.stderr
    assert {path.name for path in out.iterdir()} == {
        *("summary.md", "summary.json", "cases.csv", "scores", "registrations"),
    }


@pytest.mark.parametrize("uncertainty", [False, True])
def test_assimilate_is_asked_for_its_uncertainty_if_wanted(uncertainty):
    """And for nothing else."""
    options = evaluate_scores._methods("assimilate", None, uncertainty=uncertainty)

    assert options == {"assimilate": Assimilate(uncertainty=uncertainty)}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--methods", "assimilat"], "assimilate"),
        (["--methods", ","], "there is nothing to score"),
        (["--methods", "distance", "--database", "DB"], "--database has no effect without method query"),
        (["--methods", "distance", "--uncertainty"], "--uncertainty has no effect without method assimilate"),
        (["--split", "train"], "tune"),
    ],
)
def test_what_makes_no_evaluation_is_refused(tmp_path, atlas_folder, more, message):
    """An unknown method with the closest, none at all, a database for nobody, another split."""
    (tmp_path / "cohort.json").write_text('{"format": 1, "patients": []}', encoding="utf-8")
    result = run("evaluate", "virtual", tmp_path, "--out", tmp_path / "out", "--atlas", atlas_folder, *more)

    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()
