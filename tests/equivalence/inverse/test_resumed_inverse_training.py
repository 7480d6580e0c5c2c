"""An inverse network whose training was interrupted has, to the last bit, the weights of one trained straight."""

import pytest
from small_inverse_networks import FewBalls, tiny_inverse

from gliomap.inverse import train_inverse
from gliomap.learning import read_checkpoint

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
