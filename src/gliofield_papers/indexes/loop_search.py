"""A plain parallel loop over the database for comparisons that no index can speed up.

`LoopIndex` decodes every tumor and calls a function of the user's, or `hausdorff_95_to`, on its density: anything that
gives a number, smaller for nearer. It costs what decoding costs, and what the function costs; threads help as far as
the function releases Python's lock, as most of NumPy and SciPy do.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import map_blocks, require_threads
from gliofield.database.quantization import dequantize
from gliofield.database.store import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import USUAL_THRESHOLDS, VisibilityThresholds
from gliofield.metrics.overlap import dice
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval.query import AtThresholds, Hit, Hits, on_database_grid, require_count
from gliofield.retrieval.tumor_overlap import DecodedLevels

TASK_NAME = "compare with every tumor"
_BLOCK = 16

#: Distance of a density (X, Y, Z), float32, to the query; smaller is nearer.
DensityDistance = Callable[[NDArray[np.float32]], float]


class LoopIndex(AtThresholds):
    """Search by any distance between a query and a density, one tumor after the other.

    Parameters
    ----------
    database : SimulationDatabase
        What is searched.
    distance_to : callable
        Called once per query with the query on the database's grid; returns the distance to that query, a function of a
        density (X, Y, Z), float32, in [0, 1]. What can be prepared is prepared once. Infinite distances come last, NaN
        is refused. Must bear being called from several threads.
    name : str
        Name of the index in results.
    thresholds : VisibilityThresholds
        Cell densities above which a tumor shows, for the Dice values of the hits alone.
    num_threads : int or None
        Threads; None: all cores this process may use.

    Raises
    ------
    ParameterError
        If the number of threads is out of range.
    """

    def __init__(
        self,
        database: SimulationDatabase,
        distance_to: Callable[[Observation], DensityDistance],
        *,
        name: str,
        thresholds: VisibilityThresholds = USUAL_THRESHOLDS,
        num_threads: int | None = None,
    ) -> None:
        self.database = database
        self.thresholds = thresholds
        self._distance_to = distance_to
        self._name = name
        self._num_threads = require_threads(num_threads)

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    def search(self, query: Observation, k: int, *, report: Reporter = ignore_progress) -> Hits:
        """The k nearest tumors, nearest first, ties by lower index; all of them if the database holds fewer.

        Raises
        ------
        ParameterError
            If k is below 1, nothing of the query is left on the database's grid, or a distance is NaN.
        DatabaseError
            If a tumor cannot be read.
        """
        require_count(k)
        begin_s = time.perf_counter()
        on_grid = on_database_grid(query, self.database.header.grid)
        distance = self._distances(self._distance_to(on_grid), report)
        order = np.argsort(distance, kind="stable")[:k]
        return Hits(
            hits=tuple(self._hit(on_grid, int(index), float(distance[index])) for index in order),
            num_candidates_evaluated=self.database.num_tumors,
            seconds=time.perf_counter() - begin_s,
        )

    def _distances(self, distance_of: DensityDistance, report: Reporter) -> NDArray[np.float64]:
        num_tumors = self.database.num_tumors
        distance = np.empty(num_tumors)
        decoded = DecodedLevels(self.database)

        def compare(tumors: range) -> None:
            for tumor in tumors:
                distance[tumor] = distance_of(dequantize(decoded.of(tumor)))

        map_blocks(compare, num_tumors, block=_BLOCK, num_threads=self._num_threads, task=TASK_NAME, report=report)
        if np.isnan(distance).any():
            raise ParameterError(
                f"index {self._name!r}: the distance to tumor {int(np.argmax(np.isnan(distance)))} is NaN. Return "
                "infinity where two tumors cannot be compared."
            )
        return distance

    def _hit(self, query: Observation, index: int, distance: float) -> Hit:
        cell_density = self.database.cell_density(index)
        core, whole = self.thresholds.tumor_core(cell_density), self.thresholds.whole_tumor(cell_density)
        return Hit(
            index=index,
            distance=distance,
            dice_t1gd=dice(core, query.tumor_core, if_both_empty=0.0) if query.has_core else None,
            dice_flair=dice(whole, query.whole_tumor, if_both_empty=0.0),
            parameters=self.database.parameters_of(index),
        )


def hausdorff_95_to(query: Observation, *, thresholds: VisibilityThresholds = USUAL_THRESHOLDS) -> DensityDistance:
    """Distance function: 95 % Hausdorff distance of FLAIR plus that of T1Gd [mm], for `LoopIndex`.

    Of one modality: the 95th percentile of the distances from each surface voxel of one mask to the surface of the
    other, the larger of both directions. Surface voxels are those with a face on the outside or on the border of the
    grid; distances are between voxel centers. Infinite if the tumor's mask is empty. T1Gd is left out for a query
    without core.

    Parameters
    ----------
    query : Observation
        On the database's grid.
    thresholds : VisibilityThresholds
        Cell densities above which a tumor shows.
    """
    spacing_mm = np.array(query.grid.spacing_mm)
    flair = _Surface(query.whole_tumor, spacing_mm)
    t1gd = _Surface(query.tumor_core, spacing_mm) if query.has_core else None

    def distance_of(cell_density: NDArray[np.float32]) -> float:
        distance_mm = flair.hausdorff_95_mm(thresholds.whole_tumor(cell_density))
        if t1gd is not None:
            distance_mm += t1gd.hausdorff_95_mm(thresholds.tumor_core(cell_density))
        return distance_mm

    return distance_of


class _Surface:
    """Surface of a mask that is not empty, and the distance to it from everywhere."""

    def __init__(self, mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> None:
        from scipy.ndimage import distance_transform_edt

        self._spacing_mm = spacing_mm
        voxels = _surface_voxels(mask)
        self._surface_mm = voxels * spacing_mm
        outside = np.ones(mask.shape, dtype=bool)
        outside[tuple(voxels.T)] = False
        self._distance_mm: NDArray[np.float64] = distance_transform_edt(outside, sampling=spacing_mm)

    def hausdorff_95_mm(self, mask: NDArray[np.bool_]) -> float:
        """95 % Hausdorff distance to another mask [mm]."""
        from scipy.spatial import KDTree

        other = _surface_voxels(mask)
        if not len(other):
            return float("inf")
        there_mm = self._distance_mm[tuple(other.T)]
        # A tree of a few thousand points costs a hundredth of another distance transform.
        back_mm, _ = KDTree(other * self._spacing_mm).query(self._surface_mm)
        return float(max(np.percentile(there_mm, 95.0), np.percentile(back_mm, 95.0)))


def _surface_voxels(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Voxels of a mask with a face on the outside or on the border of the grid, (n, 3)."""
    from scipy.ndimage import binary_erosion, find_objects

    box = find_objects(mask.view(np.uint8))
    if not box:
        return np.empty((0, 3), dtype=np.intp)
    inside = mask[box[0]]
    return np.argwhere(inside & ~binary_erosion(inside)) + [part.start for part in box[0]]
