"""Index ``radiomics``: tumors of similar size and shape near the patient's, as in the papers.

The 1,000 tumors whose center of mass is nearest to the query's are ranked by shape features f^i, as published:

    distance = Σ_i ‖f_q^i − f_d^i‖₂

where f^i holds feature i of both modalities, T1Gd and FLAIR (FLAIR alone for a query without core). Features are not
scaled, so differences of volume in mm³, the largest numbers by far, decide nearly alone.

The papers name three of their six features: voxel volume, elongation, major axis length, "etc."; the other three are
chosen here: flatness, sphericity, largest diameter. They do not say of which mask the center of mass is; here it is the
whole tumor's. A mask without voxels, which pyradiomics refuses, has all features 0.

References
----------
.. [1] Ezhov et al. (2022), Casting the inverse problem as a database query, section 2.3, "Radiomics shape feature
   representation".
"""

from __future__ import annotations

import os
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import require_threads
from gliofield.database.quantization import levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import USUAL_THRESHOLDS, VisibilityThresholds
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval.index_cache import Piece, PreparedSegments, Segment, open_segments
from gliofield.retrieval.index_file import Arrays
from gliofield.retrieval.query import on_database_grid, require_count
from gliofield_papers.indexes.ranking_index import RankingIndex
from gliofield_papers.indexes.shape_features import (
    ShapeFeatures,
    center_of_mass,
    require_scikit_image,
    shape_features,
)

#: Tumors that are compared by shape.
NUM_PRESELECTED = 1000
#: The six features of the distance.
FEATURE_NAMES = (
    "voxel_volume_mm3",
    "elongation",
    "major_axis_length_mm",
    "flatness",
    "sphericity",
    "maximum_diameter_mm",
)
_ALL_NAMES = tuple(field.name for field in fields(ShapeFeatures))
_COLUMNS = [_ALL_NAMES.index(name) for name in FEATURE_NAMES]


class RadiomicsIndex(RankingIndex):
    """Index ``radiomics``; made by `open`.

    Parameters
    ----------
    database : SimulationDatabase
        What is searched.
    prepared : PreparedSegments
        Centers and features of its tumors.
    thresholds : VisibilityThresholds
        Those asked for.
    num_preselected : int
        Tumors nearest by center of mass that are compared by shape.
    """

    def __init__(
        self,
        database: SimulationDatabase,
        prepared: PreparedSegments,
        *,
        thresholds: VisibilityThresholds,
        num_preselected: int,
    ) -> None:
        self.database = database
        self.prepared = prepared
        self.notices = prepared.notices
        self.num_preselected = num_preselected
        self.thresholds = thresholds
        self._center_mm = np.concatenate(prepared.rows("center_mm"))
        self._features = np.concatenate(prepared.rows("features"))[..., _COLUMNS]

    @classmethod
    def open(
        cls,
        database: SimulationDatabase,
        *,
        num_preselected: int = NUM_PRESELECTED,
        thresholds: VisibilityThresholds = USUAL_THRESHOLDS,
        num_threads: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        report: Reporter = ignore_progress,
    ) -> RadiomicsIndex:
        """Index of a database, from the cache where it is there and true; made or completed where it is not.

        Parameters
        ----------
        database : SimulationDatabase
            What is searched.
        num_preselected : int
            Tumors nearest by center of mass that are compared by shape, ≥ 1; more if more hits are asked for.
        thresholds : VisibilityThresholds
            Cell densities above which a tumor shows, rounded to multiples of 1/255 as by `ExhaustiveIndex`.
        num_threads : int or None
            Threads that read tumors; None: all cores this process may use.
        folder : path or None
            Where indexes are kept; None: in the user's cache.
        report : Reporter
            Receives the tumors read, and what was found damaged or outdated.

        Raises
        ------
        ParameterError
            If a setting is out of range, or scikit-image is not installed.
        DatabaseError
            If a tumor cannot be read.
        """
        if num_preselected < 1:
            raise ParameterError(f"num_preselected must be at least 1, got {num_preselected}. The papers use 1000.")
        threads = require_threads(num_threads)
        require_scikit_image()
        prepared = open_segments(
            database,
            ShapeDescription(levels=levels_of(thresholds)),
            parent=None if folder is None else Path(folder),
            num_threads=threads,
            report=report,
        )
        return cls(database, prepared, thresholds=thresholds, num_preselected=num_preselected)

    @property
    def name(self) -> str:
        """``radiomics``."""
        return "radiomics"

    def nearest(self, query: Observation, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The k nearest by shape of the tumors nearest by place, ties by lower index: numbers and distances."""
        require_count(k)
        grid = self.database.header.grid
        on_grid = on_database_grid(query, grid)
        center_mm = grid.world_of(center_of_mass(on_grid.whole_tumor))
        gaps_mm = np.linalg.norm(self._center_mm - center_mm, axis=1)
        # In order of their numbers again, for ties.
        near = np.sort(np.argsort(gaps_mm, kind="stable")[: max(self.num_preselected, k)])
        distances = self._distances(on_grid, near)
        order = np.argsort(distances, kind="stable")[:k]
        return near[order], distances[order]

    def _distances(self, query: Observation, tumors: NDArray[np.intp]) -> NDArray[np.float64]:
        grid = self.database.header.grid
        features = np.stack([_features_of(mask, grid) for mask in (query.whole_tumor, query.tumor_core)])[:, _COLUMNS]
        differences = self._features[tumors] - features
        differences = differences[:, : query.num_modalities]
        return np.sqrt(np.sum(differences**2, axis=1)).sum(axis=-1)


class ShapeDescription:
    """What the index keeps of each tumor: center of mass and all shape features of both masks.

    Parameters
    ----------
    levels : (int, int)
        Stored levels above which a tumor shows in FLAIR and in T1Gd.
    """

    def __init__(self, *, levels: tuple[int, int]) -> None:
        self.levels = levels

    @property
    def name(self) -> str:
        """``radiomics``."""
        return "radiomics"

    @property
    def settings(self) -> dict[str, Any]:
        """What the features depend on beside the tumors."""
        return {
            "kind": "radiomics",
            "version": 1,
            "features": list(_ALL_NAMES),
            "flair_level": self.levels[0],
            "t1gd_level": self.levels[1],
        }

    def piece(self, database: SimulationDatabase, tumors: range) -> Piece:
        """``center_mm`` (n, 3), infinitely far for a tumor that does not show; ``features`` (n, 2, F): FLAIR, T1Gd."""
        grid = database.header.grid
        levels = np.empty(grid.shape, dtype=np.uint8)
        centers_mm, features = np.full((len(tumors), 3), np.inf), np.zeros((len(tumors), 2, len(_ALL_NAMES)))
        for row, tumor in enumerate(tumors):
            database.density_levels(tumor, out=levels)
            bounds = database.bounding_box[tumor].reshape(3, 2)
            inside = levels[tuple(slice(start, stop) for start, stop in bounds)]
            masks = [inside > level for level in self.levels]
            features[row] = [_features_of(mask, grid) for mask in masks]
            if masks[0].any():
                centers_mm[row] = grid.world_of(center_of_mass(masks[0]) + bounds[:, 0])
        return {"center_mm": centers_mm, "features": features}

    def segment(self, piece: Piece) -> Arrays:
        """The piece as it is."""
        return piece

    def piece_of(self, segment: Segment) -> Piece:
        """The segment as it is."""
        return segment


def _features_of(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """All features of a mask, (F,); zeros for an empty one."""
    return np.array(astuple(shape_features(mask, grid.spacing_mm)) if mask.any() else np.zeros(len(_ALL_NAMES)))
