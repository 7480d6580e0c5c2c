"""Indexes ``ds64`` and ``ds32``: the direct query on fewer voxels, as in the papers.

Query and tumors are brought to 64³ or 32³ voxels and compared there, by the same distance as in full resolution; there
is no re-ranking. The published code thresholds the densities at 128³ and zooms the masks with order 0, inside each
query; picking voxels and thresholding commute, so what is kept here, once, are the picked voxels as bits.

A mask that is all between the sampled voxels vanishes. A vanished core has Dice 0 with every tumor, so FLAIR decides
alone; a vanished whole tumor would leave nothing to rank by, and is refused.

References
----------
.. [1] Ezhov et al. (2022), Casting the inverse problem as a database query, section 2.3, "Downsampling".
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import require_threads
from gliofield.database.quantization import levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import USUAL_THRESHOLDS, VisibilityThresholds
from gliofield.metrics.overlap import dice_from_counts
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.retrieval.best_first import SearchThreads
from gliofield.retrieval.bit_masks import count_shared, num_words, pack_above, whole_grid
from gliofield.retrieval.exhaustive import nearest_hits
from gliofield.retrieval.index_cache import Piece, PreparedSegments, Segment, open_segments
from gliofield.retrieval.index_file import Arrays
from gliofield.retrieval.mask_blocks import MODALITIES
from gliofield.retrieval.query import AtThresholds, Hit, Hits, on_database_grid, require_count
from gliofield.retrieval.tumor_overlap import dice_of_tumors
from gliofield_papers.indexes.downsampling import sample

TASK_NAME = "search database"
_BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class _PackedMask:
    """Bits of one mask, cut to its box of words (`bit_masks`), and its number of voxels."""

    words: NDArray[np.uint64]
    box: NDArray[np.int64]
    num_voxels: int


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Some tumors of a segment: their rows in it and their numbers in the database."""

    segment: Segment
    rows: slice
    tumors: slice


