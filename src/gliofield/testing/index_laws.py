"""The laws of indexes (`retrieval.Index`).

An index may find what it likes and prepare what it likes; callers rely on the order of its hits, on Dice that are those
of the masks, and on answers to every k and every grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.database import SimulationDatabase
from gliofield.database.quantization import levels_of
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.imaging import Observation, VisibilityThresholds
from gliofield.leftovers import scratch_folder
from gliofield.metrics import dice
from gliofield.retrieval import Hit, Hits, Index
from gliofield.testing.laws import Laws, laws_of
from gliofield.testing.phantom_database import build_phantom_database

_PADDING_VOXELS = 3
_FAR_AWAY_MM = 1e4


def check_index(
    open_index: Callable[[SimulationDatabase], Index],
    *,
    database: SimulationDatabase | None = None,
    codes_may_collide: bool = False,
    dice_tolerance: float = 0.0,
) -> None:
    """Check that an index keeps the laws of its protocol, on a small database.

    Parameters
    ----------
    open_index : callable
        Makes the index of a database, at the usual thresholds.
    database : SimulationDatabase, optional
        What is searched, with visible cores; None: `build_phantom_database`, some of whose tumors come twice.
    codes_may_collide : bool
        Whether different tumors may look the same to the index, as by a hash: then a tumor of the database need not be
        the first that its own masks find, but none may be nearer.
    dice_tolerance : float
        How far the Dice of a hit may be from that of the full masks: above 0 for an index that compares samples.

    Raises
    ------
    BrokenLawError
        If a law is broken: the message says which, and by what value.

    Examples
    --------
    >>> from gliofield.retrieval import ExhaustiveIndex
    >>> check_index(ExhaustiveIndex)
    """
    with scratch_folder() as folder:
        searched = build_phantom_database(Path(folder) / "tumors") if database is None else database
        index = open_index(searched)
        case = _Case(
            laws=laws_of("index", index),
            index=index,
            database=searched,
            tumor=int(np.argmax(searched.volume_ml[:, 1])),
            dice_tolerance=dice_tolerance,
        )
        _check_records(case.laws, index)
        hits = case.found(case.query)
        _check_order(case, hits)
        _check_itself(case, hits, codes_may_collide=codes_may_collide)
        _check_values(case, case.query, hits)
        _check_counts(case, hits)
        _check_other_queries(case, hits)
        _check_memory(case, hits)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """An index, its database, the tumor it is asked for, and its laws."""

    laws: Laws
    index: Index
    database: SimulationDatabase
    tumor: int
    dice_tolerance: float

    @property
    def query(self) -> Observation:
        core, whole = self.masks_of(self.tumor)
        return Observation(tumor_core=core, whole_tumor=whole, grid=self.database.header.grid)

    def masks_of(self, tumor: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """What T1Gd and FLAIR show of a tumor of the database."""
        flair_level, t1gd_level = levels_of(self.index.effective_thresholds)
        levels = self.database.density_levels(tumor)
        return levels > t1gd_level, levels > flair_level

    def found(self, query: Observation, k: int | None = None) -> Hits:
        return self.index.search(query, self.database.num_tumors if k is None else k)


def _check_records(laws: Laws, index: Index) -> None:
    laws.require_texts(index.notices, "notices")
    laws.require_json(dict(index.provenance), "provenance")
    thresholds = index.effective_thresholds
    is_thresholds = isinstance(thresholds, VisibilityThresholds)
    laws.require(is_thresholds, "effective_thresholds must be VisibilityThresholds", type(thresholds).__name__)
    laws.require(isinstance(index.is_rounded, bool), "is_rounded must be True or False", repr(index.is_rounded))


def _check_order(case: _Case, hits: Hits) -> None:
    """A sequence of hits, by distance and then by number."""
    laws = case.laws
    is_sequence = isinstance(hits, Sequence) and all(isinstance(hit, Hit) for hit in hits)
    laws.require(is_sequence, "search must return a sequence of Hit, such as Hits", type(hits).__name__)
    distances, numbers = [hit.distance for hit in hits], [hit.index for hit in hits]
    law = "hits must be sorted by distance, nearest first"
    laws.require(bool(np.isfinite(distances).all()), "distances must be finite", distances)
    laws.require(distances == sorted(distances), law, distances)
    by_rule = sorted(zip(distances, numbers, strict=True))
    in_order = [number for _, number in by_rule]
    laws.require(numbers == in_order, "equal distances must be ordered by the lower index", numbers)


def _check_itself(case: _Case, hits: Hits, *, codes_may_collide: bool) -> None:
    """The masks of a tumor of the database find that tumor, or one that looks the same."""
    numbers = [hit.index for hit in hits]
    case.laws.require(
        case.tumor in numbers, f"all tumors were asked for: tumor {case.tumor} must be among them", numbers
    )
    own = hits[numbers.index(case.tumor)].distance
    law = f"nothing may be nearer to the masks of tumor {case.tumor} than that tumor"
    case.laws.require(hits[0].distance == own, law, f"{hits[0].distance:.6g} beside {own:.6g}")
    if not codes_may_collide:
        shown = zip(case.masks_of(hits[0].index), case.masks_of(case.tumor), strict=True)
        same = all(np.array_equal(one, other) for one, other in shown)
        case.laws.require(same, f"the masks of tumor {case.tumor} must find it first", f"tumor {hits[0].index}")


def _check_values(case: _Case, query: Observation, hits: Hits) -> None:
    """Dice are those of the masks, parameters those of the table."""
    for hit in hits:
        core, whole = case.masks_of(hit.index)
        plain = {"dice_flair": dice(whole, query.whole_tumor, if_both_empty=0.0)}
        if query.has_core:
            plain["dice_t1gd"] = dice(core, query.tumor_core, if_both_empty=0.0)
        else:
            case.laws.require(hit.dice_t1gd is None, "dice_t1gd must be None for a query without a core", hit.dice_t1gd)
        for name, expected in plain.items():
            value = getattr(hit, name)
            law = f"{name} of tumor {hit.index} must be that of its masks, {expected:.6f}"
            is_plain = value is not None and abs(value - expected) <= case.dice_tolerance
            case.laws.require(is_plain, law, value)
        law = f"parameters of tumor {hit.index} must be those of the database"
        case.laws.require(hit.parameters == case.database.parameters_of(hit.index), law, hit.parameters)


def _check_counts(case: _Case, hits: Hits) -> None:
    """k hits, the first of all; all where there are no more; at least one."""
    laws, number = case.laws, case.database.num_tumors
    laws.require(len(hits) == number, f"k = {number} must return all {number} tumors", f"{len(hits)}")
    more = case.found(case.query, number + 5)
    laws.require(len(more) == number, f"k = {number + 5} must return all {number} tumors", f"{len(more)}")
    few = [hit.index for hit in case.found(case.query, 3)]
    first = [hit.index for hit in hits[:3]]
    laws.require(few == first, f"k = 3 must return the first three of all, {first}", few)
    laws.require_refusal(lambda: case.found(case.query, 0), ParameterError, "k = 0")


def _check_other_queries(case: _Case, hits: Hits) -> None:
    """Masks without a core, on another grid, and off the database's."""
    laws, query, grid = case.laws, case.query, case.database.header.grid
    no_core = np.zeros_like(query.tumor_core)
    coreless = Observation(tumor_core=no_core, whole_tumor=query.whole_tumor, grid=grid)
    found = case.found(coreless)
    _check_order(case, found)
    _check_values(case, coreless, found)
    padded = _padded(query)
    law = "the same masks on a larger grid must find the same tumors"
    expected, there = [hit.index for hit in hits], [hit.index for hit in case.found(padded)]
    laws.require(there == expected, f"{law}, {expected}", there)
    elsewhere = Grid.axis_aligned(grid.shape, grid.spacing_mm, np.array(grid.center_mm) + _FAR_AWAY_MM)
    lost = Observation(tumor_core=query.tumor_core, whole_tumor=query.whole_tumor, grid=elsewhere)
    laws.require_refusal(lambda: case.found(lost), ParameterError, "masks that lie off the grid of the database")


def _check_memory(case: _Case, hits: Hits) -> None:
    """Searches change nothing."""
    query = case.query
    again = case.found(query)
    law = "the same search twice must give the same hits"
    case.laws.require(list(again) == list(hits), law, [hit.index for hit in again])
    core, whole = case.masks_of(case.tumor)
    untouched = np.array_equal(query.tumor_core, core) and np.array_equal(query.whole_tumor, whole)
    case.laws.require(untouched, "the masks of a query must stay as they were", "other masks")


def _padded(query: Observation) -> Observation:
    """The same voxels in a grid that is larger on all sides."""
    grid, width = query.grid, _PADDING_VOXELS
    nx, ny, nz = grid.shape
    world_from_voxel = grid.world_from_voxel.copy()
    world_from_voxel[:3, 3] = grid.world_of((-width, -width, -width))
    return Observation(
        tumor_core=np.pad(query.tumor_core, width),
        whole_tumor=np.pad(query.whole_tumor, width),
        grid=Grid((nx + 2 * width, ny + 2 * width, nz + 2 * width), world_from_voxel),
    )
