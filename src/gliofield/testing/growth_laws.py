"""The laws of growth models (`growth.GrowthModel`).

What a model computes is its own affair; databases, samplers and the pipeline rely on how it behaves: densities in
[0, 1] inside the brain, one per time; equal bits from equal input, in any thread and any process; refusals that say
what is wrong.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.database.schema import describe_settings
from gliofield.errors import ParameterError
from gliofield.growth import GrowthModel, Solution, VolumeLimit
from gliofield.testing.laws import Laws, laws_of
from gliofield.testing.phantom_brain import phantom_anatomy, phantom_tumor

# A sum over voxels in float32 is exact to about this.
_ROUNDING = 1e-6
_FAR_AWAY_MM = (1e4, 0.0, 0.0)


def check_growth_model(
    model: GrowthModel[Any],
    tumor: Any = None,
    *,
    anatomy: Anatomy | None = None,
    times_days: Sequence[float] = (120.0, 180.0),
    reachable: NDArray[np.bool_] | None = None,
    may_shrink: bool = False,
) -> None:
    """Check that a growth model keeps the laws of its protocol, on one tumor.

    Parameters
    ----------
    model : GrowthModel
        The model.
    tumor : parameters of the model, optional
        What it grows; None: `phantom_tumor`, a tumor of Fisher-Kolmogorov.
    anatomy : Anatomy, optional
        Where; None: `phantom_anatomy`, 88,000 voxels of 4 mm.
    times_days : sequence of float
        At least two times at which the tumor has cells [day], strictly increasing.
    reachable : (X, Y, Z) bool array, optional
        Where cells may be; None: the domain of the anatomy. A model that moves tissue may fill the brain.
    may_shrink : bool
        Whether a tumor that proliferates may lose cells, as by a network that has learned growth from examples.

    Raises
    ------
    BrokenLawError
        If a law is broken: the message says which, and by what value.

    Examples
    --------
    >>> from gliofield import FisherKolmogorov
    >>> check_growth_model(FisherKolmogorov())
    """
    laws = laws_of("growth model", model)
    laws.require(isinstance(model, GrowthModel), "it must have name and simulate(...)", type(model).__name__)
    brain = phantom_anatomy() if anatomy is None else anatomy
    case = _Case(
        laws=laws,
        model=model,
        tumor=phantom_tumor() if tumor is None else tumor,
        anatomy=brain,
        times_days=tuple(times_days),
        reachable=brain.domain if reachable is None else reachable,
    )
    _check_records(case)
    solution = _check_densities(case)
    _check_memory(case, solution)
    if not may_shrink:
        _check_growth(case, solution)
    _check_times(case, solution)
    _check_refusals(case)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """A model, what it grows, and its laws."""

    laws: Laws
    model: GrowthModel[Any]
    tumor: Any
    anatomy: Anatomy
    times_days: tuple[float, ...]
    reachable: NDArray[np.bool_]

    def grown(self, times_days: float | Sequence[float], **limit: VolumeLimit) -> Solution:
        return self.model.simulate(self.anatomy, self.tumor, times_days, **limit)


def _check_records(case: _Case) -> None:
    """Its settings fit into the header of a database, and it can be sent to the processes of a build."""
    try:
        describe_settings(case.model)
    except ParameterError as error:
        case.laws.require(False, "its settings must fit into the header of a database", error)
    try:
        pickle.loads(pickle.dumps(case.model))
    except Exception as error:
        case.laws.require(False, "it must be picklable, to be sent to worker processes", error)


def _check_densities(case: _Case) -> Solution:
    """Shape, type, range and place; returned for further laws."""
    laws, grid = case.laws, case.anatomy.grid
    before = _arrays_of(case.anatomy)
    solution = case.grown(case.times_days)
    laws.require(isinstance(solution, Solution), "simulate must return a Solution", type(solution).__name__)
    laws.require(solution.grid == grid, "the solution must lie on the grid of the anatomy", solution.grid.describe())
    density = solution.cell_density
    expected = (len(case.times_days), *grid.shape)
    law = f"cell_density must have the shape (times, X, Y, Z) = {expected}"
    laws.require(density.shape == expected, law, density.shape)
    laws.require(density.dtype == np.float32, "cell_density must be float32", density.dtype)
    laws.require(bool(np.isfinite(density).all()), "cell_density must be finite", "NaN or infinite values")
    lowest, highest = float(density.min()), float(density.max())
    laws.require(0.0 <= lowest and highest <= 1.0, "cell_density must lie in [0, 1]", f"{lowest:.6g} to {highest:.6g}")
    laws.require(highest > 0.0, f"a tumor must have cells after {case.times_days[-1]:g} days", "none")
    outside = int(np.count_nonzero(density[:, ~case.reachable]))
    laws.require(outside == 0, "cell_density must be 0 outside the domain", f"cells in {outside} voxels there")
    changed = [name for name, array in _arrays_of(case.anatomy).items() if not np.array_equal(array, before[name])]
    laws.require(not changed, "the anatomy must stay as it was", f"another {', '.join(changed)}")
    return solution


def _check_memory(case: _Case, solution: Solution) -> None:
    """Equal input, equal bits: again, and beside another run in another thread."""
    again = case.grown(case.times_days).cell_density
    _require_equal(case.laws, again, solution.cell_density, "the same run twice must give the same bits")
    alone = [case.grown([time]).cell_density for time in case.times_days]
    with ThreadPoolExecutor(len(alone)) as pool:
        together = [each.cell_density for each in pool.map(lambda time: case.grown([time]), case.times_days)]
    for one, other in zip(together, alone, strict=True):
        _require_equal(case.laws, one, other, "runs in two threads must give the bits they give alone")


def _check_growth(case: _Case, solution: Solution) -> None:
    """A tumor that proliferates does not lose cells."""
    if getattr(case.tumor, "proliferation_rate_per_day", 0.0) <= 0.0:
        return
    cells_ml = solution.cell_density.sum(axis=(1, 2, 3), dtype=np.float64) * solution.grid.voxel_volume_ml
    grows = bool(np.all(np.diff(cells_ml) >= -_ROUNDING * cells_ml[:-1]))
    shown = ", ".join(f"{each:.4g}" for each in cells_ml)
    case.laws.require(grows, "the cells of a proliferating tumor must not become fewer", f"{shown} ml")


def _check_times(case: _Case, solution: Solution) -> None:
    """One density per time, in order; a number is a time; a limit that is not reached changes nothing."""
    laws, times = case.laws, solution.times_days
    in_order = len(times) == len(case.times_days) and all(a < b for a, b in zip(times, times[1:], strict=False))
    laws.require(in_order, f"times_days must be the times asked for, {case.times_days}, in order", times)
    complete = solution.stopped_at_days is None
    laws.require(complete, "a run without a volume limit must reach its end", f"a stop at {solution.stopped_at_days}")
    last = case.times_days[-1]
    single, listed = case.grown(last).cell_density, case.grown([last]).cell_density
    laws.require(
        single.shape == listed.shape, f"a time may be a number: the shape must be {listed.shape}", single.shape
    )
    _require_equal(laws, single, listed, "a time given as a number must give what it gives in a list")
    limit = VolumeLimit(threshold=0.2, max_volume_ml=1e6)
    limited = case.grown([last], volume_limit=limit).cell_density
    _require_equal(laws, limited, listed, "a volume limit that is not reached must change nothing")


def _check_refusals(case: _Case) -> None:
    """What makes no sense is refused, with the error that callers expect."""
    first, last = case.times_days[0], case.times_days[-1]
    for times, what in (([last, first], "times in falling order"), ([0.0], "the time 0"), ([], "no time at all")):
        case.laws.require_refusal(lambda times=times: case.grown(times), ParameterError, what)  # type: ignore[misc]
    if dataclasses.is_dataclass(case.tumor) and hasattr(case.tumor, "seed_mm"):
        outside = dataclasses.replace(case, tumor=dataclasses.replace(case.tumor, seed_mm=_FAR_AWAY_MM))  # type: ignore[type-var]
        case.laws.require_refusal(lambda: outside.grown([last]), ParameterError, "a seed outside the brain")


def _require_equal(laws: Laws, found: NDArray[np.float32], expected: NDArray[np.float32], law: str) -> None:
    if found.shape != expected.shape:
        laws.require(False, law, f"the shape {found.shape} beside {expected.shape}")
    gap = float(np.abs(found - expected).max())
    laws.require(gap == 0.0, law, f"a difference of up to {gap:.3g}")


def _arrays_of(anatomy: Anatomy) -> dict[str, NDArray[Any]]:
    names = ("white_matter", "gray_matter", "domain")
    return {name: getattr(anatomy, name).copy() for name in names}
