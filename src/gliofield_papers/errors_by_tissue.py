"""How far a density is from the true one: errors by tissue and Dice at many levels, as the papers measure them.

The papers' mean absolute error in white and in gray matter is taken over voxels where the tissue is and where the truth
has tumor; in CSF over voxels where the prediction has tumor (Ezhov et al. 2021 and 2023, authors' code). False tumor
outside the true one is thus never counted. `union` takes, for each tissue, the voxels where either has tumor. A tissue
is wherever its fraction exceeds 1e-4: with soft maps a voxel is of several tissues, and CSF has tumor without mass
effect too, where it shares a voxel with tissue. Where the maps are those of the solver, CSF is closed to cells.

Undefined values are NaN: an error over no voxel, and the Dice of two empty masks. Means over tumors leave them out and
their number is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.metrics.overlap import dice
from gliofield.metrics.statistics import mean_of
from gliofield.report.tables import NOTHING, number

#: Levels of the inverse paper's evaluation, at which true and predicted densities are compared.
INVERSE_LEVELS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.25, 0.4, 0.5, 0.75, 0.8, 0.9, 0.95)
#: Levels of the surrogate paper's.
SURROGATE_LEVELS = (0.2, 0.4, 0.8)
#: From this density, and from this fraction of a tissue on, a voxel counts.
_CUTOFF = 1e-4
_TISSUES = ("white_matter", "gray_matter", "csf")


@dataclass(frozen=True, kw_only=True)
class DensityErrors:
    """Errors of one predicted density.

    Parameters
    ----------
    published : mapping of str to float
        Mean absolute error in ``white_matter``, ``gray_matter`` and ``csf`` over the papers' voxels.
    union : mapping of str to float
        The same over voxels where either density has tumor, and over all of them as ``all``.
    dice : mapping of float to float
        Dice of the two densities above each level.
    """

    published: Mapping[str, float]
    union: Mapping[str, float]
    dice: Mapping[float, float]


def density_errors(
    predicted: NDArray[np.float32],
    truth: NDArray[np.float32],
    tissues: Mapping[str, NDArray[np.float32]],
    *,
    levels: tuple[float, ...],
) -> DensityErrors:
    """Errors of a density, (X, Y, Z), against the truth.

    Parameters
    ----------
    predicted, truth : (X, Y, Z) float32 arrays
        Densities on one grid.
    tissues : mapping of str to (X, Y, Z) float32 array
        Fractions of ``white_matter``, ``gray_matter`` and ``csf``.
    levels : tuple of float
        Where Dice is measured, strictly above.
    """
    error = np.abs(predicted.astype(np.float64) - truth)
    has_predicted, has_truth = predicted > _CUTOFF, truth > _CUTOFF
    either = has_predicted | has_truth
    published, union = {}, {"all": _mean(error, either)}
    for name in _TISSUES:
        in_tissue = tissues[name] > _CUTOFF
        published[name] = _mean(error, in_tissue & (has_predicted if name == "csf" else has_truth))
        union[name] = _mean(error, in_tissue & either)
    nan = float("nan")
    overlaps = {level: dice(predicted > level, truth > level, if_both_empty=nan) for level in levels}
    return DensityErrors(published=published, union=union, dice=overlaps)


@dataclass(frozen=True, kw_only=True)
class MeanValue:
    """Mean of the defined values of some tumors, how they spread, and how many were undefined.

    Parameters
    ----------
    mean, standard_error, median, percentile_5, percentile_95 : float
        Of the defined values; NaN if there are none, the error below two.
    num_defined, num_undefined : int
        How many there were.
    """

    mean: float
    standard_error: float
    median: float
    percentile_5: float
    percentile_95: float
    num_defined: int
    num_undefined: int

    @classmethod
    def of(cls, values: NDArray[np.float64] | list[float]) -> MeanValue:
        """Statistics of values, NaN where undefined."""
        array = np.asarray(values, dtype=np.float64)
        defined = array[~np.isnan(array)]
        if len(defined) == 0:
            nan = float("nan")
            return cls(
                mean=nan, standard_error=nan, median=nan, percentile_5=nan, percentile_95=nan, num_defined=0,
                num_undefined=len(array),
            )  # fmt: skip
        low, median, high = (float(value) for value in np.percentile(defined, (5, 50, 95)))
        return cls(
            mean=float(defined.mean()),
            standard_error=mean_of(defined.tolist()).standard_error,
            median=median,
            percentile_5=low,
            percentile_95=high,
            num_defined=len(defined),
            num_undefined=len(array) - len(defined),
        )

    @property
    def cell(self) -> str:
        """The mean ± its error for a table; in parentheses, where not 0, the number of tumors without a value."""
        missing = f" ({self.num_undefined})" if self.num_undefined else ""
        return f"{self.with_error}{missing}"

    @property
    def with_error(self) -> str:
        """The mean ± its standard error for a table."""
        if not self.num_defined:
            return NOTHING
        return f"{number(self.mean, '.3f')} ± {number(self.standard_error, '.3f')}"


def _mean(error: NDArray[np.float64], region: NDArray[np.bool_]) -> float:
    return float(error[region].mean()) if region.any() else float("nan")
