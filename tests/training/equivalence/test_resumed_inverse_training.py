"""An inverse network whose training was interrupted has, to the last bit, the weights of one trained straight."""

import pytest
from small_inverse_networks import FewBalls, tiny_inverse

from gliofield.inverse import TargetSettings
from gliofield.learning import read_checkpoint
from gliofield_training.inverse import train_inverse

pytest.importorskip("torch")


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    """Stopped within the second epoch, with thresholds drawn anew for every sample."""
    settings = tiny_inverse(num_epochs=3, save_every_s=0.0)
    train_inverse(FewBalls(8, 3), settings, tmp_path / "straight.safetensors")

    def stop(event):
        if event.completed > 1.2:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        train_inverse(FewBalls(8, 3), settings, tmp_path / "resumed.safetensors", report=stop)
    assert (tmp_path / "resumed.safetensors.training").is_dir()
    train_inverse(FewBalls(8, 3), settings, tmp_path / "resumed.safetensors")

    straight, resumed = (read_checkpoint(tmp_path / f"{name}.safetensors") for name in ("straight", "resumed"))
    assert straight.digest == resumed.digest


@pytest.mark.parametrize(
    ("options", "second"),
    [({"targets": TargetSettings(is_joint=False)}, "seed.0"), ({"num_members": 2}, "joint.1")],
    ids=["separate", "members"],
)
def test_a_training_interrupted_in_its_second_network_ends_with_the_same_weights(tmp_path, options, second):
    """The first is complete and not trained again, the second goes on within its second epoch."""
    settings = tiny_inverse(num_epochs=3, save_every_s=0.0, **options)
    train_inverse(FewBalls(8, 3), settings, tmp_path / "straight.safetensors")

    def stop(event):
        if event.task.endswith(second) and event.completed > 1.2:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        train_inverse(FewBalls(8, 3), settings, tmp_path / "resumed.safetensors", report=stop)
    events = []
    train_inverse(FewBalls(8, 3), settings, tmp_path / "resumed.safetensors", report=events.append)

    assert {event.task for event in events if "," in event.task} == {f"training, {second}"}
    assert min(event.completed for event in events if event.task.endswith(second)) > 1.2
    straight, resumed = (read_checkpoint(tmp_path / f"{name}.safetensors") for name in ("straight", "resumed"))
    assert straight.digest == resumed.digest
