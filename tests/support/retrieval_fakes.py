"""Strategies whose answers are known beforehand, and small sets of queries, for tests about comparing strategies."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.database import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval import ExhaustiveIndex, Hits
from gliofield_papers.indexes.full_scan import PackedQueries
from gliofield_papers.indexes.ranking_index import RankingIndex
from gliofield_papers.queries.matching_queries import MatchingQueries
from gliofield_papers.retrieval.strategies import NetworkDescription, RetrievalStrategy


class ShiftedIndex(ExhaustiveIndex):
    """Leaves out the nearest tumors, so that its best match has a known rank; with `finds_nothing` all of them."""

    shift = 0
    finds_nothing = False
    refuses = False

    def search(self, query: Observation, k: int, *, report: Reporter = ignore_progress) -> Hits:
        """The exact answer from the tumor after the first `shift`."""
        if self.refuses:
            raise ParameterError("nothing of the query is left")
        found = super().search(query, k + self.shift, report=report)
        return replace(found, hits=() if self.finds_nothing else found.hits[self.shift :])


class RebuildingIndex(ShiftedIndex):
    """A network that remembers whole tumors and half of every core's voxels."""

    def reconstruct(self, query: Observation) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Tumor core and whole tumor."""
        core = query.tumor_core.copy()
        core.flat[np.flatnonzero(core)[::2]] = False
        return core, query.whole_tumor


class RankingFake(ShiftedIndex, RankingIndex):
    """Ranks without scoring in no time, and takes a while to score."""

    SCORING_S = 0.02

    def nearest(self, query: Observation, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Nothing, or a refusal: who reads seconds does not look at it."""
        if self.refuses:
            raise ParameterError("nothing of the query is left")
        return np.empty(0, dtype=np.intp), np.empty(0)

    def search(self, query: Observation, k: int, *, report: Reporter = ignore_progress) -> Hits:
        """The exact answer, late."""
        time.sleep(self.SCORING_S)
        return super().search(query, k, report=report)


@dataclass(frozen=True)
class _Epoch:
    epoch: int
    training: dict[str, float]
    validation: dict[str, float]


@dataclass(frozen=True)
class _History:
    epochs: tuple[_Epoch, ...]


def fake_network(**changes: Any) -> NetworkDescription:
    """A small VAE of two epochs."""
    epochs = tuple(_Epoch(n, {"loss": 0.5 / n, "kl": 2.0 * n}, {"loss": 0.6 / n, "kl": 3.0 * n}) for n in (1, 2))
    settings: dict[str, Any] = {
        "kind": "vae",
        "latent_size": 8,
        "loss": "dice",
        "num_training_tumors": 100,
        "is_small": True,
        "device": "cpu",
        "history": {"flair": _History(epochs), "t1gd": _History(epochs)},
    }
    return NetworkDescription(**{**settings, **changes})


def fake_strategy(
    label: str = "fake",
    *,
    shift: int = 0,
    finds_nothing: bool = False,
    refuses: bool = False,
    ranks_alone: bool = False,
    network: NetworkDescription | None = None,
    published: str | None = None,
    is_exhaustive: bool = False,
) -> RetrievalStrategy:
    """A strategy whose best match has rank `shift` + 1, where no Dice are equal."""

    def opened(
        database: SimulationDatabase, *, thresholds: VisibilityThresholds, num_threads: int | None, report: Reporter
    ) -> ShiftedIndex:
        kind = RankingFake if ranks_alone else ShiftedIndex if network is None else RebuildingIndex
        index = kind(
            database,
            thresholds=thresholds,
            num_threads=num_threads,
        )
        index.shift, index.finds_nothing, index.refuses = shift, finds_nothing, refuses
        return index

    return RetrievalStrategy(
        label=label, open=opened, published=published, network=network, is_exhaustive=is_exhaustive
    )


def queries_of(database: SimulationDatabase, groups: tuple[str, ...], *, without_core: tuple[int, ...] = ()) -> Any:
    """The first tumors of a database as queries, a group each; some of them with an empty core."""
    at, grid = database.header.threshold_levels, database.header.grid
    queries = []
    for row in range(len(groups)):
        levels = database.density_levels(row)
        core, whole = levels > at["t1gd"], levels > at["flair"]
        queries.append(
            Observation(tumor_core=np.zeros_like(core) if row in without_core else core, whole_tumor=whole, grid=grid)
        )
    return MatchingQueries(
        names=tuple(f"{group}-{row}" for row, group in enumerate(groups)),
        groups=groups,
        packed=PackedQueries.pack(queries, grid),
        settings={},
    )
