"""Seconds per tumor of surrogates and of the solver, for the same tumors, in turn, on one machine.

Both get the same number of threads. A network takes one tumor at a time, as the growth model does, and batches; the
solver takes one at a time and, where networks compute on a CUDA device, batches on that device as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import DeviceError
from gliofield.growth import FisherKolmogorov, simulate_many
from gliofield.learning import threads_of_worker
from gliofield_papers.measuring import RunCounter, timed
from gliofield_papers.surrogate import LearnedFisherKolmogorov, SurrogateSamples
from gliofield_papers.surrogate.scaling import scaled_growth

#: Batch of the paper's timing.
TIMED_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class NetworkSeconds:
    """Median seconds per tumor of one network: one tumor at a time, and in batches of `TIMED_BATCH`."""

    single_s: float
    batched_s: float


@dataclass(frozen=True, kw_only=True)
class SurrogateSeconds:
    """Median seconds per tumor.

    Parameters
    ----------
    solver_s : float
        Of the solver, one tumor at a time on the processor, whole grid.
    solver_batched_s : float
        Of the solver in batches on the networks' CUDA device, all timed tumors of an anatomy at once; NaN without one.
    networks : tuple of NetworkSeconds
        Of each network.
    """

    solver_s: float
    solver_batched_s: float
    networks: tuple[NetworkSeconds, ...]


def time_surrogates(
    samples: SurrogateSamples,
    models: Sequence[LearnedFisherKolmogorov],
    *,
    num_timed: int,
    num_threads: int,
    counter: RunCounter,
) -> SurrogateSeconds:
    """Time surrogates and solver on the first samples, in turn.

    Parameters
    ----------
    samples : SurrogateSamples
        Tumors.
    models : sequence of LearnedFisherKolmogorov
        Surrogates, at least one, on one device.
    num_timed : int
        Tumors that are timed, 1 to the number of samples.
    num_threads : int
        Threads of the solver, and of networks on the processor.
    counter : RunCounter
        Told of every tumor.
    """
    rows = range(num_timed)
    # Whole batches, whatever the number: what a network takes does not depend on the tumor.
    batches = np.resize(rows, (-(-num_timed // TIMED_BATCH), TIMED_BATCH))
    solver = FisherKolmogorov(num_threads=num_threads)
    with threads_of_worker(num_threads):
        # Compile, and fill caches, before the clock runs.
        _grow(solver, samples, 0)
        for model in models:
            predicted(model, samples, [0])
            predicted(model, samples, batches[0])
        one_by_one = [counter.timed(partial(_in_turn, solver, models, samples, row))[1] for row in rows]
        batched_s = [
            [timed(partial(predicted, model, samples, batch))[0] / TIMED_BATCH for model in models] for batch in batches
        ]
    solver_s, *single_s = np.median(one_by_one, axis=0)
    networks = zip(single_s, np.median(batched_s, axis=0), strict=True)
    return SurrogateSeconds(
        solver_s=float(solver_s),
        solver_batched_s=_solver_batched_s(samples, rows) if models[0].device_type == "cuda" else float("nan"),
        networks=tuple(NetworkSeconds(single_s=float(one), batched_s=float(many)) for one, many in networks),
    )


def predicted(
    model: LearnedFisherKolmogorov, samples: SurrogateSamples, rows: Sequence[int] | NDArray[np.integer]
) -> NDArray[np.float32]:
    """What the network of a surrogate says of the cubes of some samples, (n, S, S, S); loading and guess included."""
    growth = np.stack([samples.growth(int(row)) for row in rows])
    tissues = np.stack([samples.tissues(int(row)) for row in rows])
    scaled = scaled_growth(growth, model.header.settings.ranges)
    if model.header.settings.network.corrects_guess:
        return model.correct_guess(tissues, scaled, np.stack([samples.guess(int(row)) for row in rows]))
    return model.predict_cubes(tissues, scaled)


def _grow(solver: FisherKolmogorov, samples: SurrogateSamples, row: int) -> None:
    draw = samples.draws[row]
    solver.simulate(samples.anatomies[draw.anatomy], draw.parameters, (draw.time_days,))


def _in_turn(
    solver: FisherKolmogorov, models: Sequence[LearnedFisherKolmogorov], samples: SurrogateSamples, row: int
) -> list[float]:
    """Seconds of the solver and of each surrogate for one tumor."""
    solver_s = timed(partial(_grow, solver, samples, row))[0]
    return [solver_s, *(timed(partial(predicted, model, samples, [row]))[0] for model in models)]


def _solver_batched_s(samples: SurrogateSamples, rows: Sequence[int]) -> float:
    """Seconds per tumor of the solver on the device, the second time; NaN if it cannot compute there."""
    try:
        _grow_on_device(samples, rows)
    except DeviceError:
        return float("nan")
    return timed(partial(_grow_on_device, samples, rows))[0] / len(rows)


def _grow_on_device(samples: SurrogateSamples, rows: Sequence[int]) -> None:
    draws = [samples.draws[row] for row in rows]
    for number in sorted({draw.anatomy for draw in draws}):
        own = [draw for draw in draws if draw.anatomy == number]
        tumors = [(draw.parameters, draw.time_days) for draw in own]
        grown = simulate_many(FisherKolmogorov(), samples.anatomies[number], tumors, device="cuda")
        deque(grown, maxlen=0)
