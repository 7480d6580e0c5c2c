"""Real patients, or any masks in the atlas, by method ``infer`` next to method ``query``.

Both methods get the same masks on the grid of the database and are scored by the same Dice of what they answer with
these masks, at the thresholds of the query. Masks without a core are left out: the networks do not take them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from gliomap.anatomy import Atlas, Segmentation
from gliomap.database import SimulationDatabase
from gliomap.errors import GliomapError, ParameterError
from gliomap.experiments.matching_queries import MatchingQueries
from gliomap.experiments.measuring import RunCounter
from gliomap.imaging.visibility import VisibilityThresholds
from gliomap.inverse import InversePredictor
from gliomap.personalize import AtlasObservation, InverseMethod, MaskAgreement, QueryMethod, mask_agreement
from gliomap.personalize.infer_method import InferMethod
from gliomap.progress import Reporter, ignore_progress

#: Name of the method that every network is compared with.
QUERY_NAME = "query"


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
    """

    query: str
    group: str
    method: str
    agreement: MaskAgreement | None
    failure: str
    seconds: float


def compare_with_query(
    database: SimulationDatabase,
    atlas: Atlas,
    checkpoints: Sequence[str | os.PathLike[str]],
    queries: MatchingQueries,
    *,
    thresholds: VisibilityThresholds | None = None,
    num_threads: int | None = None,
    device: str = "auto",
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
        Trained networks.
    queries : MatchingQueries
        Masks on the grid of the database (`on_grid_of`).
    thresholds : VisibilityThresholds or None
        Densities that T1Gd and FLAIR show; None: 0.6 and 0.2.
    num_threads : int or None
        Threads of the search; None: all cores.
    device : str
        Where networks compute.
    report : Reporter
        Told of every answer.

    Raises
    ------
    ParameterError
        If no query has a core.
    DatabaseError
        If a network was trained in another atlas.
    GridMismatchError
        If database, networks and queries do not share one grid.
    """
    shown = VisibilityThresholds() if thresholds is None else thresholds
    methods: dict[str, InverseMethod] = {
        QUERY_NAME: QueryMethod(database=database, num_candidates=1, num_threads=num_threads)
    }
    for path in checkpoints:
        predictor = InversePredictor(path, device=device)
        methods[os.path.basename(os.fspath(path))] = InferMethod(predictor=predictor, atlas=atlas)
    for name, method in methods.items():
        method.grid.require_same_as(queries.packed.grid, self_name=f"grid of {name}", other_name="grid of the queries")
    rows = [row for row in range(len(queries.packed)) if queries.packed.query(row).has_core]
    if not rows:
        raise ParameterError("none of the queries has a tumor core: expected at least one.")
    counter = RunCounter("compare methods", len(rows) * len(methods), report)
    answers = []
    for row in rows:
        query = queries.packed.query(row)
        segmentation = Segmentation(
            tumor_core=query.tumor_core, whole_tumor=query.whole_tumor, grid=queries.packed.grid
        )
        observation = AtlasObservation(segmentation=segmentation, thresholds=shown)
        for name, method in methods.items():
            own = _Asked(method, observation)
            seconds, (agreement, failure) = counter.timed(own.answer)
            answers.append(
                MethodAnswer(
                    query=queries.names[row],
                    group=queries.groups[row],
                    method=name,
                    agreement=agreement,
                    failure=failure,
                    seconds=seconds,
                )
            )
    return tuple(answers)


@dataclass(frozen=True, eq=False)
class _Asked:
    """One method, asked about one observation."""

    method: InverseMethod
    observation: AtlasObservation

    def answer(self) -> tuple[MaskAgreement | None, str]:
        """Dice of the answer, or None and why there is none."""
        try:
            estimate = self.method.estimate(self.observation, report=ignore_progress)
        except GliomapError as error:
            return None, str(error)
        density = estimate.cell_density.data
        return mask_agreement(density, self.observation.segmentation, self.observation.thresholds), ""
