"""The surrogate paper's evaluation: errors and Dice in anatomies nobody trained on, and time against the solver.

Every surrogate is asked about the same samples (Ezhov et al. 2021, Figs. 6, 7, 10 and 11). What the growth model gives
is scored: 0 outside the tissue, as `LearnedFisherKolmogorov.simulate` does. The paper scores the network alone, so its
error in CSF, which no user of the model gets, and its Dice are given beside. Seconds are those of `surrogate_seconds`;
one tumor at all its times (Fig. 4) is in `surrogate_times`.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import available_cores
from gliofield.errors import ParameterError
from gliofield.learning import TrainingHistory
from gliofield.progress import Reporter, ignore_progress
from gliofield_papers.errors_by_tissue import SURROGATE_LEVELS, DensityErrors, MeanValue, density_errors
from gliofield_papers.forward.checkpoints import require_fitting_samples, surrogate_names
from gliofield_papers.forward.seconds import NetworkSeconds, predicted, time_surrogates
from gliofield_papers.measuring import RunCounter
from gliofield_papers.surrogate import TISSUES, LearnedFisherKolmogorov, SurrogateSamples

#: Where the growth model has tumor.
_GROWN_TISSUES = ("white_matter", "gray_matter")
_NO_TRAINING = TrainingHistory(epochs=(), best_epoch=0, is_stopped_early=False)


@dataclass(frozen=True, kw_only=True)
class SurrogateScore:
    """What one surrogate achieves.

    Parameters
    ----------
    name : str
        File of the checkpoint; its path if another one has the same name.
    tissues, loss : str
        What it knows of the anatomy, and how it was trained; the paper's ablations differ in these.
    is_small : bool
        Whether less was done than in the paper.
    published : mapping of str to MeanValue
        Mean absolute errors as the authors compute them: in ``white_matter`` and ``gray_matter``, and in ``csf`` that
        of the network alone.
    union : mapping of str to MeanValue
        Mean absolute errors over either tumor, in ``white_matter``, ``gray_matter`` and ``all``.
    dice : mapping of float to MeanValue
        Dice by level.
    network_dice : mapping of float to MeanValue
        Dice by level of the network alone, which shows tumor outside the tissue as well.
    dice_by_time : mapping of float to MeanValue
        Dice at the first level by growth time [days].
    single_s, batched_s : float
        Median seconds per tumor, one at a time and in batches of `TIMED_BATCH`.
    history : TrainingHistory
        Losses of its training; no epochs for a guess alone.
    errors, network_errors : tuple of DensityErrors
        Those of each test tumor, in the order of the samples; of what the model gives, and of the network alone.
    """

    name: str
    tissues: str
    loss: str
    is_small: bool
    published: dict[str, MeanValue] = field(hash=False)
    union: dict[str, MeanValue] = field(hash=False)
    dice: dict[float, MeanValue] = field(hash=False)
    network_dice: dict[float, MeanValue] = field(hash=False)
    dice_by_time: dict[float, MeanValue] = field(hash=False)
    single_s: float
    batched_s: float
    history: TrainingHistory = field(hash=False, repr=False)
    errors: tuple[DensityErrors, ...] = field(hash=False, repr=False)
    network_errors: tuple[DensityErrors, ...] = field(hash=False, repr=False)


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
    num_threads : int
        Threads of the solver, and of networks on the processor, while they were timed.
    solver_s : float
        Median seconds of the solver per tumor, one at a time on the processor, whole grid.
    solver_batched_s : float
        Seconds of the solver per tumor in batches on the networks' CUDA device; NaN without one.
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
    num_threads: int
    solver_s: float
    solver_batched_s: float
    num_timed: int
    scores: tuple[SurrogateScore, ...]


def evaluate_surrogate(
    samples: SurrogateSamples,
    models: Sequence[LearnedFisherKolmogorov],
    *,
    num_timed: int = 24,
    num_threads: int = 1,
    report: Reporter = ignore_progress,
) -> SurrogateEvaluation:
    """Compare surrogates on simulated samples.

    Parameters
    ----------
    samples : SurrogateSamples
        Test tumors.
    models : sequence of LearnedFisherKolmogorov
        Surrogates of `load_surrogates`, none of which has seen the anatomies of the samples.
    num_timed : int
        Tumors that are timed, ≥ 1; fewer if there are fewer.
    num_threads : int
        Threads of the solver, and of networks on the processor, while they are timed, ≥ 1.
    report : Reporter
        Told of every tumor.

    Raises
    ------
    ParameterError
        If there is no surrogate, a number is out of range, or a surrogate was trained in one of the anatomies or on
        cubes of another size, spacing or range.
    """
    if not models or num_timed < 1 or num_threads < 1:
        raise ParameterError(
            "there is nothing to evaluate: expected at least one surrogate, num_timed and num_threads of at least 1, "
            f"got {len(models)}, {num_timed} and {num_threads}."
        )
    require_fitting_samples(models, samples)
    load_average = os.getloadavg()[0]
    num_timed = min(num_timed, len(samples))
    counter = RunCounter("evaluate surrogates", num_timed + len(models) * len(samples), report)
    errors = [
        [counter.timed(partial(_errors, model, samples, sample))[1] for sample in range(len(samples))]
        for model in models
    ]
    seconds = time_surrogates(samples, models, num_timed=num_timed, num_threads=num_threads, counter=counter)
    names = surrogate_names(models)
    times = np.array([draw.time_days for draw in samples.draws])
    return SurrogateEvaluation(
        num_samples=len(samples),
        num_anatomies=len(samples.anatomies),
        spacing_mm=samples.spacing_mm,
        device=models[0].device_type,
        architecture=platform.machine(),
        num_cores=available_cores(),
        load_average=load_average,
        num_threads=num_threads,
        solver_s=seconds.solver_s,
        solver_batched_s=seconds.solver_batched_s,
        num_timed=num_timed,
        scores=tuple(
            _score(name, model, own, times, taken)
            for name, model, own, taken in zip(names, models, errors, seconds.networks, strict=True)
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _TumorErrors:
    """Errors of one test tumor."""

    model: DensityErrors
    network: DensityErrors


def _errors(model: LearnedFisherKolmogorov, samples: SurrogateSamples, sample: int) -> _TumorErrors:
    tissues = dict(zip(TISSUES, samples.tissues(sample), strict=True))
    truth = samples.tumor(sample)
    raw = predicted(model, samples, [sample])[0]
    given = np.where(tissues["white_matter"] + tissues["gray_matter"] > 0.0, raw, np.float32(0.0))
    return _TumorErrors(
        model=density_errors(given, truth, tissues, levels=SURROGATE_LEVELS),
        network=density_errors(raw, truth, tissues, levels=SURROGATE_LEVELS),
    )


def _score(
    name: str,
    model: LearnedFisherKolmogorov,
    errors: Sequence[_TumorErrors],
    times_days: NDArray[np.float64],
    seconds: NetworkSeconds,
) -> SurrogateScore:
    settings = model.header.settings
    own, alone = [each.model for each in errors], [each.network for each in errors]
    overlaps = np.array([error.dice[SURROGATE_LEVELS[0]] for error in own])
    return SurrogateScore(
        name=name,
        tissues=", ".join(settings.network.tissues),
        loss="none" if model.guess_only else settings.loss,
        is_small=model.header.is_small and not model.guess_only,
        published={
            **{tissue: MeanValue.of([error.published[tissue] for error in own]) for tissue in _GROWN_TISSUES},
            "csf": MeanValue.of([error.published["csf"] for error in alone]),
        },
        union={region: MeanValue.of([error.union[region] for error in own]) for region in (*_GROWN_TISSUES, "all")},
        dice=_mean_dice(own),
        network_dice=_mean_dice(alone),
        dice_by_time={
            float(time_days): MeanValue.of(overlaps[times_days == time_days]) for time_days in np.unique(times_days)
        },
        single_s=seconds.single_s,
        batched_s=seconds.batched_s,
        history=_NO_TRAINING if model.guess_only else model.header.history,
        errors=tuple(own),
        network_errors=tuple(alone),
    )


def _mean_dice(errors: Sequence[DensityErrors]) -> dict[float, MeanValue]:
    return {level: MeanValue.of([error.dice[level] for error in errors]) for level in SURROGATE_LEVELS}
