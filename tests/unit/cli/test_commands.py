import json

import numpy as np
import pytest
from phantom_brain import LESION_CENTER_MM, phantom_atlas
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.nifti import read_volume
from gliofield.registration import read_displacement

TISSUES = ("white_matter", "gray_matter", "csf")


def _run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def _simulate(atlas_folder, out, *more):
    seed = ["--seed-mm", *map(str, LESION_CENTER_MM)]
    rates = ["--diffusivity", "0.2", "--proliferation", "0.04"]
    return _run("simulate", *seed, *rates, "--atlas", atlas_folder, "--spacing-mm", "4", "--out", out, *more)


def test_simulate_writes_one_file_per_time_and_a_sheet(atlas_folder, tmp_path):
    """Two times give two densities named by day, growing, and a picture."""
    out, sheet = tmp_path / "tumor.nii.gz", tmp_path / "sheet.png"

    result = _simulate(atlas_folder, out, "--time", "200", "--time", "100", "--figure", sheet, "--json")

    assert result.exit_code == 0, result.output
    snapshots = json.loads(result.stdout)["snapshots"]
    assert [row["time_days"] for row in snapshots] == [100, 200]
    assert {path.name for path in tmp_path.iterdir()} == {
        "tumor-t0100.0d.nii.gz",
        "tumor-t0200.0d.nii.gz",
        "sheet.png",
    }
    early, late = (read_volume(row["file"]).data for row in snapshots)
    assert 0 < early.sum() < late.sum()
    assert snapshots[1]["volume_ml_flair"] > snapshots[0]["volume_ml_flair"]


def test_simulate_writes_the_named_file_for_one_time(atlas_folder, tmp_path):
    """A single time needs no suffix; a second run needs --force."""
    out = tmp_path / "tumor.nii.gz"

    first = _simulate(atlas_folder, out, "--time", "150")
    second = _simulate(atlas_folder, out, "--time", "150")
    forced = _simulate(atlas_folder, out, "--time", "150", "--force")

    assert first.exit_code == forced.exit_code == 0
    assert second.exit_code == 1
    assert "--force" in second.stderr
    assert out.is_file()


def test_simulate_with_mass_effect_writes_what_moved(atlas_folder, tmp_path):
    """Displacement and tissue maps lie beside the density, on its grid; the tissue maps still sum to 1 at most."""
    out, sheet = tmp_path / "tumor.nii.gz", tmp_path / "sheet.png"

    result = _simulate(
        atlas_folder, out, "--time", "200", "--model", "mass-effect", "--push", "4000", "--figure", sheet, "--json"
    )

    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    row = content["snapshots"][0]
    assert content["model"] == "mass-effect"
    assert row["largest_displacement_mm"] > 0.1
    assert 0 < row["min_jacobian_determinant"] <= 1
    names = {"tumor.nii.gz", "sheet.png"} | {f"tumor-{kind}.nii.gz" for kind in (*TISSUES, "displacement")}
    assert {path.name for path in tmp_path.iterdir()} == names
    density = read_volume(out)
    displacement, grid = read_displacement(tmp_path / "tumor-displacement.nii.gz")
    assert grid.is_same_as(density.grid)
    assert np.linalg.norm(displacement, axis=-1).max() == pytest.approx(row["largest_displacement_mm"], rel=1e-5)
    total = sum(read_volume(tmp_path / f"tumor-{kind}.nii.gz").data for kind in TISSUES)
    assert total.max() <= 1 + 1e-5


def test_simulate_warns_of_a_front_thinner_than_a_voxel(atlas_folder, tmp_path):
    """The run goes on; the warning gives the ratio of front width and spacing."""
    thin = ["--diffusivity", "0.02", "--proliferation", "0.04", "--time", "100"]

    result = _simulate(atlas_folder, tmp_path / "tumor.nii.gz", *thin)

    assert result.exit_code == 0
    assert "0.18 voxels wide" in result.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--time", "100", "--model", "fkk"], "Did you mean 'fk'"),
        (["--time", "-5"], "--time must"),
        (["--time", "100", "--diffusivity", "-1"], "--diffusivity must"),
        (["--time", "100", "--seed-mm", "500", "0", "0"], "seed"),
        (["--time", "100", "--spacing-mm", "40"], "between 0.5 and 10"),
        (["--time", "100", "--domain-rule", "brian"], "Did you mean 'brain'"),
        (["--time", "100", "--scheme", "eulr"], "scheme"),
        (["--time", "100", "--push", "1000"], "belongs to --model mass-effect"),
        (["--time", "100", "--model", "mass-effect", "--push", "-1"], "--push must"),
        (["--time", "100", "--model", "mass-effect", "--scheme", "published"], "belongs to --model fk"),
    ],
)
def test_simulate_refuses_bad_parameters_and_writes_nothing(atlas_folder, tmp_path, more, message):
    """Each bad parameter is named; exit code 2."""
    result = _simulate(atlas_folder, tmp_path / "tumor.nii.gz", *more)

    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_atlas_list_names_both_atlases():
    """sri24 and mni152 with their licences."""
    result = _run("atlas", "list", "--json")

    entries = {entry["name"]: entry for entry in json.loads(result.stdout)["atlases"]}
    assert set(entries) == {"sri24", "mni152"}
    assert entries["sri24"]["licence"] == "CC BY-SA 3.0"


def test_atlas_info_describes_an_own_atlas(atlas_folder):
    """Grid, volumes and the domain under every rule."""
    result = _run("atlas", "info", atlas_folder, "--json")

    content = json.loads(result.stdout)
    assert content["name"] == "phantom"
    assert content["brain_ml"] == pytest.approx(phantom_atlas().tissue_maps.brain.sum() * 0.064)
    assert content["domain_ml"]["brain"] >= content["domain_ml"]["csf-below-0.9"] > 0


def test_atlas_fetch_of_an_unknown_name_fails_with_help():
    """The closest name is offered, exit code 2."""
    result = _run("atlas", "fetch", "sri")

    assert result.exit_code == 2
    assert "sri24" in result.stderr


def test_an_error_is_also_json_when_asked_for():
    """--json puts the error on stdout for machines and on stderr for people."""
    result = _run("atlas", "info", "nowhere", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["kind"] == "ParameterError"
    assert "nowhere" in result.stderr


def test_the_version_is_printed():
    """--version prints the package's version."""
    from gliofield import __version__

    assert _run("--version").stdout.strip() == f"gliofield {__version__}"
