"""`gliofield database` on a phantom atlas: build, grow, parts, merge, describe, draw, verify."""

import json

import pytest
from growing_ball import folder_content
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.database import SimulationDatabase, named_design
from gliofield.database.build import build_database


def _run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def _build(atlas_folder, path, number, *more):
    arguments = ["--number", number, "--atlas", atlas_folder, "--spacing-mm", "4", "--workers", "1", "--json", *more]
    return _run("database", "build", path, *arguments)


@pytest.fixture(scope="module")
def built(atlas_folder, tmp_path_factory):
    """A database of three tumors."""
    path = tmp_path_factory.mktemp("databases") / "db"
    assert _build(atlas_folder, path, 3).exit_code == 0
    return path


def test_build_describes_what_it_built(atlas_folder, tmp_path):
    """The JSON is that of `info`, and a larger number grows the same folder."""
    first = json.loads(_build(atlas_folder, tmp_path / "db", 2).stdout)
    grown = json.loads(_build(atlas_folder, tmp_path / "db", 3).stdout)
    described = json.loads(_run("database", "info", tmp_path / "db", "--json").stdout)
    assert (first["num_tumors"], grown["num_tumors"]) == (2, 3)
    assert grown == described
    assert grown["model"]["name"] == "fisher-kolmogorov"
    assert sum(grown["rejections"].values()) == round(grown["num_runs"] / grown["acceptance"]) - grown["num_runs"]


def test_mass_effect_is_a_model_of_the_database(atlas_folder, tmp_path):
    """`--model mass-effect` draws a push and stores it."""
    result = _build(atlas_folder, tmp_path / "db", 1, "--model", "mass-effect")
    assert result.exit_code == 0, result.output
    database = SimulationDatabase.open(tmp_path / "db")
    assert database.parameter_names[-1] == "push_pa"
    assert 0.0 <= database.parameters[0, -1] < 20_000.0
    assert database.header.design["settings"]["push_pa"] == [0.0, 20_000.0]


def test_info_draws_a_figure_once(built, tmp_path):
    """The page appears; a second run needs --force, another ending is not understood."""
    figure = tmp_path / "page.png"
    first = _run("database", "info", built, "--figure", figure, "--json")
    assert json.loads(first.stdout)["figure"] == str(figure)
    assert figure.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert _run("database", "info", built, "--figure", figure).exit_code == 1
    assert _run("database", "info", built, "--figure", figure, "--force").exit_code == 0
    wrong = _run("database", "info", built, "--figure", tmp_path / "page.bmp")
    assert wrong.exit_code == 2
    assert not (tmp_path / "page.bmp").exists()


def test_info_is_readable(built):
    """Design, model, size, rejections and quantiles in words."""
    text = _run("database", "info", built).stdout
    for words in (
        "3 tumors, design clinical, model fisher-kolmogorov",
        "KB per tumor",
        "draws rejected",
        "whole / core",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--part", "2of3"], "--part must be K/P, for example 2/8"),
        (["--part", "3/2"], "expected a part from 1 to the number of parts, got part 3 of 2"),
        (["--part", "1/2"], "are 1 shards of 128 and cannot be built in 2 parts"),
        (["--model", "fisher"], "growth model 'fisher' is unknown"),
        (["--design", "random"], "design 'random' is unknown"),
        (["--device", "tpu"], "device 'tpu' is unknown"),
        (["--scheduler", "tcp://127.0.0.1:1"], "--workers and --scheduler exclude each other"),
        (["--device", "cuda"], "--workers and --device cuda exclude each other"),
    ],
)
def test_requests_that_make_no_sense_write_nothing(atlas_folder, tmp_path, more, message):
    """Exit code 2 and a message that names the option."""
    result = _build(atlas_folder, tmp_path / "db", 3, *more)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "db").exists()


def test_without_a_folder_only_the_default_database_is_built():
    """Other settings need a folder, and the message says how."""
    for more in (
        ["--device", "cuda"],
        ["--seed", "1"],
        ["--design", "papers"],
        ["--model", "mass-effect"],
        ["--part", "1/1"],
    ):
        result = _run("database", "build", "--number", "300", *more)
        assert result.exit_code == 2
        assert "name a folder for a database of other settings" in result.stderr


def test_a_dry_run_of_the_default_database_names_its_place(atlas_folder):
    """Nothing is built, and the folder is the one `personalize` looks at."""
    from gliofield.anatomy import load_atlas
    from gliofield.pipeline import default_database_path

    arguments = ["--number", "7", "--atlas", atlas_folder, "--dry-run", "--json"]
    content = json.loads(_run("database", "build", *arguments).stdout)
    assert content["path"] == str(default_database_path(load_atlas(str(atlas_folder))))
    assert content["number"] == 7


def test_parts_are_merged_into_the_whole(atlas_folder, tmp_path, monkeypatch):
    """Two parts and `merge` give the files of one build; with small shards, to be quick."""
    monkeypatch.setattr("gliofield.database.layout._TARGET_TUMORS_PER_SHARD", 2)
    monkeypatch.setattr("gliofield.database.layout._TARGET_TUMORS_PER_BATCH", 1)
    for part in (1, 2):
        result = _build(atlas_folder, tmp_path / str(part), 3, "--part", f"{part}/2")
        assert result.exit_code == 0, result.output
    assert "1 tumors from number 2" in _run("database", "info", tmp_path / "2").stdout
    merged = _run("database", "merge", tmp_path / "merged", tmp_path / "2", tmp_path / "1", "--json")
    assert json.loads(merged.stdout)["num_tumors"] == 3
    _build(atlas_folder, tmp_path / "whole", 3)
    assert folder_content(tmp_path / "merged") == folder_content(tmp_path / "whole")


def test_merge_says_what_is_missing(built, tmp_path):
    """A part of something else, or the same part twice."""
    result = _run("database", "merge", tmp_path / "merged", built, built)
    assert result.exit_code == 1
    assert "both hold tumor 0" in result.stderr
    assert not (tmp_path / "merged").exists()


def test_verify_exits_with_1_on_damage(built, tmp_path):
    """A flipped byte is found and named; the intact copy passes."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    assert _run("database", "verify", copy).exit_code == 0
    shard = copy / "density/c/0/0/0/0"
    content = bytearray(shard.read_bytes())
    content[100] ^= 8
    shard.write_bytes(content)
    result = _run("database", "verify", copy, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["damaged_tumors"] == [0]


def test_the_command_is_one_call_of_the_library(atlas_folder, built, tmp_path):
    """The same database, byte for byte, from Python."""
    from gliofield.anatomy import load_atlas
    from gliofield.growth import FisherKolmogorov

    atlas = load_atlas(str(atlas_folder))
    build_database(
        tmp_path / "db",
        num_tumors=3,
        design=named_design("clinical"),
        atlas=atlas,
        grid=atlas.simulation_grid(spacing_mm=4.0),
        model=FisherKolmogorov(),
    )
    assert folder_content(tmp_path / "db") == folder_content(built)
