"""The training loop on a CUDA device."""

import pytest

from gliofield_training import train

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from training_tasks import PlaneTask, settings  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_a_run_on_a_device_learns_and_goes_on(tmp_path, mixed_precision):
    """Stopped and started again, in both precisions: the loss falls, and the network stays on the device."""
    changes = {"device": "cuda", "mixed_precision": mixed_precision, "learning_rate": 0.05}
    train(PlaneTask(160, is_random=False), settings(num_epochs=2, **changes), folder=tmp_path, identity={})
    task = PlaneTask(160, is_random=False)
    history = train(task, settings(num_epochs=8, **changes), folder=tmp_path, identity={})

    assert [record.epoch for record in history.epochs] == list(range(1, 9))
    assert history.best.validation["loss"] < 0.02 * history.epochs[0].validation["loss"]
    assert {parameter.device.type for parameter in task.network.parameters()} == {"cuda"}


def test_the_processor_goes_on_with_a_run_of_a_device(tmp_path):
    """A state is not bound to where it was made; weights agree with those of the processor to rounding."""
    train(PlaneTask(is_random=False), settings(num_epochs=2, device="cuda"), folder=tmp_path / "a", identity={})
    moved, stayed = PlaneTask(is_random=False), PlaneTask(is_random=False)
    train(moved, settings(), folder=tmp_path / "a", identity={})
    train(stayed, settings(), folder=tmp_path / "b", identity={})

    for expected, weights in zip(stayed.network.parameters(), moved.network.parameters(), strict=True):
        assert torch.allclose(weights, expected, rtol=1e-3, atol=1e-4)
