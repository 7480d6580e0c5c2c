"""The indexes by the names they have on the command line and in results.

========================== =============================================================================================
``exact``                  the best Dice sums, from counts per block (`BlockIndex`); the default
``direct``                 the same answer by comparing every tumor, without preparation (`ExhaustiveIndex`)
``ds64``, ``ds32``         Dice on 64³ or 32³ samples, as the papers (`DownsampledIndex`); ``-antialiased`` by share
``radiomics``              shape features among the 1,000 tumors nearest by center (`RadiomicsIndex`); with
                           ``-standardized`` each feature divided by its spread
``ae``, ``vae``, ``hash``  encodings by a trained network (`embedding`); each needs its checkpoint
========================== =============================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from gliofield.database.store import SimulationDatabase
from gliofield.errors import ParameterError, require_type, unknown_name
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.learning import require_torch
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval.block_index import BlockIndex
from gliofield.retrieval.downsampled_index import DownsampledIndex
from gliofield.retrieval.embedding.settings import EMBEDDING_KINDS
from gliofield.retrieval.exhaustive import ExhaustiveIndex
from gliofield.retrieval.overlap_metric import OverlapMetric
from gliofield.retrieval.query import Index
from gliofield.retrieval.radiomics_index import RadiomicsIndex

DEFAULT_INDEX = "exact"

_FOR_LOOP = (
    "Ezhov et al. (2022), A for-loop is all you need. For solving the inverse problem in the case of personalized "
    "tumor growth modeling"
)
_DATABASE_QUERY = (
    "Ezhov et al. (2022), Casting the inverse problem as a database query. "
    "The case of personalized tumor growth modeling"
)
_BI_HALF = "Li, van Gemert (2021), Deep unsupervised image hashing by maximizing bit entropy"

_OPENERS: dict[str, Callable[..., Any]] = {
    "exact": BlockIndex.open,
    "ds64": partial(DownsampledIndex.open, size=64),
    "ds64-antialiased": partial(DownsampledIndex.open, size=64, antialiased=True),
    "ds32": partial(DownsampledIndex.open, size=32),
    "ds32-antialiased": partial(DownsampledIndex.open, size=32, antialiased=True),
    "radiomics": RadiomicsIndex.open,
    "radiomics-standardized": partial(RadiomicsIndex.open, standardized=True),
}
INDEX_NAMES = ("exact", "direct", *(name for name in _OPENERS if name != "exact"), *EMBEDDING_KINDS)


def require_index_name(name: str, *, checkpoint: str | os.PathLike[str] | None = None) -> None:
    """Raise `ParameterError` unless there is an index of that name, with a checkpoint where it needs one."""
    require_type("index", name, str, hint=f"Name one of {', '.join(INDEX_NAMES)}.")
    if name not in INDEX_NAMES:
        raise ParameterError(unknown_name("index", name, INDEX_NAMES))
    if name in EMBEDDING_KINDS and checkpoint is None:
        raise ParameterError(
            f"index {name!r} needs a trained network: give its checkpoint (checkpoint=…). "
            f"`gliofield train {name}` trains one."
        )
    if name not in EMBEDDING_KINDS and checkpoint is not None:
        raise ParameterError(
            f"index {name!r} uses no network, but the checkpoint {checkpoint} was named. Leave it out, or choose "
            f"one of the indexes {', '.join(EMBEDDING_KINDS)}."
        )


def index_references(name: str) -> tuple[str, ...]:
    """Papers of an index, to cite when it was used."""
    if name in ("exact", "direct"):
        return (_FOR_LOOP,)
    return (_DATABASE_QUERY, _BI_HALF) if name == "hash" else (_DATABASE_QUERY,)


def open_index(
    name: str,
    database: SimulationDatabase,
    *,
    thresholds: VisibilityThresholds,
    metric: OverlapMetric | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    device: str = "auto",
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
    metric : OverlapMetric or None
        How index ``exact`` compares masks; None: the sum of Dice. The others compare as their names say.
    checkpoint : path or None
        Trained networks, for ``ae``, ``vae`` and ``hash``.
    device : str
        ``auto``, ``cpu`` or ``cuda``: where networks run.
    num_threads : int or None
        Threads; None: all cores this process may use.
    report : Reporter
        Told about the preparation.

    Raises
    ------
    ParameterError
        If the name is unknown, it knows no other metric, a checkpoint is missing or of another kind, or a package is
        not installed.
    CheckpointError
        If the checkpoint cannot be read.
    DatabaseError
        If a tumor cannot be read, or the networks were trained for other tumors.
    """
    require_index_name(name, checkpoint=checkpoint)
    require_type("database", database, SimulationDatabase, hint="Open one with SimulationDatabase.open(folder).")
    require_type("thresholds", thresholds, VisibilityThresholds, hint="The usual ones are VisibilityThresholds().")
    if metric is not None and name != DEFAULT_INDEX:
        raise ParameterError(f"another metric than the sum of Dice needs index {DEFAULT_INDEX!r}, got {name!r}.")
    settings: dict[str, Any] = {
        "t1gd_threshold": thresholds.t1gd_threshold,
        "flair_threshold": thresholds.flair_threshold,
        "num_threads": num_threads,
    }
    if name == "direct":
        return ExhaustiveIndex(database, **settings)
    if checkpoint is not None:
        return _open_embedding(name, database, checkpoint, device=device, report=report, **settings)
    if metric is not None:
        settings["metric"] = metric
    index: Index = _OPENERS[name](database, report=report, **settings)
    return index


def _open_embedding(
    name: str, database: SimulationDatabase, checkpoint: str | os.PathLike[str], **settings: Any
) -> Index:
    require_torch()
    from gliofield.retrieval.embedding.checkpoint import read_embedding_header
    from gliofield.retrieval.embedding.index import EmbeddingIndex

    kind = read_embedding_header(checkpoint).kind
    if kind != name:
        raise ParameterError(
            f"{checkpoint} is a checkpoint for index {kind!r}, not {name!r}. Search with --index {kind}."
        )
    return EmbeddingIndex.open(database, checkpoint=checkpoint, **settings)
