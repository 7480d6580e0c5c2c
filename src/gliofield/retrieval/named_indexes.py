"""The indexes by the names they have on the command line and in results.

============  =======================================================================================================
``exact``     the best Dice sums, from counts per block (`BlockIndex`); the default
``direct``    the same answer by comparing every tumor, without preparation (`ExhaustiveIndex`)
============  =======================================================================================================

Others come from packages, by entry points of the group ``gliofield.indexes`` (`gliofield.plugins`): the papers'
approximations ``ds64``, ``radiomics``, ``vae`` … from ``gliofield_papers.indexes``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gliofield.database.store import SimulationDatabase
from gliofield.errors import ParameterError, PluginError, require_type
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.plugins import find_plugins, load_plugin
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval.block_index import BlockIndex
from gliofield.retrieval.exhaustive import ExhaustiveIndex
from gliofield.retrieval.overlap_metric import OverlapMetric
from gliofield.retrieval.query import Index

DEFAULT_INDEX = "exact"
_KIND = "index"

_FOR_LOOP = (
    "Ezhov et al. (2022), A for-loop is all you need. For solving the inverse problem in the case of personalized "
    "tumor growth modeling"
)


@dataclass(frozen=True, kw_only=True)
class IndexKind:
    """An index that can be opened by name; what an entry point of the group ``gliofield.indexes`` names.

    Parameters
    ----------
    open : callable
        ``open(database, *, thresholds, num_threads, report)`` makes the index, prepared and ready to search. One that
        needs a checkpoint also takes ``checkpoint`` and ``device`` (``auto``, ``cpu`` or ``cuda``).
    references : tuple of str
        Papers to cite when it was used.
    needs_checkpoint : bool
        Whether it is made of trained networks.
    training : str
        The command that trains them, for a message.
    """

    open: Callable[..., Index]
    references: tuple[str, ...] = ()
    needs_checkpoint: bool = False
    training: str = ""


def _open_direct(database: SimulationDatabase, *, report: Reporter, **settings: Any) -> ExhaustiveIndex:
    del report  # there is nothing to prepare
    return ExhaustiveIndex(database, **settings)


_OWN = {
    "exact": IndexKind(open=BlockIndex.open, references=(_FOR_LOOP,)),
    "direct": IndexKind(open=_open_direct, references=(_FOR_LOOP,)),
}


def index_names() -> tuple[str, ...]:
    """Names of all indexes: gliofield's own, then those of other packages."""
    return (*_OWN, *find_plugins(_KIND, own=_OWN))


def index_kind(name: str) -> IndexKind:
    """The kind of index of a name.

    Raises
    ------
    ParameterError
        If there is none.
    PluginError
        If the package that offers it cannot be loaded, or offers something else.
    """
    require_type("index", name, str, hint=f"Name one of {', '.join(index_names())}.")
    if name in _OWN:
        return _OWN[name]
    kind = load_plugin(_KIND, name, own=_OWN)
    if not isinstance(kind, IndexKind):
        origin = find_plugins(_KIND)[name].origin
        raise PluginError(
            f"index {name!r} of {origin} is a {type(kind).__name__}: expected a gliofield.retrieval.IndexKind."
        )
    return kind


def require_index_name(name: str, *, checkpoint: str | os.PathLike[str] | None = None) -> None:
    """Raise an error unless there is an index of that name, with a checkpoint where it needs one; as `index_kind`."""
    kind = index_kind(name)
    if kind.needs_checkpoint and checkpoint is None:
        hint = f" `{kind.training}` trains one." if kind.training else ""
        raise ParameterError(f"index {name!r} needs a trained network: give its checkpoint (checkpoint=…).{hint}")
    if checkpoint is not None and not kind.needs_checkpoint:
        raise ParameterError(
            f"index {name!r} uses no network, but the checkpoint {checkpoint} was named. Leave it out."
        )


def index_references(name: str) -> tuple[str, ...]:
    """Papers of an index, to cite when it was used."""
    return index_kind(name).references


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
        One of `index_names`.
    database : SimulationDatabase
        What is searched.
    thresholds : VisibilityThresholds
        Cell densities above which a tumor shows.
    metric : OverlapMetric or None
        How index ``exact`` compares masks; None: the sum of Dice. The others compare as their names say.
    checkpoint : path or None
        Trained networks, for an index that needs them.
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
    PluginError
        If the package of the index cannot be loaded.
    """
    require_index_name(name, checkpoint=checkpoint)
    require_type("database", database, SimulationDatabase, hint="Open one with SimulationDatabase.open(folder).")
    require_type("thresholds", thresholds, VisibilityThresholds, hint="The usual ones are VisibilityThresholds().")
    if metric is not None and name != DEFAULT_INDEX:
        raise ParameterError(f"another metric than the sum of Dice needs index {DEFAULT_INDEX!r}, got {name!r}.")
    settings: dict[str, Any] = {"thresholds": thresholds, "num_threads": num_threads, "report": report}
    if checkpoint is not None:
        settings |= {"checkpoint": checkpoint, "device": device}
    if metric is not None:
        settings["metric"] = metric
    return index_kind(name).open(database, **settings)
