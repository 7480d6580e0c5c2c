"""The surrogate paper's evaluation: errors and Dice in anatomies nobody trained on, and time against the solver.

Every surrogate is asked about the same samples (Ezhov et al. 2021, Figs. 6, 7, 10 and 11). Seconds are taken one tumor
at a time and in batches of eight, beside those of the solver for the same tumors on one thread of the same machine.
One tumor at all its times (Fig. 4) is in `surrogate_times`.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gliomap.anatomy import Anatomy
from gliomap.cores import available_cores
from gliomap.errors import ParameterError
from gliomap.experiments.density_errors import SURROGATE_LEVELS, DensityErrors, MeanValue, density_errors
from gliomap.experiments.measuring import RunCounter, timed
from gliomap.growth import FisherKolmogorov
from gliomap.progress import Reporter, ignore_progress
from gliomap.surrogate import TISSUES, LearnedFisherKolmogorov, SurrogateSamples
from gliomap.surrogate.scaling import scaled_growth

#: Batch of the paper's timing.
TIMED_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class SurrogateScore:
    """What one surrogate achieves.

    Parameters
    ----------
    name : str
        File of the checkpoint.
    tissues, loss : str
        What it knows of the anatomy, and how it was trained; the paper's ablations differ in these.
    is_small : bool
        Whether less was done than in the paper.
    published, union : mapping of str to MeanValue
        Mean absolute errors by tissue, as the authors compute them and over either tumor.
    dice : mapping of float to MeanValue
        Dice by level.
    dice_by_time : mapping of float to MeanValue
        Dice at the first level by growth time [days].
    single_s, batched_s : float
        Median seconds per tumor, one at a time and in batches of `TIMED_BATCH`.
    errors : tuple of DensityErrors
        Those of each test tumor, in the order of the samples.
    """

    name: str
    tissues: str
    loss: str
    is_small: bool
    published: dict[str, MeanValue] = field(hash=False)
    union: dict[str, MeanValue] = field(hash=False)
    dice: dict[float, MeanValue] = field(hash=False)
    dice_by_time: dict[float, MeanValue] = field(hash=False)
    single_s: float
    batched_s: float
    errors: tuple[DensityErrors, ...] = field(hash=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class SurrogateEvaluation:
    """Scores of all surrogates beside the solver's time.

    Parameters
    ----------
    num_samples, num_anatomies : int
        Test tumors, and the anatomies they grew in.
    spacing_mm : float
        Voxel spacing [mm].
    device : str
        Where the networks computed.
    architecture : str
        Of the processor.
    num_cores : int
        Cores this process may use.
    load_average : float
        Processes running or waiting in the minute before.
    solver_s : float
        Median seconds of the solver per tumor, one thread, whole grid.
    num_timed : int
        Tumors that were timed.
    scores : tuple of SurrogateScore
        One per checkpoint.
    """

    num_samples: int
    num_anatomies: int
    spacing_mm: float
    device: str
    architecture: str
    num_cores: int
    load_average: float
    solver_s: float
    num_timed: int
    scores: tuple[SurrogateScore, ...]


def evaluate_surrogate(
    samples: SurrogateSamples,
    anatomies: Sequence[Anatomy],
    checkpoints: Sequence[str | os.PathLike[str]],
    *,
    device: str = "auto",
    num_timed: int = 24,
    report: Reporter = ignore_progress,
) -> SurrogateEvaluation:
    """Compare surrogates on simulated samples.

    Parameters
    ----------
    samples : SurrogateSamples
        Test tumors.
    anatomies : sequence of Anatomy
        Those of the samples.
    checkpoints : sequence of path
        Trained surrogates, at least one, none of which has seen these anatomies.
    device : str
        Where networks compute: ``auto``, ``cpu`` or ``cuda``.
    num_timed : int
        Tumors that are timed, ≥ 1; fewer if there are fewer.
    report : Reporter
        Told of every tumor.

    Raises
    ------
    ParameterError
        If there is no checkpoint, a surrogate was trained in one of the anatomies, or cuts out cubes of another size,
        spacing or range.
    """
    if not checkpoints or num_timed < 1:
        raise ParameterError("there is nothing to evaluate: give at least one checkpoint, and num_timed of at least 1.")
    load_average = os.getloadavg()[0]
    models = [LearnedFisherKolmogorov(checkpoint=os.fspath(path), device=device) for path in checkpoints]
    for model in models:
        _require_fit(model, samples)
    timed_samples = range(min(num_timed, len(samples)))
    counter = RunCounter(
        "evaluate surrogates", len(timed_samples) + len(models) * (len(samples) + len(timed_samples)), report
    )
    solver = FisherKolmogorov()
    # Compile, and fill caches, before the clock runs.
    _grow(solver, samples, anatomies, 0)
    solver_s = [counter.timed(partial(_grow, solver, samples, anatomies, sample))[0] for sample in timed_samples]
    return SurrogateEvaluation(
        num_samples=len(samples),
        num_anatomies=len(anatomies),
        spacing_mm=samples.spacing_mm,
        device=models[0].device_type,
        architecture=platform.machine(),
        num_cores=available_cores(),
        load_average=load_average,
        solver_s=float(np.median(solver_s)),
        num_timed=len(timed_samples),
        scores=tuple(_score(model, samples, timed_samples, counter) for model in models),
    )


def _grow(solver: FisherKolmogorov, samples: SurrogateSamples, anatomies: Sequence[Anatomy], sample: int) -> None:
    draw = samples.draws[sample]
    solver.simulate(anatomies[draw.anatomy], draw.parameters, (draw.time_days,))


def _score(
    model: LearnedFisherKolmogorov, samples: SurrogateSamples, timed_samples: range, counter: RunCounter
) -> SurrogateScore:
    settings = model.header.settings
    errors = [counter.timed(partial(_errors, model, samples, sample))[1] for sample in range(len(samples))]
    predict = _Prediction(model, samples)
    single_s = [counter.timed(partial(predict, [sample]))[0] for sample in timed_samples]
    batches = [list(timed_samples[start : start + TIMED_BATCH]) for start in timed_samples[::TIMED_BATCH]]
    batched_s = [timed(partial(predict, batch))[0] / len(batch) for batch in batches]
    times = np.array([draw.time_days for draw in samples.draws])
    first = SURROGATE_LEVELS[0]
    overlaps = np.array([error.dice[first] for error in errors])
    return SurrogateScore(
        name=os.path.basename(model.checkpoint),
        tissues=", ".join(settings.network.tissues),
        loss=settings.loss,
        is_small=model.header.is_small,
        published={name: MeanValue.of([error.published[name] for error in errors]) for name in TISSUES},
        union={name: MeanValue.of([error.union[name] for error in errors]) for name in (*TISSUES, "all")},
        dice={level: MeanValue.of([error.dice[level] for error in errors]) for level in SURROGATE_LEVELS},
        dice_by_time={float(time): MeanValue.of(overlaps[times == time]) for time in np.unique(times)},
        single_s=float(np.median(single_s)),
        batched_s=float(np.median(batched_s)),
        errors=tuple(errors),
    )


class _Prediction:
    """Cubes of some samples, loading included."""

    def __init__(self, model: LearnedFisherKolmogorov, samples: SurrogateSamples) -> None:
        self._model, self._samples = model, samples

    def __call__(self, rows: Sequence[int]) -> NDArray[np.float32]:
        growth = np.stack([self._samples.growth(row) for row in rows])
        tissues = np.stack([self._samples.tissues(row) for row in rows])
        return self._model.predict_cubes(tissues, scaled_growth(growth, self._model.header.settings.ranges))


def _errors(model: LearnedFisherKolmogorov, samples: SurrogateSamples, sample: int) -> DensityErrors:
    tissues = samples.tissues(sample)
    predicted = _Prediction(model, samples)([sample])[0]
    return density_errors(
        predicted, samples.tumor(sample), dict(zip(TISSUES, tissues, strict=True)), levels=SURROGATE_LEVELS
    )


def _require_fit(model: LearnedFisherKolmogorov, samples: SurrogateSamples) -> None:
    header = model.header
    seen = {*header.trained_on["anatomies"], *header.validated_on["anatomies"]}
    if seen & set(samples.identity["anatomies"]):
        raise ParameterError(
            f"{model.checkpoint} was trained or validated in anatomies of these samples: expected unseen ones. Take "
            "anatomies of other numbers."
        )
    if header.settings.network.crop_size != samples.crop_size:
        raise ParameterError(
            f"{model.checkpoint} cuts out {header.settings.network.crop_size}³ voxels, the samples have "
            f"{samples.crop_size}³. Simulate them again, or evaluate it alone."
        )
    if abs(header.spacing_mm / samples.spacing_mm - 1.0) > 1e-3:
        raise ParameterError(
            f"{model.checkpoint} was trained at {header.spacing_mm:g} mm, the samples lie on {samples.spacing_mm:g} mm."
        )
    ranges = {name: list(bounds) for name, bounds in header.settings.ranges.by_name().items()}
    if ranges != samples.identity["ranges"]:
        raise ParameterError(
            f"{model.checkpoint} was trained on {ranges}, the samples are drawn from {samples.identity['ranges']}."
        )
