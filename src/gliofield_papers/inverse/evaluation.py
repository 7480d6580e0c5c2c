"""Table 1 of Learn-Morph-Infer on trained inverse networks: predict, simulate, compare with the truth.

Tumors are the test part of a database's split, which no network of that database has seen. Each shows masks at two
thresholds, drawn from the paper's ranges; the network says its parameters, the solver grows them, and the density is
compared with the true one, which is grown again as well: what a database stores is rounded to one byte. All networks
are asked about the same masks, whatever thresholds they were trained with.

Beside each network stands its floor: the errors of the tumors that follow from its targets where all of them are true.
What is not predicted is that of the training, so with a push that was drawn and is not predicted the floor is high. A
prediction that network or solver refuses counts as no tumor.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy, Atlas
from gliofield.cores import available_cores, require_threads
from gliofield.database import SimulationDatabase, recorded_model
from gliofield.errors import DatabaseError, GliofieldError, ParameterError, SegmentationError
from gliofield.growth import GrowthModel
from gliofield.growth.parameters import RATE_NAMES, growth_values_of
from gliofield.imaging import Observation
from gliofield.inverse import GrowthRates, InverseHeader, InversePrediction, InversePredictor, ObservationSettings
from gliofield.learning import threads_of_worker
from gliofield.pipeline.infer_method import PredictedTumor, predicted_tumor
from gliofield.progress import Reporter, ignore_progress
from gliofield.report.tables import number
from gliofield_papers.errors_by_tissue import (
    INVERSE_LEVELS,
    DensityErrors,
    MeanValue,
    density_errors,
)
from gliofield_papers.inverse.comparison import MethodAnswer, axial_slice
from gliofield_papers.measuring import RunCounter, timed
from gliofield_training.inverse import split_tumors
from gliofield_training.inverse.drawn_masks import drawn_masks, perturbed_masks

#: In the order of the paper's Table 1.
TISSUES = ("gray_matter", "white_matter", "csf")


@dataclass(frozen=True, kw_only=True)
class InverseEvaluationSettings:
    """Size of the evaluation.

    Parameters
    ----------
    num_tumors : int
        Test tumors asked about, ≥ 1; fewer if the database has fewer.
    num_timed : int
        Of these, tumors that are timed afterwards, one at a time on one thread, ≥ 1.
    seed : int
        Of thresholds and errors of masks, ≥ 0.
    observation : ObservationSettings
        Ranges of the thresholds, and errors imitated on the masks if any; without flips.
    num_threads : int or None
        Threads that simulate; None: all cores.

    Raises
    ------
    ParameterError
        If a number is out of range, or masks are to be mirrored.
    """

    num_tumors: int = 500
    num_timed: int = 10
    seed: int = 0
    observation: ObservationSettings = ObservationSettings()
    num_threads: int | None = None

    def __post_init__(self) -> None:
        if min(self.num_tumors, self.num_timed) < 1 or self.seed < 0:
            raise ParameterError(
                f"num_tumors and num_timed must be at least 1 and seed not negative, got {self.num_tumors}, "
                f"{self.num_timed} and {self.seed}."
            )
        if self.observation.flips:
            raise ParameterError("test tumors are not mirrored: expected an observation without flips.")

    @classmethod
    def quick(cls, *, num_threads: int | None = None) -> InverseEvaluationSettings:
        """A first look: 30 tumors."""
        return cls(num_tumors=30, num_threads=num_threads)


@dataclass(frozen=True, kw_only=True)
class InverseScore:
    """What one network, or ensemble, achieves.

    Parameters
    ----------
    name : str
        File of the checkpoint.
    growth_model : str
        Of the tumors.
    targets : str
        What it predicts, as in the paper's table.
    is_small : bool
        Whether less was done than in the paper.
    num_training_tumors, num_members : int
        Tumors per epoch, and networks of the ensemble.
    published, union : mapping of str to MeanValue
        Mean absolute errors by tissue, as the authors compute them and over either tumor.
    floor : mapping of str to MeanValue
        As `published`, where all targets are true; nothing where the solver refuses such a tumor.
    dice : mapping of float to MeanValue
        Dice by level.
    location_mm, location_axis_mm : MeanValue
        Distance of the seeds [mm], and the mean of its three components, which the authors report.
    num_clamped : int
        Predictions clamped to the trained range.
    seed_moved_mm : MeanValue
        Distance of predicted seeds from the tissue [mm].
    num_not_simulated : int
        Tumors whose masks the network refused, or whose prediction the solver did; counted as no tumor.
    num_without_core : int
        Tumors whose drawn threshold left no core, of which nothing was asked.
    network_s, simulation_s : float
        Median seconds of a prediction and of its simulation, one at a time on one thread.
    errors : tuple of DensityErrors
        Those of each tumor with a core, the same tumors for all networks.
    """

    name: str
    growth_model: str
    targets: str
    is_small: bool
    num_training_tumors: int
    num_members: int
    published: dict[str, MeanValue] = field(hash=False)
    union: dict[str, MeanValue] = field(hash=False)
    floor: dict[str, MeanValue] = field(hash=False)
    dice: dict[float, MeanValue] = field(hash=False)
    location_mm: MeanValue
    location_axis_mm: MeanValue
    num_clamped: int
    seed_moved_mm: MeanValue
    num_not_simulated: int
    num_without_core: int
    network_s: float
    simulation_s: float
    errors: tuple[DensityErrors, ...] = field(default=(), hash=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class InverseEvaluation:
    """Scores of all networks, and what they were measured on.

    Parameters
    ----------
    settings : InverseEvaluationSettings
        Size of the evaluation.
    num_tumors : int
        Test tumors of the database that were used.
    architecture : str
        Of the processor.
    num_cores : int
        Cores this process may use.
    load_average : float
        Processes running or waiting in the minute before.
    scores : tuple of InverseScore
        One per checkpoint.
    cases : tuple of MethodAnswer
        True densities of the first tumors and what networks made of them, to draw.
    """

    settings: InverseEvaluationSettings
    num_tumors: int
    architecture: str
    num_cores: int
    load_average: float
    scores: tuple[InverseScore, ...]
    cases: tuple[MethodAnswer, ...] = field(default=(), hash=False, repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Answer:
    """What a network says of one tumor, and what became of it; `density` is None where it was refused."""

    errors: DensityErrors
    floor: DensityErrors | None
    density: NDArray[np.float32] | None
    seed_error_mm: NDArray[np.float64]
    seed_moved_mm: float
    is_clamped: bool


def evaluate_inverse(
    database: SimulationDatabase,
    atlas: Atlas,
    checkpoints: Sequence[str | os.PathLike[str]],
    *,
    settings: InverseEvaluationSettings | None = None,
    device: str = "auto",
    num_cases: int = 0,
    report: Reporter = ignore_progress,
) -> InverseEvaluation:
    """Compare trained networks on the test tumors of a database.

    Parameters
    ----------
    database : SimulationDatabase
        Its test part is asked about. Networks trained on it must share one split.
    atlas : Atlas
        The atlas of the database.
    checkpoints : sequence of path
        Trained networks, at least one.
    settings : InverseEvaluationSettings or None
        Size of the evaluation.
    device : str
        Where networks compute: ``auto``, ``cpu`` or ``cuda``.
    num_cases : int
        Tumors, from the first on, of which a slice is kept to be drawn, ≥ 0.
    report : Reporter
        Told of every tumor.

    Raises
    ------
    ParameterError
        If there is no checkpoint, or the database is too small to be split.
    DatabaseError
        If a network was trained in another atlas, on another grid or growth model, or with another split of this
        database, so that it has seen test tumors; or the tumors cannot be grown again.
    """
    chosen = InverseEvaluationSettings() if settings is None else settings
    if not checkpoints:
        raise ParameterError("there is nothing to evaluate: give at least one checkpoint.")
    load_average = os.getloadavg()[0]
    predictors = [InversePredictor(path, device=device) for path in checkpoints]
    split_seed = _split_seed(predictors, database)
    for predictor in predictors:
        _require_fit(predictor, database, atlas, split_seed)
    _, _, tests = split_tumors(
        database.num_tumors, seed=split_seed, snapshots_per_run=database.header.snapshots_per_run
    )
    tests = tests[: chosen.num_tumors]
    judge = _Judge(
        database=database,
        anatomy=atlas.anatomy(database.header.grid, domain_rule=database.header.domain_rule),
        model=recorded_model(database.header.model, source=str(database.path)),
        settings=chosen,
    )
    counter = RunCounter("evaluate inverse networks", len(tests), report)
    with ThreadPoolExecutor(require_threads(chosen.num_threads)) as executor:
        are_drawn = [place < num_cases for place in range(len(tests))]
        asked = executor.map(partial(judge.judged, predictors), tests.tolist(), are_drawn)
        answers = [counter.timed(partial(next, asked))[1] for _ in tests]
    seconds = judge.seconds(predictors, tests.tolist(), report)
    return InverseEvaluation(
        settings=chosen,
        num_tumors=len(tests),
        architecture=platform.machine(),
        num_cores=available_cores(),
        load_average=load_average,
        scores=tuple(
            _score(
                predictor, [judged.answers[column] for judged in answers if judged.answers], len(tests), seconds[column]
            )
            for column, predictor in enumerate(predictors)
        ),
        cases=tuple(case for judged in answers for case in judged.cases),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judged:
    """Answers of all networks to one tumor, none without a core, and the tumor as it is drawn."""

    answers: tuple[_Answer, ...]
    cases: tuple[MethodAnswer, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judge:
    """What all networks are judged by."""

    database: SimulationDatabase
    anatomy: Anatomy
    model: GrowthModel[Any]
    settings: InverseEvaluationSettings

    @cached_property
    def _tissues(self) -> dict[str, NDArray[np.float32]]:
        """Soft fractions, as the authors take them."""
        maps = self.anatomy.tissue_maps
        if maps is None:
            raise ParameterError("the anatomy has no tissue maps: expected those of an atlas.")
        return {name: getattr(maps, name) for name in TISSUES}

    def judged(self, predictors: Sequence[InversePredictor], tumor: int, is_drawn: bool) -> _Judged:
        """What becomes of each prediction."""
        masks = self.shown(tumor)
        if masks is None:
            return _Judged(answers=(), cases=())
        parameters, time_days = self.database.growth_of(tumor)
        true = PredictedTumor(parameters=parameters, growth_time_days=time_days, seed_moved_mm=0.0)
        # Floors of several networks are often of one tumor, and without mass effect of the true one.
        grow = cache(self._grown)
        truth = grow(true)
        answers = tuple(self._answer(predictor, masks, truth, true, grow) for predictor in predictors)
        return _Judged(
            answers=answers, cases=_cases(predictors, answers, masks, truth, f"tumor {tumor}") if is_drawn else ()
        )

    def shown(self, tumor: int) -> Observation | None:
        """Masks of a tumor; None without a core."""
        observation = self.settings.observation
        rng = np.random.default_rng((self.settings.seed, tumor))
        core, whole = drawn_masks(self.database.density_levels(tumor), observation, rng)
        if observation.perturbation is not None:
            core, whole = perturbed_masks(core, whole, observation.perturbation, self.anatomy.spacing_mm, rng)
        if not core.any():
            return None
        return Observation(tumor_core=core, whole_tumor=whole, grid=self.anatomy.grid)

    def seconds(
        self, predictors: Sequence[InversePredictor], tumors: Sequence[int], report: Reporter
    ) -> list[tuple[float, float]]:
        """Median seconds of prediction and simulation of each network, tumor by tumor on one thread."""
        masks = [shown for shown in map(self.shown, tumors[: self.settings.num_timed]) if shown is not None]
        counter = RunCounter("time inverse networks", len(predictors) * len(masks), report)
        measured: list[list[tuple[float, float]]] = [[] for _ in predictors]
        with threads_of_worker(1):
            for segmentation in masks:
                for own, predictor in zip(measured, predictors, strict=True):
                    own.append(counter.timed(partial(self._timed, predictor, segmentation))[1])
        return [_medians(own) for own in measured]

    def _answer(
        self,
        predictor: InversePredictor,
        observation: Observation,
        truth: NDArray[np.float32],
        true: PredictedTumor,
        grow: Callable[[PredictedTumor], NDArray[np.float32]],
    ) -> _Answer:
        seed_error_mm, moved_mm, is_clamped, density = np.full(3, math.nan), math.nan, False, None
        # Masks that the network does not take, or a tumor that the solver cannot grow.
        with suppress(SegmentationError):
            prediction = predictor.predict(observation)
            tumor = predicted_tumor(predictor.header, prediction, self.anatomy)
            seed_error_mm = np.abs(np.subtract(prediction.seed_mm, true.parameters.seed_mm))
            moved_mm, is_clamped = tumor.seed_moved_mm, bool(prediction.clamped)
            with suppress(GliofieldError):
                density = self._grown(tumor)
        floor = None
        with suppress(GliofieldError):
            floor = self._errors(grow(self._known(predictor.header, true)), truth)
        return _Answer(
            errors=self._errors(np.zeros_like(truth) if density is None else density, truth),
            floor=floor,
            density=density,
            seed_error_mm=seed_error_mm,
            seed_moved_mm=moved_mm,
            is_clamped=is_clamped,
        )

    def _known(self, header: InverseHeader, true: PredictedTumor) -> PredictedTumor:
        """The tumor of a prediction whose every target is true."""
        values = growth_values_of(true.parameters, true.growth_time_days)
        rates = GrowthRates(**{name: values[name] for name in RATE_NAMES})
        if header.settings.targets.growth == "invariants":
            rates = GrowthRates.of_invariants(rates.mu1_mm, rates.mu2)
        prediction = InversePrediction(
            rates=rates, seed_mm=true.parameters.seed_mm, targets=values if header.settings.targets.has_push else {},
            spread={}, clamped=(),
        )  # fmt: skip
        return predicted_tumor(header, prediction, self.anatomy)

    def _errors(self, density: NDArray[np.float32], truth: NDArray[np.float32]) -> DensityErrors:
        return density_errors(density, truth, self._tissues, levels=INVERSE_LEVELS)

    def _grown(self, tumor: PredictedTumor) -> NDArray[np.float32]:
        """The density (X, Y, Z) of a prediction."""
        return self.model.simulate(self.anatomy, tumor.parameters, [tumor.growth_time_days]).cell_density[0]

    def _timed(self, predictor: InversePredictor, observation: Observation) -> tuple[float, float]:
        """Seconds of prediction and simulation; NaN where network or solver refuses the tumor."""
        network_s = simulation_s = float("nan")
        with suppress(GliofieldError):
            network_s, prediction = timed(lambda: predictor.predict(observation))
            tumor = predicted_tumor(predictor.header, prediction, self.anatomy)
            simulation_s, _ = timed(lambda: self._grown(tumor))
        return network_s, simulation_s


def _medians(seconds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Medians of what is defined."""
    columns = np.array(seconds, dtype=np.float64).reshape(-1, 2).T
    network_s, simulation_s = (MeanValue.of(column).median for column in columns)
    return network_s, simulation_s


