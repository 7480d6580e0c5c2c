"""Real patients, or any masks in the atlas, by method ``infer`` next to method ``query``.

Both methods get the same masks and are scored by the same Dice of what they answer with these masks on the grid of the
database, at the thresholds of the query. A network of another grid sees the masks on its own, and its density comes
back linearly: so networks of both growth models can be asked. Masks without a core are left out: the networks do not
take them.
Densities are not kept, but for one axial slice of the first queries where a picture is wanted.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas, AtlasSpace
from gliofield.database import SimulationDatabase
from gliofield.errors import GliofieldError, ParameterError
from gliofield.imaging import InverseMethod, Observation, VisibilityThresholds
from gliofield.inverse import InversePredictor
from gliofield.metrics import MaskAgreement, mask_agreement
from gliofield.pipeline import QueryMethod
from gliofield.pipeline.infer_method import InferMethod
from gliofield.progress import Reporter, ignore_progress
from gliofield.resample import resample
from gliofield.retrieval.query import on_database_grid
from gliofield_papers.measuring import RunCounter
from gliofield_papers.queries.matching_queries import MatchingQueries

#: Name of the method that every network is compared with.
QUERY_NAME = "query"


@dataclass(frozen=True, kw_only=True, eq=False)
class AxialSlice:
    """The axial slice through the center of a query's core: its masks and an answer.

    Parameters
    ----------
    index : int
        Which slice of the grid of the database.
    tumor_core, whole_tumor : (X, Y, 1) bool arrays
        Masks of the query.
    cell_density : (X, Y, 1) float32 array or None
        What the method answered; None where it failed.
    """

    index: int
    tumor_core: NDArray[np.bool_]
    whole_tumor: NDArray[np.bool_]
    cell_density: NDArray[np.float32] | None


@dataclass(frozen=True, kw_only=True)
class MethodAnswer:
    """How well one method matched the masks of one query.

    Parameters
    ----------
    query, group : str
        Name and group of the query.
    method : str
        ``query``, or the file of a checkpoint.
    agreement : MaskAgreement or None
        Dice in the atlas; None where the method failed.
    caption : str
        What a picture says of it.
    failure : str
        Why it failed.
    seconds : float
        Wall time of the method alone.
    axial_slice : AxialSlice or None
        What a picture shows; None where none was wanted.
    """

    query: str
    group: str
    method: str
    agreement: MaskAgreement | None
    caption: str
    failure: str
    seconds: float
    axial_slice: AxialSlice | None = field(default=None, repr=False, compare=False)


def compare_with_query(
    database: SimulationDatabase,
    atlas: Atlas,
    checkpoints: Sequence[str | os.PathLike[str]],
    queries: MatchingQueries,
    *,
    thresholds: VisibilityThresholds | None = None,
    num_threads: int | None = None,
    device: str = "auto",
    num_slices: int = 0,
    report: Reporter = ignore_progress,
) -> tuple[MethodAnswer, ...]:
    """Answers of all methods to all queries that have a core, query by query.

    Parameters
    ----------
    database : SimulationDatabase
        What method ``query`` searches.
    atlas : Atlas
        Its atlas, and that of the networks.
    checkpoints : sequence of path
        Trained networks, of any growth model and grid.
    queries : MatchingQueries
        Masks on the grid of the database (`on_grid_of`).
    thresholds : VisibilityThresholds or None
        Densities that T1Gd and FLAIR show; None: 0.6 and 0.2.
    num_threads : int or None
        Threads of the search; None: all cores.
    device : str
        Where networks compute.
    num_slices : int
        Queries, from the first on, of whose answers a slice is kept, ≥ 0.
    report : Reporter
        Told of every answer.

    Raises
    ------
    ParameterError
        If no query has a core, or `num_slices` is negative.
    DatabaseError
        If a network was trained in another atlas.
    GridMismatchError
        If database and queries do not share one grid.
    """
    if num_slices < 0:
        raise ParameterError(f"num_slices must not be negative, got {num_slices}.")
    shown = VisibilityThresholds() if thresholds is None else thresholds
    methods: dict[str, InverseMethod] = {
        QUERY_NAME: QueryMethod(database=database, num_candidates=1, num_threads=num_threads)
    }
    for path in checkpoints:
        predictor = InversePredictor(path, device=device)
        methods[os.path.basename(os.fspath(path))] = InferMethod(predictor=predictor, atlas=atlas)
    database.header.grid.require_same_as(
        queries.packed.grid, self_name="grid of the database", other_name="grid of the queries"
    )
    rows = [row for row in range(len(queries.packed)) if queries.packed.query(row).has_core]
    if not rows:
        raise ParameterError("none of the queries has a tumor core: expected at least one.")
    counter = RunCounter("compare methods", len(rows) * len(methods), report)
    answers = []
    for number, row in enumerate(rows):
        observation = dataclasses.replace(queries.packed.query(row), thresholds=shown)
        for name, method in methods.items():
            own = _Asked(method, atlas, observation)
            seconds, (agreement, failure, density) = counter.timed(own.answer)
            answers.append(
                MethodAnswer(
                    query=queries.names[row],
                    group=queries.groups[row],
                    method=name,
                    agreement=agreement,
                    caption="" if agreement is None else _dice_of(agreement),
                    failure=failure,
                    seconds=seconds,
                    axial_slice=axial_slice(observation, density) if number < num_slices else None,
                )
            )
    return tuple(answers)


@dataclass(frozen=True, eq=False)
class _Asked:
    """One method, asked about one observation."""

    method: InverseMethod
    atlas: Atlas
    observation: Observation

    def answer(self) -> tuple[MaskAgreement | None, str, NDArray[np.float32] | None]:
        """Dice of the answer, or None; why there is none; and the density; all on the grid of the observation."""
        seen = self.observation
        try:
            estimate = self.method.estimate(self._in_space(), report=ignore_progress)
        except GliofieldError as error:
            return None, str(error), None
        density = resample(estimate.cell_density, seen.grid).data
        shown = seen.thresholds.tumor_core(density), seen.thresholds.whole_tumor(density)
        return mask_agreement(*shown, seen), "", density

    def _in_space(self) -> Observation:
        """The masks on the grid that the method asks for in the atlas."""
        request = self.method.request_space("atlas")
        space = AtlasSpace(anatomy=self.atlas.anatomy(request.grid, domain_rule=request.domain_rule))
        return dataclasses.replace(on_database_grid(self.observation, space.grid), space=space)


def _dice_of(agreement: MaskAgreement) -> str:
    return f"Dice {agreement.dice_t1gd or 0.0:.2f} + {agreement.dice_flair:.2f}"


def axial_slice(observation: Observation, density: NDArray[np.float32] | None) -> AxialSlice:
    """The slice through the center of the core of an observation, (X, Y, 1) each; `density` is (X, Y, Z)."""
    core = observation.tumor_core
    index = round(float(np.nonzero(core)[2].mean()))
    place = np.s_[:, :, index : index + 1]
    return AxialSlice(
        index=index,
        tumor_core=core[place].copy(),
        whole_tumor=observation.whole_tumor[place].copy(),
        cell_density=None if density is None else density[place].copy(),
    )
