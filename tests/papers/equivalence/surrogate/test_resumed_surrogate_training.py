"""A surrogate whose training was interrupted has, to the last bit, the weights of one trained straight."""

import pytest
from small_surrogates import tiny_samples, tiny_surrogate

from gliofield.learning import read_checkpoint
from gliofield_papers.surrogate import train_surrogate

pytest.importorskip("torch")


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    """Stopped within the second epoch, gone on with where it was."""
    settings = tiny_surrogate(num_epochs=3, save_every_s=0.0)
    samples = tiny_samples(tmp_path), tiny_samples(tmp_path, part="validation")
    train_surrogate(*samples, settings, tmp_path / "straight.safetensors")

    def stop(event):
        if event.completed > 1.2:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        train_surrogate(*samples, settings, tmp_path / "resumed.safetensors", report=stop)
    assert (tmp_path / "resumed.safetensors.training").is_dir()
    epochs_done = []
    train_surrogate(
        *samples,
        settings,
        tmp_path / "resumed.safetensors",
        report=lambda event: epochs_done.append(event.completed),
    )

    assert epochs_done[0] > 1.0
    straight, resumed = (read_checkpoint(tmp_path / f"{name}.safetensors") for name in ("straight", "resumed"))
    assert straight.digest == resumed.digest
