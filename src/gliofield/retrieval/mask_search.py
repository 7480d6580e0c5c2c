"""One search from a few words: a database, two masks, how many hits."""

from __future__ import annotations

import os

from gliofield.anatomy import segmentation_from_masks
from gliofield.database import SimulationDatabase
from gliofield.errors import require_type
from gliofield.imaging import Observation, VisibilityThresholds
from gliofield.nifti import read_volume
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval.named_indexes import DEFAULT_INDEX, open_index
from gliofield.retrieval.query import Hits
from gliofield.volume import Volume

Mask = Volume | str | os.PathLike[str]


def search(
    database: SimulationDatabase | str | os.PathLike[str],
    whole: Mask,
    core: Mask | None = None,
    *,
    k: int = 15,
    index: str = DEFAULT_INDEX,
    thresholds: VisibilityThresholds | None = None,
    report: Reporter = ignore_progress,
) -> Hits:
    """The k tumors of a database most like two masks in the atlas, nearest first.

    Parameters
    ----------
    database : SimulationDatabase or path
        What is searched.
    whole : Volume or path
        Whole-tumor mask in the world of the atlas, on any grid.
    core : Volume or path, optional
        Tumor-core mask; None: only FLAIR is compared.
    k : int
        Number of hits, ≥ 1.
    index : str
        How the database is searched; prepared on first use and kept in the user's cache.
    thresholds : VisibilityThresholds, optional
        Cell densities that T1Gd and FLAIR are taken to show.
    report : Reporter
        Told about the preparation.

    Raises
    ------
    ParameterError
        If the index is unknown, k below 1, or a mask of the wrong kind or empty on the database's grid.
    SegmentationError, GridMismatchError
        If an image is no mask, or the two masks lie on different grids.
    DatabaseError
        If the database cannot be read.
    """
    opened = database if isinstance(database, SimulationDatabase) else SimulationDatabase.open(database)
    masks = segmentation_from_masks(None if core is None else _volume("core", core), _volume("whole", whole))
    chosen = VisibilityThresholds() if thresholds is None else thresholds
    return open_index(index, opened, thresholds=chosen, report=report).search(Observation.of(masks), k, report=report)


def _volume(name: str, mask: Mask) -> Volume:
    require_type(name, mask, (Volume, str, os.PathLike), hint="Give a mask as Volume(data, grid), or its file.")
    return mask if isinstance(mask, Volume) else read_volume(mask)
