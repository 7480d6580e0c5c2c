"""How sure a density is: many tumors that could be behind one scan, each in agreement with its own outlines.

Each member is one hypothesis (`hypotheses`): thresholds of both scans, the front's width, D_w / D_g, how much of FLAIR
is tumor, how much of it T1Gd does not show; with outlines moved by about a voxel, tissue moved by the error of the
registration, and growth that is wrong by a smooth random amount. Growth starts from the member's outlines and is
corrected to them under its thresholds (`phase_correction`), so every member is a density that could have been seen as
it was. Where the hypothesis says water the tumor's outline lies within FLAIR's, and density falls behind it as the
front does.

What is *chosen* and what is *tuned* on what is in docs/assimilation.md. Each member has its own random numbers, so the
ensemble depends on the seed and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit, logit

from gliofield.anatomy import Anatomy, TissueMaps, growth_domain
from gliofield.assimilation.hypotheses import Hypotheses, HypothesisRanges, draw_hypotheses
from gliofield.assimilation.phase_correction import CorrectionSettings, correct_phase
from gliofield.assimilation.priority import PrioritySettings, grow_density
from gliofield.assimilation.rim import Rim
from gliofield.assimilation.seen_domain import open_domain
from gliofield.assimilation.smooth_noise import smooth_noise
from gliofield.errors import ParameterError
from gliofield.imaging import VisibilityThresholds

# Streams of random numbers under one seed.
_HYPOTHESES, _ANATOMIES, _MEMBERS = range(3)
_LOWEST = 1e-9
# As deep as no voxel lies outside [mm].
_NOWHERE_MM = 1e6


@dataclass(frozen=True, kw_only=True)
class EnsembleSettings:
    """How an ensemble is made.

    Parameters
    ----------
    num_members : int
        Densities, ≥ 2.
    ranges : HypothesisRanges
        Priors of the hypotheses.
    outline_mm, outline_correlation_mm : float
        Standard deviation of an outline's place, ≥ 0, and the distance over which it is wrong alike, > 0 [mm].
    growth_logit_std, growth_correlation_mm : float
        Standard deviation of the logit of what is grown, ≥ 0, and its correlation length [mm], > 0.
    registration_mm, registration_correlation_mm : float
        Error of the registration along each axis, ≥ 0, and its correlation length, > 0 [mm].
    num_anatomies : int
        Brains with an error of their own, which members share, ≥ 1.
    growth : PrioritySettings
        Growth from the outlines: densities at the start and ρ t; its width and ratio are the hypothesis's.
    correction : CorrectionSettings
        Correction to the outlines.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    num_members: int = 64
    ranges: HypothesisRanges = field(default_factory=HypothesisRanges)
    outline_mm: float = 1.0
    outline_correlation_mm: float = 12.0
    growth_logit_std: float = 0.5
    growth_correlation_mm: float = 20.0
    registration_mm: float = 2.0
    registration_correlation_mm: float = 30.0
    num_anatomies: int = 8
    growth: PrioritySettings = field(
        default_factory=lambda: PrioritySettings(core_density=0.8, edema_density=0.15, blur_mm=1.5, growth=2.0)
    )
    correction: CorrectionSettings = field(default_factory=lambda: CorrectionSettings(tolerance=1e-2))

    def __post_init__(self) -> None:
        for name, least in (("num_members", 2), ("num_anatomies", 1)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        for name in ("outline_mm", "growth_logit_std", "registration_mm"):
            if not getattr(self, name) >= 0.0:
                raise ParameterError(f"{name} must be ≥ 0, got {getattr(self, name)}.")
        for name in ("outline_correlation_mm", "growth_correlation_mm", "registration_correlation_mm"):
            if not getattr(self, name) > 0.0:
                raise ParameterError(f"{name} must be > 0 [mm], got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One density that could be behind the scan.

    Parameters
    ----------
    cell_density : (X, Y, Z) float32 array
        0 outside the domain.
    dense, tumor : (X, Y, Z) bool arrays
        Its outlines: what is above each of its thresholds, within the domain. The dense part is what T1Gd shows, or
        more where the hypothesis says that T1Gd does not show all of it.
    domain : (X, Y, Z) bool array
        Where its cells may live.
    thresholds : VisibilityThresholds
        Its thresholds.
    """

    cell_density: NDArray[np.float32]
    dense: NDArray[np.bool_]
    tumor: NDArray[np.bool_]
    domain: NDArray[np.bool_]
    thresholds: VisibilityThresholds


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble:
    """Members of one scan, grown when they are asked for.

    Parameters
    ----------
    rim : Rim
        Outlines that are seen.
    anatomy : Anatomy
        The brain before the tumor that is seen opened it, with `tissue_maps`, on the rim's grid.
    thresholds : VisibilityThresholds
        Middle of the members' thresholds.
    cavity : (X, Y, Z) bool array or None
        Where no cells are.
    settings : EnsembleSettings
        Numbers and ranges.
    seed : int
        Seed of all that is random.
    """

    rim: Rim
    anatomy: Anatomy
    thresholds: VisibilityThresholds
    cavity: NDArray[np.bool_] | None = None
    settings: EnsembleSettings = field(default_factory=EnsembleSettings)
    seed: int = 0

    @cached_property
    def hypotheses(self) -> Hypotheses:
        """One of each member."""
        return draw_hypotheses(
            self.rim,
            self.thresholds,
            self.settings.num_members,
            rng=np.random.default_rng([self.seed, _HYPOTHESES]),
            ranges=self.settings.ranges,
        )

    def members(self, num_threads: int = 1) -> Iterator[Member]:
        """All members in order; they do not depend on the number of threads."""
        numbers = range(self.settings.num_members)
        with ThreadPoolExecutor(num_threads) as threads:
            anatomies = list(threads.map(self._anatomy, range(min(self.settings.num_anatomies, len(numbers)))))
            yield from threads.map(lambda index: self._member(index, anatomies[index % len(anatomies)]), numbers)

    def _anatomy(self, index: int) -> Anatomy:
        """The brain as another registration would have brought it, opened for the tumor that is seen."""
        maps, error_mm = self.anatomy.tissue_maps, self.settings.registration_mm
        whole = self.rim.whole_depth_mm > 0.0
        if maps is None or error_mm == 0.0:
            return open_domain(self.anatomy, whole, self.cavity)
        rng = np.random.default_rng([self.seed, _ANATOMIES, index])
        length_mm, spacing_mm = self.settings.registration_correlation_mm, maps.grid.spacing_mm
        places = [
            along + (error_mm / step) * smooth_noise(rng, maps.grid.shape, spacing_mm, length_mm)
            for along, step in zip(np.indices(maps.grid.shape, dtype=np.float32), spacing_mm, strict=True)
        ]

        def moved(values: NDArray[np.float32]) -> NDArray[np.float32]:
            there = ndimage.map_coordinates(values, places, order=1, mode="nearest", output=np.float32)
            return np.where(maps.brain, there, np.float32(0.0))

        tissue = {name: moved(getattr(maps, name)) for name in ("white_matter", "gray_matter", "csf")}
        displaced = TissueMaps(**tissue, brain=maps.brain, grid=maps.grid)
        return open_domain(growth_domain(displaced, rule=self.anatomy.domain_rule), whole, self.cavity)

    def _member(self, index: int, anatomy: Anatomy) -> Member:
        rng = np.random.default_rng([self.seed, _MEMBERS, index])
        chosen, thresholds = self.settings, self.hypotheses.thresholds(index)
        dense, tumor = (mask & anatomy.domain for mask in self._outlines(index, rng))
        grown = grow_density(dense, tumor, anatomy, self._growth(index, thresholds))
        phase = logit(np.clip(grown.astype(np.float64), _LOWEST, 1.0 - _LOWEST))
        phase += chosen.growth_logit_std * self._noise(rng, chosen.growth_correlation_mm)
        corrected = correct_phase(
            expit(phase).astype(np.float32),
            dense,
            tumor,
            anatomy.domain,
            self.rim.grid.spacing_mm,
            thresholds=thresholds,
            without_core="below",
            settings=chosen.correction,
        )
        return Member(
            cell_density=corrected.cell_density,
            dense=dense,
            tumor=tumor,
            domain=anatomy.domain,
            thresholds=thresholds,
        )

    def _outlines(self, index: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Dense part and tumor of a member; neither is lost for being small."""
        chosen, rim = self.settings, self.rim
        noise = [chosen.outline_mm * self._noise(rng, chosen.outline_correlation_mm) for _ in range(2)]
        core_depth, whole_depth = rim.core_depth_mm + noise[0], rim.whole_depth_mm + noise[1]
        core = _inside(core_depth) if rim.has_core else np.zeros(core_depth.shape, dtype=np.bool_)
        row = self.hypotheses.rows(np.array([index]))
        if row.excess_mm[0] == 0.0:
            return core, core | _inside(whole_depth)
        front = row.front_part(rim.directions.reshape(-1, 3)).reshape(core.shape)
        if row.is_dense[0]:
            whole = core | _inside(whole_depth)
            return core | (whole & (rim.relative_depth < 1.0 - front)), whole
        return core, core | _inside(np.where(rim.relative_depth <= front, whole_depth, -_NOWHERE_MM))

    def _noise(self, rng: np.random.Generator, correlation_mm: float) -> NDArray[np.float32]:
        return smooth_noise(rng, self.rim.grid.shape, self.rim.grid.spacing_mm, correlation_mm)

    def _growth(self, index: int, thresholds: VisibilityThresholds) -> PrioritySettings:
        found = self.hypotheses
        dense = self.settings.growth.core_density
        if not self.rim.has_core:
            dense = float(expit(0.5 * (logit(thresholds.t1gd_threshold) + logit(thresholds.flair_threshold))))
        return replace(
            self.settings.growth,
            core_density=dense,
            front_width_mm=float(found.width_mm[index]),
            diffusivity_ratio=float(found.diffusivity_ratio[index]),
        )


def _inside(depth: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where a depth is positive; where it is nowhere, its largest."""
    inside = depth > 0.0
    return inside if inside.any() else depth == depth.max()
