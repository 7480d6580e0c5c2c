"""A training that was stopped and started again gives, to the last bit, the weights of one that was not."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gliofield.errors import CheckpointError
from gliofield.learning import Cosine, ExponentialPerBatch
from gliofield_training import train

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import training_tasks  # noqa: E402
from training_tasks import PlaneTask, are_identical, settings, weights_of  # noqa: E402

STATE = "training_state.safetensors"
IDENTITY = {"task": "plane"}
# Loads of an epoch: 5 batches of training, 2 of validation.
EPOCH = 7


class KilledError(Exception):
    """Stands for the end of a process: nobody handles it."""


def killed_at(load: int, error: type[BaseException] = KilledError):
    def stop(number: int) -> None:
        if number == load:
            raise error

    return stop


def without_times(history):
    return [
        (record.epoch, record.training, record.validation, record.learning_rate, record.num_samples)
        for record in history.epochs
    ]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Weights and history of the run without an interruption."""
    task = PlaneTask()
    history = train(task, settings(), folder=tmp_path_factory.mktemp("straight"), identity=IDENTITY)
    return weights_of(task), history


@pytest.mark.parametrize("load", [0, 1, 3, 4, EPOCH - 2, EPOCH - 1, EPOCH, EPOCH + 3, 3 * EPOCH, 4 * EPOCH - 1])
@pytest.mark.parametrize("save_every_s", [0.0, 1e9], ids=["saved after every batch", "saved after epochs"])
def test_a_run_killed_anywhere_ends_with_the_same_weights(tmp_path, straight, load, save_every_s):
    """At the first batch, within an epoch, in validation, between epochs; the history is the same as well."""
    with pytest.raises(KilledError):
        train(
            PlaneTask(before_load=killed_at(load)),
            settings(save_every_s=save_every_s),
            folder=tmp_path,
            identity=IDENTITY,
        )
    task = PlaneTask()
    history = train(task, settings(), folder=tmp_path, identity=IDENTITY)

    assert are_identical(weights_of(task), straight[0])
    assert without_times(history) == without_times(straight[1])
    assert history.best_epoch == straight[1].best_epoch


def test_a_state_within_an_epoch_is_used(tmp_path):
    """The batches before it are not computed again: without this the test above would prove nothing about them."""
    with pytest.raises(KilledError):
        train(
            PlaneTask(before_load=killed_at(EPOCH + 3)), settings(save_every_s=0.0), folder=tmp_path, identity=IDENTITY
        )
    task = PlaneTask()
    train(task, settings(num_epochs=2), folder=tmp_path, identity=IDENTITY)

    # Load 3 of the epoch was asked for while batch 2 was computed, so batches 0 to 2 are done.
    assert [part for part, _ in task.loads].count("training") == 2


def test_a_run_killed_at_every_load_ends_with_the_same_weights(tmp_path, straight):
    """Each life computes a single batch."""
    for _ in range(40):
        task = PlaneTask(before_load=killed_at(2))
        try:
            train(task, settings(save_every_s=0.0), folder=tmp_path, identity=IDENTITY)
        except KilledError:
            continue
        break

    assert are_identical(weights_of(task), straight[0])


@pytest.mark.parametrize("schedule", [ExponentialPerBatch(factor=0.9), Cosine(final_learning_rate=1e-4)])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_schedules_and_optimizers_go_on_where_they_were(tmp_path, schedule, optimizer):
    """Rates, moments and weight decay."""
    changes = {"schedule": schedule, "optimizer": optimizer, "weight_decay": 0.1, "save_every_s": 0.0}
    resumed, other = PlaneTask(), PlaneTask()
    with pytest.raises(KilledError):
        train(
            PlaneTask(before_load=killed_at(EPOCH + 3)),
            settings(**changes),
            folder=tmp_path / "killed",
            identity=IDENTITY,
        )
    train(resumed, settings(**changes), folder=tmp_path / "killed", identity=IDENTITY)
    train(other, settings(**changes), folder=tmp_path / "straight", identity=IDENTITY)

    assert are_identical(weights_of(resumed), weights_of(other))


def test_more_epochs_may_be_asked_for_later(tmp_path, straight):
    """Two epochs and then four are four."""
    train(PlaneTask(), settings(num_epochs=2), folder=tmp_path, identity=IDENTITY)
    task = PlaneTask()
    train(task, settings(num_epochs=4), folder=tmp_path, identity=IDENTITY)

    assert are_identical(weights_of(task), straight[0])


