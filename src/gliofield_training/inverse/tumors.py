"""Where the tumors come from that an inverse network learns from: a database, or the solver while it learns.

Both give stored levels (`gliofield.database.quantization`), from which masks at any thresholds are made, and rows of
parameters. A database is split 80 : 8 : 12 into training, validation and test, as in the paper; snapshots of one
simulation, which share seed and rates, stay together. Tumors simulated on the fly are new ones in every batch: tumor r
of a batch depends on the batch's random numbers, hence on seed, epoch and place in the epoch, and on r alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.atlas import Atlas
from gliofield.anatomy.atlas_sources import resolve_atlas
from gliofield.anatomy.growth_domain import DEFAULT_DOMAIN_RULE
from gliofield.box import box_of, enclosing_box
from gliofield.cores import require_threads
from gliofield.database import Design, SimulationDatabase, TumorDraw, quantize_density
from gliofield.database.designs import DEFAULT_DESIGN, resolve_design
from gliofield.database.models import DEFAULT_MODEL, resolve_model
from gliofield.database.schema import DatabaseHeader, describe_model, describe_settings
from gliofield.database.simulate import MAX_ATTEMPTS, BatchSimulator
from gliofield.database.tumor_table import Rejections, parameter_row
from gliofield.errors import DatabaseError, NumericalError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import GrowthModel, Solution, needs_of
from gliofield.growth.many import PROCESSOR, simulate_many
from gliofield.growth.parameters import PUSH_NAME, TUMOR_NAMES
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.inverse.origin import TumorOrigin
from gliofield_training import Part

#: Parts of a database for training and validation; the rest is for tests.
TRAINING_SHARE, VALIDATION_SHARE = 0.80, 0.08
_NUM_SEED_BITS = 63


@dataclass(frozen=True, kw_only=True, eq=False)
class Tumor:
    """One simulated tumor: stored levels (X, Y, Z) of its density, and its parameters (P,) as databases store them."""

    levels: NDArray[np.uint8]
    parameters: NDArray[np.float64]


class TumorSource(Protocol):
    """Where the tumors of a training come from."""

    @property
    def origin(self) -> TumorOrigin:
        """What the tumors have in common."""
        ...

    @property
    def num_training_tumors(self) -> int:
        """Tumors per epoch, ≥ 1."""
        ...

    @property
    def num_validation_tumors(self) -> int:
        """Tumors to validate on."""
        ...

    def read(self, samples: Sequence[int], *, part: Part, rng: np.random.Generator) -> list[Tumor]:
        """Tumors of some samples of a part; all randomness comes from `rng`."""
        ...


class DatabaseTumors:
    """Tumors of a database, split at random into training, validation and test.

    Parameters
    ----------
    database : SimulationDatabase
        Where they are.
    seed : int
        Of the split, ≥ 0.
    num_training_tumors : int or None
        Use only so many of the training part, to learn what more of them buy; None: all.
    num_validation_tumors : int or None
        Use only so many of the validation part; None: all.
    num_threads : int or None
        Threads that decode; None: all cores.

    Raises
    ------
    ParameterError
        If the database is too small to be split, or has fewer tumors for training than asked for.
    """

    def __init__(
        self,
        database: SimulationDatabase,
        *,
        seed: int = 0,
        num_training_tumors: int | None = None,
        num_validation_tumors: int | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.database = database
        self._num_threads = require_threads(num_threads)
        snapshots_per_run = database.header.snapshots_per_run
        training, validation, self.test_tumors = split_tumors(
            database.num_tumors, seed=seed, snapshots_per_run=snapshots_per_run
        )
        for part, asked, tumors in (
            ("training", num_training_tumors, training),
            ("validation", num_validation_tumors, validation),
        ):
            if asked is not None and not 1 <= asked <= len(tumors):
                raise ParameterError(
                    f"num_{part}_tumors must be 1 to {len(tumors)}, the {part} part of {database.path} with its "
                    f"{database.num_tumors} tumors, got {asked}. Ask for fewer, or let the database grow."
                )
        self._tumors = {"training": training[:num_training_tumors], "validation": validation[:num_validation_tumors]}
        sizes = {f"num_{part}_tumors": len(tumors) for part, tumors in self._tumors.items()}
        # Networks of before split tumors, not runs: what says so keeps them apart where it makes a difference.
        unit = {"split_unit": "run"} if snapshots_per_run > 1 else {}
        self.origin = _origin_of(database, {"split_seed": seed, **unit, **sizes})

    @property
    def num_training_tumors(self) -> int:
        """Tumors to learn from."""
        return len(self._tumors["training"])

    @property
    def num_validation_tumors(self) -> int:
        """Tumors to validate on."""
        return len(self._tumors["validation"])

    def read(self, samples: Sequence[int], *, part: Part, rng: np.random.Generator) -> list[Tumor]:
        """Tumors of some samples; nothing is random.

        Raises
        ------
        DatabaseError
            If a tumor cannot be read.
        """
        with ThreadPoolExecutor(self._num_threads) as executor:
            return list(executor.map(self._tumor, self._tumors[part][list(samples)].tolist()))

    def _tumor(self, number: int) -> Tumor:
        return Tumor(levels=self.database.density_levels(number), parameters=self.database.parameters[number])


class SimulatedTumors:
    """Tumors that the solver grows while the network learns: no two epochs show the same.

    Parameters
    ----------
    atlas : Atlas, or what `load_atlas` takes
        Brain they grow in.
    num_training_tumors, num_validation_tumors : int
        Tumors per epoch, ≥ 1; and to validate on, the same in every epoch, ≥ 0.
    design : Design, or one of `design_names`
        Which are drawn and accepted; one snapshot per run.
    model : GrowthModel, "fk" or "mass-effect"
        How they grow.
    grid : Grid or None
        Where they grow; None: the atlas's `simulation_grid()`.
    domain_rule : str
        Which tissue they grow in, one of `DOMAIN_RULES`.
    num_threads : int or None
        Threads that simulate; None: all cores.
    device : str
        Where they grow: ``cpu``, or a device of `simulate_many`, which takes a batch at once.

    Raises
    ------
    ParameterError
        If an argument is of another type or out of range, or the design takes several snapshots of a run.
    """

    def __init__(
        self,
        *,
        atlas: Atlas | str | os.PathLike[str],
        num_training_tumors: int,
        num_validation_tumors: int,
        design: Design | str = DEFAULT_DESIGN,
        model: GrowthModel[Any] | str = DEFAULT_MODEL,
        grid: Grid | None = None,
        domain_rule: str = DEFAULT_DOMAIN_RULE,
        num_threads: int | None = None,
        device: str = PROCESSOR,
    ) -> None:
        if num_training_tumors < 1 or num_validation_tumors < 0:
            raise ParameterError(
                f"num_training_tumors must be at least 1 and num_validation_tumors not negative, got "
                f"{num_training_tumors} and {num_validation_tumors}."
            )
        self._model, self._device = resolve_model(model), device
        self._design = resolve_design(design, mass_effect=PUSH_NAME in needs_of(self._model))
        if self._design.snapshots_per_run != 1:
            raise ParameterError(
                f"the design of tumors simulated on the fly must have snapshots_per_run = 1, got "
                f"{self._design.snapshots_per_run}."
            )
        self.num_training_tumors, self.num_validation_tumors = num_training_tumors, num_validation_tumors
        brain = resolve_atlas(atlas)
        self._anatomy = brain.anatomy(grid, domain_rule=domain_rule)
        self._num_threads = require_threads(num_threads)
        self.origin = TumorOrigin(
            grid=self._anatomy.grid,
            atlas_name=brain.name,
            atlas_hash=brain.content_hash,
            domain_rule=self._anatomy.domain_rule,
            model=describe_model(self._model, backend=None if device == PROCESSOR else device.partition(":")[0]),
            occupied=box_of(self._anatomy.domain),
            record={
                "source": "simulated on the fly",
                "anatomy_hash": self._anatomy.content_hash,
                "design": describe_settings(self._design),
                "num_training_tumors": num_training_tumors,
                "num_validation_tumors": num_validation_tumors,
            },
        )

    def read(self, samples: Sequence[int], *, part: Part, rng: np.random.Generator) -> list[Tumor]:
        """New tumors, as many as samples.

        Raises
        ------
        DatabaseError
            If a tumor is not accepted in 1000 attempts.
        """
        simulator = self._simulator(int(rng.integers(1 << _NUM_SEED_BITS)))
        finished: dict[int, Tumor] = {}
        attempts = dict.fromkeys(range(len(samples)), 0)
        with ThreadPoolExecutor(self._num_threads) as executor:
            while attempts:
                drawn = list(executor.map(lambda item: _next_draw(simulator, *item), attempts.items()))
                draws = [draw for _, draw in drawn]
                outcomes = self._outcomes(simulator, draws, executor)
                for run, (attempt, draw), outcome in zip(list(attempts), drawn, outcomes, strict=True):
                    tumor = _accepted(simulator, draw, outcome)
                    attempts[run] = attempt + 1
                    if tumor is not None:
                        finished[run] = tumor
                        del attempts[run]
        return [finished[run] for run in range(len(samples))]

    def _simulator(self, root_seed: int) -> BatchSimulator:
        origin = self.origin
        header = DatabaseHeader(
            atlas_name=origin.atlas_name,
            atlas_hash=origin.atlas_hash,
            grid=origin.grid,
            domain_rule=origin.domain_rule,
            anatomy_hash=origin.record["anatomy_hash"],
            model=origin.model,
            design=origin.record["design"],
            root_seed=root_seed,
            snapshots_per_run=1,
            thresholds=VisibilityThresholds(),
            gliofield_version="",
        )
        return BatchSimulator(anatomy=self._anatomy, model=self._model, design=self._design, header=header)

    def _outcomes(
        self, simulator: BatchSimulator, draws: Sequence[TumorDraw], executor: ThreadPoolExecutor
    ) -> list[Solution | NumericalError]:
        if self._device != PROCESSOR:
            tumors = [(draw.parameters, draw.times_days) for draw in draws]
            limits = [draw.volume_limit for draw in draws]
            return list(simulate_many(self._model, simulator.anatomy, tumors, device=self._device, volume_limit=limits))
        return list(executor.map(lambda draw: _grown(simulator, draw), draws))


def split_tumors(
    num_tumors: int, *, seed: int, snapshots_per_run: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the tumors for training, validation and test: 80, 8 and 12 % of the runs in random order.

    Snapshots of one run share seed and rates: a network that learned one of them would know the others.

    Parameters
    ----------
    num_tumors : int
        Tumors of the database.
    seed : int
        Of the order, ≥ 0.
    snapshots_per_run : int
        Tumors of one simulation, ≥ 1; those of run r are numbered from r · snapshots_per_run on. They stay together
        and in order.

    Raises
    ------
    ParameterError
        If there are too few for one run of each.
    """
    num_runs = -(-num_tumors // snapshots_per_run)
    num_training, num_validation = int(TRAINING_SHARE * num_runs), int(VALIDATION_SHARE * num_runs)
    if num_validation < 1:
        smallest = (round(1 / VALIDATION_SHARE + 0.5) - 1) * snapshots_per_run + 1
        raise ParameterError(
            f"a database of {num_tumors} tumors is too small to be split 80 : 8 : 12: expected at least {smallest}. "
            "Let it grow, or simulate on the fly."
        )
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(num_runs)
    first, second = num_training, num_training + num_validation
    training, validation, test = (
        _tumors_of(runs, snapshots_per_run, num_tumors)
        for runs in (shuffled[:first], shuffled[first:second], shuffled[second:])
    )
    return training, validation, test


def _tumors_of(runs: NDArray[np.int64], snapshots_per_run: int, num_tumors: int) -> NDArray[np.int64]:
    """Tumors of some runs, those of a run in order; the last run of a database may not be complete."""
    tumors = (runs[:, np.newaxis] * snapshots_per_run + np.arange(snapshots_per_run)).ravel()
    return np.asarray(tumors[tumors < num_tumors])


def _origin_of(database: SimulationDatabase, split: Mapping[str, int | str]) -> TumorOrigin:
    header = database.header
    if database.parameter_names[: len(TUMOR_NAMES)] != TUMOR_NAMES:
        raise DatabaseError(
            f"{database.path} has the parameters {', '.join(database.parameter_names)}: expected "
            f"{', '.join(TUMOR_NAMES)} first. Build it again with this gliofield."
        )
    return TumorOrigin(
        grid=header.grid,
        atlas_name=header.atlas_name,
        atlas_hash=header.atlas_hash,
        domain_rule=header.domain_rule,
        model=header.model,
        occupied=enclosing_box(database.bounding_box),
        record={
            "source": "database",
            **header.to_attributes(),
            "num_tumors": database.num_tumors,
            **split,
        },
    )


def _next_draw(simulator: BatchSimulator, run: int, attempt: int) -> tuple[int, TumorDraw]:
    """The first attempt of a run, from a number on, that is worth simulating."""
    for number in range(attempt, MAX_ATTEMPTS):
        draw = simulator.draw(run, number)
        if simulator.is_worth_simulating(draw):
            return number, draw
    raise simulator.no_tumor_accepted(run, Rejections())


def _grown(simulator: BatchSimulator, draw: TumorDraw) -> Solution | NumericalError:
    try:
        return simulator.model.simulate(
            simulator.anatomy, draw.parameters, draw.times_days, volume_limit=draw.volume_limit
        )
    except NumericalError as error:
        return error


def _accepted(simulator: BatchSimulator, draw: TumorDraw, outcome: Solution | NumericalError) -> Tumor | None:
    if isinstance(outcome, NumericalError) or simulator.rejection_of(draw, outcome) is not None:
        return None
    return Tumor(
        levels=quantize_density(outcome.cell_density[0]),
        parameters=parameter_row(draw.parameters, outcome.times_days[0]),
    )
