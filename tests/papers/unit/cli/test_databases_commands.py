"""``gliofield papers matching`` and ``gliofield papers coverage`` on small databases of the phantom brain."""

import json

import pytest
from phantom_brain import write_phantom_patient
from retrieval_fakes import queries_of
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.testing import build_phantom_database, phantom_atlas
from gliofield_papers.cli import databases as commands


def run(*words):
    return CliRunner().invoke(app, ["papers", *(str(word) for word in words)], catch_exceptions=False)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Twelve tumors."""
    return build_phantom_database(tmp_path_factory.mktemp("database") / "tumors")


@pytest.fixture(autouse=True)
def _phantom(monkeypatch):
    monkeypatch.setattr("gliofield.anatomy.load_atlas", lambda name, **options: phantom_atlas())


def test_matching_writes_page_numbers_picture_and_queries(database, tmp_path):
    """Queries of the database itself are matched perfectly; two databases are compared."""
    queries_of(database, ("real", "clinical", "clinical")).write(tmp_path / "asked.npz")
    asked = (
        "matching",
        database.path,
        database.path,
        "--name",
        "one",
        "--name",
        "two",
        "--queries",
        tmp_path / "asked.npz",
    )

    done = run(*asked, "--size", 6, "--out", tmp_path / "out", "--threads", 1, "--json")
    again = run(*asked, "--out", tmp_path / "out", "--threads", 1)

    record = json.loads(done.stdout)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "matching.csv", "matching.json", "matching.md", "matching.png", "queries.npz",
    }  # fmt: skip
    assert [each["name"] for each in record["databases"]] == ["one", "two"]
    assert record["databases"][0]["points"][-1]["num_tumors"] == 12
    assert all(gain["mean"] == 0.0 for gain in record["differences"]["two"])
    assert again.exit_code == 1
    assert "exists" in again.stderr


def test_coverage_prints_patients_beside_databases(database, tmp_path):
    """Quantiles per quantity, and what was measured on the patient."""
    write_phantom_patient(tmp_path / "PATIENTS" / "one")
    figure, table = tmp_path / "coverage.png", tmp_path / "coverage.md"
    asked = ("coverage", database.path, "--patients", tmp_path / "PATIENTS", "--centers", 3)

    done = run(*asked, "--figure", figure, "--out", table, "--json")
    record = json.loads(done.stdout)

    assert figure.stat().st_size > 10_000
    assert [patient["name"] for patient in record["patients"]] == ["one"]
    assert {row["quantity"] for row in record["coverage"]} >= {"core_ml", "whole_ml"}
    assert "| patient | segmentations |" in table.read_text(encoding="utf-8")
    assert "patients inside 5-95 %" in table.read_text(encoding="utf-8")


def test_names_are_one_per_database(database, tmp_path):
    """Or the designs, or the folders of databases of one design."""
    result = run("coverage", database.path, "--name", "a", "--name", "b")

    assert result.exit_code == 2
    assert "--name must be given once per database, 1 times, got 2." in result.stderr
    assert commands._labels([database], None) == [database.header.design["name"]]
    assert commands._labels([database, database], None) == ["tumors", "tumors"]