def test_patience_counts_across_an_interruption(tmp_path):
    """An early stop comes where it would have come."""
    changes = {"num_epochs": 40, "patience_epochs": 2, "learning_rate": 0.2}
    with pytest.raises(KilledError):
        train(PlaneTask(before_load=killed_at(2 * EPOCH + 1)), settings(**changes), folder=tmp_path, identity=IDENTITY)
    histories = [
        train(PlaneTask(), settings(**changes), folder=folder, identity=IDENTITY)
        for folder in (tmp_path, tmp_path / "straight")
    ]

    assert histories[0].is_stopped_early
    assert without_times(histories[0]) == without_times(histories[1])


def test_another_seed_differs(tmp_path, straight):
    """The negative control: were the randomness not that of the settings, equality above would mean little."""
    with pytest.raises(KilledError):
        train(PlaneTask(before_load=killed_at(9)), settings(seed=1), folder=tmp_path, identity=IDENTITY)
    task = PlaneTask()
    train(task, settings(seed=1), folder=tmp_path, identity=IDENTITY)

    assert not are_identical(weights_of(task), straight[0])


def test_an_interrupted_run_saves_what_it_has(tmp_path, straight):
    """Ctrl-C between two batches: nothing is lost, although the last regular state lies an epoch back."""
    with pytest.raises(KeyboardInterrupt):
        train(
            PlaneTask(before_load=killed_at(EPOCH + 3, KeyboardInterrupt)),
            settings(),
            folder=tmp_path,
            identity=IDENTITY,
        )
    task = PlaneTask()
    train(task, settings(), folder=tmp_path, identity=IDENTITY)

    assert len(task.loads) == 4 * EPOCH - (EPOCH + 3)
    assert are_identical(weights_of(task), straight[0])


def test_an_interrupt_within_a_batch_does_not_save_half_of_it(tmp_path, straight):
    """Running means are already those of the batch, the weights are not: the state before stands."""

    class HalfDoneTask(PlaneTask):
        num_batches = 0  # not the loads, which another thread counts ahead

        def losses(self, network, batch, *, generator):
            losses = super().losses(network, batch, generator=generator)
            self.num_batches += generator is not None
            if self.num_batches == 7:
                raise KeyboardInterrupt
            return losses

    with pytest.raises(KeyboardInterrupt):
        train(HalfDoneTask(), settings(), folder=tmp_path, identity=IDENTITY)
    task = PlaneTask()
    train(task, settings(), folder=tmp_path, identity=IDENTITY)

    assert are_identical(weights_of(task), straight[0])


def test_a_killed_process_goes_on(tmp_path, straight):
    """kill -9 at a moment of its own choosing; nothing half-written is ever read or left."""
    command = [sys.executable, training_tasks.__file__, str(tmp_path), "4", "0.02"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not (tmp_path / STATE).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.1)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    (tmp_path / f".partial-0123abcd-{STATE}").write_bytes(b"half a state")
    task = PlaneTask()
    train(task, settings(), folder=tmp_path, identity=IDENTITY)

    assert are_identical(weights_of(task), straight[0])
    names = {path.name for path in tmp_path.iterdir() if not path.name.startswith("best_weights_")}
    assert names == {STATE, "tensorboard"}


def test_a_damaged_state_is_refused(tmp_path):
    """Flipped, cut, or somebody else's: an error that names the file, and no silent fresh start."""
    train(PlaneTask(), settings(num_epochs=1), folder=tmp_path, identity=IDENTITY)
    path = tmp_path / STATE
    content = path.read_bytes()
    for damaged in (content[:-9], content[: len(content) // 3], content[:-1] + bytes([content[-1] ^ 1]), b""):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=rf"{STATE} is (damaged|no checkpoint)"):
            train(PlaneTask(), settings(), folder=tmp_path, identity=IDENTITY)
        assert path.read_bytes() == damaged


def test_the_state_of_another_network_is_refused(tmp_path):
    """The message says what does not fit and what to do."""
    train(PlaneTask(is_random=False), settings(), folder=tmp_path, identity=IDENTITY)
    with pytest.raises(CheckpointError, match=r"does not fit the network.*resume=False"):
        train(PlaneTask(is_random=True), settings(), folder=tmp_path, identity=IDENTITY)
