"""Index ``random-projection``: the control of learned encodings.

Both masks are brought to 32³ samples as by index ``ds32`` and multiplied by one matrix of independent normal numbers,
so that a mask becomes as many numbers as the papers' networks give it. Distances survive such a projection within some
per cent [1]_, and nothing is learned by it. Tumors are compared as the encodings of networks are (`latent_tables`).

References
----------
.. [1] Johnson, Lindenstrauss (1984), Extensions of Lipschitz mappings into a Hilbert space.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import require_threads
from gliofield.database.quantization import levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import USUAL_THRESHOLDS, VisibilityThresholds
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval.index_cache import Piece, PreparedSegments, Segment, open_segments
from gliofield.retrieval.index_file import Arrays
from gliofield.retrieval.query import on_database_grid, require_count
from gliofield_papers.indexes.downsampling import sample
from gliofield_papers.indexes.embedding.latent_tables import LatentTable
from gliofield_papers.indexes.embedding.settings import MODALITIES
from gliofield_papers.indexes.ranking_index import RankingIndex

NUM_SAMPLES = 32
NUM_OUTPUTS = 1024
_SEED = 0


class RandomProjectionIndex(RankingIndex):
    """Index ``random-projection``; made by `open`."""

    name = "random-projection"

    def __init__(
        self,
        database: SimulationDatabase,
        prepared: PreparedSegments,
        *,
        projection: RandomProjection,
        thresholds: VisibilityThresholds,
    ) -> None:
        self.database = database
        self.prepared = prepared
        self.notices = prepared.notices
        self.thresholds = thresholds
        self._projection = projection
        segments = zip(*(prepared.rows(name) for name in MODALITIES), strict=True)
        self._table = LatentTable([dict(zip(MODALITIES, rows, strict=True)) for rows in segments])

    @classmethod
    def open(
        cls,
        database: SimulationDatabase,
        *,
        thresholds: VisibilityThresholds = USUAL_THRESHOLDS,
        num_threads: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        report: Reporter = ignore_progress,
    ) -> RandomProjectionIndex:
        """Index of a database, from the cache where it is true; arguments and errors as `DownsampledIndex.open`."""
        projection = RandomProjection(levels_of(thresholds))
        prepared = open_segments(
            database,
            projection,
            parent=None if folder is None else Path(folder),
            num_threads=require_threads(num_threads),
            report=report,
        )
        return cls(database, prepared, projection=projection, thresholds=thresholds)

    def nearest(self, query: Observation, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Numbers and distances of the k tumors with the nearest projections, ties by lower index."""
        require_count(k)
        on_grid = on_database_grid(query, self.database.header.grid)
        masks = (on_grid.whole_tumor, on_grid.tumor_core)[: on_grid.num_modalities]
        return self._table.nearest(np.stack([self._projection.project(mask) for mask in masks]), k)


class RandomProjection:
    """What the index keeps of each tumor: the projections of both masks.

    Parameters
    ----------
    levels : (int, int)
        Stored levels above which a tumor shows in FLAIR and in T1Gd.
    """

    name = RandomProjectionIndex.name

    def __init__(self, levels: tuple[int, int]) -> None:
        self.levels = levels
        rng = np.random.default_rng(_SEED)
        self._matrix = rng.standard_normal((NUM_SAMPLES**3, NUM_OUTPUTS), dtype=np.float32)

    @property
    def settings(self) -> dict[str, Any]:
        """What projections depend on beside the tumors."""
        return {
            "kind": self.name,
            "version": 1,
            "seed": _SEED,
            "size": [NUM_SAMPLES, NUM_OUTPUTS],
            "levels": list(self.levels),
        }

    def project(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Projection (L,) of a mask (X, Y, Z)."""
        return self._matrix[sample(mask.view(np.uint8), NUM_SAMPLES).ravel() > 0].sum(axis=0)

    def piece(self, database: SimulationDatabase, tumors: range) -> Piece:
        """``flair`` and ``t1gd``: projections (n, L) float32."""
        stored = [database.density_levels(tumor) for tumor in tumors]
        return {
            name: np.stack([self.project(values > level) for values in stored])
            for name, level in zip(MODALITIES, self.levels, strict=True)
        }

    def segment(self, piece: Piece) -> Arrays:
        """The piece as it is."""
        return piece

    def piece_of(self, segment: Segment) -> Piece:
        """The segment as it is."""
        return segment
