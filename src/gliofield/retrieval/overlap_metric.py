"""How two tumors are compared by the sizes of their masks and of what they share.

An `OverlapMetric` gives each modality a similarity f(|A|, |B|, |A ∩ B|), by default Dice, and a weight. The distance is

    distance = Σ w − Σ w f

over the modalities compared: T1Gd and FLAIR, or FLAIR alone for a query without core. With Dice and weights of 1 it is
that of the direct query (`query.distance_from_dice`), to the last bit.

**Bound.** f must not fall while |A ∩ B| grows. Then f(|A|, |B|, s) is an upper bound of the similarity for every
s ≥ |A ∩ B|, and the distance computed from s a lower bound of the distance, by the very expression that gives the
distance itself. Rounding keeps order for +, −, × and ÷, so for Dice and Jaccard this holds in floating point as well; a
function of the user's may be off by roundings, for which the search allows a margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gliofield.errors import ParameterError, unknown_name
from gliofield.metrics.overlap import dice_from_counts

Similarity = Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

_ROUNDING = 1e-12


def dice_similarity(size_a: ArrayLike, size_b: ArrayLike, shared: ArrayLike) -> NDArray[np.float64]:
    """2 |A ∩ B| / (|A| + |B|); 0 if both are empty."""
    return dice_from_counts(shared, size_a, size_b, if_both_empty=0.0)


def jaccard_similarity(size_a: ArrayLike, size_b: ArrayLike, shared: ArrayLike) -> NDArray[np.float64]:
    """|A ∩ B| / |A ∪ B|; 0 if both are empty.

    Examples
    --------
    >>> jaccard_similarity([2, 0], [1, 0], [1, 0])
    array([0.5, 0. ])
    """
    both = np.asarray(shared, dtype=np.float64)
    union = np.asarray(size_a, dtype=np.float64) + np.asarray(size_b, dtype=np.float64) - both
    both, union = np.broadcast_arrays(both, union)
    similarity = np.zeros(union.shape)
    np.divide(both, union, out=similarity, where=union > 0.0)
    return similarity


_NAMED: dict[str, Similarity] = {"dice": dice_similarity, "jaccard": jaccard_similarity}


@dataclass(frozen=True, kw_only=True)
class OverlapMetric:
    """A similarity of masks and the weight of each modality; `dice`, `jaccard`, or with a function of the user's.

    Parameters
    ----------
    name : str
        For results and messages.
    similarity : callable
        f(|A|, |B|, |A ∩ B|) of float64 arrays of one shape: tumor, query, shared voxels; finite, of that shape, and not
        falling while the last argument grows up to the smaller of the other two.
    flair_weight, t1gd_weight : float
        Weights of the modalities, ≥ 0, not both 0. Those of the direct query are 1 and 1.

    Raises
    ------
    ParameterError
        If a weight is not finite or negative, or FLAIR has none.
    """

    name: str
    similarity: Similarity
    flair_weight: float = 1.0
    t1gd_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("flair_weight", "t1gd_weight"):
            weight = getattr(self, name)
            if not (math.isfinite(weight) and weight >= 0.0):
                raise ParameterError(f"{name} must be finite and at least 0, got {weight}.")
        if self.flair_weight == 0.0:
            raise ParameterError(
                "flair_weight must be above 0, got 0: a query without core is compared in FLAIR alone."
            )

    @classmethod
    def dice(cls, *, flair_weight: float = 1.0, t1gd_weight: float = 1.0) -> OverlapMetric:
        """Weighted sum of Dice."""
        return cls.named("dice", flair_weight=flair_weight, t1gd_weight=t1gd_weight)

    @classmethod
    def jaccard(cls, *, flair_weight: float = 1.0, t1gd_weight: float = 1.0) -> OverlapMetric:
        """Weighted sum of Jaccard indexes."""
        return cls.named("jaccard", flair_weight=flair_weight, t1gd_weight=t1gd_weight)

    @classmethod
    def named(cls, name: str, *, flair_weight: float = 1.0, t1gd_weight: float = 1.0) -> OverlapMetric:
        """Metric ``dice`` or ``jaccard``.

        Raises
        ------
        ParameterError
            If the name is another, or a weight out of range.
        """
        if name not in _NAMED:
            raise ParameterError(unknown_name("metric", name, _NAMED))
        return cls(name=name, similarity=_NAMED[name], flair_weight=flair_weight, t1gd_weight=t1gd_weight)

    @property
    def compiled_kind(self) -> int:
        """Number of the similarity in compiled loops; −1 for a function of the user's."""
        if self.similarity is dice_similarity:
            return 0
        return 1 if self.similarity is jaccard_similarity else -1

    @property
    def rounding(self) -> float:
        """How far a distance may lie below its bound because of rounding."""
        return _ROUNDING * (self.flair_weight + self.t1gd_weight) if self.compiled_kind < 0 else 0.0

    def similarities(self, tumor_sizes: ArrayLike, query_size: int, shared: ArrayLike) -> NDArray[np.float64]:
        """f of one modality for many tumors, (n,).

        Raises
        ------
        ParameterError
            If the function returns another shape, or a value that is not finite.
        """
        sizes = np.asarray(tumor_sizes, dtype=np.float64)
        common = np.asarray(shared, dtype=np.float64)
        values = np.asarray(self.similarity(sizes, np.full_like(sizes, query_size), common), dtype=np.float64)
        if values.shape != sizes.shape or not np.isfinite(values).all():
            raise ParameterError(
                f"metric {self.name!r}: the similarity must be finite and of the shape of its arguments {sizes.shape}, "
                f"got shape {values.shape}, {np.count_nonzero(~np.isfinite(values))} values not finite. Check what it "
                "gives for empty masks."
            )
        return values

    def distance(self, flair: NDArray[np.float64], t1gd: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Distance from the similarities of the modalities, elementwise; `t1gd` None for a query without core."""
        if t1gd is None:
            return self.flair_weight - self.flair_weight * flair
        return (self.flair_weight + self.t1gd_weight) - (self.t1gd_weight * t1gd + self.flair_weight * flair)