def _score(
    predictor: InversePredictor, answers: Sequence[_Answer], num_tumors: int, seconds: tuple[float, float]
) -> InverseScore:
    header = predictor.header
    errors = [answer.errors for answer in answers]
    floors = [answer.floor for answer in answers if answer.floor is not None]
    seeds = np.array([answer.seed_error_mm for answer in answers]).reshape(-1, 3)
    return InverseScore(
        name=os.path.basename(predictor.path),
        growth_model=str(header.origin.model["name"]),
        targets=targets_label(header),
        is_small=header.is_small,
        num_training_tumors=header.num_training_tumors,
        num_members=header.settings.num_members,
        published={name: MeanValue.of([error.published[name] for error in errors]) for name in TISSUES},
        floor={name: MeanValue.of([error.published[name] for error in floors]) for name in TISSUES},
        union={name: MeanValue.of([error.union[name] for error in errors]) for name in (*TISSUES, "all")},
        dice={level: MeanValue.of([error.dice[level] for error in errors]) for level in INVERSE_LEVELS},
        location_mm=MeanValue.of(np.linalg.norm(seeds, axis=1)),
        location_axis_mm=MeanValue.of(seeds.mean(axis=1) if len(seeds) else []),
        num_clamped=sum(answer.is_clamped for answer in answers),
        seed_moved_mm=MeanValue.of([answer.seed_moved_mm for answer in answers]),
        num_not_simulated=sum(answer.density is None for answer in answers),
        num_without_core=num_tumors - len(answers),
        network_s=seconds[0],
        simulation_s=seconds[1],
        errors=tuple(errors),
    )


