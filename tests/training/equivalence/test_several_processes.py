"""Two processes that share every batch learn what one process learns, up to rounding."""

import os
import socket
import subprocess
import sys

import pytest

from gliofield.learning import TrainingHistory, read_checkpoint
from gliofield.records import from_record
from gliofield_training import train

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import training_tasks  # noqa: E402
from training_tasks import PlaneTask, are_identical, settings, weights_of  # noqa: E402

if not torch.distributed.is_available():
    pytest.skip("this PyTorch has no distributed training", allow_module_level=True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def train_together(folder, *, num_epochs: int) -> None:
    """Run the program of `training_tasks` in two processes joined as torchrun joins them."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, training_tasks.__file__, str(folder), str(num_epochs), "0"]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said


def history_of(folder) -> TrainingHistory:
    header = read_checkpoint(folder / "training_state.safetensors").header
    return from_record(
        TrainingHistory, {"epochs": header["records"], "best_epoch": header["best_epoch"], "is_stopped_early": False}
    )


def test_two_processes_equal_one(tmp_path):
    """Weights and losses; batches of 5 and 2 samples are shared as 2 + 3 and 1 + 1, and validation as 2 + 3 and 1 + 1.

    The two go on with a state that one process has left, so reading a state by several is tested as well.
    """
    alone, begun = PlaneTask(is_random=False), PlaneTask(is_random=False)
    history = train(alone, settings(), folder=tmp_path / "one", identity={"task": "plane"})
    train(begun, settings(num_epochs=1), folder=tmp_path / "two", identity={"task": "plane"})
    train_together(tmp_path / "two", num_epochs=4)
    together = torch.load(tmp_path / "two" / "weights.pt", weights_only=True)

    for name, expected in weights_of(alone).items():
        # 15 steps of Adam in float32, whose sums are taken in another order.
        assert torch.allclose(together[name], expected, rtol=1e-4, atol=1e-5), name
    for record, other in zip(history.epochs, history_of(tmp_path / "two").epochs, strict=True):
        assert other.training == pytest.approx(record.training, rel=1e-4)
        assert other.validation == pytest.approx(record.validation, rel=1e-4)


def test_one_process_differs_from_another_seed(tmp_path):
    """The control: tolerances above do not hide a difference that matters."""
    first, second = PlaneTask(is_random=False), PlaneTask(is_random=False)
    train(first, settings(), folder=tmp_path / "first", identity={})
    train(second, settings(seed=1), folder=tmp_path / "second", identity={})

    assert not are_identical(weights_of(first), weights_of(second))
    assert not all(
        torch.allclose(weights_of(second)[name], expected, rtol=1e-4, atol=1e-5)
        for name, expected in weights_of(first).items()
    )
