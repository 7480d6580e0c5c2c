import json

import pytest
from typer.testing import CliRunner

from gliofield.cli import app


def _evaluate(atlas_folder, *more):
    arguments = ["papers", "solver", "--atlas", atlas_folder, "--spacing-mm", 6, "--quick", "--tumors", 1, *more]
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_the_tables_are_printed_and_written(atlas_folder, tmp_path):
    """The file holds what stdout shows, conditions first; it is replaced only with --force."""
    out = tmp_path / "solver.md"

    first = _evaluate(atlas_folder, "--mass-effect-tumors", 0, "--out", out)
    second = _evaluate(atlas_folder, "--mass-effect-tumors", 0, "--out", out)
    forced = _evaluate(atlas_folder, "--mass-effect-tumors", 0, "--out", out, "--force")

    assert first.exit_code == forced.exit_code == 0
    assert second.exit_code == 1
    assert "--force" in second.stderr
    assert out.read_text(encoding="utf-8") == forced.stdout
    assert first.stdout.startswith("- phantom, shape (40, 40, 40)")
    headings = [line for line in first.stdout.splitlines() if line.startswith("### ")]
    assert headings == [
        "### Reaction-diffusion: time steps",
        "### Grids",
        "### Threads",
        "### Backends",
        "### Front resolution",
        "### Memory",
    ]


def test_json_and_file_hold_both_models(atlas_folder, tmp_path):
    """Rows by name in JSON, what is not defined is null; the file marks default and reference."""
    out = tmp_path / "solver.md"

    result = _evaluate(atlas_folder, "--json", "--out", out)

    content = json.loads(result.stdout)
    assert result.exit_code == 0
    assert content["conditions"]["atlas"] == "phantom"
    assert [row["num_coupling_steps"] for row in content["couplings"]] == [4, 8, 16, 64]
    assert content["couplings"][-1]["displacement_error"] is None
    assert content["couplings"][0]["displacement_error"] > 0.0
    assert {row["model"] for row in content["grids"]} == {"fisher-kolmogorov", "mass-effect"}
    section = out.read_text(encoding="utf-8").split("### Mass effect: coupling steps")[1].split("###")[0]
    assert "| 16 (default) " in section
    assert "| 64 (reference) " in section
    assert "γ = 10000 Pa" in section


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--out", "solver.txt"], "must end in .md"),
        (["--spacing-mm", "40"], "between 0.5 and 10"),
        (["--tumors", "0"], "tumors"),
    ],
)
def test_bad_options_are_not_understood(atlas_folder, more, message):
    """Each is named; exit code 2."""
    result = _evaluate(atlas_folder, *more)

    assert result.exit_code == 2
    assert message in result.stderr
