"""The same tumors on every backend that is there: time, and the largest difference to the default backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import DeviceError
from gliofield.growth import FisherKolmogorov, Solution
from gliofield.growth.many import load_device, simulate_many
from gliofield.progress import Reporter, ignore_progress
from gliofield_papers.measuring import RunCounter, timed
from gliofield_papers.solver.tumors import EvaluationTumor


@dataclass(frozen=True, kw_only=True)
class BackendRow:
    """Reaction-diffusion on one backend.

    Parameters
    ----------
    backend : str
        ``numba``, ``numpy`` or ``cuda``.
    num_runs : int
        Runs that were timed; 0 if the backend is not there.
    seconds : float
        Per tumor: the median of single runs on one thread, or of a batch its time over its number of tumors.
    ns_per_voxel_step : float
        Time per stencil evaluation on a voxel.
    numba_seconds : float
        The same of ``numba`` on the same tumors.
    largest_difference : float
        Of the cell density to that of ``numba``; NaN for ``numba``.
    note : str
        What the row holds, or why it was not run.
    """

    backend: str
    num_runs: int = 0
    seconds: float = np.nan
    ns_per_voxel_step: float = np.nan
    numba_seconds: float = np.nan
    largest_difference: float = np.nan
    note: str


def backend_comparison(
    anatomy: Anatomy,
    tumors: Sequence[EvaluationTumor],
    *,
    num_repeats: int,
    device: str = "cuda",
    report: Reporter = ignore_progress,
) -> tuple[BackendRow, ...]:
    """Rows of ``numba`` on all tumors, ``numpy`` on the first, and ``cuda`` on full batches of all, if it is there.

    Parameters
    ----------
    anatomy : Anatomy
        Brain to grow in.
    tumors : sequence of EvaluationTumor
        At least one.
    num_repeats : int
        Runs of each tumor with ``numba``, and of the batch.
    device : str
        CUDA device.
    report : Reporter
        Told of every run.
    """
    counter = RunCounter("reaction-diffusion: backends", len(tumors) * num_repeats + 1, report)
    seconds = np.empty(len(tumors))
    solutions = []
    for index, tumor in enumerate(tumors):
        runs = [counter.timed(partial(_solved, "numba", anatomy, tumor)) for _ in range(num_repeats)]
        seconds[index] = np.median([run_seconds for run_seconds, _ in runs])
        solutions.append(runs[0][1])
    voxel_steps = np.array([solution.num_voxel_steps for solution in solutions])
    numba = BackendRow(
        backend="numba",
        num_runs=len(tumors) * num_repeats,
        seconds=float(np.median(seconds)),
        ns_per_voxel_step=float(1e9 * seconds.sum() / voxel_steps.sum()),
        numba_seconds=float(np.median(seconds)),
        note="one run at a time, one thread",
    )
    plain_seconds, plain = counter.timed(partial(_solved, "numpy", anatomy, tumors[0]))
    numpy = BackendRow(
        backend="numpy",
        num_runs=1,
        seconds=plain_seconds,
        ns_per_voxel_step=1e9 * plain_seconds / plain.num_voxel_steps,
        numba_seconds=float(seconds[0]),
        largest_difference=_largest_difference(plain, solutions[0]),
        note="plain reference, whole domain; the first tumor once",
    )
    batch = _batch_row(anatomy, tumors, solutions, float(seconds.mean()), num_repeats, device, report)
    return numba, numpy, batch


def _solved(backend: str, anatomy: Anatomy, tumor: EvaluationTumor) -> Solution:
    return FisherKolmogorov(backend=backend).simulate(anatomy, tumor.parameters, [tumor.time_days])


def _batch_row(
    anatomy: Anatomy,
    tumors: Sequence[EvaluationTumor],
    solutions: Sequence[Solution],
    numba_seconds: float,
    num_repeats: int,
    device: str,
    report: Reporter,
) -> BackendRow:
    try:
        load_device(device).require_device(device)
    except DeviceError as error:
        is_installed = not isinstance(error.__cause__, ModuleNotFoundError)
        reason = "no CUDA device" if is_installed else "PyTorch or Triton is not installed"
        return BackendRow(backend="cuda", note=f"not run: {reason}")
    # A batch is only worth its device when it is full.
    model = FisherKolmogorov()
    copies = -(-load_device(device).useful_batch(model) // len(tumors))

    def batch(number: int) -> Iterator[Any]:
        own = [(tumor.parameters, tumor.time_days) for tumor in tumors]
        return simulate_many(model, anatomy, own * number, device=device, report=report)

    # The first batch compiles its kernels, and is compared.
    differences = [_largest_difference(one, own) for one, own in zip(batch(1), solutions, strict=True)]
    seconds = [timed(lambda: sum(one.num_voxel_steps for one in batch(copies))) for _ in range(num_repeats)]
    middle, voxel_steps = float(np.median([s for s, _ in seconds])), seconds[0][1]
    num_tumors = copies * len(tumors)
    return BackendRow(
        backend="cuda",
        num_runs=num_tumors * num_repeats,
        seconds=middle / num_tumors,
        ns_per_voxel_step=1e9 * middle / voxel_steps,
        numba_seconds=numba_seconds,
        largest_difference=max(differences),
        note=f"batches of {num_tumors} tumors, the same over and over",
    )


def _largest_difference(a: Solution, b: Solution) -> float:
    return float(np.abs(a.cell_density - b.cell_density).max())
