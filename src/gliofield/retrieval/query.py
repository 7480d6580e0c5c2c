"""What is searched for, what is found, and what every index promises.

A `Query` holds the masks of one patient in atlas space. An `Index` answers it with the k nearest tumors of a
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

from gliofield.anatomy.segmentation import Segmentation
from gliofield.database.quantization import NUM_LEVELS, level_of_threshold, levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.errors import ParameterError, require_type
from gliofield.grid import Grid
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.progress import Reporter, ignore_progress
from gliofield.resample import resample_mask
from gliofield.volume import Volume


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """Masks of one tumor in atlas space.

    Parameters
    ----------
    tumor_core : (X, Y, Z) bool array
        What T1Gd shows. May be empty: then only FLAIR is compared.
    whole_tumor : (X, Y, Z) bool array
        What FLAIR shows, core included; not empty.
    grid : Grid
        Their grid, anywhere in the world of the atlas.

    Raises
    ------
    ParameterError
        If a mask is no bool array of the grid's shape, the whole tumor is empty or does not include the core.
    """

    tumor_core: NDArray[np.bool_]
    whole_tumor: NDArray[np.bool_]
    grid: Grid

    def __post_init__(self) -> None:
        for name in ("tumor_core", "whole_tumor"):
            mask = getattr(self, name)
            if mask.shape != self.grid.shape or mask.dtype != bool:
                raise ParameterError(
                    f"Query: {name} must be a bool array of the grid's shape {self.grid.shape}, got {mask.dtype} of "
                    f"shape {mask.shape}."
                )
        if not self.whole_tumor.any():
            raise ParameterError(
                "Query: whole_tumor is empty, so there is nothing to search for. Check that the mask lies in atlas "
                "space, on the grid it claims."
            )
        if np.any(self.tumor_core & ~self.whole_tumor):
            raise ParameterError("Query: whole_tumor must include tumor_core. Were the two masks swapped?")

    @classmethod
    def from_segmentation(cls, segmentation: Segmentation) -> Query:
        """Query of a segmentation that lies in atlas space."""
        return cls(tumor_core=segmentation.tumor_core, whole_tumor=segmentation.whole_tumor, grid=segmentation.grid)

    @property
    def has_core(self) -> bool:
        """Whether T1Gd is compared."""
        return bool(self.tumor_core.any())

    @property
    def num_modalities(self) -> int:
        """Number of Dice values in the distance: 2 with a core, 1 without."""
        return 2 if self.has_core else 1

    def on_grid(self, grid: Grid) -> Query:
        """The query on another grid of the same world: linear interpolation of each mask, > 0.5.

        Raises
        ------
        ParameterError
            If nothing of the whole tumor is left there.
        """
        if self.grid.is_same_as(grid):
            return self
        core, whole = (
            resample_mask(Volume(mask, self.grid), grid).data for mask in (self.tumor_core, self.whole_tumor)
        )
        if not whole.any():
            raise ParameterError(
                "Query: no voxel of the whole tumor is left on the grid of the database; the masks lie outside it or "
                f"are smaller than its voxels:\n  query     {self.grid.describe()}\n  database  {grid.describe()}\n"
                "Check that the masks were registered to the atlas of the database."
            )
        return Query(tumor_core=core, whole_tumor=whole, grid=grid)

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

    def search(self, query: Query, k: int, *, report: Reporter = ignore_progress) -> Hits:
        """The k nearest tumors, nearest first, ties by lower index; all of them if the database holds fewer.

        Raises
        ------
        ParameterError
            If k is below 1, or the query is empty on the database's grid.
        """


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
