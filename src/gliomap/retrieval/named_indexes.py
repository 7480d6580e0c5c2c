"""The indexes by the names they have on the command line and in results.

========================== =============================================================================================
``exact``                  the best Dice sums, from counts per block (`BlockIndex`); the default
``direct``                 the same answer by comparing every tumor, without preparation (`ExhaustiveIndex`)
``ds64``, ``ds32``         Dice on 64³ or 32³ samples, as the papers (`DownsampledIndex`); ``-antialiased`` by share
``radiomics``              shape features among the 1,000 tumors nearest by center (`RadiomicsIndex`); with
                           ``-standardized`` each feature divided by its spread
========================== =============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from gliomap.database.store import SimulationDatabase
from gliomap.errors import ParameterError, unknown_name
from gliomap.imaging.visibility import VisibilityThresholds
from gliomap.progress import Reporter, ignore_progress
from gliomap.retrieval.block_index import BlockIndex
from gliomap.retrieval.downsampled_index import DownsampledIndex
from gliomap.retrieval.exhaustive import ExhaustiveIndex
from gliomap.retrieval.query import Index
from gliomap.retrieval.radiomics_index import RadiomicsIndex

DEFAULT_INDEX = "exact"

_OPENERS: dict[str, Callable[..., Any]] = {
    "exact": BlockIndex.open,
    "ds64": partial(DownsampledIndex.open, size=64),
    "ds64-antialiased": partial(DownsampledIndex.open, size=64, antialiased=True),
    "ds32": partial(DownsampledIndex.open, size=32),
    "ds32-antialiased": partial(DownsampledIndex.open, size=32, antialiased=True),
    "radiomics": RadiomicsIndex.open,
    "radiomics-standardized": partial(RadiomicsIndex.open, standardized=True),
}
INDEX_NAMES = ("exact", "direct", *(name for name in _OPENERS if name != "exact"))


def require_index_name(name: str) -> None:
    """Raise `ParameterError` unless there is an index of that name."""
    if name not in INDEX_NAMES:
        raise ParameterError(unknown_name("index", name, INDEX_NAMES))


def open_index(
    name: str,
    database: SimulationDatabase,
    *,
    thresholds: VisibilityThresholds,
    num_threads: int | None = None,
    report: Reporter = ignore_progress,
) -> Index:
    """Index of a database by name, prepared on first use and kept in the user's cache.

    Parameters
    ----------
    name : str
        One of `INDEX_NAMES`.
    database : SimulationDatabase
        What is searched.
    thresholds : VisibilityThresholds
        Cell densities above which a tumor shows.
    num_threads : int or None
        Threads; None: all cores this process may use.
    report : Reporter
        Told about the preparation.

    Raises
    ------
    ParameterError
        If the name is unknown, or ``radiomics`` lacks scikit-image.
    DatabaseError
        If a tumor cannot be read.
    """
    require_index_name(name)
    settings: dict[str, Any] = {
        "t1gd_threshold": thresholds.t1gd_threshold,
        "flair_threshold": thresholds.flair_threshold,
        "num_threads": num_threads,
    }
    if name == "direct":
        return ExhaustiveIndex(database, **settings)
    index: Index = _OPENERS[name](database, report=report, **settings)
    return index