def _cases(
    predictors: Sequence[InversePredictor],
    answers: Sequence[_Answer],
    masks: Observation,
    truth: NDArray[np.float32],
    name: str,
) -> tuple[MethodAnswer, ...]:
    """The true density of a tumor and those of all networks, with their errors, as pictures show them."""
    shown: list[tuple[str, NDArray[np.float32] | None, str]] = [("truth", truth, "")]
    for predictor, answer in zip(predictors, answers, strict=True):
        gray, white = (number(answer.errors.published[tissue], ".3f") for tissue in ("gray_matter", "white_matter"))
        shown.append((os.path.basename(predictor.path), answer.density, f"error {gray} GM, {white} WM"))
    return tuple(
        MethodAnswer(
            query=name, group="test", method=method, agreement=None, caption=caption,
            failure="" if density is not None else "refused", seconds=math.nan, axial_slice=axial_slice(masks, density),
        )
        for method, density, caption in shown
    )  # fmt: skip


def targets_label(header: InverseHeader) -> str:
    """What a network predicts, as the paper's Table 1 writes it: braces enclose what one network predicts."""
    targets = header.settings.targets
    growth = "μ1, μ2" if targets.growth == "invariants" else "D_w, ρ, T"
    growth += ", γ" if targets.has_push else ""
    label = f"{{{growth}, x}}" if targets.is_joint else f"{{{growth}}}, {{x}}"
    return f"{label}, log" if targets.scale == "log" else label


