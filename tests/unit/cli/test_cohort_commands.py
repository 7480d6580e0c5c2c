"""The commands about cohorts: what they print, and how they end."""

import json

import pytest
from cohort_phantoms import StandIn, write_phantoms, write_words
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.cohort.table import write_table


@pytest.fixture
def stand_in(monkeypatch):
    """Works on patients in place of the pipeline."""
    return StandIn(monkeypatch)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def cohort(place, out, atlas_folder, *words):
    return run("cohort", place, "--out", out, "--atlas", atlas_folder, "--method", "distance", "--workers", 1, *words)


def test_a_cohort_without_failures_ends_with_zero(tmp_path, atlas_folder, stand_in):
    """It says how many are done, and where table and page are."""
    done = cohort(write_words(tmp_path / "in", "ab"), tmp_path / "out", atlas_folder)

    assert done.exit_code == 0, done.output
    assert "2 patients: 2 done, 0 failed, 0 missing (2 by this run)" in done.stdout
    assert "cohort.html" in done.stdout
    assert "For research use only; not a medical device." in done.stdout


def test_failures_end_with_three_and_their_reasons(tmp_path, atlas_folder, stand_in):
    """As JSON too, by name."""
    place = write_words(tmp_path / "in", "ab", seg={"b": "broken"})
    said = cohort(place, tmp_path / "out", atlas_folder)
    found = cohort(place, tmp_path / "out", atlas_folder, "--json")

    assert (said.exit_code, found.exit_code) == (3, 3)
    assert "failed: b: p_seg.nii.gz is broken." in said.stdout
    assert json.loads(found.stdout)["failures"] == {"b": "p_seg.nii.gz is broken."}
    assert json.loads(found.stdout)["computed"] == 0


def test_a_dry_run_checks_every_input_and_writes_nothing(tmp_path):
    """Real images are read; the one that cannot be is told."""
    place = write_phantoms(tmp_path / "in", 2)
    (place / "p1" / "case_t1.nii.gz").write_bytes(b"no image")
    done = run("cohort", place, "--dry-run", "--workers", 1)

    assert done.exit_code == 3
    assert "brats2023" in done.stdout
    assert "1 ready, 1 cannot be used" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the results need a folder: give --out OUT"),
        (["--out", "o", "--part", "3"], "--part must be K/P"),
        (["--out", "o", "--part", "3/2"], "K of P"),
        (["--out", "o", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "exclude each other"),
        (["--out", "o", "--tables-only", "--retry-failed"], "--retry-failed has no effect with --tables-only"),
        (["--out", "o", "--column", "t1c"], "--column must be INPUT=NAME"),
        (["--out", "o", "--session-label", "1"], "is no BIDS data set"),
        (["--out", "o", "--decay-length-mm", "2"], "belongs to method 'distance'"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, words, message):
    """With code 2, before anything is written."""
    done = run("cohort", write_words(tmp_path / "in", "a"), *words)

    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.fixture
def tables(tmp_path):
    """Two cohorts of three patients."""
    for name, gain in (("one", 0.0), ("two", 0.1)):
        (tmp_path / name).mkdir()
        rows = [
            {"patient": f"p{i}", "status": "done", "dice_flair": 0.5 + 0.01 * i + gain, "core_ml": 3.0}
            for i in range(3)
        ]
        write_table(tmp_path / name / "cohort.tsv", rows)
    return tmp_path / "one", tmp_path / "two"


def test_two_cohorts_are_compared_by_one_command(tables, tmp_path):
    """Named by their folders; the table goes to a file, and the same numbers to JSON."""
    done = run("cohort-compare", *tables, "--tables", tmp_path / "table.md")
    found = json.loads(run("cohort-compare", *tables, "--json").stdout)

    assert done.exit_code == 0
    assert "two against one" in done.stdout
    assert (tmp_path / "table.md").read_text() == done.stdout
    assert found["num_pairs"] == 3
    assert found["numbers"][0]["test"]["mean"] == pytest.approx(0.1)


def test_other_numbers_are_asked_for_by_name(tables):
    """One that is not there names those that are."""
    found = json.loads(run("cohort-compare", *tables, "--number", "core_ml", "--json").stdout)
    wrong = run("cohort-compare", *tables, "--number", "core")

    assert [each["name"] for each in found["numbers"]] == ["core_ml"]
    assert wrong.exit_code == 2
    assert "Did you mean 'core_ml'?" in wrong.stderr
