"""``gliofield papers retrieval`` on a small database of the phantom brain."""

import json

import pytest
from phantom_brain import write_phantom_patient
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield_papers.queries import retrieval_queries


@pytest.fixture(scope="module")
def database(atlas_folder, tmp_path_factory):
    """Twenty clinical tumors at 5 mm."""
    path = tmp_path_factory.mktemp("database") / "db"
    options = ["--number", 20, "--atlas", atlas_folder, "--spacing-mm", 5, "--workers", 1]
    assert _run("database", "build", path, *options).exit_code == 0
    return path


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A patient in the phantom."""
    return write_phantom_patient(tmp_path_factory.mktemp("patients") / "case")


def _run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def _evaluate(database, atlas_folder, *more):
    return _run("papers", "retrieval", database, "--atlas", atlas_folder, "--quick", "--threads", 1, *more)


def test_tables_are_printed_and_the_folder_is_written(database, atlas_folder, patient, tmp_path):
    """Patients, held-out tumors, a second database; what is printed is the page of the folder."""
    out = tmp_path / "out"
    options = ["--patients", patient, "--registration", "none", "--synthetic", 3, "--compare", database, "--seed", 5]

    result = _evaluate(database, atlas_folder, *options, "--index", "exact", "--index", "direct", "--out", out)

    assert result.exit_code == 0, result.stderr
    assert result.stdout == (out / "retrieval.md").read_text(encoding="utf-8")
    assert "- queries: 1 real, 3 synthetic" in result.stdout
    assert "| direct query " in result.stdout
    record = json.loads((out / "retrieval.json").read_text(encoding="utf-8"))
    assert record["query_settings"]["synthetic"]["seed"] == 5
    first = record["tables"]["table_1_accuracy_and_runtime"][0]
    assert (first["label"], first["top1"]) == ("exact index", 1.0)
    assert first["pipeline_s"] > first["with_loading_s"]


def test_queries_of_an_older_run_are_asked_again(database, atlas_folder, tmp_path):
    """The folder keeps them; the same file gives the same ranks, here as JSON."""
    first = _evaluate(database, atlas_folder, "--synthetic", 2, "--index", "exact", "--out", tmp_path / "a", "--json")
    options = ["--synthetic", 0, "--queries", tmp_path / "a" / "queries.npz"]
    second = _evaluate(database, atlas_folder, *options, "--index", "exact", "--out", tmp_path / "b", "--json")

    ranks = [[query["best_tumor"] for query in json.loads(result.stdout)["queries"]] for result in (first, second)]
    assert len(ranks[0]) == 2
    assert ranks[0] == ranks[1]


def test_patients_that_cannot_be_used_are_named_and_left_out(database, atlas_folder, tmp_path):
    """The others are evaluated; stderr, page and record tell the reason."""
    out = tmp_path / "out"
    for name in ("broken", "case"):
        write_phantom_patient(tmp_path / "patients" / name)
    next((tmp_path / "patients" / "broken").glob("*seg*")).write_bytes(b"no image")
    options = ["--patients", tmp_path / "patients", "--registration", "none", "--synthetic", 0, "--index", "exact"]

    result = _evaluate(database, atlas_folder, *options, "--out", out)

    assert result.exit_code == 0, result.stderr
    assert "- queries: 1 real" in result.stdout
    assert "Left out: broken (" in result.stderr
    assert "Left out: broken (" in (out / "retrieval.md").read_text(encoding="utf-8")
    assert result.stdout == (out / "retrieval.md").read_text(encoding="utf-8")


def test_what_can_be_refused_is_refused_before_registrations(database, atlas_folder, patient, tmp_path, monkeypatch):
    """A patient given twice, by folder and by file of queries, and a seed of the database."""
    options = ["--patients", patient, "--registration", "none", "--index", "exact", "--out"]
    assert _evaluate(database, atlas_folder, "--synthetic", 0, *options, tmp_path / "first").exit_code == 0
    monkeypatch.setattr(retrieval_queries, "register_case", None)

    for more, message in (
        (["--queries", tmp_path / "first" / "queries.npz"], "got case more than once"),
        (["--seed", 0], "seed 0 is the root seed"),
    ):
        result = _evaluate(database, atlas_folder, *more, *options, tmp_path / "out")
        assert result.exit_code == 2
        assert message in result.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--synthetic", "0"], "there is nothing to ask"),
        (["--index", "vae"], "give its file by --checkpoint"),
        (["--index", "fastest"], "index 'fastest' is unknown"),
        (["--seed", "0"], "seed 0 is the root seed of the database"),
        (["--patients", "nowhere"], "nowhere is no folder"),
        (["--queries", "nothing.npz"], "nothing.npz cannot be read"),
    ],
)
def test_bad_options_are_not_understood(database, atlas_folder, tmp_path, more, message):
    """Each is named; exit code 2, and nothing is written."""
    result = _evaluate(database, atlas_folder, *more, "--out", tmp_path / "out")

    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_with_results_is_kept(database, atlas_folder, tmp_path):
    """Unless it is to be replaced; nothing is computed before."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scan.nii").write_text("scan")

    for more in ([], ["--force"]):
        assert _evaluate(database, atlas_folder, "--out", tmp_path / "out", *more).exit_code == 1
    assert (tmp_path / "out" / "scan.nii").read_text() == "scan"
