"""What the BIDS app leaves: derivatives that the BIDS validator accepts, and a group made of them alone."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cohort_phantoms import NUMBERS, write_result
from typer.testing import CliRunner

from gliofield.cli.bids import app, repeated
from gliofield.cohort import work
from gliofield.errors import ImageError
from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.volume import Volume

IMAGES = ("T1w", "FLAIR")
SMALL = Volume(np.zeros((4, 4, 4), np.float32), Grid.axis_aligned((4, 4, 4), 1.0, (0.0, 0.0, 0.0)))


@pytest.fixture
def dataset(tmp_path):
    """Three subjects: one plain, one with a session, one without outlines."""
    root = tmp_path / "raw"
    for name, place in (("sub-01", "sub-01"), ("sub-02_ses-pre", "sub-02/ses-pre"), ("sub-03", "sub-03")):
        for folder, suffixes in ((root, IMAGES), (root / "derivatives" / "hand", ("dseg",))):
            if name == "sub-03" and folder != root:
                continue
            anat = folder / place / "anat"
            anat.mkdir(parents=True)
            for suffix in suffixes:
                (anat / f"{name}_{suffix}.nii.gz").write_text(f"{name} {suffix}")
    (root / "dataset_description.json").write_text(json.dumps({"Name": "raw", "BIDSVersion": "1.10.0"}))
    return root


@pytest.fixture
def run(monkeypatch, dataset, tmp_path, atlas_folder):
    """Runs the app; the pipeline is stood in for."""

    def personalize(worker, patient, atlas, method, report):
        if "broken" in patient.files.flair.read_text():
            raise ImageError("is broken.")
        folder = worker.work.result_folder(patient)
        write_result(folder, {**NUMBERS, "concerns": [{"name": "no-t1", "level": "note", "text": "There is no T1."}]})
        for name in ("density", "target_priority"):
            write_volume(folder / f"{name}_patient.nii.gz", SMALL)

    monkeypatch.setattr(work.PatientWorker, "_personalize", personalize)

    def call(level, *words):
        own = ["--method", "distance", "--atlas", atlas_folder, "--nprocs", 1] if level == "participant" else []
        words = [dataset, tmp_path / "out", level, *words, *own]
        return CliRunner().invoke(app, repeated([str(word) for word in words]), catch_exceptions=False)

    return call


def test_derivatives_have_the_names_of_bids(run, tmp_path):
    """A map with a sidecar in each anat folder; who failed is told, and the code is 3."""
    done = run("participant")
    out = tmp_path / "out"
    maps = sorted(path.relative_to(out).as_posix() for path in out.glob("sub-*/**/*_probseg.nii.gz"))
    sidecar = json.loads((out / maps[1].replace(".nii.gz", ".json")).read_text())

    assert done.exit_code == 3
    assert "failed: sub-03: no outlines of the tumor" in done.stdout
    assert maps == [
        "sub-01/anat/sub-01_space-T1w_desc-tumorcells_probseg.nii.gz",
        "sub-02/ses-pre/anat/sub-02_ses-pre_space-T1w_desc-tumorcells_probseg.nii.gz",
    ]
    assert sidecar["SpatialReference"] == "bids:raw:sub-02/ses-pre/anat/sub-02_ses-pre_T1w.nii.gz"
    assert len(sidecar["Sources"]) == 3
    assert sidecar["Concerns"] == ["There is no T1."]
    assert sidecar["Notice"] == "For research use only; not a medical device."


def test_the_description_says_who_made_them_and_of_what(run, tmp_path):
    """Without a folder of this machine: the raw data set is named relative to them."""
    run("participant")
    text = (tmp_path / "out" / "dataset_description.json").read_text()
    content = json.loads(text)

    assert content["DatasetType"] == "derivative"
    assert content["GeneratedBy"][0]["Name"] == "gliofield"
    assert content["DatasetLinks"] == {"raw": "../raw"}
    assert str(tmp_path) not in text


def test_the_group_is_made_of_the_derivatives_alone(run, tmp_path):
    """Without the folder of work; failures are in it."""
    run("participant", "-w", tmp_path / "scratch")
    shutil.rmtree(tmp_path / "scratch")
    done = run("group", "--json")

    assert json.loads(done.stdout)["done"] == 2
    assert json.loads(done.stdout)["failures"].keys() == {"sub-03"}
    assert "sub-02/ses-pre/figures/quality.json" in (tmp_path / "out" / "cohort.html").read_text()


def test_participants_are_worked_on_one_by_one(run, tmp_path):
    """As schedulers call BIDS apps; the group has both."""
    run("participant", "--participant_label", "01")
    run("participant", "--participant-label", "01", "02", "--session-label", "pre")

    assert json.loads(run("group", "--json").stdout)["done"] == 2


def test_a_choice_of_session_takes_back_what_was_said_without(run, dataset, tmp_path):
    """The subject is no failure any more."""
    shutil.copytree(dataset / "sub-02" / "ses-pre", dataset / "sub-02" / "ses-post")
    for path in (dataset / "sub-02" / "ses-post" / "anat").iterdir():
        path.rename(path.with_name(path.name.replace("ses-pre", "ses-post")))
    run("participant", "--participant-label", "02")
    assert (tmp_path / "out" / "logs" / "sub-02.json").is_file()
    run("participant", "--participant-label", "02", "--session-label", "pre")

    assert sorted(path.name for path in (tmp_path / "out" / "logs").iterdir()) == ["sub-02_ses-pre.json"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["raw", "out", "session"], "level 'session' is unknown"),
        (["out", "raw", "group"], "is no BIDS data set"),
        (["raw", "out", "group"], "holds no patient yet"),
        (["raw", "foreign", "group"], "holds no derivatives of gliofield"),
    ],
)
def test_what_cannot_be_done_is_refused(dataset, tmp_path, monkeypatch, words, message):
    """Before anything is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("mine")
    done = CliRunner().invoke(app, words)

    assert done.exit_code in (1, 2)
    assert message in done.stderr


def test_values_after_one_name_are_repeated_options():
    """And single ones stay what they are."""
    assert repeated(["b", "o", "group", "--participant-label", "1", "2", "--json"]) == [
        *("b", "o", "group", "--participant-label", "1", "--participant-label", "2", "--json"),
    ]


def test_the_bids_validator_finds_no_error(run, tmp_path):
    """The validator of the specification, from its wheel, without a network."""
    validator = Path(sys.executable).with_name("bids-validator-deno")
    if not validator.is_file():
        pytest.skip("needs bids-validator-deno (extra dev)")
    run("participant")
    run("group")
    command = [validator, tmp_path / "out", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    issues = json.loads(done.stdout)["issues"]["issues"]

    assert [issue for issue in issues if issue["severity"] == "error"] == []
    (tmp_path / "out" / "sub-01" / "anat" / "sub-01_wrong.nii.gz").write_bytes(b"")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert any(issue["severity"] == "error" for issue in issues)
