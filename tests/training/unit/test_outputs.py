"""Where trainings write, and what they leave."""

import pytest

from gliofield.errors import OutputError, ParameterError
from gliofield.progress import ProgressEvent
from gliofield_training.outputs import checkpoint_path, keep_logs_alone, make_folder, named_progress, training_folder


def test_a_checkpoint_to_write_is_checked_first(tmp_path):
    """The suffix is that of the format, and an older file stays unless it may be replaced."""
    path = tmp_path / "net.safetensors"
    assert checkpoint_path(str(path), replace=False) == path

    path.touch()
    assert checkpoint_path(path, replace=True) == path
    with pytest.raises(OutputError, match="exists"):
        checkpoint_path(path, replace=False)
    with pytest.raises(ParameterError, match=r"net\.pt must end in \.safetensors"):
        checkpoint_path(tmp_path / "net.pt", replace=False)


def test_the_running_state_lies_beside_the_checkpoint(tmp_path):
    """The whole name is kept, so two formats of one name would not share a folder."""
    assert training_folder(tmp_path / "net.safetensors") == tmp_path / "net.safetensors.training"


def test_folders_are_made_with_those_above(tmp_path):
    """And left alone where they are there; under a file they cannot be made, which the message says."""
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()

    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/b cannot be written: Not a directory\. Choose another place"):
        make_folder(tmp_path / "file" / "b")


def test_curves_alone_are_left(tmp_path):
    """Of one network or several the states go by their names; files of TensorBoard and of the user stay."""
    curves = [tmp_path / "tensorboard" / "events", tmp_path / "joint.0" / "tensorboard" / "runs" / "events"]
    names = ("training_state.safetensors", "best_weights_00003.safetensors")
    states = [folder / name for folder in (tmp_path, tmp_path / "joint.0") for name in names]
    notes = tmp_path / "joint.0" / "notes.txt"
    for path in (*curves, *states, notes):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    keep_logs_alone(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted([*curves, notes])


def test_progress_says_which_network_is_trained():
    """Everything else of an event stays."""
    events = []
    report = named_progress("flair", events.append)
    report(ProgressEvent(task="training", completed=1, total=3, message="loss 0.5"))

    assert events == [ProgressEvent(task="training, flair", completed=1, total=3, message="loss 0.5")]
