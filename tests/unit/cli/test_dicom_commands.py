"""The commands of DICOM and dose: what they print, and how they refuse."""

import json

import pytest
from dicom_patient import write_case, write_phantom_dose, write_planning, write_result, write_study
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.nifti import read_volume
from gliofield.radiotherapy.dicom import Alignment, Residual, case_import, planning
from gliofield.registration import Transform


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A study with its case, result, planning series of the same frame, and dose."""
    folder = tmp_path_factory.mktemp("patient")
    study = write_study(folder / "DICOM", outlines=folder / "RTSTRUCT.dcm")
    case = write_case(folder / "CASE", study)
    write_result(folder / "RESULT", case, read_volume(case / "case_t1c.nii.gz").grid)
    write_planning(folder / "PLANNING", frame_uid=study.frame_uid, spacing_mm=(4, 4, 4))
    write_phantom_dose(folder / "RTDOSE.dcm", study.frame_uid)
    return folder


@pytest.fixture(autouse=True)
def _known_motion(monkeypatch):
    """Registrations find what they would find."""
    found = Alignment(
        transform=Transform.identity(),
        kind="rigid",
        residual=Residual(median_mm=0.42, p95_mm=1.07, num_blocks=99),
        residual_before=None,
    )
    for module in (case_import, planning):
        monkeypatch.setattr(module, "align", lambda *images, **options: found)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_import_says_what_it_found_and_what_comes_next(patient, tmp_path):
    """The residual of each image; the command that reads the case; missing steps where there are some."""
    out = tmp_path / "CASE"
    words = ("import", patient / "DICOM", "--out", out)
    outlined = run(*words, "--seg", patient / "RTSTRUCT.dcm", "--core", "GTV", "--whole", "EDEMA")
    again, alone = run(*words), json.loads(run(*words, "--force", "--json").stdout)

    assert outlined.exit_code == 0, outlined.stderr
    assert "flair on t1c: rigid, residual 0.4 mm (median), 1.1 mm (95 % of 99 places" in outlined.stdout
    assert f"next: gliofield personalize {out} --out RESULT" in outlined.stdout
    assert (again.exit_code, "--force" in again.stderr) == (1, True)
    assert alone["images"] == ["t1c", "flair"]
    assert len(alone["missing"]) == 1


def test_names_of_structures_need_a_file(patient, tmp_path):
    """And a series that is not there is answered with the list."""
    refused = run("import", patient / "DICOM", "--out", tmp_path / "c", "--core", "GTV")
    assert refused.exit_code == 2
    assert "--core has no effect without --seg" in refused.stderr
    unknown = run("import", patient / "DICOM", "--out", tmp_path / "c", "--t1c", "44")
    assert unknown.exit_code == 1
    assert "7: t1 mprage" in unknown.stderr


def test_export_says_the_frame_and_the_volumes(patient, tmp_path):
    """Of the frame of the case, and of another one with the error of the alignment."""
    words = ("export", "rtstruct", patient / "RESULT", "--case", patient / "CASE", "--out", tmp_path / "out.dcm")
    same = run(*words, "--series", patient / "PLANNING")
    write_planning(tmp_path / "other", spacing_mm=(4, 4, 4))
    other = run(*words, "--series", tmp_path / "other", "--force", "--isoline", 0.1)

    assert same.exit_code == 0, same.stderr
    assert "frame: that of the case" in same.stdout
    assert "CTV_standard: " in same.stdout
    assert "frame: rigid, error 0.4 mm (median), 1.1 mm (95 % of 99 places" in other.stdout
    assert "DENSITY_10PC" in other.stdout


def test_export_refuses_before_it_works(patient, tmp_path):
    """A frame without a way, a name of another kind, a result without targets, a case of another result."""
    series = ("--series", patient / "PLANNING", "--out", tmp_path / "out.dcm")
    alone = run("export", "seg", patient / "RESULT", *series)
    assert alone.exit_code == 1
    assert "--case" in alone.stderr
    assert "--transform" in alone.stderr
    named = run("export", "map", patient / "RESULT", *series[:2], "--out", tmp_path / "out.nii.gz")
    assert (named.exit_code, "must end in .dcm" in named.stderr) == (2, True)
    empty = run("export", "rtstruct", tmp_path, *series)
    assert "gliofield target" in empty.stderr
    write_planning(tmp_path / "x", frame_uid="1.2.3", patient_id="y", spacing_mm=(4, 4, 4))
    stranger = run(
        "export", "seg", patient / "RESULT", "--case", patient / "CASE", "--series", tmp_path / "x", *series[2:]
    )
    assert "--accept-other-id" in stranger.stderr
    assert not (tmp_path / "out.dcm").exists()


def test_a_map_is_exported_by_a_given_transform(patient, tmp_path):
    """Whose error is not known, and that is said."""
    words = ("export", "map", patient / "RESULT", "--series", patient / "PLANNING", "--transform", "identity")
    done = run(*words, "--out", tmp_path / "map.dcm")

    assert done.exit_code == 0, done.stderr
    assert "by the given transform, whose error is not known" in done.stdout


def test_dose_tells_targets_cells_and_organs(patient):
    """60 Gy around the lesion: the targets get all of it; V95 with a prescription alone; research use only, once."""
    words = ("dose", patient / "RESULT", "--dose", patient / "RTDOSE.dcm", "--case", patient / "CASE")
    told = json.loads(run(*words, "--prescription", 60, "--structures", patient / "RTSTRUCT.dcm", "--json").stdout)
    figures = {each["name"]: each for each in told["figures"]}
    printed = run(*words)

    assert list(figures) == ["GTV", "CTV_standard", "CTV_model", "expected cells", "GTV", "EDEMA"][:4] + ["EDEMA"]
    assert figures["EDEMA"]["d98_gy"] == pytest.approx(60.0, abs=0.01)
    assert figures["CTV_model"]["v95"] == 1.0
    assert figures["expected cells"]["d98_gy"] < 60.0
    assert printed.stdout.count("not a medical device") == 1
    assert printed.stdout.count("CTV_model") == 1


def test_dose_in_another_frame_is_refused(patient, tmp_path):
    """Without the planning series; with one of yet another frame; and organs of another frame."""
    write_phantom_dose(tmp_path / "dose.dcm", "9.9.9")
    words = ("dose", patient / "RESULT", "--case", patient / "CASE", "--dose", tmp_path / "dose.dcm")
    alone, other = run(*words), run(*words, "--series", patient / "PLANNING")
    assert "no frame of reference in common" in alone.stderr
    assert "another frame of reference than the planning series" in other.stderr
    write_planning(tmp_path / "p", frame_uid="9.9.9", spacing_mm=(4, 4, 4))
    told = run(*words, "--series", tmp_path / "p")
    assert told.exit_code == 0, told.stderr
    organs = run(*words, "--series", tmp_path / "p", "--structures", patient / "RTSTRUCT.dcm")
    assert "different frames of reference" in organs.stderr


def test_what_lies_beyond_the_dose_is_left_out_and_named(patient, tmp_path):
    """Cells and organs; the targets have their figures all the same, and a target beyond it is an error."""
    frame_uid = json.loads((patient / "CASE" / "dicom.json").read_text())["frame_of_reference_uid"]
    words = ("dose", patient / "RESULT", "--case", patient / "CASE", "--dose")
    around = write_phantom_dose(tmp_path / "around.dcm", frame_uid, shape=(26, 26, 26))
    told = run(*words, around, "--json")
    inside = write_phantom_dose(tmp_path / "inside.dcm", frame_uid, shape=(12, 12, 12))
    refused = run(*words, inside)

    assert [each["name"] for each in json.loads(told.stdout)["figures"]] == ["GTV", "CTV_standard", "CTV_model"]
    assert "expected cells were left out: the grid of the dose is smaller" in told.stderr
    assert refused.exit_code == 1
    assert "the grid of the dose is smaller than CTV_standard" in refused.stderr
