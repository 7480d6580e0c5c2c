"""Measures what an inverse network is shown (`gliofield.inverse.TrainedRanges`), on the tumors it learns from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.parameters import SEED_NAMES
from gliofield.inverse.config import InverseSettings
from gliofield.inverse.targets import Range, growth_targets, target_values
from gliofield.inverse.trained_ranges import TrainedRanges
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield_training.inverse.drawn_masks import drawn_masks
from gliofield_training.inverse.tumors import SimulatedTumors, Tumor, TumorSource
from gliofield_training.task import Part

# *Chosen*: enough for the ends, and few enough for a minute where tumors have to be simulated.
_NUM_STORED_TUMORS, _NUM_SIMULATED_TUMORS = 500, 200
_TUMORS_PER_READ = 50
_SEED = 0


def trained_ranges(
    source: TumorSource, settings: InverseSettings, *, report: Reporter = ignore_progress
) -> TrainedRanges | None:
    """Ranges of up to 500 tumors, 200 if they are simulated: those for validation first, then those of training.

    The same tumors and thresholds at every call.

    Parameters
    ----------
    source : TumorSource
        Where the tumors of the training come from.
    settings : InverseSettings
        Targets, ranges of the thresholds, flips.
    report : Reporter
        Receives the tumors looked at.

    Returns
    -------
    TrainedRanges or None
        None if none of the tumors shows a core.

    Raises
    ------
    DatabaseError
        If a tumor cannot be read, or none is accepted.
    """
    rng = np.random.default_rng(_SEED)
    voxel_ml = source.origin.grid.voxel_volume_ml
    rows: list[NDArray[np.float64]] = []
    volumes_ml: list[tuple[float, float]] = []
    for tumor in _some_tumors(source, rng, report):
        rows.append(tumor.parameters)
        core, whole = (np.count_nonzero(mask) for mask in drawn_masks(tumor.levels, settings.observation, rng))
        if core:
            volumes_ml.append((core * voxel_ml, whole * voxel_ml))
    if not volumes_ml:
        return None
    core_ml, whole_ml = np.array(volumes_ml).T
    return TrainedRanges(
        core_ml=_range_of(core_ml),
        whole_ml=_range_of(whole_ml),
        core_share=_range_of(core_ml / whole_ml),
        targets=_target_ranges(np.stack(rows), source, settings),
    )


def _some_tumors(source: TumorSource, rng: np.random.Generator, report: Reporter) -> Iterator[Tumor]:
    limit = _NUM_SIMULATED_TUMORS if isinstance(source, SimulatedTumors) else _NUM_STORED_TUMORS
    num_validation = min(source.num_validation_tumors, limit)
    num_training = min(source.num_training_tumors, limit - num_validation)
    total = num_validation + num_training
    parts: tuple[tuple[Part, int], ...] = (("validation", num_validation), ("training", num_training))
    done = 0
    for part, number in parts:
        for first in range(0, number, _TUMORS_PER_READ):
            report(ProgressEvent(task="ranges of the training", completed=done, total=total))
            last = min(first + _TUMORS_PER_READ, number)
            yield from source.read(range(first, last), part=part, rng=rng)
            done += last - first
    report(ProgressEvent(task="ranges of the training", completed=total, total=total))


def _target_ranges(parameters: NDArray[np.float64], source: TumorSource, settings: InverseSettings) -> dict[str, Range]:
    names = (*growth_targets(settings.targets), *SEED_NAMES)
    ranges = {name: _range_of(column) for name, column in zip(names, target_values(parameters, names).T, strict=True)}
    if settings.observation.flips:
        (low, high), middle = ranges[SEED_NAMES[0]], float(source.origin.grid.center_mm[0])
        ranges[SEED_NAMES[0]] = (min(low, 2.0 * middle - high), max(high, 2.0 * middle - low))
    return ranges


def _range_of(values: NDArray[np.float64]) -> Range:
    return float(values.min()), float(values.max())
