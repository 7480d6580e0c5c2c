"""Which fronts a grid does not resolve: those of an infiltration length λ = √(D_w/ρ) of less than 0.8 voxels.

The tumors of a grid grow too fast, the more so the thinner their front: on SRI24 at 1.875 mm, after 300 days, volumes
are 1 % too large at λ = 1.5 mm (0.8 voxels), 4 % at 1.25, 7 % at 1, 15 % at 0.75 and 27 % at 0.5 mm, in a block of
white matter much the same (``benchmarks/growth/bench_thin_fronts.py``). They are simulated all the same, since their
outlines are those of a tumor, but D_w, ρ and T are not quite theirs; so they are counted and said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Fewest voxels of an infiltration length whose volumes are right to 2 %. *Chosen* by the figures above.
LEAST_FRONT_VOXELS = 0.8


def shortest_resolved_mm(spacing_mm: Sequence[float] | float) -> float:
    """Shortest infiltration length that a grid resolves [mm].

    Examples
    --------
    >>> shortest_resolved_mm(1.875)
    1.5
    """
    return LEAST_FRONT_VOXELS * float(np.max(spacing_mm))


def are_thin_fronts(
    infiltration_length_mm: NDArray[np.float64] | float, spacing_mm: Sequence[float] | float
) -> NDArray[np.bool_]:
    """Whether infiltration lengths [mm] are too short for the spacing of a grid [mm].

    Examples
    --------
    >>> are_thin_fronts(np.array([1.0, 1.5, np.inf]), (1.875, 1.875, 1.875)).tolist()
    [True, False, False]
    """
    return np.asarray(infiltration_length_mm, dtype=np.float64) < shortest_resolved_mm(spacing_mm)


def infiltration_lengths_mm(parameters: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """√(D_w/ρ) of rows (N, P) of growth parameters by the names of their columns [mm]; infinite where ρ is 0."""
    diffusivity, rate = (
        np.asarray(parameters[:, list(names).index(name)], dtype=np.float64)
        for name in ("white_matter_diffusivity_mm2_per_day", "proliferation_rate_per_day")
    )
    squared = np.divide(diffusivity, rate, out=np.full_like(diffusivity, np.inf), where=rate > 0.0)
    return np.sqrt(squared)
