"""The training loop on a network of a few weights: what it learns, keeps, records, refuses and leaves alone."""

import math
import os
import signal
import sys
import threading

import numpy as np
import pytest

from gliofield.errors import NumericalError, OutputError, ParameterError
from gliofield.learning import Constant, Cosine, ExponentialPerBatch, TrainingHistory
from gliofield.records import from_record, to_record
from gliofield_training import TrainingInterruptedError, train

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from training_tasks import PlaneTask, are_identical, settings, weights_of  # noqa: E402


def run(task, folder, *, identity=None, report=None, keep="best", resume=True, **changes) -> TrainingHistory:
    reporting = {} if report is None else {"report": report}
    identity = {"task": "plane"} if identity is None else identity
    return train(task, settings(**changes), folder=folder, identity=identity, keep=keep, resume=resume, **reporting)


class ScriptedTask(PlaneTask):
    """Validation losses follow a script, one per epoch; training goes on as usual."""

    def __init__(self, script: list[float]) -> None:
        super().__init__(num_validation_samples=3)
        self._script = list(script)
        self.weights_by_epoch: list[dict[str, torch.Tensor]] = []

    def losses(self, network, batch, *, generator):
        losses = dict(super().losses(network, batch, generator=generator))
        if generator is None:
            losses["loss"] = torch.tensor(self._script[len(self.weights_by_epoch)])
            self.weights_by_epoch.append(weights_of(self))
        return losses


class LossTask(PlaneTask):
    """The training loss is a function of the number of the batch and the usual loss."""

    def __init__(self, function) -> None:
        super().__init__(is_random=False)
        self._function = function
        self._num_batches = 0

    def losses(self, network, batch, *, generator):
        losses = dict(super().losses(network, batch, generator=generator))
        if generator is not None:
            losses["loss"] = self._function(self._num_batches, losses["loss"])
            self._num_batches += 1
        return losses


def test_a_plane_is_learned(tmp_path):
    """The loss of unseen samples falls by a factor of a thousand: the sum of four numbers is a linear layer."""
    task = PlaneTask(160, is_random=False)
    history = run(task, tmp_path, num_epochs=8, learning_rate=0.05)

    assert history.best.validation["loss"] < 1e-3 * history.epochs[0].validation["loss"]


def test_eight_samples_are_learned_by_heart(tmp_path):
    """Over-fitting works: nothing in the loop stands between the network and its samples."""
    task = PlaneTask(8, 0, is_random=False)
    history = run(task, tmp_path, num_epochs=30, batch_size=1, learning_rate=0.05)

    assert history.epochs[-1].training["loss"] < 1e-6
    assert history.best_epoch == 30


def test_every_sample_is_seen_once_per_epoch_in_a_new_order(tmp_path):
    """Each epoch is a permutation; batches have the size asked for, but the last one."""
    task = PlaneTask(22, 0)
    run(task, tmp_path, num_epochs=2)

    batches = [samples for part, samples in task.loads if part == "training"]
    first, second = sum(batches[:5], []), sum(batches[5:], [])
    assert [len(samples) for samples in batches] == [5, 5, 5, 5, 2] * 2
    assert sorted(first) == sorted(second) == list(range(22))
    assert first != second != list(range(22))


