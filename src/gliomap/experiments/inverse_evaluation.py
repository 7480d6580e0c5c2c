"""Table 1 of Learn-Morph-Infer on trained inverse networks: predict, simulate, compare with the truth.

Tumors are the test part of a database's split, which no network of that database has seen. Each shows the masks at two
thresholds drawn from the ranges of the training; the network says its parameters, the solver grows them, and the
density is compared with the true one. Networks are asked about the same tumors with the same thresholds.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliomap.anatomy import Anatomy, Atlas, Segmentation
from gliomap.cores import available_cores, require_threads
from gliomap.database import SimulationDatabase, dequantize, named_model
from gliomap.errors import DatabaseError, GliomapError, ParameterError
from gliomap.experiments.density_errors import (
    INVERSE_LEVELS,
    DensityErrors,
    MeanValue,
    density_errors,
    tissue_fractions,
)
from gliomap.experiments.measuring import RunCounter, timed
from gliomap.growth import FisherKolmogorovParameters, GrowthModel, MassEffectParameters
from gliomap.inverse import InverseHeader, InversePrediction, InversePredictor, split_tumors
from gliomap.inverse.observation import drawn_threshold_level
from gliomap.personalize.infer_method import nearest_tissue
from gliomap.progress import Reporter, ignore_progress


@dataclass(frozen=True, kw_only=True)
class InverseEvaluationSettings:
    """Size of the evaluation.

    Parameters
    ----------
    num_tumors : int
        Test tumors asked about, ≥ 1; fewer if the database has fewer.
    seed : int
        Of the thresholds, ≥ 0.
    num_threads : int or None
        Threads that simulate; None: all cores. Seconds are those of one thread.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    num_tumors: int = 500
    seed: int = 0
    num_threads: int | None = None

    def __post_init__(self) -> None:
        if self.num_tumors < 1 or self.seed < 0:
            raise ParameterError(
                f"num_tumors must be at least 1 and seed not negative, got {self.num_tumors} and {self.seed}."
            )

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
    dice : mapping of float to MeanValue
        Dice by level.
    location_mm, location_axis_mm : MeanValue
        Distance of the seeds [mm], and the mean of its three components, which the authors report.
    num_clamped : int
        Predictions clamped to the trained range.
    seed_moved_mm : MeanValue
        Distance of predicted seeds from the tissue [mm].
    num_not_simulated : int
        Predictions whose tumor the solver refused.
    num_without_core : int
        Tumors whose drawn threshold left no core, of which nothing was asked.
    network_s, simulation_s : float
        Median seconds of a prediction, one at a time, and of its simulation on one thread.
    """

    name: str
    growth_model: str
    targets: str
    is_small: bool
    num_training_tumors: int
    num_members: int
    published: dict[str, MeanValue] = field(hash=False)
    union: dict[str, MeanValue] = field(hash=False)
    dice: dict[float, MeanValue] = field(hash=False)
    location_mm: MeanValue
    location_axis_mm: MeanValue
    num_clamped: int
    seed_moved_mm: MeanValue
    num_not_simulated: int
    num_without_core: int
    network_s: float
    simulation_s: float


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
    """

    settings: InverseEvaluationSettings
    num_tumors: int
    architecture: str
    num_cores: int
    load_average: float
    scores: tuple[InverseScore, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Answer:
    """What a network says of one tumor, and what became of it."""

    errors: DensityErrors | None
    seed_error_mm: NDArray[np.float64]
    seed_moved_mm: float
    is_clamped: bool
    network_s: float
    simulation_s: float


def evaluate_inverse(
    database: SimulationDatabase,
    atlas: Atlas,
    checkpoints: Sequence[str | os.PathLike[str]],
    *,
    settings: InverseEvaluationSettings | None = None,
    device: str = "auto",
    report: Reporter = ignore_progress,
) -> InverseEvaluation:
    """Compare trained networks on the test tumors of a database.

    Parameters
    ----------
    database : SimulationDatabase
        Its test part is asked about. Networks trained on it must have its split.
    atlas : Atlas
        The atlas of the database.
    checkpoints : sequence of path
        Trained networks, at least one.
    settings : InverseEvaluationSettings or None
        Size of the evaluation.
    device : str
        Where networks compute: ``auto``, ``cpu`` or ``cuda``.
    report : Reporter
        Told of every tumor.

    Raises
    ------
    ParameterError
        If there is no checkpoint, or the database is too small to be split.
    DatabaseError
        If a network was trained in another atlas, on another grid or growth model, or with another split of this
        database, so that it has seen test tumors.
    """
    chosen = InverseEvaluationSettings() if settings is None else settings
    if not checkpoints:
        raise ParameterError("there is nothing to evaluate: give at least one checkpoint.")
    load_average = os.getloadavg()[0]
    predictors = [InversePredictor(path, device=device) for path in checkpoints]
    split_seed = _split_seed(predictors[0].header)
    for predictor in predictors:
        _require_fit(predictor, database, atlas, split_seed)
    _, _, tests = split_tumors(database.num_tumors, seed=split_seed)
    tests = tests[: chosen.num_tumors]
    counter = RunCounter("evaluate inverse networks", len(tests) * len(predictors), report)
    anatomy = atlas.anatomy(database.header.grid, domain_rule=database.header.domain_rule)
    judge = _Judge(database=database, anatomy=anatomy, model=_growth_model(database), seed=chosen.seed)
    scores = []
    for predictor in predictors:
        with ThreadPoolExecutor(require_threads(chosen.num_threads)) as executor:
            asked = executor.map(partial(judge.answer, predictor), tests.tolist())
            answers = [counter.timed(partial(next, asked))[1] for _ in tests]
        scores.append(_score(predictor, answers))
    return InverseEvaluation(
        settings=chosen,
        num_tumors=len(tests),
        architecture=platform.machine(),
        num_cores=available_cores(),
        load_average=load_average,
        scores=tuple(scores),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judge:
    """What all networks are judged by."""

    database: SimulationDatabase
    anatomy: Anatomy
    model: GrowthModel[Any]
    seed: int

    def answer(self, predictor: InversePredictor, tumor: int) -> _Answer | None:
        """What becomes of a prediction; None if the tumor shows no core."""
        levels = self.database.density_levels(tumor)
        observation = predictor.header.settings.observation
        rng = np.random.default_rng((self.seed, tumor))
        core = levels > drawn_threshold_level(rng, observation.t1gd_thresholds)
        whole = levels > drawn_threshold_level(rng, observation.flair_thresholds)
        if not core.any():
            return None
        segmentation = Segmentation(tumor_core=core, whole_tumor=whole, grid=self.anatomy.grid)
        network_s, prediction = timed(lambda: predictor.predict(segmentation))
        seed_mm, moved_mm = nearest_tissue(self.anatomy, prediction.seed_mm)
        parameters = _parameters(predictor.header, prediction, seed_mm)
        times_days = (prediction.rates.growth_time_days,)
        try:
            simulation_s, solution = timed(lambda: self.model.simulate(self.anatomy, parameters, times_days))
        except GliomapError:
            simulation_s, errors = float("nan"), None
        else:
            assert self.anatomy.tissue_maps is not None
            errors = density_errors(
                solution.cell_density[0],
                dequantize(levels),
                tissue_fractions(self.anatomy.tissue_maps),
                levels=INVERSE_LEVELS,
            )
        return _Answer(
            errors=errors,
            seed_error_mm=np.abs(np.array(prediction.seed_mm) - self.database.parameters[tumor, 3:6]),
            seed_moved_mm=moved_mm,
            is_clamped=bool(prediction.clamped),
            network_s=network_s,
            simulation_s=simulation_s,
        )


def _score(predictor: InversePredictor, given: Sequence[_Answer | None]) -> InverseScore:
    header = predictor.header
    answers = [answer for answer in given if answer is not None]
    errors = [answer.errors for answer in answers if answer.errors is not None]
    seeds = np.array([answer.seed_error_mm for answer in answers]).reshape(-1, 3)
    simulation_s = [answer.simulation_s for answer in answers if answer.errors is not None]
    return InverseScore(
        name=os.path.basename(predictor.path),
        growth_model=str(header.origin.model["name"]),
        targets=targets_label(header),
        is_small=header.is_small,
        num_training_tumors=header.num_training_tumors,
        num_members=header.settings.num_members,
        published={
            name: MeanValue.of([error.published[name] for error in errors])
            for name in ("white_matter", "gray_matter", "csf")
        },
        union={
            name: MeanValue.of([error.union[name] for error in errors])
            for name in ("white_matter", "gray_matter", "csf", "all")
        },
        dice={level: MeanValue.of([error.dice[level] for error in errors]) for level in INVERSE_LEVELS},
        location_mm=MeanValue.of(np.linalg.norm(seeds, axis=1)),
        location_axis_mm=MeanValue.of(seeds.mean(axis=1) if len(seeds) else []),
        num_clamped=sum(answer.is_clamped for answer in answers),
        seed_moved_mm=MeanValue.of([answer.seed_moved_mm for answer in answers]),
        num_not_simulated=len(answers) - len(errors),
        num_without_core=len(given) - len(answers),
        network_s=float(np.median([answer.network_s for answer in answers])) if answers else float("nan"),
        simulation_s=float(np.median(simulation_s)) if simulation_s else float("nan"),
    )


def targets_label(header: InverseHeader) -> str:
    """What a network predicts, as the paper's Table 1 writes it: braces enclose what one network predicts."""
    targets = header.settings.targets
    growth = "μ1, μ2" if targets.growth == "invariants" else "D_w, ρ, T"
    label = f"{{{growth}, x}}" if targets.is_joint else f"{{{growth}}}, {{x}}"
    return f"{label}, log" if targets.scale == "log" else label


def _parameters(
    header: InverseHeader, prediction: InversePrediction, seed_mm: tuple[float, float, float]
) -> FisherKolmogorovParameters:
    rates = prediction.rates
    if header.has_mass_effect:
        return MassEffectParameters(
            white_matter_diffusivity_mm2_per_day=rates.white_matter_diffusivity_mm2_per_day,
            proliferation_rate_per_day=rates.proliferation_rate_per_day,
            seed_mm=seed_mm,
            push_pa=header.push_pa,
        )
    return FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=rates.white_matter_diffusivity_mm2_per_day,
        proliferation_rate_per_day=rates.proliferation_rate_per_day,
        seed_mm=seed_mm,
    )


def _growth_model(database: SimulationDatabase) -> GrowthModel[Any]:
    return named_model("mass-effect" if database.header.model["name"] == "mass-effect" else "fk")


def _split_seed(header: InverseHeader) -> int:
    """Seed of the split a network was trained with; 0 for one trained on the fly, which has seen no database."""
    return int(header.origin.record.get("split_seed", 0))


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
    record = origin.record
    if record.get("source") != "database":
        return
    own = (record.get("design"), record.get("root_seed"))
    if own == (dict(database.header.design), database.header.root_seed) and (
        record.get("num_tumors") != database.num_tumors or int(record["split_seed"]) != split_seed
    ):
        raise DatabaseError(
            f"{predictor.path} was trained on another split of {database.path} ({record.get('num_tumors')} tumors, "
            f"split seed {record['split_seed']}), so it has seen some of the test tumors. Evaluate it by a database of "
            "another seed."
        )