def _is_of(header: InverseHeader, database: SimulationDatabase) -> bool:
    """Whether a network was trained on tumors of this database, or of another of the same tumors."""
    record = header.origin.record
    own = (record.get("design"), record.get("root_seed"))
    return record.get("source") == "database" and own == (dict(database.header.design), database.header.root_seed)


def _split_seed(predictors: Sequence[InversePredictor], database: SimulationDatabase) -> int:
    """Seed of the split of the first network of this database; 0 if all are of other tumors, and have seen none."""
    seeds = [int(each.header.origin.record["split_seed"]) for each in predictors if _is_of(each.header, database)]
    return seeds[0] if seeds else 0


def _require_fit(predictor: InversePredictor, database: SimulationDatabase, atlas: Atlas, split_seed: int) -> None:
    predictor.require_atlas(atlas.name, atlas.content_hash)
    if database.header.atlas_hash != atlas.content_hash:
        raise DatabaseError(
            f"{database.path} holds tumors of the atlas {database.header.atlas_name!r}, not of {atlas.name!r}."
        )
    origin = predictor.header.origin
    if not origin.grid.is_same_as(database.header.grid):
        raise DatabaseError(
            f"{predictor.path} was trained on another grid than that of {database.path}:\n  checkpoint  "
            f"{origin.grid.describe()}\n  database    {database.header.grid.describe()}"
        )
    if origin.model["name"] != database.header.model["name"]:
        raise DatabaseError(
            f"{predictor.path} was trained on tumors of the growth model {origin.model['name']!r}, {database.path} "
            f"holds tumors of {database.header.model['name']!r}."
        )
    if not _is_of(predictor.header, database):
        return
    record = origin.record
    if database.header.snapshots_per_run > 1 and record.get("split_unit") != "run":
        raise DatabaseError(
            f"{predictor.path} was trained on a split that tears snapshots of one simulation apart, so it knows the "
            "test tumors by others of their run. Train it again."
        )
    seen = tuple(int(record.get(name, 0)) for name in ("first_tumor", "num_tumors", "split_seed"))
    if seen != (database.header.first_tumor, database.num_tumors, split_seed):
        first, number, seed = seen
        raise DatabaseError(
            f"{predictor.path} was trained on another split of the tumors of {database.path} ({number} tumors from "
            f"number {first} on, split seed {seed}), so it has seen some of the test tumors. Evaluate it by a database "
            "of another seed."
        )
