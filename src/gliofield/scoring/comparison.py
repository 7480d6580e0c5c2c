"""All methods on one patient, side by side: agreement, coverage, targets of one volume, the masked third, seconds.

Every method works from one registration. What can be compared is the same for all: how an answer agrees with the
outlines before any correction, what of the visible tumor it leaves out, and the region that it would treat first at
the volume of the usual target, the core with 15 mm. No ranking is made of it: without follow-up nobody knows which
region was right, and what holds by construction says nothing (`construction_of`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas
from gliofield.assimilation import distance_mm
from gliofield.box import box_of, slices_of
from gliofield.concern import Verdict
from gliofield.database.manifest import MANIFEST_NAME
from gliofield.errors import GliofieldError, ParameterError, unknown_name
from gliofield.metrics import dice, highest_voxels
from gliofield.pipeline import (
    Case,
    PatientSpace,
    PersonalizationResult,
    PersonalizationSettings,
    default_database_path,
    method_names,
    observe,
    options_named,
    personalize,
    register_case,
)
from gliofield.pipeline.rankings import MARGIN_MM
from gliofield.pipeline.spaces import tumor_grid
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.registration import RegistrationResult
from gliofield.scoring.hidden_third import REACH_MM, SPACING_MM, HiddenThird, directions
from gliofield.scoring.third_rankings import METHOD_RANKINGS, coverage_of

#: Methods that take minutes; they run only where they are named.
SLOW_METHODS = ("sample",)
_TASK = "compare methods"
_UNKNOWN_THIRD = "it works in the atlas or by networks, which have no masked third"


@dataclass(frozen=True, kw_only=True, eq=False)
class MethodOutcome:
    """What one method says of a patient.

    Parameters
    ----------
    name : str
        The method.
    result : PersonalizationResult
        Its answer.
    seconds : float
        From the masks to the map, without reading and registration [s].
    target : (X, Y, Z) bool array or None
        The voxels that it ranks first, at the volume of the core with 15 mm, on the case's grid; None without a core.
    masked_third : tuple of float
        Share of a hidden third of the tumor that the method finds, by direction; empty where it was not scored.
    """

    name: str
    result: PersonalizationResult
    seconds: float
    target: NDArray[np.bool_] | None
    masked_third: tuple[float, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """That of its result."""
        return self.result.verdict

    @property
    def masked_third_mean(self) -> float | None:
        """Mean over the directions in which something is hidden; None without any."""
        found = [share for share in self.masked_third if not math.isnan(share)]
        return float(np.mean(found)) if found else None

    @property
    def visible_in_target(self) -> float | None:
        """Part of the whole tumor inside the target."""
        whole = self.result.case.segmentation.whole_tumor
        if self.target is None:
            return None
        return float(np.count_nonzero(self.target & whole) / np.count_nonzero(whole))


@dataclass(frozen=True, kw_only=True, eq=False)
class MethodComparison:
    """All methods on one patient.

    Parameters
    ----------
    case : Case
        The patient.
    registration : RegistrationResult
        The one that all methods used.
    outcomes : tuple of MethodOutcome
        Those that ran, in the order asked for.
    not_run : mapping of str to str
        The others, and why.
    volume_ml : float or None
        Volume of every target [ml]; None without a core.
    num_sectors : int
        Directions of the masked third; 0: it was not asked for.
    seconds : mapping of str to float
        Of what all methods share [s].
    """

    case: Case
    registration: RegistrationResult
    outcomes: tuple[MethodOutcome, ...]
    not_run: Mapping[str, str]
    volume_ml: float | None
    num_sectors: int
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def overlaps(self) -> dict[str, dict[str, float]]:
        """Dice of the targets of each pair of methods; empty without a core."""
        targets = {each.name: each.target for each in self.outcomes if each.target is not None}
        return {
            one: {other: dice(first, second, if_both_empty=math.nan) for other, second in targets.items()}
            for one, first in targets.items()
        }


def construction_of(outcome: MethodOutcome) -> tuple[str, ...]:
    """What holds of an answer by construction, and so says nothing about it."""
    said = []
    if outcome.result.agreement_corrected is not None:
        said.append("after its correction it agrees with both outlines; its agreement here is that before")
    if outcome.result.estimate.is_ranking:
        said.append("a margin does not claim to be what is seen: it holds its outline, and agreement tells its width")
    if outcome.name == "margin":
        said.append("its target is the core with 15 mm, with which all targets share the volume")
    if outcome.name == "distance":
        said.append("it is made of the outlines: agreement and coverage are perfect")
    return tuple(said)


def compare_methods(
    case: Case,
    *,
    atlas: Atlas,
    methods: Sequence[str] | None = None,
    settings: PersonalizationSettings | None = None,
    registration: RegistrationResult | None = None,
    num_sectors: int = 3,
    report: Reporter = ignore_progress,
) -> MethodComparison:
    """Run methods on one patient, from one registration.

    Parameters
    ----------
    case : Case
        The patient.
    atlas : Atlas
        What it is registered to.
    methods : sequence of str, optional
        Names; None: all, but those that take minutes or need a database that is not built, which are told of instead.
    settings : PersonalizationSettings, optional
        Registration, thresholds, seed, threads.
    registration : RegistrationResult, optional
        By the settings' preset; None: made here.
    num_sectors : int
        Directions of the masked third, 0 to 12; some ten seconds each.
    report : Reporter
        Told of every method.

    Raises
    ------
    ParameterError
        If a name is unknown or occurs twice, the number is out of range, or not one method can run.
    RegistrationError
        If patient and atlas cannot be registered.
    """
    chosen = PersonalizationSettings() if settings is None else settings
    names = _checked(methods)
    if not 0 <= num_sectors <= len(directions()):
        raise ParameterError(f"num_sectors must lie between 0 and {len(directions())}, got {num_sectors}.")
    begin = time.perf_counter()
    if registration is None:
        registration = register_case(case, atlas, chosen, report)
    shared = {"register": time.perf_counter() - begin}
    targets = _Targets(case)
    thirds = _hidden_thirds(case, atlas, registration, chosen, num_sectors)
    outcomes, not_run = list[MethodOutcome](), dict[str, str]()
    for done, name in enumerate(names):
        report(ProgressEvent(task=_TASK, completed=done, total=len(names), message=name))
        reason = None if methods is not None else _why_not(name, atlas)
        if reason is None:
            try:
                result = personalize(
                    case, method=name, atlas=atlas, settings=chosen, registration=registration, report=report
                )
            except GliofieldError as error:
                reason = str(error)
            else:
                outcomes.append(_outcome(name, result, targets, thirds))
        if reason is not None:
            not_run[name] = reason
    report(ProgressEvent(task=_TASK, completed=len(names), total=len(names)))
    if not outcomes:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in not_run.items())
        raise ParameterError(f"not one method can run on this patient.{reasons}")
    return MethodComparison(
        case=case,
        registration=registration,
        outcomes=tuple(outcomes),
        not_run=not_run,
        volume_ml=targets.volume_ml,
        num_sectors=num_sectors,
        seconds=shared,
    )


def why_no_third(name: str) -> str:
    """Why a method has no masked third."""
    return "" if name in METHOD_RANKINGS else _UNKNOWN_THIRD


def _outcome(
    name: str, result: PersonalizationResult, targets: _Targets, thirds: Sequence[HiddenThird]
) -> MethodOutcome:
    ranking = METHOD_RANKINGS.get(name)
    steps = ("prepare", name, "move densities")
    return MethodOutcome(
        name=name,
        result=result,
        seconds=sum(seconds for stage, seconds in result.seconds.items() if stage in steps),
        target=targets.of(result),
        masked_third=() if ranking is None else tuple(coverage_of(ranking, third) for third in thirds),
    )


def _checked(methods: Sequence[str] | None) -> tuple[str, ...]:
    known = method_names()
    names = tuple(known if methods is None else methods)
    for name in names:
        if name not in known:
            raise ParameterError(unknown_name("method", name, known))
    if len(set(names)) < len(names):
        raise ParameterError(f"each method can be compared once, got {', '.join(names)}.")
    return names


def _why_not(name: str, atlas: Atlas) -> str | None:
    """Why a method is not run without being asked for by its name; None: it is."""
    if name in SLOW_METHODS:
        return f"it takes minutes: ask for it by name (--method {name})"
    options = options_named(name)
    needs_database = name == "query" and getattr(options, "database", None) is None
    if needs_database and not (default_database_path(atlas) / MANIFEST_NAME).is_file():
        return "its default database is not built, which takes minutes: gliofield setup --database 5000"
    return None


class _Targets:
    """The voxels that a result ranks first, at the volume of the core with 15 mm within the living brain."""

    def __init__(self, case: Case) -> None:
        segmentation = case.segmentation
        alive = case.brain if segmentation.cavity is None else case.brain & ~segmentation.cavity
        self._window = slices_of(box_of(case.brain))
        self._within, self._shape = alive[self._window], case.grid.shape
        self.volume_ml: float | None = None
        if segmentation.has_core:
            self._from_core_mm = distance_mm(segmentation.tumor_core[self._window], case.grid.spacing_mm)
            self._count = int(np.count_nonzero(self._within & (self._from_core_mm <= MARGIN_MM)))
            self.volume_ml = self._count * case.grid.voxel_volume_ml

    def of(self, result: PersonalizationResult) -> NDArray[np.bool_] | None:
        """None without a core."""
        if self.volume_ml is None:
            return None
        score = result.density_patient.data[self._window]
        found = np.zeros(self._shape, dtype=bool)
        found[self._window] = highest_voxels(score, self._count, within=self._within, distance_mm=self._from_core_mm)
        return found


def _hidden_thirds(
    case: Case, atlas: Atlas, registration: RegistrationResult, settings: PersonalizationSettings, num_sectors: int
) -> list[HiddenThird]:
    if num_sectors == 0:
        return []
    scan = PatientSpace(case=case, atlas=atlas, transform=registration.transform, grid=case.grid)
    space = scan.on_grid(tumor_grid(scan, case.segmentation.whole_tumor, spacing_mm=SPACING_MM, reach_mm=REACH_MM))
    seen = observe(case, space, settings.thresholds)
    # Directions far from each other: every fourth corner of the icosahedron and so on.
    places = np.linspace(0, len(directions()), num_sectors, endpoint=False).astype(int)
    return [HiddenThird(seen=seen, anatomy=space.anatomy, direction=directions()[place]) for place in places]
