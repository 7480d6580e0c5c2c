"""`report`, `view`, `cite` and `compare` on the command line."""

import json
import shutil
import threading

import pytest
from phantom_brain import write_phantom_atlas, write_phantom_patient
from phantom_results import write_phantom_result
from typer.testing import CliRunner

from gliofield.cli import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phantom_result(tmp_path_factory.mktemp("cli"))


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_report_writes_the_page_anew(folder, tmp_path):
    """Of any result; a page without the viewer is a note, not an error."""
    copy = shutil.copytree(folder, tmp_path / "R")
    (copy / "report.html").unlink()

    done = run("report", copy, "--name", "Another name", "--json")

    assert done.exit_code == 0
    assert json.loads(done.stdout)["has_viewer"] is False
    assert "static planes only" in done.stderr
    assert "<h1>Another name</h1>" in (copy / "report.html").read_text(encoding="utf-8")


def test_report_refuses_what_is_no_result(tmp_path):
    """And an atlas that would have no effect."""
    assert "is no result" in run("report", tmp_path).stderr
    refused = run("report", tmp_path, "--atlas", "sri24")
    assert refused.exit_code == 2
    assert "--atlas has no effect without --patient" in refused.stderr


def test_cite_prints_bibtex_of_the_run(folder):
    """And as JSON the same with a paragraph."""
    text = run("cite", folder)
    content = json.loads(run("cite", folder, "--json").stdout)

    assert text.stdout.startswith("@software{gliofield,")
    assert content["bibtex"] == text.stdout.rstrip("\n")
    assert "by the method distance" in content["methods"]


def test_view_says_its_address_and_serves_until_interrupted(folder, monkeypatch):
    """On the loopback of this machine."""
    from gliofield.report.page_server import PageServer

    served = []
    monkeypatch.setattr(PageServer, "serve", lambda self, opens_browser: served.append(opens_browser))

    done = run("view", folder, folder, "--no-browser")

    assert done.exit_code == 0
    assert done.stdout.startswith("http://127.0.0.1:")
    assert served == [False]
    assert threading.active_count() >= 1


def test_compare_writes_one_sheet(tmp_path):
    """Of the methods that are named, on one line each."""
    write_phantom_atlas(tmp_path / "atlas")
    patient = write_phantom_patient(tmp_path / "P1")
    common = ["--atlas", tmp_path / "atlas", "--registration", "none", "--sectors", "0", "--method", "margin"]

    done = run("compare", patient, "--out", tmp_path / "sheet", *common, "--method", "infer")

    assert done.exit_code == 0
    assert "not run: infer (" in done.stdout
    assert sorted(path.name for path in (tmp_path / "sheet").iterdir()) == [
        "comparison.csv", "comparison.html", "comparison.json",
    ]  # fmt: skip
    again = run("compare", patient, "--out", tmp_path / "sheet", *common)
    assert again.exit_code == 1
    assert "--force" in again.stderr


def test_compare_takes_single_files(tmp_path):
    """As personalize does; the sheet is named after its folder."""
    write_phantom_atlas(tmp_path / "atlas")
    patient = write_phantom_patient(tmp_path / "P1", name="P1")
    endings = {"--flair": "flair", "--t1c": "t1ce", "--seg": "seg"}
    files = [word for option, ending in endings.items() for word in (option, patient / f"P1_{ending}.nii.gz")]
    common = ["--atlas", tmp_path / "atlas", "--registration", "none", "--sectors", "0", "--method", "margin"]

    done = run("compare", *files, "--out", tmp_path / "sheet", *common)

    assert done.exit_code == 0
    assert "<title>sheet" in (tmp_path / "sheet" / "comparison.html").read_text(encoding="utf-8").replace("\n", "")
    nothing = run("compare", "--out", tmp_path / "none", *common)
    assert nothing.exit_code == 2
    assert "a case needs at least one structural image" in nothing.stderr
