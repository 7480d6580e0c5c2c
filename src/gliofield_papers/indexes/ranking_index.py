"""Indexes that rank by a measure of their own, and read the tumors they find for nothing but the Dice of a hit."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from gliofield.database.quantization import levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.imaging.observation import Observation
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.retrieval.query import AtThresholds, Hits, on_database_grid
from gliofield.retrieval.tumor_overlap import hits_at

TASK_NAME = "search database"


class RankingIndex(AtThresholds, ABC):
    """An index that can tell which tumors are nearest without the Dice of the hits, which needs the stored tumors.

    Attributes
    ----------
    database : SimulationDatabase
        What is searched.
    """

    database: SimulationDatabase

    @abstractmethod
    def nearest(self, query: Observation, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Numbers and distances of the hits alone, nearest first, ties by lower index; errors as `search`."""

    def search(self, query: Observation, k: int, *, report: Reporter = ignore_progress) -> Hits:
        """The k nearest tumors by the index's own distance; all of them if the database holds fewer.

        Dice values, in full resolution, are computed for the hits alone.

        Parameters
        ----------
        query : Observation
            Masks on any grid in atlas space; brought to the database's grid by the mask rule.
        k : int
            Hits wanted, ≥ 1.
        report : Reporter
            Receives the number of tumors compared.

        Raises
        ------
        ParameterError
            If k is below 1, or nothing of the query is left on the database's grid.
        DatabaseError
            If a hit cannot be read.
        """
        start_s = time.perf_counter()
        on_grid = on_database_grid(query, self.database.header.grid)
        tumors, distances = self.nearest(on_grid, k)
        hits = hits_at(self.database, on_grid, tumors, distances, levels=levels_of(self.thresholds))
        num_tumors = self.database.num_tumors
        report(ProgressEvent(task=TASK_NAME, completed=num_tumors, total=num_tumors))
        return Hits(hits=hits, num_candidates_evaluated=len(hits), seconds=time.perf_counter() - start_s)
