"""What is stored of each tumor besides its density: one row per tumor, in six arrays of one length.

Everything here can be computed again from the parameters and the levels; it is stored so that searches and summaries
need not open the densities, and so that a damaged density is noticed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.box import box_of
from gliofield.grid import Grid
from gliofield.growth.parameters import growth_values_of

#: Why a draw was rejected: by its cheap run (`screening`); the simulation grew beyond the design's limit; its result
#: did not pass the design's filter; the model found no solution (mass effect: no equilibrium).
REJECTION_NAMES = ("screened_out", "too_large", "outside_filter", "not_solvable")


@dataclass(frozen=True)
class Rejections:
    """How many draws were rejected before the one that became a tumor, by reason (`REJECTION_NAMES`)."""

    counts: tuple[int, ...] = (0,) * len(REJECTION_NAMES)

    def with_one_more(self, reason: str) -> Rejections:
        """The counts after another draw was rejected."""
        return Rejections(tuple(n + (name == reason) for name, n in zip(REJECTION_NAMES, self.counts, strict=True)))

    def __add__(self, other: Rejections) -> Rejections:
        """The counts of both."""
        return Rejections(tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    @property
    def total(self) -> int:
        """All rejected draws."""
        return sum(self.counts)

    def as_dict(self) -> dict[str, int]:
        """Counts by reason."""
        return dict(zip(REJECTION_NAMES, self.counts, strict=True))

    def __str__(self) -> str:
        """For example ``3 draws rejected (2 screened out, 1 too large)``."""
        reasons = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in self.as_dict().items() if n)
        return f"{self.total} draws rejected" + (f" ({reasons})" if reasons else "")


@dataclass(frozen=True, kw_only=True, eq=False)
class TumorTable:
    """Rows of a run of consecutive tumors; n is their number.

    Parameters
    ----------
    parameters : (n, P) float64 array
        Columns as `parameter_names` gives them.
    volume_ml : (n, 2) float32 array
        Visible volume in FLAIR and in T1Gd [ml].
    bounding_box : (n, 6) int16 array
        x_start, x_stop, y_start, … of the voxels above level 0, stop exclusive; all 0 for an empty tumor.
    checksum : (n,) uint64 array
        `levels_checksum` of the levels.
    attempt : (n,) int32 array
        Number of draws rejected before this one.
    rejections : (n, 4) int32 array
        The same by reason, columns `REJECTION_NAMES`.
    """

    parameters: NDArray[np.float64]
    volume_ml: NDArray[np.float32]
    bounding_box: NDArray[np.int16]
    checksum: NDArray[np.uint64]
    attempt: NDArray[np.int32]
    rejections: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.attempt)

    def rows(self, start: int, stop: int) -> TumorTable:
        """Rows start … stop − 1."""
        return TumorTable(**{name: values[start:stop] for name, values in self.arrays().items()})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The six arrays by name."""
        return {name: getattr(self, name) for name in TABLE_NAMES}


#: The arrays of the table.
TABLE_NAMES = tuple(field.name for field in dataclasses.fields(TumorTable))


def joined(tables: Sequence[TumorTable]) -> TumorTable:
    """One table of all rows, in order."""
    return TumorTable(**{name: np.concatenate([getattr(table, name) for table in tables]) for name in TABLE_NAMES})


def parameter_names(parameters: Any) -> tuple[str, ...]:
    """Columns of a model's parameters: `TUMOR_NAMES`, and `PUSH_NAME` where the model has mass effect."""
    return tuple(growth_values_of(parameters, 0.0))


def parameter_row(parameters: Any, growth_time_days: float) -> NDArray[np.float64]:
    """One row of the parameters of a growth model and the time of a snapshot [days]."""
    return np.array(list(growth_values_of(parameters, growth_time_days).values()), dtype=np.float64)


def measured(
    levels: NDArray[np.uint8],
    grid: Grid,
    threshold_levels: Mapping[str, int],
    *,
    parameters: NDArray[np.float64],
    rejections: Rejections,
) -> TumorTable:
    """The row of one tumor from its levels (X, Y, Z) and its parameters (P,)."""
    counts = [np.count_nonzero(levels > threshold_levels[name]) for name in ("flair", "t1gd")]
    return TumorTable(
        parameters=parameters[np.newaxis],
        volume_ml=(np.array([counts]) * grid.voxel_volume_ml).astype(np.float32),
        bounding_box=bounding_box(levels)[np.newaxis],
        checksum=np.array([levels_checksum(levels)], dtype=np.uint64),
        attempt=np.array([rejections.total], dtype=np.int32),
        rejections=np.array([rejections.counts], dtype=np.int32),
    )


def bounding_box(levels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Bounds of the voxels above 0 as (x_start, x_stop, y_start, y_stop, z_start, z_stop), stop exclusive.

    Examples
    --------
    >>> levels = np.zeros((4, 4, 4), dtype=np.uint8)
    >>> levels[1:3, 0, 2] = 7
    >>> bounding_box(levels)
    array([1, 3, 0, 1, 2, 3], dtype=int16)
    """
    return np.array(box_of(levels), dtype=np.int16).ravel()


def levels_checksum(levels: NDArray[np.uint8]) -> int:
    """BLAKE2b of 8 bytes over the levels in C order, read as a little-endian integer.

    Any Zarr reader can compute it again with a standard library's BLAKE2b.
    """
    digest = hashlib.blake2b(np.ascontiguousarray(levels).data, digest_size=8).digest()
    return int.from_bytes(digest, "little")