def test_validation_is_the_same_every_epoch(tmp_path):
    """Its samples and their randomness; those of training change."""
    task = PlaneTask()
    run(task, tmp_path, num_epochs=3)
    validation = [inputs for part, inputs in task.inputs if part == "validation"]
    training = [inputs for part, inputs in task.inputs if part == "training"]

    assert len(validation) == 6
    assert all(torch.equal(a, b) for a, b in zip(validation[:2], validation[2:4], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(validation[:2], validation[4:], strict=True))
    assert not torch.equal(training[0], training[5])


def test_recorded_losses_are_means_over_samples(tmp_path):
    """The small last batch counts by its samples: the records are those of a loop written out by hand."""
    task = PlaneTask(7, 7, is_random=False)
    history = run(task, tmp_path, num_epochs=1, batch_size=5, learning_rate=1e-30)
    inputs, targets = task.load(range(7), part="validation", rng=np.random.default_rng(0))
    with torch.no_grad():
        errors = task.network(inputs) - targets

    assert history.epochs[0].validation["loss"] == pytest.approx(float((errors**2).mean()), rel=1e-5)
    assert history.epochs[0].validation["absolute"] == pytest.approx(float(errors.abs().mean()), rel=1e-5)
    assert history.epochs[0].num_samples == 7


@pytest.mark.parametrize("schedule", [Constant(), ExponentialPerBatch(factor=0.9), Cosine(final_learning_rate=0.001)])
def test_the_learning_rate_follows_its_schedule(tmp_path, schedule):
    """The rate recorded for an epoch is that of its last batch."""
    history = run(PlaneTask(), tmp_path, num_epochs=3, schedule=schedule)  # 5 batches per epoch

    expected = [schedule.learning_rate(0.01, step=step, num_steps=15) for step in (4, 9, 14)]
    assert [record.learning_rate for record in history.epochs] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW")])
def test_the_steps_are_those_of_pytorchs_optimizer(tmp_path, name, kind):
    """Weights equal those of a loop written out by hand."""
    task, twin = PlaneTask(5, 0, is_random=False), PlaneTask(5, 0, is_random=False)
    run(task, tmp_path, num_epochs=6, batch_size=5, optimizer=name, weight_decay=0.1, betas=(0.5, 0.99))
    optimizer = getattr(torch.optim, kind)(twin.network.parameters(), lr=0.01, weight_decay=0.1, betas=(0.5, 0.99))
    batch = twin.load(range(5), part="training", rng=np.random.default_rng(0))
    for _ in range(6):
        optimizer.zero_grad()
        twin.losses(twin.network, batch, generator=None)["loss"].backward()
        optimizer.step()

    # The order of the five samples in the sums differs.
    for name_of_weight, expected in weights_of(twin).items():
        assert torch.allclose(weights_of(task)[name_of_weight], expected, rtol=1e-4, atol=1e-6)


def test_training_stops_when_patience_ends(tmp_path):
    """Two epochs without a lower validation loss after the third: five in all; equal is not lower."""
    task = ScriptedTask([5.0, 4.0, 3.0, 3.0, 6.0, 1.0])
    history = run(task, tmp_path, num_epochs=6, patience_epochs=2)

    assert (len(history.epochs), history.best_epoch, history.is_stopped_early) == (5, 3, True)
    assert history.best.validation["loss"] == 3.0


def test_patience_that_ends_with_the_epochs_is_no_early_stop(tmp_path):
    """All epochs asked for were trained."""
    history = run(ScriptedTask([1.0, 2.0, 2.0]), tmp_path, num_epochs=3, patience_epochs=2)

    assert (len(history.epochs), history.is_stopped_early) == (3, False)


def test_the_best_weights_come_back(tmp_path):
    """On return the network has the weights it had at the end of the best epoch, running means included."""
    task = ScriptedTask([5.0, 1.0, 4.0, 3.0])
    history = run(task, tmp_path)

    assert history.best_epoch == 2
    assert are_identical(weights_of(task), task.weights_by_epoch[1])
    assert not are_identical(weights_of(task), task.weights_by_epoch[3])
    assert not task.network.training


def test_the_last_weights_can_be_kept(tmp_path):
    """keep="last", also when a finished run is asked again."""
    task = ScriptedTask([5.0, 1.0, 4.0, 3.0])
    run(task, tmp_path, keep="last")
    last = weights_of(task)
    best = ScriptedTask([])
    run(best, tmp_path, keep="best")

    assert are_identical(last, task.weights_by_epoch[3])
    assert are_identical(weights_of(best), task.weights_by_epoch[1])


def test_an_unknown_choice_of_weights_is_refused(tmp_path):
    """The message lists the choices."""
    with pytest.raises(ParameterError, match="keep 'worst' is unknown: expected one of best, last"):
        run(PlaneTask(), tmp_path, keep="worst")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_an_error(tmp_path, value):
    """The message names epoch and batch; weights that came before are not lost."""
    task = LossTask(lambda number, loss: loss * value if number == 7 else loss)
    with pytest.raises(NumericalError, match="loss is (nan|inf) in epoch 2, batch 3 of 5") as caught:
        run(task, tmp_path)

    assert caught.value.step == 7
    assert all(torch.isfinite(tensor).all() for tensor in weights_of(task).values())


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    """A finite loss with a gradient that is none: sqrt at 0."""
    task = LossTask(lambda number, loss: loss.detach() + torch.sqrt(loss * 0) if number == 1 else loss)
    with pytest.raises(NumericalError, match=r"weights .* are not finite in epoch 1, after batch 2 of 5"):
        run(task, tmp_path, save_every_s=0.0)
    resumed = PlaneTask(is_random=False)
    history = run(resumed, tmp_path)

    assert len(history.epochs) == 4
    assert all(torch.isfinite(tensor).all() for tensor in weights_of(resumed).values())


def test_a_validation_loss_that_is_not_finite_is_an_error(tmp_path):
    """The message says where it was seen."""
    with pytest.raises(NumericalError, match="loss is nan in epoch 2, validation"):
        run(ScriptedTask([1.0, math.nan]), tmp_path)


def test_losses_without_a_loss_are_refused(tmp_path):
    """What is minimized has to be named."""
    task = PlaneTask()
    task.losses = lambda network, batch, *, generator: {"mse": network(batch[0]).mean()}
    with pytest.raises(ParameterError, match="must name 'loss', which is minimized: got mse"):
        run(task, tmp_path)


def test_a_task_without_samples_is_refused(tmp_path):
    """So is patience without validation, and a network without weights."""
    with pytest.raises(ParameterError, match="no training samples"):
        run(PlaneTask(0, 3), tmp_path)
    with pytest.raises(ParameterError, match="patience_epochs needs validation samples"):
        run(PlaneTask(3, 0), tmp_path, patience_epochs=2)
    frozen = PlaneTask()
    frozen.network.requires_grad_(False)
    with pytest.raises(ParameterError, match="no weights to be trained"):
        run(frozen, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_next_batch_is_loaded_by_one_thread_meanwhile(tmp_path):
    """All loads come from the same thread, which is not the caller's, and one is under way during a computation."""
    threads, is_loading, seen = set(), threading.Event(), []

    def note(number: int) -> None:
        threads.add(threading.current_thread())
        is_loading.set()

    class WatchingTask(PlaneTask):
        def losses(self, network, batch, *, generator):
            if generator is not None:
                seen.append(len(self.loads) == 5 or is_loading.wait(timeout=5))
                is_loading.clear()
            return super().losses(network, batch, generator=generator)

    run(WatchingTask(num_validation_samples=0, before_load=note), tmp_path, num_epochs=1)

    assert len(threads) == 1
    assert threads != {threading.current_thread()}
    assert seen[:4] == [True] * 4


def test_global_state_is_left_alone(tmp_path):
    """PyTorch's generator, its number of threads and the handlers of signals are what they were."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = (torch.random.get_rng_state(), torch.get_num_threads(), [signal.getsignal(number) for number in numbers])
    threads_inside = []
    task = PlaneTask()
    run(task, tmp_path, num_threads=1, report=lambda event: threads_inside.append(torch.get_num_threads()))

    assert set(threads_inside) == {1}
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (torch.get_num_threads(), [signal.getsignal(number) for number in numbers]) == before[1:]


def test_the_global_generator_does_not_matter(tmp_path):
    """Dropout draws from it, and yet two runs with other states of it agree to the last bit."""
    weights = []
    for number in range(2):
        task = PlaneTask()
        with torch.random.fork_rng():
            torch.manual_seed(number)
            run(task, tmp_path / str(number))
        weights.append(weights_of(task))

    assert are_identical(*weights)


def test_another_seed_gives_other_weights(tmp_path):
    """The control of every test of equal weights in this folder."""
    tasks = [PlaneTask(), PlaneTask()]
    for seed, task in enumerate(tasks):
        run(task, tmp_path / str(seed), seed=seed)

    assert not are_identical(weights_of(tasks[0]), weights_of(tasks[1]))


def test_progress_rises_to_the_number_of_epochs(tmp_path):
    """One event per batch of training; the message says loss and best epoch."""
    events = []
    run(PlaneTask(), tmp_path, report=events.append)

    batches = [event for event in events if "loss" in event.message]
    assert [event.completed for event in batches] == pytest.approx([number / 5 for number in range(1, 21)])
    assert {event.total for event in events} == {4}
    assert "epoch 4 of 4: loss" in batches[-1].message
    assert "best validation" in batches[-1].message


def test_validation_says_how_far_it_is(tmp_path):
    """Before its first batch and after each: of 7 samples, in batches of 5."""
    events = []
    run(PlaneTask(), tmp_path, num_epochs=2, report=events.append)
    validation = [event for event in events if "validation," in event.message]

    assert [event.completed for event in validation] == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    assert [event.message for event in validation[:3]] == [
        f"epoch 1 of 2: validation, {done} of 7" for done in (0, 5, 7)
    ]
    assert validation[3].message.startswith("epoch 2 of 2: validation, 0 of 7, best validation ")


def test_mixed_precision_is_ignored_on_the_processor(tmp_path):
    """The weights are those without it, and the first message says so."""
    events = []
    mixed, plain = PlaneTask(), PlaneTask()
    run(mixed, tmp_path / "mixed", mixed_precision=True, report=events.append)
    run(plain, tmp_path / "plain")

    assert "mixed precision is ignored on the processor" in events[0].message
    assert are_identical(weights_of(mixed), weights_of(plain))


def test_the_curves_can_be_read_by_tensorboard(tmp_path):
    """Losses of both parts and the learning rate, one point per epoch, those before an interruption once."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(PlaneTask(), tmp_path, num_epochs=2)
    history = run(PlaneTask(), tmp_path, num_epochs=4)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()

    points = events.Scalars("loss/validation")
    assert [point.step for point in points] == [1, 2, 3, 4]
    expected = [record.validation["loss"] for record in history.epochs]
    assert [point.value for point in points] == pytest.approx(expected, rel=1e-6)
    assert {"loss/training", "absolute/training", "learning rate"} <= set(events.Tags()["scalars"])


def test_tensorboard_is_not_needed(tmp_path, monkeypatch):
    """Without it the training is the same and leaves no folder for it."""
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    history = run(PlaneTask(), tmp_path)

    assert len(history.epochs) == 4
    assert not (tmp_path / "tensorboard").exists()


def test_a_history_survives_json(tmp_path):
    """What checkpoints store is the history itself."""
    history = run(PlaneTask(), tmp_path, num_epochs=2)

    assert from_record(TrainingHistory, to_record(history)) == history


@pytest.mark.parametrize(
    ("identity", "changes", "message"),
    [
        ({"data": {"tumors": 6, "seed": 1}}, {}, r"identity\.data\.tumors was 5 there and is 6 now"),
        ({"data": {"tumors": 5}}, {}, r"identity\.data\.seed was 1 there and is None now"),
        (None, {"learning_rate": 0.02}, r"settings\.learning_rate was 0.01 there and is 0.02 now"),
        (None, {"seed": 3}, r"settings\.seed was 0 there and is 3 now"),
        (None, {"schedule": Cosine()}, r"settings\.schedule\.name was 'Constant' there and is 'Cosine' now"),
        (None, {"num_epochs": 1}, "num_epochs must be at least 2, got 1"),
    ],
)
def test_another_training_in_the_folder_is_refused(tmp_path, identity, changes, message):
    """The first difference is named, and the run in the folder stays."""
    own = {"data": {"tumors": 5, "seed": 1}}
    run(PlaneTask(), tmp_path, identity=own, num_epochs=2)
    with pytest.raises(ParameterError, match=message):
        run(PlaneTask(), tmp_path, identity=identity or own, **{"num_epochs": 2, **changes})
    task = PlaneTask()
    run(task, tmp_path, identity=own, num_epochs=2)

    assert task.loads == []


def test_more_epochs_with_a_cosine_are_another_training(tmp_path):
    """The rate of every batch depends on the number of epochs."""
    run(PlaneTask(), tmp_path, num_epochs=2, schedule=Cosine())
    with pytest.raises(ParameterError, match=r"settings\.num_epochs was 2 there and is 3 now"):
        run(PlaneTask(), tmp_path, num_epochs=3, schedule=Cosine())


def test_other_samples_are_another_training(tmp_path):
    """Their number is part of what a run is."""
    run(PlaneTask(22), tmp_path)
    with pytest.raises(ParameterError, match=r"samples\.training was 22 there and is 23 now"):
        run(PlaneTask(23), tmp_path)


def test_starting_anew_replaces_the_run(tmp_path):
    """resume=False: other settings are welcome, and the curves begin again."""
    run(PlaneTask(), tmp_path, num_epochs=3)
    fresh, anew = PlaneTask(), PlaneTask()
    run(anew, tmp_path, num_epochs=2, seed=5, resume=False)
    run(fresh, tmp_path / "fresh", num_epochs=2, seed=5)

    assert are_identical(weights_of(anew), weights_of(fresh))
    assert len(list((tmp_path / "tensorboard").iterdir())) == len(list((tmp_path / "fresh" / "tensorboard").iterdir()))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    """It would lie under a file; the message says what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"run cannot be written: .*Choose another place"):
        run(PlaneTask(), tmp_path / "file" / "run")


def test_a_lock_that_cannot_be_written_is_refused(tmp_path):
    """Its place is taken by a folder."""
    (tmp_path / "training.lock").mkdir()
    with pytest.raises(OutputError, match="cannot be written: Is a directory"):
        run(PlaneTask(), tmp_path)


def test_an_identity_that_is_not_json_is_refused(tmp_path):
    """It could not be compared later."""
    with pytest.raises(ParameterError, match="identity of a training must be JSON"):
        run(PlaneTask(), tmp_path, identity={"folder": tmp_path})


@pytest.mark.parametrize(
    ("number", "usual", "raised"),
    [
        (signal.SIGINT, signal.default_int_handler, KeyboardInterrupt),
        (signal.SIGTERM, signal.SIG_DFL, TrainingInterruptedError),
    ],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_an_interrupt_waits_for_the_end_of_the_batch(tmp_path, number, usual, raised):
    """The signal comes in the middle of a forward pass; the state saved is that after the batch."""
    first_weights = []

    class SelfInterruptingTask(PlaneTask):
        def losses(self, network, batch, *, generator):
            if generator is not None and len(first_weights) == 2:
                os.kill(os.getpid(), number)
            first_weights.append(None)
            return super().losses(network, batch, generator=generator)

    before = signal.signal(number, usual)
    try:
        with pytest.raises(raised):
            run(SelfInterruptingTask(), tmp_path)
        assert signal.getsignal(number) == usual
    finally:
        signal.signal(number, before)
    resumed, straight = PlaneTask(), PlaneTask()
    run(resumed, tmp_path)
    run(straight, tmp_path / "straight")

    assert len([part for part, _ in resumed.loads if part == "training"]) == 20 - 3
    assert are_identical(weights_of(resumed), weights_of(straight))