class DownsampledIndex(AtThresholds):
    """Index ``ds64``, ``ds32`` …; made by `open`.

    Parameters
    ----------
    database : SimulationDatabase
        What is searched.
    prepared : PreparedSegments
        Masks of its tumors at low resolution.
    downsampling : Downsampling
        How they were made.
    thresholds : VisibilityThresholds
        Those asked for.
    rescore : bool
        Whether hits carry their Dice in full resolution.
    num_threads : int
        Threads of a search.
    """

    def __init__(
        self,
        database: SimulationDatabase,
        prepared: PreparedSegments,
        *,
        downsampling: Downsampling,
        thresholds: VisibilityThresholds,
        rescore: bool,
        num_threads: int,
    ) -> None:
        self.database = database
        self.prepared = prepared
        self.notices = prepared.notices
        self.downsampling = downsampling
        self.thresholds = thresholds
        self.rescore = rescore
        self._threads = SearchThreads(num_threads)
        self._parts = tuple(_parts_of(prepared))

    @classmethod
    def open(
        cls,
        database: SimulationDatabase,
        *,
        size: int = 64,
        thresholds: VisibilityThresholds = USUAL_THRESHOLDS,
        rescore: bool = False,
        num_threads: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        report: Reporter = ignore_progress,
    ) -> DownsampledIndex:
        """Index of a database, from the cache where it is there and true; made or completed where it is not.

        Parameters
        ----------
        database : SimulationDatabase
            What is searched.
        size : int
            Voxels along each axis, ≥ 2; the papers use 64 and 32.
        thresholds : VisibilityThresholds
            Cell densities above which a tumor shows, rounded to multiples of 1/255 as by `ExhaustiveIndex`.
        rescore : bool
            Whether hits carry their Dice in full resolution. They are ranked by the distance at low resolution all the
            same, and `Hit.distance` is that one.
        num_threads : int or None
            Threads; None: all cores this process may use.
        folder : path or None
            Where indexes are kept; None: in the user's cache.
        report : Reporter
            Receives the tumors read, and what was found damaged or outdated.

        Raises
        ------
        ParameterError
            If the size, a threshold or the number of threads is out of range.
        DatabaseError
            If a tumor cannot be read.
        """
        if size < 2:
            raise ParameterError(
                f"size must be at least 2 voxels along each axis (64 or 32 in the papers), got {size}."
            )
        threads = require_threads(num_threads)
        downsampling = Downsampling(size=size, levels=levels_of(thresholds))
        prepared = open_segments(
            database,
            downsampling,
            parent=None if folder is None else Path(folder),
            num_threads=threads,
            report=report,
        )
        return cls(
            database,
            prepared,
            downsampling=downsampling,
            thresholds=thresholds,
            rescore=rescore,
            num_threads=threads,
        )

    @property
    def name(self) -> str:
        """``ds64`` for samples at 64³."""
        return self.downsampling.name

    def search(self, query: Observation, k: int, *, report: Reporter = ignore_progress) -> Hits:
        """The k tumors nearest at low resolution, ties by lower index; all of them if the database holds fewer.

        Parameters
        ----------
        query : Observation
            Masks on any grid in atlas space; brought to the database's grid by the mask rule, then downsampled.
        k : int
            Hits wanted, ≥ 1.
        report : Reporter
            Receives the number of tumors compared.

        Raises
        ------
        ParameterError
            If k is below 1, or nothing of the whole tumor is left on the database's grid or after downsampling.
        DatabaseError
            If a hit is to be rescored and cannot be read.
        """
        require_count(k)
        start_s = time.perf_counter()
        on_grid = on_database_grid(query, self.database.header.grid)
        overlap = self._overlap(self._packed_query(on_grid), report)
        hits = nearest_hits(self.database, overlap[:, 1] if on_grid.has_core else None, overlap[:, 0], k)
        if self.rescore:
            hits = self._rescored(hits, on_grid)
        return Hits(
            hits=hits,
            num_candidates_evaluated=len(hits) if self.rescore else 0,
            seconds=time.perf_counter() - start_s,
        )

    def _packed_query(self, query: Observation) -> tuple[_PackedMask, ...]:
        masks = self.downsampling.packed_masks((query.whole_tumor, query.tumor_core))
        if masks[0].num_voxels == 0:
            raise ParameterError(
                f"Query: no voxel of the whole tumor is left at {self.downsampling.size}³ voxels; its "
                f"{np.count_nonzero(query.whole_tumor)} voxels are too few or too thin for the index {self.name}. Use "
                "the index exact."
            )
        return masks

    def _overlap(self, query: tuple[_PackedMask, ...], report: Reporter) -> NDArray[np.float64]:
        """Dice of all tumors with the query, (N, 2)."""
        num_tumors = self.database.num_tumors
        shared, sizes = np.empty((2, num_tumors), dtype=np.int32), np.empty((2, num_tumors), dtype=np.int64)
        full_words = [self.downsampling.uncut(mask) for mask in query]

        def compare(part: _Part) -> None:
            segment, rows, tumors = part.segment, part.rows, part.tumors
            for column, name in enumerate(MODALITIES):
                sizes[column, tumors] = segment[f"{name}_sizes"][rows]
                count_shared(
                    full_words[column],
                    query[column].box,
                    segment[f"{name}_words"],
                    segment[f"{name}_boxes"][rows],
                    segment[f"{name}_begins"][rows],
                    shared[column, tumors],
                )

        self._threads.map(compare, self._parts)
        report(ProgressEvent(task=TASK_NAME, completed=num_tumors, total=num_tumors))
        query_sizes = [mask.num_voxels for mask in query]
        return dice_from_counts(shared.T, sizes.T, query_sizes, if_both_empty=0.0)

    def _rescored(self, hits: tuple[Hit, ...], query: Observation) -> tuple[Hit, ...]:
        overlap = dice_of_tumors(self.database, query, [hit.index for hit in hits], levels=self.downsampling.levels)
        return tuple(
            replace(hit, dice_flair=float(flair), dice_t1gd=float(t1gd) if query.has_core else None)
            for hit, (flair, t1gd) in zip(hits, overlap, strict=True)
        )


