"""The virtual cohort's design: who is in it, and every number that its patients are drawn from. Frozen.

60 patients, 20 to *tune* on and 40 to *test* on, with quotas by kind. Each is drawn from its own seed alone, so one
patient is the same whatever is made beside it. A test pins a hash of all drawn numbers: results of two versions are
comparable only while it holds. Where a drawn patient is unusable, the next attempt of the same seed is taken.

Ranges are *chosen* (docs/virtual_cohort.md says from what) but for the front widths, which are *tuned* on the tune
patients so that a margin of 15 mm around the core covers about 80 % of the cells outside it, and for nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gliofield.errors import ParameterError, unknown_name
from gliofield.imaging.visibility import VisibilityThresholds

#: Name of this design, in every cohort; another one is another cohort.
DESIGN_NAME = "2026-virtual-1"
#: Number of patients of each kind in each split.
QUOTAS: dict[str, dict[str, int]] = {
    "tune": {
        "plain": 4,
        "mass-effect": 4,
        "other-physics": 4,
        "two-foci": 3,
        "eccentric-core": 2,
        "no-core": 1,
        "cavity": 2,
    },
    "test": {
        "plain": 8,
        "mass-effect": 8,
        "other-physics": 8,
        "two-foci": 6,
        "eccentric-core": 4,
        "no-core": 2,
        "cavity": 4,
    },
}
SPLITS = tuple(QUOTAS)
KINDS = tuple(QUOTAS["tune"])
#: False edema that each patient of a split is seen with.
CONDITIONS: dict[str, tuple[str, ...]] = {
    "tune": ("none", "one-sided", "severe"),
    "test": ("none", "one-sided", "severe", "tracts"),
}
#: What is drawn separately, so that none of it depends on how many numbers another part takes.
STREAMS = ("numbers", "brain", "place", "physics", "outlines", "edema", "recurrence", "images")
_ROOT_SEED = 20_260_117
# Front widths [mm]: least, largest, and the exponent of the uniform variable that spreads them, *tuned*.
_FRONT_MM, _FRONT_EXPONENT = (2.6, 4.8), 1.4
# Range of √(ρT) for a front of 3.1 mm; wider ones have less of it, for they make larger tumors. Two foci need room, a
# tumor without a core has not grown for long.
_ANY_SIZE, _FRONT_OF_SIZES_MM = (2.5, 3.5), 3.1
_SIZES = {"two-foci": (2.3, 3.1), "no-core": (2.2, 2.8)}


@dataclass(frozen=True, kw_only=True)
class DrawnTumor:
    """The numbers of one attempt at a patient; places and fields are drawn when it is grown.

    Parameters
    ----------
    infiltration_length_mm : float
        λ = √(D_w / ρ) [mm].
    proliferation_number : float
        √(ρT) [1], which with λ makes the size.
    proliferation_rate_per_day : float
        ρ [1/day]; sets the clock and nothing else.
    diffusivity_ratio : float
        D_w / D_g.
    axis_stretch : (float, float, float)
        Global tensor, see `FisherKolmogorovParameters`.
    diffusivity_spread, rate_spread : float
        Standard deviation of ln f_D and ln f_ρ, smooth random fields; 0: none.
    push_pa : float
        γ of the mass effect [Pa]; 0: none.
    second_focus_distance_mm, second_focus_age : float
        Distance of a second seed [mm] and the part of T it has had to grow; 0: none.
    enhancing_part : float
        Part of the dense tumor that enhances, a cap of it; 1: all, 0: none.
    resected_part : float
        Part of the core that was resected; 0: none.
    t1gd_threshold, flair_threshold : float
        What T1Gd and FLAIR show, in the middle of the fields that they vary by.
    white_matter_threshold_factor : float
        Factor on the FLAIR threshold in white matter.
    """

    infiltration_length_mm: float
    proliferation_number: float
    proliferation_rate_per_day: float
    diffusivity_ratio: float
    axis_stretch: tuple[float, float, float]
    diffusivity_spread: float
    rate_spread: float
    push_pa: float
    second_focus_distance_mm: float
    second_focus_age: float
    enhancing_part: float
    resected_part: float
    t1gd_threshold: float
    flair_threshold: float
    white_matter_threshold_factor: float

    @property
    def growth_time_days(self) -> float:
        """T [day]."""
        return self.proliferation_number**2 / self.proliferation_rate_per_day

    @property
    def white_matter_diffusivity_mm2_per_day(self) -> float:
        """D_w [mm²/day]."""
        return self.infiltration_length_mm**2 * self.proliferation_rate_per_day

    @property
    def thresholds(self) -> VisibilityThresholds:
        """Both thresholds."""
        return VisibilityThresholds(t1gd_threshold=self.t1gd_threshold, flair_threshold=self.flair_threshold)


@dataclass(frozen=True, kw_only=True)
class CohortPatient:
    """One patient of the design.

    Parameters
    ----------
    split : {"tune", "test"}
        What its results may be used for.
    number : int
        Number within the split, from 0.
    kind : str
        One of `KINDS`.
    """

    split: str
    number: int
    kind: str

    @property
    def name(self) -> str:
        """Such as ``tune-007``."""
        return f"{self.split}-{self.number:03d}"

    @property
    def conditions(self) -> tuple[str, ...]:
        """False edema that it is seen with, ``none`` first."""
        return CONDITIONS[self.split]

    @property
    def label_scheme(self) -> str:
        """Meaning of the labels in its segmentations."""
        return "brats2024-post" if self.kind == "cavity" else "brats2023"

    def rng(self, attempt: int, stream: str) -> np.random.Generator:
        """Random numbers of one part of one attempt."""
        entropy = (_ROOT_SEED, SPLITS.index(self.split), self.number, attempt, STREAMS.index(stream))
        return np.random.default_rng(np.random.SeedSequence(entropy))

    def drawn(self, attempt: int) -> DrawnTumor:
        """The numbers of an attempt, from 0."""
        rng = self.rng(attempt, "numbers")

        def between(low: float, high: float) -> float:
            return float(rng.uniform(low, high))

        # Everything is drawn for every kind, so that a kind's own numbers move none of the others'.
        low_mm, high_mm = _FRONT_MM
        front_mm = low_mm + (high_mm - low_mm) * between(0.0, 1.0) ** _FRONT_EXPONENT
        size = between(0.0, 1.0)
        rate = math.exp(between(math.log(0.02), math.log(0.06)))
        ratio = math.exp(between(math.log(2.0), math.log(30.0)))
        log_stretch = np.clip(0.4 * rng.standard_normal(3), -0.8, 0.8)
        spreads = between(0.25, 0.5), between(0.15, 0.35)
        push_pa = between(6_000.0, 15_000.0)
        distance_mm, age = between(28.0, 45.0), between(0.6, 0.85)
        enhancing, resected = between(0.1, 0.3), between(0.8, 0.97)
        thresholds = between(0.50, 0.75), between(0.12, 0.28)
        is_halved = between(0.0, 1.0) < 0.3
        is_other, is_multiple = self.kind == "other-physics", self.kind == "two-foci"
        least, largest = _SIZES.get(self.kind, _ANY_SIZE)
        stretch = np.exp(log_stretch - log_stretch.mean())
        return DrawnTumor(
            infiltration_length_mm=front_mm,
            proliferation_number=(least + (largest - least) * size) * (_FRONT_OF_SIZES_MM / front_mm) ** 0.25,
            proliferation_rate_per_day=rate,
            diffusivity_ratio=ratio if is_other else 10.0,
            axis_stretch=(float(stretch[0]), float(stretch[1]), float(stretch[2])) if is_other else (1.0, 1.0, 1.0),
            diffusivity_spread=spreads[0] if is_other else 0.0,
            rate_spread=spreads[1] if is_other else 0.0,
            push_pa=push_pa if self.kind == "mass-effect" else 0.0,
            second_focus_distance_mm=distance_mm if is_multiple else 0.0,
            second_focus_age=age if is_multiple else 0.0,
            enhancing_part={"eccentric-core": enhancing, "no-core": 0.0}.get(self.kind, 1.0),
            resected_part=resected if self.kind == "cavity" else 0.0,
            t1gd_threshold=thresholds[0],
            flair_threshold=thresholds[1],
            white_matter_threshold_factor=0.5 if is_halved else 1.0,
        )


def cohort_design(split: str | None = None) -> tuple[CohortPatient, ...]:
    """The patients of the cohort, or of one split, in order; kinds are spread over the order.

    Parameters
    ----------
    split : {"tune", "test"}, optional
        Default: both, tune first.

    Raises
    ------
    ParameterError
        If there is no such split.
    """
    if split is not None and split not in SPLITS:
        raise ParameterError(unknown_name("split", split, SPLITS))
    return tuple(
        CohortPatient(split=each, number=number, kind=kind)
        for each in (SPLITS if split is None else (split,))
        for number, kind in enumerate(_spread(QUOTAS[each]))
    )


def _spread(quota: dict[str, int]) -> list[str]:
    """Kinds in an order in which every part of the list has about its share of each."""
    placed = [((index + 0.5) / number, kind) for kind, number in quota.items() for index in range(number)]
    return [kind for _, kind in sorted(placed, key=lambda entry: (entry[0], KINDS.index(entry[1])))]
