"""`gliofield papers train surrogate`: what is refused before a tumor is simulated, and what is recorded and kept."""

import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield_papers.surrogate import read_surrogate_header

pytest.importorskip("torch")

SCRIPT = Path(__file__).parents[4] / "scripts" / "train_surrogates.sh"


def train_surrogate(atlas_folder, out, *more):
    """A training of four tumors at most; later options replace earlier ones."""
    asked = (
        "papers", "train", "surrogate", "--atlas", atlas_folder, "--anatomies", 1, "--validation-anatomies", 1,
        "--spacing-mm", 5, "--samples", 4, "--validation-samples", 2, "--out", out, "--small", "--epochs", 1,
        "--channels", 4, "--threads", 1, "--device", "cpu", *more,
    )  # fmt: skip
    return CliRunner().invoke(app, [str(argument) for argument in asked], catch_exceptions=False)


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("net.pt", (), "must end in .safetensors"),
        ("net.safetensors", ("--spacing-mm", 0), "--spacing-mm must lie between 0.5 and 10 mm, got 0"),
        ("net.safetensors", ("--solver-device", "cudda"), "Did you mean 'cuda'"),
    ],
)
def test_what_cannot_be_is_refused_before_a_tumor_is_simulated(atlas_folder, tmp_path, name, more, message):
    """Each with its message, and nothing written."""
    result = train_surrogate(atlas_folder, tmp_path / name, *more)

    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_trainings_of_several_sizes_share_their_tumors(atlas_folder, tmp_path):
    """The smaller one takes the first of them; rule and atlas are recorded."""
    shared = ("--samples-dir", tmp_path / "samples")
    first = train_surrogate(atlas_folder, tmp_path / "four.safetensors", *shared)
    stored = {path: path.read_bytes() for path in (tmp_path / "samples").rglob("*") if path.is_file()}
    second = train_surrogate(atlas_folder, tmp_path / "three.safetensors", *shared, "--samples", 3)

    assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "samples").rglob("*") if path.is_file()} == stored
    header = read_surrogate_header(tmp_path / "three.safetensors")
    assert header.trained_on["number"] == header.settings.num_training_samples == 3
    assert (header.atlas_name, header.domain_rule) == ("phantom", "csf-below-0.9")


def commands_of_script(folder, *more):
    """Name of the checkpoint and options of each training the script would run."""
    asked = ["bash", str(SCRIPT), str(folder), *more]
    lines = subprocess.run(
        asked, env={**os.environ, "GLIOFIELD": "echo"}, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    commands = [line.split() for line in lines]
    return {Path(words[words.index("--out") + 1]).stem: words for words in commands}


def test_small_trainings_that_are_compared_get_equally_many_batches(tmp_path):
    """300 or 600 of 8, up to the last of an epoch; every training reads one folder of tumors."""
    commands = commands_of_script(tmp_path, "--small")
    values = {
        name: {option: words[words.index(option) + 1] for option in ("--samples", "--epochs", "--samples-dir")}
        for name, words in commands.items()
    }

    assert {value["--samples-dir"] for value in values.values()} == {str(tmp_path / "samples")}
    num_batches = {
        name.removeprefix("surrogate-"): int(value["--samples"]) * int(value["--epochs"]) // 8
        for name, value in values.items()
    }
    assert num_batches == {
        "1600": 600, "400": 600,
        "100-short": 300, "400-short": 300, "400-short-whole-volume": 300, "400-short-csf-only": 300,
        "400-short-all-regions": 300,
    }  # fmt: skip


def test_the_script_says_how_to_use_it():
    """Without a folder."""
    result = subprocess.run(["bash", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "usage: scripts/train_surrogates.sh FOLDER" in result.stderr
