import dataclasses

import pytest

from gliofield.progress import ProgressEvent, ignore_progress


def test_the_default_reporter_swallows_every_event(capsys):
    """Nothing is printed and nothing returned."""
    assert ignore_progress(ProgressEvent(task="build", completed=1, total=2)) is None
    assert capsys.readouterr() == ("", "")


def test_an_event_is_a_value():
    """Events compare by content and cannot be changed by the reporter that gets them."""
    event = ProgressEvent(task="build", completed=1, total=2)

    assert event == ProgressEvent(task="build", completed=1.0, total=2.0, message="")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.completed = 2
