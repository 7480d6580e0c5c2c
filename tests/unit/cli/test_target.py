"""What ``gliofield target`` and ``gliofield predictgbm`` refuse before any work, in a sentence."""

import json

import pytest
from phantom_brain import write_phantom_atlas, write_phantom_patient
from typer.testing import CliRunner

from gliofield.cli import app, options
from gliofield.radiotherapy import GUIDELINES
from gliofield.radiotherapy.targets import DEFAULT_GUIDELINE


def run(*words):
    """The command line in this process."""
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_the_guidelines_of_the_command_are_those_of_the_package():
    """The names stand twice, because importing takes seconds."""
    assert options.GUIDELINES == tuple(GUIDELINES)
    assert options.DEFAULT_GUIDELINE == DEFAULT_GUIDELINE


def test_a_folder_that_is_no_result_is_refused(tmp_path):
    """Exit code 2 and what was expected."""
    done = run("target", tmp_path)

    assert done.exit_code == 2
    assert "is no result" in done.stderr


def test_targets_that_exist_stay(tmp_path):
    """Before the result is read; with --json as an object."""
    (tmp_path / "targets.json").write_text("{}")

    done = run("target", tmp_path, "--json")

    assert done.exit_code == 1
    assert "--force" in json.loads(done.stdout)["error"]
    assert (tmp_path / "targets.json").read_text() == "{}"


def test_an_unknown_guideline_is_not_understood(tmp_path):
    """Exit code 2, with the closest one."""
    done = run("target", tmp_path, "--guideline", "estro")

    assert done.exit_code == 2
    assert "estro-eano-2023" in done.stderr


@pytest.mark.parametrize("option", ["--trim-falx", "--margin"])
def test_lengths_are_not_negative(tmp_path, option):
    """They are not understood."""
    assert run("target", tmp_path, option, "-2").exit_code == 2


def test_an_input_folder_without_a_patient_is_refused(tmp_path):
    """With the contract it breaks."""
    done = run("predictgbm", tmp_path, tmp_path / "out")

    assert done.exit_code == 2
    assert "Patient-00000" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_page_of_the_result_shows_new_targets(tmp_path):
    """A result of before pages stays without one."""
    atlas, patient = write_phantom_atlas(tmp_path / "atlas"), write_phantom_patient(tmp_path / "patient")
    made = run(
        "personalize",
        patient,
        "--atlas",
        atlas,
        "--method",
        "distance",
        "--registration",
        "none",
        "--out",
        tmp_path / "R",
    )
    page = tmp_path / "R" / "report.html"
    before = page.read_text(encoding="utf-8")

    done = run("target", tmp_path / "R", "--atlas", atlas, "--json")

    assert (made.exit_code, done.exit_code) == (0, 0)
    assert "CTV_ESTRO_15" not in before
    assert "CTV_ESTRO_15" in page.read_text(encoding="utf-8")
    assert json.loads(done.stdout)["page"].endswith("report.html")
    page.unlink()
    assert "page" not in json.loads(run("target", tmp_path / "R", "--atlas", atlas, "--force", "--json").stdout)
