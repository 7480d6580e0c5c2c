"""One test tumor at its times, by the solver and by surrogates: the surrogate paper's Fig. 4.

The tumor is one of middling Dice, so that the picture shows neither the best nor the worst of the first surrogate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import TissueMaps
from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.metrics.overlap import dice
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield_papers.errors_by_tissue import SURROGATE_LEVELS
from gliofield_papers.forward.checkpoints import surrogate_names
from gliofield_papers.forward.evaluation import SurrogateEvaluation, SurrogateScore
from gliofield_papers.surrogate import LearnedFisherKolmogorov, ParameterRanges, SurrogateSamples

#: Times that a picture has room for.
MOST_TIMES = 8
#: Density above which the two are compared, the first of the paper's levels.
COMPARED_LEVEL = SURROGATE_LEVELS[0]
_TASK = "one tumor at its times"


@dataclass(frozen=True, kw_only=True, eq=False)
class SurrogateAtTimes:
    """What one surrogate makes of the tumor.

    Parameters
    ----------
    name : str
        That of its score.
    cell_density : (T, X, Y, 1) float32 array
        Axial slice through the seed at each time.
    dice : tuple of float
        Dice with the solver's tumor above `COMPARED_LEVEL` at each time, over the whole brain; NaN where both are
        empty.
    """

    name: str
    cell_density: NDArray[np.float32]
    dice: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class TumorAtTimes:
    """A test tumor as it grows.

    Parameters
    ----------
    sample : int
        Its number among the test tumors.
    parameters : FisherKolmogorovParameters
        Its growth parameters and seed.
    times_days : tuple of float
        Rising times [days], the last of them its own.
    tissue_maps : TissueMaps
        The brain it grows in.
    slice_index : int
        Axial slice through the seed.
    solver : (T, X, Y, 1) float32 array
        That slice of the solver's density at each time.
    surrogates : tuple of SurrogateAtTimes
        The same of each surrogate.
    """

    sample: int
    parameters: FisherKolmogorovParameters
    times_days: tuple[float, ...]
    tissue_maps: TissueMaps
    slice_index: int
    solver: NDArray[np.float32]
    surrogates: tuple[SurrogateAtTimes, ...]


def grow_at_times(
    samples: SurrogateSamples,
    models: Sequence[LearnedFisherKolmogorov],
    evaluation: SurrogateEvaluation,
    *,
    report: Reporter = ignore_progress,
) -> TumorAtTimes:
    """Grow the tumor of median Dice of the first surrogate once more, at up to `MOST_TIMES` of its times.

    Parameters
    ----------
    samples : SurrogateSamples
        Test tumors.
    models : sequence of LearnedFisherKolmogorov
        The surrogates of the evaluation, at least one.
    evaluation : SurrogateEvaluation
        What `evaluate_surrogate` said of them and these samples.
    report : Reporter
        Told of every method.

    Raises
    ------
    ParameterError
        If the evaluation is of other samples or checkpoints.
    """
    names = surrogate_names(models)
    if evaluation.num_samples != len(samples) or tuple(score.name for score in evaluation.scores) != names or not names:
        raise ParameterError("the evaluation is of other samples or checkpoints: expected that of the given ones.")
    sample = median_sample(evaluation.scores[0])
    draw = samples.draws[sample]
    anatomy = samples.anatomies[draw.anatomy]
    # Samples without them are refused.
    assert anatomy.tissue_maps is not None
    times = shown_times(models[0].header.settings.ranges, draw.time_days)
    index = draw.center[2]
    truth = FisherKolmogorov().simulate(anatomy, draw.parameters, times).cell_density
    report(ProgressEvent(task=_TASK, completed=1, total=1 + len(models)))
    surrogates = []
    for number, (name, model) in enumerate(zip(names, models, strict=True), start=2):
        density = model.simulate(anatomy, draw.parameters, times).cell_density
        surrogates.append(
            SurrogateAtTimes(name=name, cell_density=_slices(density, index), dice=_overlaps(density, truth))
        )
        report(ProgressEvent(task=_TASK, completed=number, total=1 + len(models)))
    return TumorAtTimes(
        sample=sample,
        parameters=draw.parameters,
        times_days=times,
        tissue_maps=anatomy.tissue_maps,
        slice_index=index,
        solver=_slices(truth, index),
        surrogates=tuple(surrogates),
    )


def median_sample(score: SurrogateScore) -> int:
    """The test tumor of median Dice at `COMPARED_LEVEL`, the lower of two; the first where no tumor has a value."""
    overlaps = np.array([error.dice[COMPARED_LEVEL] for error in score.errors])
    num_defined = int(np.count_nonzero(~np.isnan(overlaps)))
    # Undefined values are sorted to the end.
    return int(np.argsort(overlaps, kind="stable")[max(num_defined - 1, 0) // 2])


def shown_times(ranges: ParameterRanges, last_days: float) -> tuple[float, ...]:
    """The trained times up to a last one [days]; where there are more than `MOST_TIMES`, so many evenly among them.

    Examples
    --------
    >>> shown_times(ParameterRanges(), 150.0)
    (50.0, 100.0, 150.0)
    """
    first, step = ranges.growth_time_days[0], ranges.time_step_days
    number = 1 + round((last_days - first) / step)
    chosen = np.rint(np.linspace(0, number - 1, min(number, MOST_TIMES)))
    return tuple(first + step * float(position) for position in chosen)


def _slices(density: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    return density[..., index : index + 1].copy()


def _overlaps(density: NDArray[np.float32], truth: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(
        dice(own > COMPARED_LEVEL, solved > COMPARED_LEVEL, if_both_empty=float("nan"))
        for own, solved in zip(density, truth, strict=True)
    )
