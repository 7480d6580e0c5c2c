"""Mask likelihoods of stored tumors from counts per level, integrated over thresholds and width.

A database stores densities in 255 levels, so all that a mask likelihood needs of a tumor are the numbers of voxels per
level inside and outside the masks: with them, any threshold and width cost 256 products, not a pass over the image. So
the imaging parameters need not be fixed: the likelihood is averaged over a grid of them, which is their prior
(midpoints of equal parts, of equal ratio on a logarithmic scale).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.prior import ParameterRange
from gliofield.database.quantization import dequantize
from gliofield.errors import ParameterError
from gliofield.imaging import log_visibility
from gliofield.imaging.visibility_probability import Formula

_NUM_LEVELS = 256
#: Voxels of a query by what the masks say of them; `_CORE` lies in both masks.
NOT_COMPARED, OUTSIDE, WHOLE_ONLY, CORE = range(4)
_NUM_CLASSES = 4


def voxel_classes(
    tumor_core: NDArray[np.bool_], whole_tumor: NDArray[np.bool_], compared: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Class of every voxel, (X, Y, Z); the core lies in the whole tumor."""
    classes = np.where(whole_tumor, np.where(tumor_core, CORE, WHOLE_ONLY), OUTSIDE)
    return np.where(compared, classes, NOT_COMPARED).astype(np.uint8)


def level_counts(
    levels: NDArray[np.uint8], classes: NDArray[np.uint8], class_totals: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Voxels per class and level, (4, 256), of a tumor given in a box outside of which its level is 0.

    Parameters
    ----------
    levels, classes : arrays of one shape
        Stored levels, and classes of the voxels, in the box.
    class_totals : (4,) int array
        Voxels of each class in the whole image.
    """
    joint = (classes.astype(np.int64) << 8) | levels
    counts = np.bincount(joint.ravel(), minlength=_NUM_CLASSES * _NUM_LEVELS).reshape(_NUM_CLASSES, _NUM_LEVELS)
    counts[:, 0] += class_totals - counts.sum(axis=1)
    return counts


@dataclass(frozen=True, kw_only=True)
class ThresholdGrid:
    """Prior of thresholds and width as a grid.

    Parameters
    ----------
    t1gd_threshold, flair_threshold, visibility_width : ParameterRange or float
        Range, or a fixed value.
    num_thresholds, num_widths : int
        Points per threshold and of the width, ≥ 1, where they are not fixed.
    formula : str
        As in `log_visibility`.

    Raises
    ------
    ParameterError
        If a number of points is below 1.
    """

    t1gd_threshold: ParameterRange | float
    flair_threshold: ParameterRange | float
    visibility_width: ParameterRange | float
    num_thresholds: int = 24
    num_widths: int = 4
    formula: Formula = "paper"

    def __post_init__(self) -> None:
        if self.num_thresholds < 1 or self.num_widths < 1:
            raise ParameterError(
                f"num_thresholds and num_widths must be at least 1, got {self.num_thresholds} and {self.num_widths}."
            )

    def tabulated(self, counts: NDArray[np.int64], *, uses_t1gd: bool = True) -> TabulatedLikelihoods:
        """Likelihoods of tumors at every point of the grid, from counts (N, 4, 256) as of `level_counts`.

        Parameters
        ----------
        counts : (N, 4, 256) int array
            Voxels of each tumor per class and level.
        uses_t1gd : bool
            Whether the T1Gd mask was observed.
        """
        in_core = counts[:, CORE].astype(np.float64)
        in_whole = in_core + counts[:, WHOLE_ONLY]
        compared = in_whole + counts[:, OUTSIDE]
        widths = _points(self.visibility_width, self.num_widths)
        return TabulatedLikelihoods(
            flair=self._table(self.flair_threshold, widths, in_whole, compared - in_whole),
            t1gd=self._table(self.t1gd_threshold, widths, in_core, compared - in_core) if uses_t1gd else None,
        )

    def _table(
        self,
        threshold: ParameterRange | float,
        widths: NDArray[np.float64],
        inside: NDArray[np.float64],
        outside: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Log-likelihood of one mask by width, threshold and tumor, (W, K, N)."""
        densities = dequantize(np.arange(_NUM_LEVELS, dtype=np.uint8))
        points = _points(threshold, self.num_thresholds)
        tables = np.empty((len(widths), len(points), len(inside)))
        for row, width in enumerate(widths):
            logs = [
                log_visibility(densities, threshold=float(point), visibility_width=float(width), formula=self.formula)
                for point in points
            ]
            log_inside, log_outside = (np.stack(each) for each in zip(*logs, strict=True))
            tables[row] = log_inside @ inside.T + log_outside @ outside.T
        return tables


@dataclass(frozen=True, kw_only=True, eq=False)
class TabulatedLikelihoods:
    """Log-likelihoods of masks by width, threshold and tumor, (W, K, N) each [nats]; `t1gd` None if not observed."""

    flair: NDArray[np.float64]
    t1gd: NDArray[np.float64] | None

    def averaged(self, weight: float) -> NDArray[np.float64]:
        """log of the likelihood of all masks, its logarithm multiplied by `weight`, averaged over the grid, (N,)."""
        per_width = _log_mean(weight * self.flair)
        if self.t1gd is not None:
            per_width = per_width + _log_mean(weight * self.t1gd)
        return _log_mean(per_width[None])[0]


def _points(each: ParameterRange | float, number: int) -> NDArray[np.float64]:
    """Midpoints of equal parts of a range; the value itself if it is fixed."""
    if not isinstance(each, ParameterRange):
        return np.array([each])
    parts = (np.arange(number) + 0.5) / number
    if each.scale == "log-uniform":
        return each.low * (each.high / each.low) ** parts
    return each.low + (each.high - each.low) * parts


def _log_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """log of the mean of exp(values) over the second axis."""
    largest = values.max(axis=1, keepdims=True)
    return largest[:, 0] + np.log(np.exp(values - largest).mean(axis=1))
