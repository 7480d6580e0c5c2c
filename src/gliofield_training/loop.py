"""What `gliofield_training.train` does, batch by batch; needs PyTorch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from gliofield.cores import available_cores
from gliofield.errors import CheckpointError, NumericalError, ParameterError
from gliofield.file_lock import file_lock
from gliofield.learning.devices import threads_of_worker
from gliofield.learning.history import EpochRecord, TrainingHistory
from gliofield.learning.settings import TrainingSettings
from gliofield.progress import ProgressEvent, Reporter
from gliofield_training.event_log import EventLog
from gliofield_training.interrupts import Interrupts, TrainingInterruptedError
from gliofield_training.outputs import STATE_NAME, TENSORBOARD_NAME, make_folder, unusable_folder
from gliofield_training.precision import Precision
from gliofield_training.processes import ProcessGroup, process_group
from gliofield_training.running_state import (
    Progress,
    describe_run,
    read_state,
    remove_best_weights,
    remove_half_written,
    write_state,
)
from gliofield_training.task import Batch, Part, TrainingTask

_TASK = "training"
_LOCK_NAME = "training.lock"
# Where saving takes longer than this, training goes on for so many times as long before the next.
_QUICK_SAVING_S = 2.0
_LEAST_TRAINING_PER_SAVING = 20.0
# First number of a seed: what the randomness is for.
_ORDER, _LOADING, _NOISE, _VALIDATION = range(4)

Losses = dict[str, float]


def run_training(
    task: TrainingTask,
    settings: TrainingSettings,
    *,
    folder: Path,
    identity: Mapping[str, Any],
    resume: bool,
    report: Reporter,
    keep_best: bool,
) -> TrainingHistory:
    """See `gliofield_training.train`, which has checked the arguments."""
    with ExitStack() as stack:
        group = stack.enter_context(process_group(settings.device))
        own_threads = settings.num_threads or max(1, available_cores() // group.num_processes)
        stack.enter_context(threads_of_worker(own_threads))
        stack.enter_context(torch.random.fork_rng([group.device] if group.device.type == "cuda" else []))
        if group.is_first:
            stack.enter_context(_run_lock(folder))
        interrupts = stack.enter_context(Interrupts())
        loader = stack.enter_context(
            ThreadPoolExecutor(
                1, thread_name_prefix="gliofield-load", initializer=_use_device, initargs=(group.device,)
            )
        )
        run = _Run(task, settings, folder, identity, group, interrupts, loader, report if group.is_first else _silent)
        run.start(resume=resume)
        try:
            run.train_all()
        except (KeyboardInterrupt, TrainingInterruptedError):
            run.save_if_between_batches()
            raise
        return run.finish(keep_best=keep_best)


class _LossModule(torch.nn.Module):
    """The task's losses as the forward pass of a module, so that any method of the network may be used under DDP."""

    def __init__(self, task: TrainingTask, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self._task = task

    def forward(self, batch: Batch, generator: torch.Generator | None) -> dict[str, torch.Tensor]:
        return dict(self._task.losses(self.network, batch, generator=generator))


@dataclass(frozen=True)
class _Request:
    """A batch to load: all its samples, the share of this process, and where its randomness comes from."""

    part: Part
    batch_index: int
    num_samples: int
    share: list[int]
    seed: tuple[int, ...]

    @property
    def num_own_samples(self) -> int:
        return len(self.share)


class _Run:
    """One training, from its state on disk to its last epoch."""

    def __init__(
        self,
        task: TrainingTask,
        settings: TrainingSettings,
        folder: Path,
        identity: Mapping[str, Any],
        group: ProcessGroup,
        interrupts: Interrupts,
        loader: ThreadPoolExecutor,
        report: Reporter,
    ) -> None:
        self._task, self._settings, self._folder, self._group = task, settings, folder, group
        self._interrupts, self._loader, self._report = interrupts, loader, report
        num_samples = {"training": task.num_training_samples, "validation": task.num_validation_samples}
        self._described = describe_run(settings, identity, num_samples)
        self._network = task.network.to(group.device)
        self._optimizer = _make_optimizer(self._network, settings)
        self._precision = Precision(settings, group.device)
        self._loss_module: torch.nn.Module = _LossModule(task, self._network)
        self._progress = Progress()
        self._num_batches = math.ceil(task.num_training_samples / settings.batch_size)
        self._is_between_batches = True
        self._saved_at = self._resumed_at = time.monotonic()
        self._saving_s = 0.0

    def start(self, *, resume: bool) -> None:
        """Read the state of the folder, or write the first one; then join the processes."""
        has_state = resume and (self._folder / STATE_NAME).exists()
        if has_state:
            self._progress = read_state(
                self._folder, self._network, self._optimizer, self._precision.scaler, self._described
            )
        self._group.wait_for_all()  # nobody replaces a state that another one still reads
        if self._group.is_first:
            remove_half_written(self._folder)
            if not has_state:
                remove_best_weights(self._folder)
        if not has_state:
            self._save()
        if self._group.num_processes > 1:
            self._loss_module = DistributedDataParallel(self._loss_module)
        if self._precision.is_ignored:
            self._tell("mixed precision is ignored on the processor")

    def train_all(self) -> None:
        """Train epoch after epoch."""
        if self._is_finished():
            return
        first = self._progress.epoch_index + 1
        log = EventLog(self._folder / TENSORBOARD_NAME if self._group.is_first else None, first_epoch=first)
        try:
            while not self._is_finished():
                self._train_epoch()
                log.add(self._end_epoch(self._validate()))
                if self._is_finished() or self._is_worth_saving():
                    self._save()
        finally:
            log.close()

    def save_if_between_batches(self) -> None:
        """Save the state, unless an exception has left a batch half done: then the last one saved stands."""
        if self._is_between_batches:
            self._save()

    def finish(self, *, keep_best: bool) -> TrainingHistory:
        """Put the chosen weights into the network."""
        if keep_best:
            self._network.load_state_dict(self._progress.best_weights)
        self._network.eval()
        return TrainingHistory(
            epochs=tuple(self._progress.records),
            best_epoch=self._progress.best_epoch,
            is_stopped_early=self._is_out_of_patience() and self._progress.epoch_index < self._settings.num_epochs,
        )

    def _is_finished(self) -> bool:
        return self._progress.epoch_index >= self._settings.num_epochs or self._is_out_of_patience()

    def _is_out_of_patience(self) -> bool:
        patience = self._settings.patience_epochs
        return patience is not None and self._progress.num_epochs_without_gain >= patience

    def _train_epoch(self) -> None:
        """Train on the batches of the epoch that are left."""
        self._resumed_at = time.monotonic() - self._progress.seconds
        self._network.train()
        for request, batch in self._loaded(self._training_requests()):
            self._is_between_batches = False
            losses = self._update(request, batch)
            for name, value in losses.items():
                self._progress.sums[name] = self._progress.sums.get(name, 0.0) + value * request.num_samples
            self._progress.num_batches_done += 1
            self._progress.seconds = time.monotonic() - self._resumed_at
            self._is_between_batches = True
            self._tell(f"loss {losses['loss']:.4g}")
            self._stop_if_interrupted()
            if time.monotonic() - self._saved_at >= self._settings.save_every_s and self._is_worth_saving():
                self._save()

    def _update(self, request: _Request, batch: Batch) -> Losses:
        """One step of the optimizer; losses over the batch, those of all processes."""
        for parameters in self._optimizer.param_groups:
            parameters["lr"] = self._learning_rate(request.batch_index)
        seed = _torch_seed((*request.seed, _NOISE))
        torch.manual_seed(seed)
        generator = torch.Generator(self._group.device).manual_seed(seed)
        self._optimizer.zero_grad(set_to_none=True)
        with self._precision.autocast():
            losses = self._loss_module(batch, generator)
        # DDP averages over the processes; shares may differ by one sample.
        share = request.num_own_samples * self._group.num_processes / request.num_samples
        self._precision.scaler.scale(_loss_of(losses) * share).backward()
        means = self._means(losses, request.num_own_samples, request.num_samples)
        self._require_finite(means, f"batch {request.batch_index + 1} of {self._num_batches}")
        self._precision.scaler.step(self._optimizer)
        self._precision.scaler.update()
        return means

    def _validate(self) -> Losses:
        """Mean losses over the validation samples; empty without any."""
        sums: Losses = {}
        done, total = 0, self._task.num_validation_samples
        if total:
            self._tell(f"validation, {done} of {total}")
        self._network.eval()
        self._group.copy_from_first(self._network.buffers())
        with torch.no_grad():
            for request, batch in self._loaded(self._validation_requests()):
                torch.manual_seed(_torch_seed(request.seed))
                with self._precision.autocast():
                    losses = dict(self._task.losses(self._network, batch, generator=None))
                _loss_of(losses)
                for name, value in self._means(losses, request.num_own_samples, request.num_samples).items():
                    sums[name] = sums.get(name, 0.0) + value * request.num_samples
                done += request.num_samples
                self._tell(f"validation, {done} of {total}")
                self._stop_if_interrupted()
        means = {name: value / total for name, value in sums.items()}
        self._require_finite(means, "validation")
        return means

    def _end_epoch(self, validation: Losses) -> EpochRecord:
        """Add the record of the epoch, and remember its weights if they are the best."""
        progress = self._progress
        number = self._task.num_training_samples
        record = EpochRecord(
            epoch=progress.epoch_index + 1,
            training={name: value / number for name, value in progress.sums.items()},
            validation=validation,
            learning_rate=self._learning_rate(self._num_batches - 1),
            seconds=time.monotonic() - self._resumed_at,
            num_samples=number,
        )
        self._is_between_batches = False
        best = progress.records[progress.best_epoch - 1] if progress.records else None
        if best is None or not validation or validation["loss"] < best.validation["loss"]:
            progress.best_epoch = record.epoch
            progress.best_weights = {
                name: tensor.detach().clone() for name, tensor in self._network.state_dict().items()
            }
        progress.records.append(record)
        progress.num_batches_done, progress.sums, progress.seconds = 0, {}, 0.0
        self._is_between_batches = True
        return record

    def _learning_rate(self, batch_index: int) -> float:
        settings = self._settings
        step = self._progress.epoch_index * self._num_batches + batch_index
        num_steps = settings.num_epochs * self._num_batches
        return settings.schedule.learning_rate(settings.learning_rate, step=step, num_steps=num_steps)

    def _training_requests(self) -> Iterator[_Request]:
        """The batches of the epoch that are left, in the epoch's own order of the samples."""
        epoch = self._progress.epoch_index
        rng = np.random.default_rng((self._settings.seed, _ORDER, epoch))
        for index, samples in self._batches(rng.permutation(self._task.num_training_samples).tolist()):
            if index >= self._progress.num_batches_done:
                yield self._request("training", index, samples, (_LOADING, epoch))

    def _validation_requests(self) -> Iterator[_Request]:
        for index, samples in self._batches(list(range(self._task.num_validation_samples))):
            yield self._request("validation", index, samples, (_VALIDATION,))

    def _batches(self, samples: list[int]) -> Iterator[tuple[int, list[int]]]:
        size = self._settings.batch_size
        yield from enumerate(samples[first : first + size] for first in range(0, len(samples), size))

    def _request(self, part: Part, index: int, samples: list[int], purpose: tuple[int, ...]) -> _Request:
        seed = (self._settings.seed, *purpose, index, self._group.rank)
        return _Request(part, index, len(samples), self._group.share_of(samples), seed)

    def _loaded(self, requests: Iterable[_Request]) -> Iterator[tuple[_Request, Batch]]:
        """Batches on the device; while one is computed the thread of the loader gets the next."""
        waiting: tuple[_Request, Future[Batch]] | None = None
        for request in requests:
            upcoming = (request, self._loader.submit(self._load, request))
            if waiting is not None:
                yield waiting[0], self._on_device(waiting[1].result())
            waiting = upcoming
        if waiting is not None:
            yield waiting[0], self._on_device(waiting[1].result())

    def _load(self, request: _Request) -> Batch:
        # A process without a share computes one sample that counts for nothing: DDP wants all of them to take part.
        samples = request.share or [0]
        batch = self._task.load(samples, part=request.part, rng=np.random.default_rng(request.seed))
        return tuple(tensor.pin_memory() for tensor in batch) if self._group.device.type == "cuda" else batch

    def _on_device(self, batch: Batch) -> Batch:
        return tuple(tensor.to(self._group.device, non_blocking=True) for tensor in batch)

    def _means(self, losses: Mapping[str, torch.Tensor], num_own: int, number: int) -> Losses:
        """Means of the losses over all processes."""
        values = torch.stack([value.detach().double() for value in losses.values()]).tolist()
        if self._group.num_processes == 1:
            return dict(zip(losses, values, strict=True))
        sums = self._group.sum_of([value * num_own if num_own else 0.0 for value in values])
        return {name: value / number for name, value in zip(losses, sums, strict=True)}

    def _require_finite(self, losses: Losses, place: str) -> None:
        wrong = next((name for name, value in losses.items() if not math.isfinite(value)), None)
        if wrong is not None:
            raise NumericalError(
                f"{wrong} is {losses[wrong]} in epoch {self._progress.epoch_index + 1}, {place}. An earlier state is "
                f"saved in {self._folder}. Look for samples that are not finite, or lower the learning rate.",
                step=self._progress.epoch_index * self._num_batches + self._progress.num_batches_done,
            )

    def _require_finite_weights(self) -> None:
        for name, tensor in self._network.named_parameters():
            if not bool(torch.isfinite(tensor).all()):
                raise NumericalError(
                    f"weights {name} are not finite in epoch {self._progress.epoch_index + 1}, after batch "
                    f"{self._progress.num_batches_done} of {self._num_batches}. Lower the learning rate.",
                    step=self._progress.epoch_index * self._num_batches + self._progress.num_batches_done,
                )

    def _stop_if_interrupted(self) -> None:
        """Raise if any of the processes was asked to stop: all of them stop after the same batch."""
        interrupts = self._interrupts
        asked, terminated = self._group.sum_of([float(interrupts.has_come), float(interrupts.is_termination)])
        if terminated:
            raise TrainingInterruptedError
        if asked:
            raise KeyboardInterrupt

    def _is_worth_saving(self) -> bool:
        """Whether saving takes a small part of the time: it is quick, or the last one is long ago."""
        since_s = time.monotonic() - self._saved_at
        return self._saving_s < _QUICK_SAVING_S or since_s > _LEAST_TRAINING_PER_SAVING * self._saving_s

    def _save(self) -> None:
        begin = time.monotonic()
        self._require_finite_weights()
        if self._group.is_first:
            write_state(
                self._folder, self._progress, self._network, self._optimizer, self._precision.scaler, self._described
            )
        self._saved_at = time.monotonic()
        self._saving_s = self._saved_at - begin

    def _tell(self, message: str) -> None:
        progress, total = self._progress, self._settings.num_epochs
        done = progress.epoch_index + progress.num_batches_done / self._num_batches
        epoch = f"epoch {min(progress.epoch_index + 1, total)} of {total}"
        best = ""
        if progress.records and self._task.num_validation_samples:
            loss = progress.records[progress.best_epoch - 1].validation["loss"]
            best = f", best validation {loss:.4g} in epoch {progress.best_epoch}"
        self._report(ProgressEvent(task=_TASK, completed=done, total=total, message=f"{epoch}: {message}{best}"))


def _make_optimizer(network: torch.nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    makers: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trained:
        raise ParameterError("the network of the task has no weights to be trained.")
    return makers[settings.optimizer](
        trained, lr=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay
    )


def _loss_of(losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if "loss" not in losses:
        raise ParameterError(
            f"losses of a task must name 'loss', which is minimized: got {', '.join(losses) or 'none'}."
        )
    return losses["loss"]


def _torch_seed(numbers: tuple[int, ...]) -> int:
    sequence = np.random.SeedSequence(numbers)
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def _run_lock(folder: Path) -> Iterator[None]:
    """Hold the folder of a run; two at once would take each other's state away."""

    def busy(holder: str) -> CheckpointError:
        return CheckpointError(
            f"{folder} is used by {holder}, which trains there. Wait until it is done, or stop it; a training that was "
            "stopped goes on where it was."
        )

    make_folder(folder)
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder / _LOCK_NAME, busy))
        except OSError as error:
            raise unusable_folder(folder, error) from error
        yield


def _use_device(device: torch.device) -> None:
    """Let a thread pin its memory for the device of this process."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def _silent(event: ProgressEvent) -> None:
    """Reporter of the processes after the first."""
