"""Symptom: `gliofield personalize PATIENT --out PATIENT --force` deleted the patient's images.

Cause: --force replaced whatever folder had the name of the output.
Guard: a folder is replaced only if it holds the file that every folder of its kind holds.
"""

import pytest
from phantom_brain import phantom_atlas, write_phantom_patient
from typer.testing import CliRunner

from gliofield.anatomy import write_atlas_folder
from gliofield.cli import app
from gliofield.errors import OutputError
from gliofield.output import atomic_folder, require_absent


def test_the_patients_own_folder_is_not_replaced(tmp_path):
    """Refused before anything is read, with the reason; all images are still there."""
    patient = write_phantom_patient(tmp_path / "patient")
    before = sorted(path.name for path in patient.iterdir())

    result = CliRunner().invoke(app, ["personalize", str(patient), "--out", str(patient), "--force"])

    assert result.exit_code == 1
    assert "was not written by this command" in result.stderr
    assert sorted(path.name for path in patient.iterdir()) == before


def test_only_a_folder_with_the_marker_is_replaced(tmp_path):
    """An empty folder may be filled, one of the same kind replaced, any other is left alone."""
    target = tmp_path / "result"
    target.mkdir()
    with atomic_folder(target, replace=True, marker="kind.json") as partial:
        (partial / "kind.json").write_text("1")
    with atomic_folder(target, replace=True, marker="kind.json") as partial:
        (partial / "kind.json").write_text("2")
    assert (target / "kind.json").read_text() == "2"

    (target / "kind.json").rename(target / "notes.json")

    with pytest.raises(OutputError, match=r"not replaced.*it holds no kind\.json"):
        require_absent(target, replace=True, marker="kind.json")


def test_an_atlas_replaces_only_an_atlas(tmp_path):
    """The same guard for the atlas folders that --force may replace."""
    target = tmp_path / "mine"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")

    with pytest.raises(OutputError, match=r"not replaced.*atlas\.json"):
        write_atlas_folder(phantom_atlas(), target, force=True)
    assert [path.name for path in target.iterdir()] == ["thesis.txt"]


def test_the_demonstration_spares_a_folder_that_is_no_virtual_patient(tmp_path):
    """Its two folders are guarded before the atlas is even loaded."""
    (tmp_path / "patient").mkdir()
    (tmp_path / "patient" / "scan.nii.gz").write_text("a real one")

    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path), "--force"])

    assert result.exit_code == 1
    assert "it holds no truth.json" in result.stderr
    assert (tmp_path / "patient" / "scan.nii.gz").exists()
