"""Where prepared indexes lie, and how they stay true to their database.

An index is a folder of segments, each a file (`index_file`) about 8192 consecutive tumors. It lies in the user's cache
(`gliofield.cache`), not beside the database, which may be on a read-only disk; its name is a hash of the database's
header and of the settings of the index. The header does not depend on the number of tumors, so a database that has
grown finds its index again, and only what is new is read: a segment keeps the checksums of its tumors, which are those
of the database's own table or the segment is made again.

Files depend on the database and the settings alone and appear by renaming, so processes that build the same index at
once replace each other's files by equal ones. A damaged file, or one of another version, is made again. What was done
is said in `PreparedSegments.notices` and in the progress messages. If nothing can be written, segments stay in memory.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gliofield.cache import cache_folder
from gliofield.database.store import SimulationDatabase
from gliofield.errors import OutputError
from gliofield.grid import Grid
from gliofield.progress import ProgressEvent, Reporter
from gliofield.retrieval.block_kernels import BLOCK_EDGE
from gliofield.retrieval.index_file import Arrays, IndexFileError, read_index_file, write_index_file

TASK_NAME = "prepare index"
#: Tumors of a segment; small enough for the sums of a scan to stay in the processor's cache.
SEGMENT_TUMORS = 8192
_RUN_TUMORS = 32
_CHECKSUM_NAME = "checksum"

Segment = Mapping[str, NDArray[Any]]
Piece = Mapping[str, NDArray[Any]]


class Preparation(Protocol):
    """What an index keeps of each tumor.

    A piece holds the rows of consecutive tumors, so that pieces are joined by concatenating each of their arrays; a
    segment holds the same, arranged for searching.
    """

    @property
    def name(self) -> str:
        """Name of the kind of index, part of the folder's name."""

    @property
    def settings(self) -> dict[str, Any]:
        """What segments depend on beside the tumors, JSON-ready."""

    def piece(self, database: SimulationDatabase, tumors: range) -> Piece:
        """Read some tumors; called from several threads."""

    def segment(self, piece: Piece) -> Arrays:
        """Arrange a piece for searching."""

    def piece_of(self, segment: Segment) -> Piece:
        """The piece a segment was made of."""


@dataclass(frozen=True, kw_only=True)
class PreparedSegments:
    """All segments of an index, and what had to be done to have them.

    Parameters
    ----------
    segments : tuple of mapping of str to array
        In order of their tumors.
    num_tumors_read : int
        Tumors that were read from the database just now.
    notices : tuple of str
        What was found damaged, outdated, unwritable; empty if all went as it should.
    folder : Path
        Where the segments lie.
    segment_tumors : int
        Tumors of each segment but the last.
    num_tumors : int
        Tumors of the database. The last segment may hold more, made for a larger database that begins alike.
    """

    segments: tuple[Segment, ...]
    num_tumors_read: int
    notices: tuple[str, ...]
    folder: Path
    segment_tumors: int
    num_tumors: int

    def rows(self, name: str) -> list[NDArray[Any]]:
        """An array whose rows are tumors, of each segment, without tumors the database does not hold."""
        return [
            segment[name][: max(0, self.num_tumors - number * self.segment_tumors)]
            for number, segment in enumerate(self.segments)
        ]

    @property
    def num_bytes(self) -> int:
        """Size of all arrays [bytes]."""
        return sum(values.nbytes for segment in self.segments for values in segment.values())


def index_folder(database: SimulationDatabase, preparation: Preparation, parent: Path | None) -> Path:
    """Folder of an index, in `parent` or the user's cache."""
    identity = json.dumps([database.header.to_attributes(), _settings(preparation)], sort_keys=True)
    name = f"{preparation.name}-{hashlib.sha256(identity.encode()).hexdigest()[:24]}"
    return (parent if parent is not None else cache_folder("indexes")) / name


