"""Nearest latent vectors, exactly.

The distance of a tumor to a query is, as published, the sum over the modalities of the Euclidean distance between
their latent vectors a and q:

    distance = Σ_modality ‖a − q‖₂

`LatentTable` computes ‖a − q‖² = ‖a‖² + ‖q‖² − 2 a·q for all tumors by a matrix product in float32, whose error is at
most γ ‖a‖ ‖q‖ with γ = L ε / (1 − L ε) for vectors of length L, in whatever order the product sums [1]_. All tumors
that may be among the nearest within that error are measured again, by differences in float64: the answer is exact, ties
by lower index.

`BitTable` counts differing bits H of codes ±1, for which ‖a − q‖₂ = 2 √H.

References
----------
.. [1] Higham (2002), Accuracy and stability of numerical algorithms, section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gliofield_papers.indexes.embedding.settings import MODALITIES

_WORD_BITS = 64

Nearest = tuple[NDArray[np.intp], NDArray[np.float64]]


class NearestLatents(Protocol):
    """Latent vectors of all tumors of a database."""

    def nearest(self, query: NDArray[np.float32], k: int) -> Nearest:
        """Numbers and distances of the k nearest, ties by lower number; query (M, L), FLAIR first."""


class LatentTable:
    """Latent vectors, searched by matrix product.

    Parameters
    ----------
    segments : sequence of mapping
        ``flair`` and ``t1gd``, each (n, L) float32, of consecutive tumors.
    """

    def __init__(self, segments: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        self._segments = segments
        self._squares = [np.concatenate([_squared_norms(segment[name]) for segment in segments]) for name in MODALITIES]

    def nearest(self, query: NDArray[np.float32], k: int) -> Nearest:
        """Numbers and distances of the k nearest, ties by lower number; query (M, L), FLAIR first."""
        num_tumors = len(self._squares[0])
        low, high = np.zeros(num_tumors), np.zeros(num_tumors)
        relative_error = _product_error(query.shape[1])
        for column, vector in enumerate(query):
            square = float(vector.astype(np.float64) @ vector.astype(np.float64))
            products = np.concatenate([segment[MODALITIES[column]] @ vector for segment in self._segments])
            squares = self._squares[column] + square - 2.0 * products.astype(np.float64)
            error = 2.0 * relative_error * np.sqrt(self._squares[column] * square)
            # Rounding of the three terms in float64.
            error += 1e-15 * (self._squares[column] + square)
            low += np.sqrt(np.maximum(squares - error, 0.0))
            high += np.sqrt(np.maximum(squares + error, 0.0))
        num_hits = min(k, num_tumors)
        candidates = np.flatnonzero(low <= np.partition(high, num_hits - 1)[num_hits - 1] * (1.0 + 1e-12))
        return _sorted(candidates, self._distances(query, candidates), num_hits)

    def _distances(self, query: NDArray[np.float32], tumors: NDArray[np.intp]) -> NDArray[np.float64]:
        return distances_of([_rows(self._segments, MODALITIES[column], tumors) for column in range(len(query))], query)


class BitTable:
    """Codes of bits, as `pack_bits` makes them.

    Parameters
    ----------
    segments : sequence of mapping
        ``flair`` and ``t1gd``, each (n, W) uint64, of consecutive tumors.
    """

    def __init__(self, segments: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        self._codes = [np.concatenate([segment[name] for segment in segments]) for name in MODALITIES]

    def nearest(self, query: NDArray[np.float32], k: int) -> Nearest:
        """Numbers and distances of the k nearest, ties by lower number; query (M, L) of ±1, FLAIR first."""
        distances = np.zeros(len(self._codes[0]))
        for codes, code in zip(self._codes, pack_bits(query), strict=False):
            distances += 2.0 * np.sqrt(np.bitwise_count(codes ^ code).sum(axis=1, dtype=np.int64))
        return _sorted(np.arange(len(distances)), distances, min(k, len(distances)))


def pack_bits(values: NDArray[np.floating]) -> NDArray[np.uint64]:
    """Signs of numbers (n, L) as bits of words (n, W); bits beyond L are 0."""
    num_words = -(-values.shape[1] // _WORD_BITS)
    bits = np.zeros((len(values), num_words * _WORD_BITS), dtype=np.bool_)
    bits[:, : values.shape[1]] = values > 0
    return np.packbits(bits, axis=1).view(np.uint64)


def distances_of(latents: Sequence[NDArray[np.float32]], query: NDArray[np.float32]) -> NDArray[np.float64]:
    """Σ ‖a − q‖₂ over modalities in float64; latents (n, L) of each modality of the query (M, L)."""
    gaps = [rows.astype(np.float64) - vector for rows, vector in zip(latents, query, strict=True)]
    return sum((np.sqrt(np.einsum("nl,nl->n", gap, gap)) for gap in gaps), np.zeros(len(latents[0])))


def _rows(segments: Sequence[Mapping[str, NDArray[Any]]], name: str, tumors: NDArray[np.intp]) -> NDArray[np.float32]:
    """Vectors of some tumors out of the segments."""
    begins = np.cumsum([0, *(len(segment[name]) for segment in segments)])
    numbers = np.searchsorted(begins, tumors, side="right") - 1
    rows = np.empty((len(tumors), segments[0][name].shape[1]), dtype=np.float32)
    for number in np.unique(numbers):
        here = numbers == number
        rows[here] = segments[number][name][tumors[here] - begins[number]]
    return rows


def _squared_norms(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """‖a‖² of each row, (n,)."""
    return np.einsum("nl,nl->n", vectors, vectors, dtype=np.float64)


def _sorted(tumors: NDArray[np.intp], distances: NDArray[np.float64], k: int) -> Nearest:
    """The k smallest distances; `tumors` ascending, so a stable sort settles ties."""
    order = np.argsort(distances, kind="stable")[:k]
    return tumors[order], distances[order]


def _product_error(length: int) -> float:
    """γ: relative error of a float32 dot product of that length, in any order of summation."""
    scaled = length * float(np.finfo(np.float32).eps) / 2.0
    return scaled / (1.0 - scaled)
