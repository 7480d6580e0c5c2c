"""What is found in a database, and what every index promises.

An `Index` answers an `imaging.Observation`, whose masks lie in the world of the atlas, with the k nearest tumors of a
database. The distance of the direct query is

    distance = M − Σ Dice over the M modalities of the query

so 0 is a perfect match. With a tumor core M = 2 (T1Gd and FLAIR, unweighted as published: Ezhov et al. 2022). Without
one, as in many low-grade gliomas, T1Gd says nothing: its term is left out and M = 1. Hits are sorted by distance,
equal distances by lower index. Two empty masks count as no overlap (Dice 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from gliofield.database.quantization import NUM_LEVELS, level_of_threshold, levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.errors import ParameterError, require_type
from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.progress import Reporter, ignore_progress
from gliofield.resample import resample_mask
from gliofield.volume import Volume

# More hits than this are counted, not listed.
_HITS_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One tumor found.

    Parameters
    ----------
    index : int
        Its number in the database.
    distance : float
        Smaller is nearer; what it is depends on the index, for Dice see the module docstring.
    dice_t1gd : float or None
        Dice of the tumor cores; None for a query without core.
    dice_flair : float
        Dice of the whole tumors.
    parameters : dict of str to float
        Its growth parameters, units in the names.
    """

    index: int
    distance: float
    dice_t1gd: float | None
    dice_flair: float
    parameters: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Hits(Sequence[Hit]):
    """Answer to a query: a sequence of hits, and what it cost to find them.

    Parameters
    ----------
    hits : tuple of Hit
        Nearest first; as many as asked for, or all tumors if there are fewer.
    num_candidates_evaluated : int
        Tumors whose overlap was computed in full.
    seconds : float
        Wall-clock time of the search [s].
    """

    hits: tuple[Hit, ...]
    num_candidates_evaluated: int
    seconds: float

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...

    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __repr__(self) -> str:
        cost = f"{self.num_candidates_evaluated} compared in full, {self.seconds:.3g} s"
        shown = [
            f"\n  {hit.index}: distance {hit.distance:.4f}, Dice FLAIR {hit.dice_flair:.3f}"
            + ("" if hit.dice_t1gd is None else f", T1Gd {hit.dice_t1gd:.3f}")
            for hit in self.hits[:_HITS_SHOWN]
        ]
        more = f"\n  and {len(self) - _HITS_SHOWN} more" if len(self) > _HITS_SHOWN else ""
        return f"Hits({len(self)} tumors, {cost}{''.join(shown)}{more})"


class AtThresholds:
    """What an index that compares at fixed thresholds says of them, and of its preparation.

    Attributes
    ----------
    database : SimulationDatabase
        What is searched.
    thresholds : VisibilityThresholds
        Those asked for.
    notices : tuple of str
        What was found damaged, outdated or unwritable when the index was opened; nothing for one that needs no file.
    """

    database: SimulationDatabase
    thresholds: VisibilityThresholds
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        at = self.effective_thresholds
        return (
            f"{type(self).__name__}({str(self.database.path)!r}, {self.database.num_tumors} tumors, shown above "
            f"{at.flair_threshold:.3g} in FLAIR and {at.t1gd_threshold:.3g} in T1Gd)"
        )

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What the answers depend on beside database and thresholds, JSON-ready."""
        return {}

    @property
    def effective_thresholds(self) -> VisibilityThresholds:
        """The thresholds actually used: those asked for, rounded to multiples of 1/255."""
        flair_level, t1gd_level = levels_of(self.thresholds)
        return VisibilityThresholds(t1gd_threshold=t1gd_level / NUM_LEVELS, flair_threshold=flair_level / NUM_LEVELS)

    @property
    def is_rounded(self) -> bool:
        """Whether a threshold had to be rounded."""
        return not all(
            level_of_threshold(threshold)[1]
            for threshold in (self.thresholds.t1gd_threshold, self.thresholds.flair_threshold)
        )


class Index(Protocol):
    """A way to search a database."""

    @property
    def name(self) -> str:
        """Name on the command line and in results."""

    @property
    def effective_thresholds(self) -> VisibilityThresholds:
        """Thresholds of the comparison: those asked for, rounded to multiples of 1/255."""

    @property
    def is_rounded(self) -> bool:
        """Whether a threshold had to be rounded."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What was found damaged, outdated or unwritable when the index was opened, and what else should be known."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What the answers depend on beside database and thresholds, JSON-ready."""

    def search(self, query: Observation, k: int, *, report: Reporter = ignore_progress) -> Hits:
        """The k nearest tumors, nearest first, ties by lower index; all of them if the database holds fewer.

        Raises
        ------
        ParameterError
            If k is below 1, or the query is empty on the database's grid.
        """


def on_database_grid(query: Observation, grid: Grid) -> Observation:
    """Masks on the grid of a database, in the same world: linear interpolation of each indicator, strictly > 0.5.

    Raises
    ------
    ParameterError
        If nothing of the whole tumor is left there.
    """
    require_type("query", query, Observation, hint="Make one with Observation.of(segmentation).")
    if query.grid.is_same_as(grid):
        return query
    core, whole = (resample_mask(Volume(mask, query.grid), grid).data for mask in (query.tumor_core, query.whole_tumor))
    if not whole.any():
        raise ParameterError(
            "no voxel of the whole tumor is left on the grid of the database; the masks lie outside it or are smaller "
            f"than its voxels:\n  masks     {query.grid.describe()}\n  database  {grid.describe()}\n"
            "Check that the masks were registered to the atlas of the database."
        )
    return Observation(tumor_core=core, whole_tumor=whole, grid=grid, thresholds=query.thresholds)


def distance_from_dice(dice_t1gd: NDArray[np.float64] | None, dice_flair: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of the direct query, elementwise: 2 − (Dice_T1Gd + Dice_FLAIR), or 1 − Dice_FLAIR without a core.

    The one expression by which every index ranks, so that rankings agree to the last bit.
    """
    return 1.0 - dice_flair if dice_t1gd is None else 2.0 - (dice_t1gd + dice_flair)


def require_count(k: int) -> None:
    """Raise `ParameterError` unless at least one hit is asked for."""
    require_type("k", k, (int, np.integer), hint="It is the number of hits wanted.")
    if k < 1:
        raise ParameterError(f"k must be at least 1, got {k}.")
