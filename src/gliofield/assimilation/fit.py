"""The tumor that explains two outlines best: Fisher–Kolmogorov growth fitted in the patient's own brain.

    x = (ln μ1, ln μ2, seed, ln a_x, ln a_y),   μ1 = √(D_w T) [mm],   μ2 = √(ρ T)
    minimize  M − Σ Dice over the M modalities  +  w |ln a − ln a₀|²  +  v (1 − r²)

r² is the share of the variance of FET-PET that b u + a explains, u at the resolution of a scanner, at the best scale
and background; without PET, v is 0.
The seed is searched along the axes of the grid. One scan tells neither D_w, ρ nor T apart, so T is arbitrary. The
global tensor a (`axis_stretch`) has the product 1 and two numbers of its own, held near a₀ by the penalty w; a₀ is
isotropic unless another is given. The start needs no database: the seed lies deepest in the core or in the whole tumor,
or where the caller says, and λ = μ1 / μ2 follows from the radii of the two masks, for a front falls from one threshold
to the other within a few λ. The search is Nelder and Mead's, from the best starts; with a₀ first, then with a free.

References
----------
.. [1] Nelder, Mead (1965), A simplex method for function minimization, doi 10.1093/comjnl/7.4.308.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from gliofield.anatomy import Anatomy
from gliofield.errors import GliofieldError, NumericalError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.growth.parameters import ISOTROPIC
from gliofield.imaging import PET_FWHM_MM, Observation, blurred_density, explained_share
from gliofield.metrics import dice

#: Growth time of every fit [days]; arbitrary, for D_w T and ρ T are what is fitted.
GROWTH_TIME_DAYS = 100.0
# Bounds of μ1 [mm] and μ2, and of ln a.
_MU1_MM, _MU2, _LOG_STRETCH = (1.65, 54.0), (1.65, 9.0), math.log(4.0)
# A front falls from u = 0.6 to 0.2 within so many λ: the wave of Ablowitz and Zeppetella, 1/(1 + e^{z/√6})².
_FRONT_WIDTHS = math.sqrt(6.0) * (math.log(0.2**-0.5 - 1.0) - math.log(0.6**-0.5 - 1.0))
# Seeds that are nearer to each other are one start [mm].
_APART_MM = 6.0
# Edges of the first simplex: ln μ1, ln μ2, seed [mm], ln a.
_EDGES = np.array([0.25, 0.12, 4.0, 4.0, 4.0, 0.25, 0.25])


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a tumor is fitted.

    Parameters
    ----------
    num_starts : int
        Starts that are followed, ≥ 1.
    num_evaluations : int
        Simulations of each start.
    num_refinements : int
        Further simulations from the best of them, with the tensor a₀.
    num_stretched : int
        Further simulations with the tensor free; 0 keeps a₀.
    axis_stretch : (float, float, float)
        a₀, three factors with the product 1 (`FisherKolmogorovParameters`); isotropic by default.
    t1gd_weight : float
        Weight of the Dice of T1Gd against that of FLAIR in the fit, ≥ 0. *Tuned* on the masked third of four patients:
        a core of a milliliter would else decide where a tumor of forty lies.
    stretch_penalty : float
        w, ≥ 0. *Tuned* as the weight: 0.02 and 0.2 are alike, and the ellipsoid alone is as good.
    pet_weight : float
        v, what FET-PET weighs, where it was taken, against one outline, ≥ 0.
    diffusivity_ratio : float
        D_w / D_g. *Tuned* as the weight of T1Gd.
    time_step_scale : float
        Factor on the solver's time steps; 2 fits no worse than 1.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    num_starts: int = 3
    num_evaluations: int = 30
    num_refinements: int = 50
    num_stretched: int = 80
    axis_stretch: tuple[float, float, float] = ISOTROPIC
    t1gd_weight: float = 0.5
    stretch_penalty: float = 0.2
    pet_weight: float = 1.0
    diffusivity_ratio: float = 2.0
    time_step_scale: float = 2.0

    def __post_init__(self) -> None:
        for name, least in (("num_starts", 1), ("num_evaluations", 1), ("num_refinements", 0), ("num_stretched", 0)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        for name in ("stretch_penalty", "t1gd_weight", "pet_weight"):
            if not getattr(self, name) >= 0.0:
                raise ParameterError(f"{name} must be ≥ 0, got {getattr(self, name)}.")
        logs = [math.log(factor) if factor > 0.0 else math.inf for factor in self.axis_stretch]
        if len(logs) != 3 or abs(sum(logs)) > 1e-6 or max(map(abs, logs)) > _LOG_STRETCH:
            raise ParameterError(
                "axis_stretch must be three factors between 0.25 and 4 with the product 1, got "
                f"{self.axis_stretch}. Divide them by the cube root of their product."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class TumorFit:
    """A fitted tumor.

    Parameters
    ----------
    parameters : FisherKolmogorovParameters
        At a growth time of `GROWTH_TIME_DAYS`.
    cell_density : (X, Y, Z) float32 array
        On the grid of the anatomy.
    dice_sum : float
        Σ Dice over the modalities there are.
    num_simulations : int
        How many it took.
    growth_time_days : float
        T [days].
    pet_explained : float or None
        Share of the variance of FET-PET that the density explains; None without PET.
    """

    parameters: FisherKolmogorovParameters
    cell_density: NDArray[np.float32]
    dice_sum: float
    num_simulations: int
    growth_time_days: float = GROWTH_TIME_DAYS
    pet_explained: float | None = None


def dice_sum(
    cell_density: NDArray[np.float32],
    seen: Observation,
    where: NDArray[np.bool_] | None = None,
    *,
    t1gd_weight: float = 1.0,
) -> float:
    """Dice of FLAIR and weighted Dice of T1Gd of what a density shows, within a region if one is given."""
    limits = seen.thresholds
    pairs = [(1.0, limits.whole_tumor(cell_density), seen.whole_tumor)]
    if seen.has_core:
        pairs.append((t1gd_weight, limits.tumor_core(cell_density), seen.tumor_core))
    if where is not None:
        pairs = [(weight, shown & where, mask & where) for weight, shown, mask in pairs]
    return sum(weight * dice(shown, mask, if_both_empty=0.0) for weight, shown, mask in pairs)


def fit_tumor(
    seen: Observation,
    anatomy: Anatomy,
    *,
    settings: FitSettings | None = None,
    where: NDArray[np.bool_] | None = None,
    center_mm: NDArray[np.float64] | None = None,
    num_threads: int = 1,
) -> TumorFit:
    """The tumor whose visible outlines overlap most with the masks.

    Parameters
    ----------
    seen : Observation
        Masks, and PET where it was taken, on the grid of the anatomy.
    anatomy : Anatomy
        Where cells may live (`open_domain`).
    settings : FitSettings, optional
        Numbers of simulations, penalty, ratio.
    where : (X, Y, Z) bool array, optional
        Compare only there, for what is hidden on purpose.
    center_mm : (3,) float64 array, optional
        A further place to start the seed from, such as the center of an `Ellipsoid`, along the axes of the grid [mm].
    num_threads : int
        Starts followed at the same time; the result does not depend on it.

    Raises
    ------
    NumericalError
        If no start gives a tumor.
    """
    chosen = FitSettings() if settings is None else settings
    return _Fit(seen=seen, anatomy=anatomy, settings=chosen, where=where, center_mm=center_mm).run(num_threads)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    seen: Observation
    anatomy: Anatomy
    settings: FitSettings
    where: NDArray[np.bool_] | None
    center_mm: NDArray[np.float64] | None

    def run(self, num_threads: int) -> TumorFit:
        chosen = self.settings
        with ThreadPoolExecutor(num_threads) as threads:
            starts, count = self._starts(threads)
            found = list(threads.map(lambda start: self._descend(start, chosen.num_evaluations, 1.0, 5), starts))
        count += sum(number for _, _, number in found)
        best = min(found, key=lambda one: one[1])[0]
        if chosen.num_refinements:
            best, _, number = self._descend(best, chosen.num_refinements, 0.45, 5)
            count += number
        if chosen.num_stretched:
            best, _, number = self._descend(best, chosen.num_stretched, 0.6, 7)
            count += number
        parameters = self.parameters(best)
        density = self.density(parameters)
        return TumorFit(
            parameters=parameters,
            cell_density=density,
            dice_sum=dice_sum(density, self.seen, self.where),
            num_simulations=count + 1,
            pet_explained=None if self.seen.pet is None else self._pet_explained(density),
        )

    def parameters(self, x: NDArray[np.float64]) -> FisherKolmogorovParameters:
        stretch = np.exp([x[5], x[6], -x[5] - x[6]])
        return FisherKolmogorovParameters(
            white_matter_diffusivity_mm2_per_day=math.exp(2.0 * x[0]) / GROWTH_TIME_DAYS,
            proliferation_rate_per_day=math.exp(2.0 * x[1]) / GROWTH_TIME_DAYS,
            seed_mm=place_in_world(x[2:5], self.anatomy.grid),
            diffusivity_ratio=self.settings.diffusivity_ratio,
            axis_stretch=(float(stretch[0]), float(stretch[1]), float(stretch[2])),
        )

    def density(self, parameters: FisherKolmogorovParameters) -> NDArray[np.float32]:
        model = FisherKolmogorov(time_step_scale=self.settings.time_step_scale)
        return model.simulate(self.anatomy, parameters, GROWTH_TIME_DAYS).cell_density[0]

    def cost(self, x: NDArray[np.float64]) -> float:
        """M − Σ Dice with the terms of tensor and PET; the largest value where nothing can be grown there."""
        a, b = x[5:7] - np.log(self.settings.axis_stretch[:2])
        penalty = self.settings.stretch_penalty * float(a**2 + b**2 + (a + b) ** 2)
        try:
            density = self.density(self.parameters(x))
        except GliofieldError:
            return self._largest_cost + penalty
        found = dice_sum(density, self.seen, self.where, t1gd_weight=self.settings.t1gd_weight)
        explained = 0.0 if self.seen.pet is None else self.settings.pet_weight * self._pet_explained(density)
        return self._largest_cost - found - explained + penalty

    @property
    def _largest_cost(self) -> float:
        """Of a density that shows nothing."""
        return self.seen.num_modalities + (0.0 if self.seen.pet is None else self.settings.pet_weight)

    @cached_property
    def _pet_voxels(self) -> NDArray[np.int64]:
        """Where PET was measured in the tissue, and is not hidden; flat indices."""
        assert self.seen.pet is not None
        compared = self.anatomy.domain & (self.seen.pet.data != 0.0)
        return np.flatnonzero(compared if self.where is None else compared & self.where)

    @cached_property
    def _pet_values(self) -> NDArray[np.float64]:
        assert self.seen.pet is not None
        return self.seen.pet.data.reshape(-1)[self._pet_voxels].astype(np.float64)

    def _pet_explained(self, density: NDArray[np.float32]) -> float:
        seen = blurred_density(density, self.seen.grid.spacing_mm, PET_FWHM_MM)
        return explained_share(self._pet_values, seen.reshape(-1)[self._pet_voxels])

    def _descend(
        self, start: NDArray[np.float64], num_evaluations: int, scale: float, num_free: int
    ) -> tuple[NDArray[np.float64], float, int]:
        """Nelder and Mead from a start in its first `num_free` coordinates: place, cost, simulations."""

        def cost(free: NDArray[np.float64]) -> float:
            return self.cost(np.concatenate([free, start[num_free:]]))

        simplex = np.vstack([start[:num_free], start[:num_free] + scale * np.diag(_EDGES)[:num_free, :num_free]])
        found = optimize.minimize(
            cost,
            start[:num_free],
            method="Nelder-Mead",
            bounds=_bounds()[:num_free],
            options={
                "initial_simplex": simplex,
                "maxfev": num_evaluations,
                "xatol": 0.01,
                "fatol": 1e-3,
            },
        )
        return np.concatenate([found.x, start[num_free:]]), float(found.fun), int(found.nfev)

    def _starts(self, threads: ThreadPoolExecutor) -> tuple[list[NDArray[np.float64]], int]:
        """The best of a few seeds, front widths and sizes; and how many were looked at."""
        grid, ml = self.anatomy.grid, self.anatomy.grid.voxel_volume_ml
        visible = self.seen.whole_tumor if self.where is None else self.seen.whole_tumor & self.where
        core = self.seen.tumor_core if self.where is None else self.seen.tumor_core & self.where
        core_mm, visible_mm = (_radius_mm(np.count_nonzero(mask) * ml) for mask in (core, visible))
        width_mm = (visible_mm - core_mm) / _FRONT_WIDTHS if core.any() else 3.0
        lambdas = np.clip(np.array([0.6, 1.0, 1.6]) * width_mm, 1.5, 8.0)
        seeds = [deepest_point(mask & self.anatomy.domain, grid.spacing_mm) for mask in (core, visible)]
        wanted = [] if self.center_mm is None else [self.center_mm]
        wanted += [np.array(seed) * grid.spacing_mm for seed in seeds if seed is not None]
        points: list[NDArray[np.float64]] = []
        for place in wanted:  # seeds that are near each other would follow one another
            if all(np.linalg.norm(place - other) >= _APART_MM for other in points):
                points.append(place)
        candidates, stretch = [], np.log(self.settings.axis_stretch[:2])
        for point in points:
            for length in (float(width) for width in lambdas):
                for number in (1.9, 2.4, 3.0, 3.8, 4.8):
                    mu1 = min(max(length * number, _MU1_MM[0]), _MU1_MM[1])
                    candidates.append(np.array([math.log(mu1), math.log(number), *point, *stretch]))
        costs = list(threads.map(self.cost, candidates))
        if not candidates or min(costs) >= self._largest_cost:
            raise NumericalError(
                "no tumor could be grown where the scan shows one: expected tissue in the middle of the outlines. "
                "Check the segmentation and the registration."
            )
        order = np.argsort(costs, kind="stable")
        return _apart([candidates[index] for index in order], self.settings.num_starts), len(candidates)


def _radius_mm(volume_ml: float) -> float:
    """Radius of the ball of a volume [mm]."""
    return float(np.cbrt(3000.0 * volume_ml / (4.0 * math.pi)))


def _apart(candidates: Sequence[NDArray[np.float64]], number: int) -> list[NDArray[np.float64]]:
    """The first of some candidates that differ from each other in seed or width."""
    chosen: list[NDArray[np.float64]] = []
    for candidate in candidates:
        width = candidate[0] - candidate[1]
        if all(
            np.linalg.norm(candidate[2:5] - other[2:5]) > 1.0 or abs(width - (other[0] - other[1])) > 0.1
            for other in chosen
        ):
            chosen.append(candidate)
        if len(chosen) == number:
            break
    return chosen


def _bounds() -> list[tuple[float, float]]:
    logs = [(math.log(low), math.log(high)) for low, high in (_MU1_MM, _MU2)]
    return [*logs, *[(-1e4, 1e4)] * 3, *[(-_LOG_STRETCH, _LOG_STRETCH)] * 2]


def place_in_world(along_mm: NDArray[np.float64], grid: Grid) -> tuple[float, float, float]:
    """World position [mm, RAS+] of a place along the axes of a grid, from its first voxel [mm].

    A search along these axes finds the same in a head that lies otherwise.
    """
    x, y, z = (float(coordinate) for coordinate in grid.world_of(np.asarray(along_mm) / grid.spacing_mm))
    return x, y, z


def deepest_point(mask: NDArray[np.bool_], spacing_mm: Sequence[float]) -> tuple[int, int, int] | None:
    """Voxel of a mask (X, Y, Z) farthest from its outside, the first of equals; None if the mask is empty."""
    if not mask.any():
        return None
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    x, y, z = np.unravel_index(int(np.argmax(depth)), mask.shape)
    return int(x), int(y), int(z)
