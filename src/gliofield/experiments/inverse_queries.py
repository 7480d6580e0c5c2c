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

from gliofield.anatomy import Atlas, Segmentation
from gliofield.database import SimulationDatabase
from gliofield.errors import GliofieldError, ParameterError
from gliofield.experiments.matching_queries import MatchingQueries
from gliofield.experiments.measuring import RunCounter
from gliofield.grid import Grid
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.inverse import InversePredictor
from gliofield.personalize import AtlasObservation, InverseMethod, MaskAgreement, QueryMethod, mask_agreement
from gliofield.personalize.infer_method import InferMethod
from gliofield.progress import Reporter, ignore_progress
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

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
    failure : str
        Why it did.
    seconds : float
        Wall time of the method alone.
    axial_slice : AxialSlice or None
        What a picture shows; None where none was wanted.
    """

    query: str
    group: str
    method: str
    agreement: MaskAgreement | None
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
        query = queries.packed.query(row)
        segmentation = Segmentation(
            tumor_core=query.tumor_core, whole_tumor=query.whole_tumor, grid=queries.packed.grid
        )
        observation = AtlasObservation(segmentation=segmentation, thresholds=shown)
        for name, method in methods.items():
            own = _Asked(method, observation)
            seconds, (agreement, failure, density) = counter.timed(own.answer)
            answers.append(
                MethodAnswer(
                    query=queries.names[row],
                    group=queries.groups[row],
                    method=name,
                    agreement=agreement,
                    failure=failure,
                    seconds=seconds,
                    axial_slice=_slice(segmentation, density) if number < num_slices else None,
                )
            )
    return tuple(answers)


@dataclass(frozen=True, eq=False)
class _Asked:
    """One method, asked about one observation."""

    method: InverseMethod
    observation: AtlasObservation

    def answer(self) -> tuple[MaskAgreement | None, str, NDArray[np.float32] | None]:
        """Dice of the answer, or None; why there is none; and the density; all on the grid of the observation."""
        segmentation = self.observation.segmentation
        try:
            estimate = self.method.estimate(_shown_on(self.method.grid, self.observation), report=ignore_progress)
        except GliofieldError as error:
            return None, str(error), None
        density = resample(estimate.cell_density, segmentation.grid).data
        return mask_agreement(density, segmentation, self.observation.thresholds), "", density


def _shown_on(grid: Grid, observation: AtlasObservation) -> AtlasObservation:
    """Masks in the atlas on another grid of it."""
    own = observation.segmentation
    if own.grid.is_same_as(grid):
        return observation
    core, whole = (resample_mask(Volume(mask, own.grid), grid).data for mask in (own.tumor_core, own.whole_tumor))
    moved = Segmentation(tumor_core=core & whole, whole_tumor=whole, grid=grid)
    return dataclasses.replace(observation, segmentation=moved)


def _slice(segmentation: Segmentation, density: NDArray[np.float32] | None) -> AxialSlice:
    core = segmentation.tumor_core
    index = round(float(np.nonzero(core)[2].mean()))
    place = np.s_[:, :, index : index + 1]
    return AxialSlice(
        index=index,
        tumor_core=core[place].copy(),
        whole_tumor=segmentation.whole_tumor[place].copy(),
        cell_density=None if density is None else density[place].copy(),
    )
