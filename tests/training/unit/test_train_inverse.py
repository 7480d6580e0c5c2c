"""Options of `gliofield train inverse`, and what is said of them; nothing is trained here."""

import re

import pytest
from growing_ball import ball_anatomy, build_balls
from phantom_brain import write_phantom_atlas
from typer.testing import CliRunner

import gliofield_training.inverse
from gliofield.cli import app
from gliofield_training import TrainingInterruptedError

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def atlas_folder(tmp_path_factory):
    """The phantom as an atlas folder."""
    return write_phantom_atlas(tmp_path_factory.mktemp("atlas") / "phantom")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """25 balls on 20³ voxels."""
    return build_balls(tmp_path_factory.mktemp("tumors") / "db", num_tumors=25, anatomy=ball_anatomy(20, 1.5)).path


@pytest.fixture
def asked(monkeypatch):
    """Source and settings that `train_inverse` was called with; it ends as after SIGTERM."""
    calls = []

    def train_inverse(source, settings, out, **options):
        calls.append((source, settings))
        raise TrainingInterruptedError

    monkeypatch.setattr(gliofield_training.inverse, "train_inverse", train_inverse)
    return calls


def train(*arguments):
    command = ["train", "inverse", "--threads", 1, "--device", "cpu", *arguments]
    return CliRunner().invoke(app, [str(argument) for argument in command], catch_exceptions=False)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--design", "papers"), "--design"),
        (("--model", "fk", "--atlas", "sri24"), "--model"),
        (("--spacing-mm", 3), "--spacing-mm"),
        (("--solver-device", "cpu"), "--solver-device"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_of_simulated_tumors_do_not_go_with_a_database(tmp_path, options, named):
    """They would change nothing: not understood, and named, defaults given by hand too."""
    result = train("--out", tmp_path / "net.safetensors", "--database", tmp_path / "db", *options)
    assert result.exit_code == 2
    assert f"{named} has no effect with --database" in result.stderr


@pytest.mark.parametrize(("small", "numbers"), [((), (80_000, 1_000)), (("--small",), (4_000, 200))], ids=["", "small"])
def test_small_on_the_fly_is_small(atlas_folder, asked, tmp_path, small, numbers):
    """Tumors per epoch and for validation; what is asked for by number is taken."""
    place = ("--on-the-fly", "--atlas", atlas_folder, "--spacing-mm", 5, "--out", tmp_path / "net.safetensors", *small)
    train(*place)
    train(*place, "--tumors", 7, "--validation-tumors", 0)
    assert [(source.num_training_tumors, source.num_validation_tumors) for source, _ in asked] == [numbers, (7, 0)]


@pytest.mark.parametrize(
    ("design", "targets", "is_said"),
    [("clinical", "rates", True), ("papers", "rates", False), ("clinical", "invariants", False)],
)
def test_rates_of_a_design_with_one_front_speed_are_said_to_show_nothing(
    atlas_folder, asked, tmp_path, design, targets, is_said
):
    """Before the training, since it takes hours."""
    result = train(
        "--on-the-fly", "--atlas", atlas_folder, "--spacing-mm", 5, "--design", design, "--targets", targets,
        "--out", tmp_path / "net.safetensors",
    )  # fmt: skip
    assert len(asked) == 1
    assert ("the ablation --targets rates shows nothing" in result.stderr) == is_said


def test_an_end_that_was_asked_for_says_how_to_go_on(database, asked, tmp_path):
    """SIGTERM: no result, exit code 1, and the way on."""
    result = train("--database", database, "--out", tmp_path / "net.safetensors")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the training was asked to end (SIGTERM) and has saved its state. The same")


def test_how_often_the_state_is_saved_can_be_chosen(database, asked, tmp_path):
    """In seconds; the setting's own otherwise."""
    for options in ((), ("--save-every", 20)):
        train("--database", database, "--out", tmp_path / "net.safetensors", *options)
    assert [settings.training.save_every_s for _, settings in asked] == [300.0, 20.0]


def test_targets_no_network_can_answer_are_said(database, tmp_path):
    """Balls grow for 20 to 120 days, and the published range of T begins at 50 days."""
    result = train(
        "--database", database, "--out", tmp_path / "net.safetensors", "--small", "--epochs", 1, "--channels", 2,
        "--pooling", 1, "--targets", "rates",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    said = re.search(r"note: growth_time_days of the tumors reaches from (\d+)", result.stderr)
    assert said is not None
    assert 20 <= int(said[1]) < 50
    assert "but the network answers 50 to 1500 only." in result.stderr
    assert "proliferation_rate_per_day" not in result.stderr