class Downsampling:
    """What the index keeps of each tumor: both masks at low resolution, as words of bits cut to their boxes.

    Parameters
    ----------
    size : int
        Voxels along each axis.
    levels : (int, int)
        Stored levels above which a tumor shows in FLAIR and in T1Gd.
    """

    def __init__(self, *, size: int, levels: tuple[int, int]) -> None:
        self.size = size
        self.levels = levels
        self._buffers = threading.local()

    @property
    def name(self) -> str:
        """Name of the index."""
        return f"ds{self.size}"

    @property
    def settings(self) -> dict[str, Any]:
        """What the masks depend on beside the tumors."""
        return {
            "kind": "downsampled",
            "version": 1,
            "size": self.size,
            "sampling": "order 0, corners aligned",
            "flair_level": self.levels[0],
            "t1gd_level": self.levels[1],
        }

    def piece(self, database: SimulationDatabase, tumors: range) -> Piece:
        """Per modality: ``words`` of all masks, one after the other; ``boxes`` (n, 6) of words; ``sizes`` (n,)."""
        levels = np.empty(database.header.grid.shape, dtype=np.uint8)
        masks = [self._packed_tumor(database.density_levels(tumor, out=levels)) for tumor in tumors]
        piece: dict[str, NDArray[Any]] = {}
        for column, name in enumerate(MODALITIES):
            column_masks = [pair[column] for pair in masks]
            piece[f"{name}_words"] = np.concatenate([mask.words for mask in column_masks])
            piece[f"{name}_boxes"] = np.stack([mask.box for mask in column_masks])
            piece[f"{name}_sizes"] = np.array([mask.num_voxels for mask in column_masks], dtype=np.int64)
        return piece

    def segment(self, piece: Piece) -> Arrays:
        """The piece, and where in ``words`` each mask begins."""
        begins = {}
        for name in MODALITIES:
            boxes = piece[f"{name}_boxes"]
            lengths = np.prod(boxes[:, 1::2] - boxes[:, ::2], axis=1)
            begins[f"{name}_begins"] = np.cumsum(lengths) - lengths
        return {**piece, **begins}

    def piece_of(self, segment: Segment) -> Piece:
        """The segment without the beginnings."""
        return {name: values for name, values in segment.items() if not name.endswith("_begins")}

    def packed_masks(self, masks: tuple[NDArray[np.bool_], ...]) -> tuple[_PackedMask, ...]:
        """Masks in full resolution, downsampled and packed."""
        return tuple(self._packed(sample(mask.view(np.uint8), self.size), 0) for mask in masks)

    def uncut(self, mask: _PackedMask) -> NDArray[np.uint64]:
        """Words of the whole grid, (size, W, size)."""
        words = np.zeros((self.size, num_words(self.size), self.size), dtype=np.uint64)
        words[_slices(mask.box)] = mask.words.reshape(words[_slices(mask.box)].shape)
        return words

    def _packed_tumor(self, levels: NDArray[np.uint8]) -> tuple[_PackedMask, ...]:
        sampled = sample(levels, self.size)
        return tuple(self._packed(sampled, level) for level in self.levels)

    def _packed(self, sampled: NDArray[np.uint8], level: int) -> _PackedMask:
        size = self.size
        if not hasattr(self._buffers, "words"):
            self._buffers.words = np.empty((size, num_words(size), size), dtype=np.uint64)
        words, box = self._buffers.words, np.empty(6, dtype=np.int64)
        num_voxels = pack_above(sampled, whole_grid((size, size, size)), np.uint8(level), words, box)
        return _PackedMask(words=words[_slices(box)].flatten(), box=box, num_voxels=int(num_voxels))


def _parts_of(prepared: PreparedSegments) -> Iterator[_Part]:
    """What threads search, one part at a time."""
    first = 0
    for segment in prepared.segments:
        length = min(len(segment["flair_sizes"]), prepared.num_tumors - first)
        for begin in range(0, length, _BLOCK):
            end = min(begin + _BLOCK, length)
            yield _Part(segment=segment, rows=slice(begin, end), tumors=slice(first + begin, first + end))
        first += length


def _slices(box: NDArray[np.int64]) -> tuple[slice, slice, slice]:
    """Where in an array of words (X, W, Y) a box lies."""
    x_start, x_stop, w_start, w_stop, y_start, y_stop = (int(bound) for bound in box)
    return slice(x_start, x_stop), slice(w_start, w_stop), slice(y_start, y_stop)
