"""Tumors made by one CUDA device, hundreds of attempts at a time.

Attempts of many runs go to the device as one wave: first those that follow a rejected one, then those of new runs, so
that the device has enough to do whatever the design rejects. Everything else is done by threads of the host meanwhile:
draws and their screening for the next wave, the design's filter, measuring and compression for the results of this one.
Screening stays on the processor on purpose. It decides which draw becomes a tumor, and on a device its rounding could
decide otherwise.

Tumors agree with those of the processor to rounding, not to the last bit, and where a filter is met to within rounding
another draw is taken. So the header records the device as the `backend`: no database is continued by the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gliofield.cores import available_cores
from gliofield.database.design import TumorDraw
from gliofield.database.simulate import MAX_ATTEMPTS, BatchSimulator, EncodedTumors, joined_tumors
from gliofield.database.staging import Staging, write_part
from gliofield.database.tumor_table import Rejections
from gliofield.database.workforce import Batch, FinishedBatch, named_failures
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import GrowthModel, Solution, needs_of
from gliofield.growth.parameters import PUSH_NAME
from gliofield_gpu.batch import require_max_batch
from gliofield_gpu.cuda import require_device, require_model, simulate_many, useful_batch

# Attempts of a wave per tumor at once. *Chosen*: the end of a wave, when places of the batch stay empty, is a small
# part of it. With mass effect a batch is filled as a whole, and takes longer.
_ROUNDS_PER_WAVE = 16
_ROUNDS_PER_WAVE_WITH_MASS_EFFECT = 4
# Runs begun whose batch is not finished, per attempt of a wave: bounds what waits in memory.
_WAVES_OF_OPEN_RUNS = 2
# Results waiting for a thread, per thread: each holds a density on the whole grid.
_RESULTS_PER_THREAD = 2


@dataclass(frozen=True)
class CudaWorker:
    """One CUDA device, and threads of the host that serve it.

    Parameters
    ----------
    device : str
        CUDA device.
    max_batch : int or None
        Most tumors at once, 1 to 65,535; None: as many as are useful and fit into the free memory.
    num_threads : int or None
        Threads for screening, filters and compression; None: one per core.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    backend: ClassVar[str | None] = "cuda"
    device: str = "cuda"
    max_batch: int | None = None
    num_threads: int | None = None

    def __post_init__(self) -> None:
        require_max_batch(self.max_batch)
        if self.num_threads is not None and self.num_threads < 1:
            raise ParameterError(f"num_threads must be at least 1, got {self.num_threads}.")

    def finished_batches(
        self, staging: Staging, simulator: BatchSimulator, batches: Sequence[Batch]
    ) -> Generator[FinishedBatch, None, None]:
        """See `Workforce`; `DeviceError` without the device, `ParameterError` for a model without kernels."""
        require_model(simulator.model)
        require_device(self.device)
        num_threads = self.num_threads or available_cores()
        threads = ThreadPoolExecutor(num_threads, thread_name_prefix="gliofield")
        try:
            waves = _Waves(
                worker=self,
                simulator=simulator,
                threads=threads,
                wave_size=self._wave_size(simulator.model),
                max_waiting=_RESULTS_PER_THREAD * num_threads,
                batches=batches,
            )
            for tumors in waves.tumors():
                write_part(staging.folder, tumors)
                yield FinishedBatch.of(tumors, snapshots_per_run=simulator.header.snapshots_per_run)
        finally:
            threads.shutdown(wait=True, cancel_futures=True)

    def _wave_size(self, model: GrowthModel[Any]) -> int:
        rounds = _ROUNDS_PER_WAVE_WITH_MASS_EFFECT if PUSH_NAME in needs_of(model) else _ROUNDS_PER_WAVE
        return rounds * (self.max_batch or useful_batch(model))


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """A draw that passed its screening, and how many of its run were rejected before."""

    run: int
    number: int
    draw: TumorDraw
    rejections: Rejections


