"""``gliofield evaluate masked-third``."""

import json

import pytest
from phantom_brain import write_phantom_patient
from typer.testing import CliRunner

from gliofield.cli import app, evaluate_scores
from gliofield.scoring import RANKINGS, masked_third


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_the_names_are_those_of_the_rankings():
    """In the order of the table."""
    assert tuple(RANKINGS) == evaluate_scores.RANKINGS


def test_the_masked_third_is_printed_and_written(atlas_folder, tmp_path, monkeypatch):
    """A folder that holds no patient is told; numbers on stdout, files in the folder."""
    monkeypatch.setattr(masked_third, "_SPACING_MM", 4.0)
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
    ("more", "message"), [(["--sectors", 13], "--sectors"), (["--ranking", "growth"], "growth, tensor")]
)
def test_what_cannot_be_scored_is_refused(tmp_path, more, message):
    """Before any work."""
    write_phantom_patient(tmp_path / "one")
    result = run("evaluate", "masked-third", tmp_path / "one", "--out", tmp_path / "out", *more)

    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()
