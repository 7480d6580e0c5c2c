"""Training and evaluating growth networks on the command line, at a tiny size."""

import json

import pytest
from phantom_brain import phantom_atlas, write_phantom_patient
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.database import ClinicalDesign, LocalWorkers, SimulationDatabase, build_database, named_model
from gliofield.imaging.observation import Observation
from gliofield_papers.indexes.full_scan import PackedQueries
from gliofield_papers.queries.matching_queries import MatchingQueries

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """26 tumors in the phantom."""
    atlas = phantom_atlas()
    path = tmp_path_factory.mktemp("commands") / "db"
    build_database(
        path,
        num_tumors=26,
        design=ClinicalDesign(whole_volume_ml=(3.0, 900.0)),
        atlas=atlas,
        grid=atlas.simulation_grid(spacing_mm=5.0, shape=(36, 38, 34)),
        model=named_model("fk"),
        workers=LocalWorkers(1),
    )
    return path


def write_queries(database, path):
    """The masks of one tumor of the database, as a file of queries."""
    opened = SimulationDatabase.open(database)
    grid, levels = opened.header.grid, opened.density_levels(3)
    packed = PackedQueries.pack([Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=grid)], grid)
    MatchingQueries(names=("three",), groups=("real",), packed=packed, settings={}).write(path)
    return path


def gliofield(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_an_inverse_network_is_trained_and_evaluated(database, atlas_folder, tmp_path):
    """From a database to the tables; JSON holds what the tables show; small is said."""
    out = tmp_path / "net.safetensors"
    trained = gliofield(
        "train", "inverse", "--database", database, "--out", out, "--small", "--epochs", 1, "--channels", 2,
        "--pooling", 1, "--threads", 1, "--members", 2, "--device", "cpu",
    )  # fmt: skip
    assert trained.exit_code == 0, trained.stderr
    assert "labelled small" in trained.stderr
    assert "joint.1: best of 1 epochs" in trained.stdout

    evaluated = gliofield(
        "papers", "inverse", database, "--checkpoint", out, "--tumors", 2, "--atlas", atlas_folder, "--threads", 1,
        "--device", "cpu", "--json", "--out", tmp_path / "inverse.md", "--figures", tmp_path / "figures",
        "--queries", write_queries(database, tmp_path / "queries.npz"),
    )  # fmt: skip
    assert evaluated.exit_code == 0, evaluated.stderr
    content = json.loads(evaluated.stdout)
    assert content["num_tumors"] == 2
    assert content["scores"][0]["num_members"] == 2
    assert [set(answer) for answer in content["methods"]] == 2 * [
        {"query", "group", "method", "agreement", "caption", "failure", "seconds"}
    ]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "cases.png", "errors.png", "inverse.json", "pairs.png",
    ]  # fmt: skip
    assert "### Dice at the paper's levels" in (tmp_path / "inverse.md").read_text(encoding="utf-8")


def test_an_inverse_network_is_trained_on_the_fly(atlas_folder, tmp_path):
    """No database; several options at once."""
    result = gliofield(
        "train", "inverse", "--on-the-fly", "--atlas", atlas_folder, "--spacing-mm", 5, "--tumors", 3,
        "--validation-tumors", 2, "--out", tmp_path / "net.safetensors", "--small", "--epochs", 1, "--channels", 2,
        "--pooling", 1, "--threads", 1, "--flips", "--perturb", "--scale", "log", "--separate", "--device", "cpu",
        "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert set(content["history"]) == {"growth.0", "seed.0"}
    assert content["settings"]["observation"]["flips"] is True
    assert content["settings"]["observation"]["perturbation"] is not None


@pytest.mark.parametrize("more", [(), ("--database", "db", "--on-the-fly")], ids=["none", "both"])
def test_tumors_come_from_one_place(tmp_path, more):
    """Neither, or both: not understood."""
    result = gliofield("train", "inverse", "--out", tmp_path / "net.safetensors", *more)
    assert result.exit_code == 2
    assert "either --database or --on-the-fly" in result.stderr


def test_a_surrogate_is_trained_and_evaluated(atlas_folder, tmp_path):
    """Brains, samples, training, tables; samples are kept beside the checkpoint."""
    out = tmp_path / "net.safetensors"
    trained = gliofield(
        "papers", "train", "surrogate", "--atlas", atlas_folder, "--anatomies", 1, "--validation-anatomies", 1,
        "--spacing-mm", 5, "--samples", 4, "--validation-samples", 2, "--out", out, "--small", "--epochs", 1,
        "--channels", 4, "--threads", 1, "--device", "cpu",
    )  # fmt: skip
    assert trained.exit_code == 0, trained.stderr
    assert "labelled small" in trained.stderr
    assert sorted(path.name for path in (tmp_path / "net.safetensors.samples").iterdir()) == ["training", "validation"]

    evaluated = gliofield(
        "papers", "surrogate", "--checkpoint", out, "--atlas", atlas_folder, "--anatomies", 1, "--samples", 3,
        "--timed", 2, "--threads", 1, "--device", "cpu", "--patients", write_phantom_patient(tmp_path / "patient"),
        "--registration", "none", "--figures", tmp_path / "figures",
    )  # fmt: skip
    assert evaluated.exit_code == 0, evaluated.stderr
    assert "3 test tumors in 2 anatomies" in evaluated.stdout
    assert "### Seconds per tumor" in evaluated.stdout
    assert "net.safetensors (small)" in evaluated.stdout
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "dice.png", "errors.png", "losses.png", "surrogate.json", "times.png",
    ]  # fmt: skip


@pytest.mark.parametrize("command", [("inverse", "DB"), ("surrogate",)], ids=["inverse", "surrogate"])
def test_outputs_are_refused_before_any_work(tmp_path, command):
    """A folder of figures that exists, and tables within it: there is not even a checkpoint to read."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "thesis.txt").write_text("years of work")
    asked = ("papers", *command, "--checkpoint", tmp_path / "none.safetensors", "--figures")

    existing = gliofield(*asked, tmp_path / "figures")
    foreign = gliofield(*asked, tmp_path / "figures", "--force")
    within = gliofield(*asked, tmp_path / "new", "--out", tmp_path / "new" / "tables.md")

    assert (existing.exit_code, foreign.exit_code, within.exit_code) == (1, 1, 2)
    assert "exists and is not empty" in existing.stderr
    assert "not written by this command" in foreign.stderr
    assert "lies in the folder of --figures" in within.stderr


def test_a_folder_without_brains_is_refused(atlas_folder, tmp_path):
    """It promised atlas folders."""
    result = gliofield(
        "papers", "train", "surrogate", "--atlas", atlas_folder, "--anatomies-dir", tmp_path, "--out",
        tmp_path / "x.safetensors", "--spacing-mm", 5, "--anatomies", 1,
    )  # fmt: skip
    assert result.exit_code == 2
    assert "holds no atlas folders" in result.stderr