@dataclass(kw_only=True)
class _Waves:
    """The pool of runs and their attempts."""

    worker: CudaWorker
    simulator: BatchSimulator
    threads: ThreadPoolExecutor
    wave_size: int
    max_waiting: int
    batches: Sequence[Batch]
    # Attempts after a rejected one, and first attempts of new runs that threads are drawing.
    _retries: deque[_Attempt] = field(default_factory=deque)
    _drawn: deque[Future[_Attempt]] = field(default_factory=deque)
    _batch_of_run: dict[int, Batch] = field(default_factory=dict)
    _finished_runs: dict[Batch, dict[int, EncodedTumors]] = field(default_factory=dict)

    def tumors(self) -> Iterator[EncodedTumors]:
        """Tumors of each batch, in the order in which batches are finished."""
        waiting = ((run, batch) for batch in self.batches for run in self.simulator.runs_of(*batch))
        while wave := self._next_wave(waiting):
            yield from self._grown(wave, waiting)

    def _next_wave(self, waiting: Iterator[tuple[int, Batch]]) -> list[_Attempt]:
        while len(self._retries) + len(self._drawn) < self.wave_size and self._begin_run(waiting):
            pass
        wave: list[_Attempt] = []
        while self._retries and len(wave) < self.wave_size:
            wave.append(self._retries.popleft())
        while self._drawn and len(wave) < self.wave_size:
            wave.append(self._drawn.popleft().result())
        return wave

    def _begin_run(self, waiting: Iterator[tuple[int, Batch]]) -> bool:
        """Let a thread draw for a new run; whether there is one, and room for it."""
        if len(self._drawn) >= self.wave_size or len(self._batch_of_run) >= _WAVES_OF_OPEN_RUNS * self.wave_size:
            return False
        following = next(waiting, None)
        if following is None:
            return False
        run, batch = following
        self._batch_of_run[run] = batch
        self._drawn.append(self.threads.submit(self._drawn_from, run, 0, Rejections(), batch))
        return True

    def _grown(self, wave: Sequence[_Attempt], waiting: Iterator[tuple[int, Batch]]) -> Iterator[EncodedTumors]:
        """Grow a wave; threads judge its results, while draws for the next one are made."""
        judged: deque[Future[EncodedTumors | _Attempt]] = deque()
        runs: deque[int] = deque()
        for attempt, outcome in zip(wave, self._outcomes(wave), strict=True):
            judged.append(self.threads.submit(self._judged, attempt, outcome, self._batch_of_run[attempt.run]))
            runs.append(attempt.run)
            self._begin_run(waiting)
            while len(judged) > self.max_waiting:
                yield from self._collected(runs.popleft(), judged.popleft().result())
        while judged:
            yield from self._collected(runs.popleft(), judged.popleft().result())

    def _outcomes(self, wave: Sequence[_Attempt]) -> Iterator[Solution | NumericalError]:
        batches = [self._batch_of_run[attempt.run] for attempt in wave]
        start, stop = min(batch[0] for batch in batches), max(batch[1] for batch in batches)
        with named_failures(start, stop):
            outcomes = device_outcomes(self.simulator, [attempt.draw for attempt in wave], self.worker)
        for _ in wave:
            with named_failures(start, stop):
                outcome = next(outcomes)
            yield outcome

    def _collected(self, run: int, result: EncodedTumors | _Attempt) -> Iterator[EncodedTumors]:
        """The tumors of a batch, if the result of a run was the last it waited for."""
        if isinstance(result, _Attempt):
            self._retries.append(result)
            return
        batch = self._batch_of_run[run]
        finished = self._finished_runs.setdefault(batch, {})
        finished[run] = result
        runs = self.simulator.runs_of(*batch)
        if len(finished) == len(runs):
            yield joined_tumors([finished[each] for each in runs])
            del self._finished_runs[batch]
            for each in runs:
                del self._batch_of_run[each]

    # From here on: what threads do.

    def _drawn_from(self, run: int, number: int, rejections: Rejections, batch: Batch) -> _Attempt:
        """The first attempt of a run, from a number on, that is worth simulating."""
        with named_failures(*batch):
            for attempt in range(number, MAX_ATTEMPTS):
                draw = self.simulator.draw(run, attempt)
                if self.simulator.is_worth_simulating(draw):
                    return _Attempt(run=run, number=attempt, draw=draw, rejections=rejections)
                rejections = rejections.with_one_more("screened_out")
            raise self.simulator.no_tumor_accepted(run, rejections)

    def _judged(self, attempt: _Attempt, outcome: Solution | NumericalError, batch: Batch) -> EncodedTumors | _Attempt:
        """What an attempt has become: tumors, or the next attempt."""
        if isinstance(outcome, NumericalError):
            rejection: str | None = "not_solvable"
        else:
            with named_failures(*batch):
                rejection = self.simulator.rejection_of(attempt.draw, outcome)
                if rejection is None:
                    return self.simulator.encoded(attempt.run, attempt.draw, outcome, attempt.rejections, *batch)
        assert rejection is not None
        rejections = attempt.rejections.with_one_more(rejection)
        return self._drawn_from(attempt.run, attempt.number + 1, rejections, batch)


def device_outcomes(
    simulator: BatchSimulator, draws: Sequence[TumorDraw], worker: CudaWorker
) -> Iterator[Solution | NumericalError]:
    """Solution of each draw from the device, in order, or why there is none."""
    return simulate_many(
        simulator.model,
        simulator.anatomy,
        [(draw.parameters, draw.times_days) for draw in draws],
        device=worker.device,
        max_batch=worker.max_batch,
        volume_limit=[draw.volume_limit for draw in draws],
    )


def make_workforce(device: str) -> CudaWorker:
    """The device, with threads of the host that serve it, as builders of a database."""
    return CudaWorker(device)
