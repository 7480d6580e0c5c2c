"""Several networks of one checkpoint: trained one after the other, told apart by name."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from training_tasks import PlaneTask, are_identical, settings, weights_of  # noqa: E402

from gliofield_training import train  # noqa: E402
from gliofield_training.members import Member, train_members  # noqa: E402


def members(made, **changes):
    """Two networks that learn from other seeds; `made` hears of each when it is made."""
    for number, name in enumerate(("flair", "t1gd")):
        made.append(name)
        yield Member(name=name, task=PlaneTask(), settings=settings(seed=number, **changes), identity={"name": name})


def test_every_member_is_trained_as_it_would_be_alone(tmp_path):
    """Same weights, same history; the name is the folder, the prefix of the weights, and part of the progress."""
    events = []
    histories, tensors = train_members(members([]), folder=tmp_path / "run", resume=True, report=events.append)

    assert list(histories) == ["flair", "t1gd"]
    for number, name in enumerate(histories):
        task = PlaneTask()
        history = train(task, settings(seed=number), folder=tmp_path / name, identity={"name": name})
        own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
        assert are_identical(own, weights_of(task))
        assert [epoch.training for epoch in histories[name].epochs] == [epoch.training for epoch in history.epochs]
        assert (tmp_path / "run" / name).is_dir()
    assert {event.task.rsplit(", ", 1)[-1] for event in events} == {"flair", "t1gd"}


def test_members_are_made_when_it_is_their_turn(tmp_path):
    """The second one's samples are not needed while the first one learns."""
    made, seen = [], []
    train_members(members(made), folder=tmp_path, resume=True, report=lambda event: seen.append(len(made)))

    assert seen[0] == 1
    assert seen[-1] == 2


def test_an_interrupted_training_is_continued_member_by_member(tmp_path):
    """More epochs later end with the weights of a training that had them from the start; without resuming likewise."""
    train_members(members([], num_epochs=2), folder=tmp_path / "run", resume=True)
    continued = train_members(members([], num_epochs=4), folder=tmp_path / "run", resume=True)
    begun_anew = train_members(members([], num_epochs=4), folder=tmp_path / "run", resume=False)

    assert are_identical(continued[1], begun_anew[1])