def num_blocks(grid: Grid) -> tuple[int, int, int]:
    """Blocks of a grid along x, y and z.

    Examples
    --------
    >>> num_blocks(Grid.axis_aligned((128, 128, 129), 1.0, (0.0, 0.0, 0.0)))
    (16, 16, 17)
    """
    x, y, z = (-(-length // BLOCK_EDGE) for length in grid.shape)
    return x, y, z


def total_blocks(grid: Grid) -> int:
    """Blocks of a grid."""
    return math.prod(num_blocks(grid))


def open_segments(
    database: SimulationDatabase,
    preparation: Preparation,
    *,
    parent: Path | None,
    num_threads: int,
    report: Reporter,
) -> PreparedSegments:
    """Segments for all tumors of a database, read from the cache or made.

    Raises
    ------
    DatabaseError
        If a tumor cannot be read.
    """
    opening = _Opening(database, preparation, index_folder(database, preparation, parent), report)
    found = [opening.read(start) for start in range(0, database.num_tumors, SEGMENT_TUMORS)]
    with ThreadPoolExecutor(num_threads) as executor:
        try:
            segments = tuple(
                opening.completed(number * SEGMENT_TUMORS, segment, executor) for number, segment in enumerate(found)
            )
        finally:
            # After an error or an interrupt nobody waits for the rest of the database.
            executor.shutdown(cancel_futures=True)
    return PreparedSegments(
        segments=segments,
        num_tumors_read=opening.num_read,
        notices=tuple(opening.notices),
        folder=opening.folder,
        segment_tumors=SEGMENT_TUMORS,
        num_tumors=database.num_tumors,
    )


class _Opening:
    """Work of `open_segments`: what was found, how far it is."""

    def __init__(self, database: SimulationDatabase, preparation: Preparation, folder: Path, report: Reporter) -> None:
        self.database = database
        self.preparation = preparation
        self.folder = folder
        self.report = report
        self.notices: list[str] = []
        self.num_read = 0
        self.num_missing = 0

    def read(self, start: int) -> Segment | None:
        """Usable segment that begins with a tumor, whole or the beginning of it; None if there is none."""
        tumors = self._tumors(start)
        segment = self._read_file(start)
        self.num_missing += max(0, len(tumors) - (0 if segment is None else len(segment[_CHECKSUM_NAME])))
        return segment

    def completed(self, start: int, segment: Segment | None, executor: ThreadPoolExecutor) -> Segment:
        """The segment with all its tumors: as it was found, or after reading what is missing."""
        tumors = self._tumors(start)
        num_known = 0 if segment is None else len(segment[_CHECKSUM_NAME])
        if segment is not None and num_known >= len(tumors):
            return segment
        pieces = [] if segment is None else [self._with_checksums(segment)]
        pieces.extend(self._new_pieces(tumors[num_known:], executor))
        piece = _joined(pieces)
        made = {**self.preparation.segment(piece), _CHECKSUM_NAME: piece[_CHECKSUM_NAME]}
        try:
            write_index_file(self._path(start), _settings(self.preparation), made)
            return read_index_file(self._path(start))[1]
        except (OutputError, OSError, IndexFileError) as error:
            self._notice(f"the index stays in memory and is not kept: {error}")
            return made

    def _read_file(self, start: int) -> Segment | None:
        path, expected = self._path(start), self.database.table.checksum[start : start + SEGMENT_TUMORS]
        try:
            settings, segment = read_index_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IndexFileError as error:
            self._notice(f"{path} is made again: {error}.")
            return None
        known = segment.get(_CHECKSUM_NAME, np.zeros(0))
        shorter = min(len(known), len(expected))
        if settings != _settings(self.preparation) or not np.array_equal(known[:shorter], expected[:shorter]):
            self._notice(f"{path} is made again: it was made from other tumors.")
            return None
        return segment

    def _new_pieces(self, tumors: range, executor: ThreadPoolExecutor) -> Iterator[Piece]:
        runs = [tumors[first : first + _RUN_TUMORS] for first in range(0, len(tumors), _RUN_TUMORS)]
        pieces = executor.map(lambda run: self.preparation.piece(self.database, run), runs)
        for run, piece in zip(runs, pieces, strict=True):
            self.num_read += len(run)
            self.report(ProgressEvent(task=TASK_NAME, completed=self.num_read, total=self.num_missing))
            yield {**piece, _CHECKSUM_NAME: self.database.table.checksum[run.start : run.stop]}

    def _with_checksums(self, segment: Segment) -> Piece:
        return {**self.preparation.piece_of(segment), _CHECKSUM_NAME: segment[_CHECKSUM_NAME]}

    def _tumors(self, start: int) -> range:
        return range(start, min(start + SEGMENT_TUMORS, self.database.num_tumors))

    def _path(self, start: int) -> Path:
        return self.folder / f"{start // SEGMENT_TUMORS:06d}.index"

    def _notice(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)
            self.report(ProgressEvent(task=TASK_NAME, completed=self.num_read, total=self.num_missing, message=text))


def _settings(preparation: Preparation) -> dict[str, Any]:
    return {**preparation.settings, "segment_tumors": SEGMENT_TUMORS}


def _joined(pieces: Sequence[Piece]) -> Piece:
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
