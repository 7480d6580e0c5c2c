"""From one scan to a tumor-cell map: register → space → observe → estimate → to the patient → score.

The steps are those of Ezhov et al. 2022, "Casting the inverse problem as a database query", section 2.2, and the same
for every inverse method and every space: a method says where it wants to work, and the space knows the way to the
patient and back. Nothing is written here: `personalize` returns a value, which saves and shows itself.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import DEFAULT_ATLAS, Atlas, Segmentation, Space, SpaceRequest
from gliofield.anatomy.atlas_sources import resolve_atlas
from gliofield.concern import Concern, by_harm, named_concern
from gliofield.cores import meanwhile, require_threads, with_one_blas_thread
from gliofield.errors import ParameterError, RegistrationError
from gliofield.grid import Grid
from gliofield.growth import GrowthModel
from gliofield.imaging import Estimate, InverseMethod, Observation, VisibilityThresholds, move_pet
from gliofield.metrics import MaskAgreement, mask_agreement
from gliofield.pipeline.case import Case, CaseFiles, read_case
from gliofield.pipeline.input_checks import CaseChecks, InputChecks, check_input
from gliofield.pipeline.method_options import DEFAULT_METHOD, MethodOptions, Sample, options_named
from gliofield.pipeline.methods import prepare_method
from gliofield.pipeline.rankings import rank_outlines, rank_targets
from gliofield.pipeline.regrowth import regrow
from gliofield.pipeline.result import PersonalizationResult
from gliofield.pipeline.settings import PersonalizationSettings
from gliofield.pipeline.spaces import DEFAULT_SPACING_MM, PatientSpace, make_space, require_fitting_atlas
from gliofield.pipeline.tumor_coverage import TumorCoverage, measure_coverage
from gliofield.progress import Reporter, StageClock, ignore_progress
from gliofield.registration import (
    RegistrationQuality,
    RegistrationResult,
    Transform,
    register,
    registration_preset,
    registration_quality,
)
from gliofield.volume import Volume

_PIPELINE_REFERENCE = (
    "Ezhov et al. (2022), Casting the inverse problem as a database query. The case of personalized tumor growth "
    "modeling"
)
_DEFORMABLE_REFERENCE = (
    "Avants et al. (2008), Symmetric diffeomorphic image registration with cross-correlation, "
    "doi:10.1016/j.media.2007.06.004"
)
# A part of the tumor above this outside the domain deserves a word in the result.
_NOTABLE_OUTSIDE = 0.15
# An answer whose visible tumor overlaps less than this with a mask (Dice) is not that tumor. *Chosen*.
_POOR_DICE = 0.3


@with_one_blas_thread
def personalize(
    patient: Case | CaseFiles | str | os.PathLike[str],
    *,
    method: str | MethodOptions | InverseMethod = DEFAULT_METHOD,
    atlas: str | Atlas = DEFAULT_ATLAS,
    settings: PersonalizationSettings | None = None,
    model: GrowthModel[Any] | None = None,
    registration: RegistrationResult | None = None,
    report: Reporter = ignore_progress,
) -> PersonalizationResult:
    """Tumor-cell density of a patient, and what else the method finds out about the tumor.

    Parameters
    ----------
    patient : Case, CaseFiles or path
        The patient (`read_case`), its files, or a BraTS folder.
    method : str, options or InverseMethod
        A name (``"query"``, ``"infer"``, ``"sample"``, ``"margin"``, …), options such as ``Sample(num_samples=64)``, or
        a method that is ready, such as `QueryMethod` or one of your own.
    atlas : str or Atlas
        The atlas, its name or its folder.
    settings : PersonalizationSettings, optional
        Registration, thresholds and space.
    model : GrowthModel, optional
        What grows an answer again in the patient (``space="patient"``); None: as the method's own growth.
    registration : RegistrationResult, optional
        With this atlas, by the settings' preset (`register_case`); None: made here.
    report : Reporter
        Told about every stage.

    Raises
    ------
    ParameterError
        If an argument is of the wrong kind or does not fit, or the answer cannot be grown in the patient.
    DatabaseError
        If the method was made for another atlas.
    RegistrationError
        If patient and atlas cannot be registered, or the tumor is lost on the way.
    """
    clock, chosen = StageClock(report), _require_settings(settings)
    with clock.stage("read"):
        case = _read_patient(patient, chosen.num_threads)
    with clock.stage("load atlas"):
        loaded = resolve_atlas(atlas, report=report)
    ready, chosen = _prepare(method, loaded, chosen, clock, report)
    request = _fitting_request(ready, loaded, chosen)
    with meanwhile(require_threads(chosen.num_threads)) as beside:
        before = beside.begin(CaseChecks.of, case, loaded)
        registration = _registered(registration, case, loaded, chosen, clock, report)
        with clock.stage("observe"):
            spaces = _Spaces(case=case, atlas=loaded, registration=registration, settings=chosen)
            observation, in_atlas = _observed(spaces, request)
        outlines = beside.begin(rank_outlines, spaces.scan, chosen.thresholds)
        checks = beside.begin(_checked, case, loaded, registration, before)
        with clock.stage(ready.name):
            estimate = ready.estimate(observation, report=report)
        final = _grown_in_patient(estimate, spaces, request, model, clock)
        with clock.stage("move densities"):
            moved = _move(case, estimate, final, in_atlas)
        with clock.stage("rank"):
            rankings = rank_targets(moved.density_patient, spaces.scan, chosen.thresholds, outlines())
        with clock.stage("score"):
            judged = _judged(case, estimate, moved, in_atlas)
            scores = _score(case, *checks(), observation, judged, in_atlas, final, request)
    return PersonalizationResult(
        case=case,
        estimate=estimate,
        **moved.fields,
        rankings=rankings,
        registration=registration,
        **scores.fields,
        thresholds=chosen.thresholds,
        agreement_corrected=_agreement_corrected(case, estimate, moved, chosen.thresholds),
        settings=_recorded(chosen, loaded, ready.name, request, final.space),
        seconds=clock.seconds,
        method_name=ready.name,
        density_judged=judged[0],
        atlas=loaded,
        references=(_PIPELINE_REFERENCE, *_registration_references(registration), *ready.references),
    )


def register_case(
    case: Case, atlas: Atlas, settings: PersonalizationSettings, report: Reporter = ignore_progress
) -> RegistrationResult:
    """Registration of a patient with the atlas, as the settings say.

    Raises
    ------
    RegistrationError
        If they cannot be registered.
    """
    return register(
        patient_image=case.structural_image,
        atlas_image=atlas.t1,
        patient_brain=Volume(case.brain, case.grid),
        lesion=Volume(case.segmentation.without_counterpart, case.grid),
        preset=settings.registration,
        seed=settings.seed,
        deterministic=settings.deterministic,
        num_threads=settings.num_threads,
        report=report,
    )


def observe(case: Case, space: Space, thresholds: VisibilityThresholds) -> Observation:
    """A patient's masks on the grid of a space, moved by its rule, and PET, linearly and divided by its maximum.

    PET is compared in the brain only, and not in a cavity; its maximum is looked for there. A core that is lost on the
    way (smaller than a voxel) becomes "no core".

    Raises
    ------
    RegistrationError
        If nothing of the whole tumor is left in the atlas.
    ParameterError
        If nothing of it is left in the patient.
    ImageError
        If PET is negative or not finite, or shows nothing of the brain.
    """
    whole = space.mask_from_patient(Volume(case.segmentation.whole_tumor, case.grid))
    core = space.mask_from_patient(Volume(case.segmentation.tumor_core, case.grid))
    if not whole.any():
        raise _lost_tumor(case, space)
    pet = case.images.get("pet")
    cavity = case.segmentation.cavity
    alive = case.brain if cavity is None else case.brain & ~cavity
    return Observation(
        tumor_core=core & whole,
        whole_tumor=whole,
        pet=None if pet is None else move_pet(pet, alive, space.image_from_patient),
        grid=space.grid,
        thresholds=thresholds,
        space=space,
    )


def observe_in_atlas(
    case: Case, atlas: Atlas, transform: Transform, settings: PersonalizationSettings, *, grid: Grid | None = None
) -> Observation:
    """A patient as `observe` sees it in the atlas, on its simulation grid or another; errors as `observe`."""
    space = make_space(
        SpaceRequest(grid=grid),
        case=case,
        atlas=atlas,
        transform=transform,
        mask_rule=registration_preset(settings.registration).mask_interpolation,
    )
    return observe(case, space, settings.thresholds)


def density_in_patient(moved: Volume, case: Case) -> Volume:
    """A density, or a map of densities, on the patient's grid: in [0, 1], 0 outside the brain and in a cavity."""
    cavity = case.segmentation.cavity
    alive = case.brain if cavity is None else case.brain & ~cavity
    return Volume(np.where(alive, np.clip(moved.data, 0.0, 1.0), 0.0).astype(np.float32), case.grid)


def _lost_tumor(case: Case, space: Space) -> RegistrationError | ParameterError:
    whole_ml = case.segmentation.whole_ml
    if space.name == "atlas":
        return RegistrationError(
            f"no tumor is left in atlas space: the whole tumor has {whole_ml:.2f} ml in the patient and 0 voxels on "
            "the atlas grid. It is smaller than a voxel, or the registration failed (see the overview)."
        )
    return ParameterError(
        f"no tumor is left at a spacing of {min(space.grid.spacing_mm):g} mm: the whole tumor has {whole_ml:.2f} ml in "
        "the patient. Use a smaller spacing."
    )


def _require_settings(settings: PersonalizationSettings | None) -> PersonalizationSettings:
    if settings is not None and not isinstance(settings, PersonalizationSettings):
        raise ParameterError(
            f"settings must be PersonalizationSettings, got {type(settings).__name__}. The method's own settings go to "
            "method=, for example method=Sample(num_samples=64)."
        )
    return PersonalizationSettings() if settings is None else settings


def _observed(spaces: _Spaces, request: SpaceRequest) -> tuple[Observation, Observation]:
    """The patient in the space a method asks for, and in the atlas."""
    space, thresholds = spaces.make(request), spaces.settings.thresholds
    observation = observe(spaces.case, space, thresholds)
    return observation, observation if space.name == "atlas" else observe(spaces.case, spaces.make(), thresholds)


def _grown_in_patient(
    estimate: Estimate,
    spaces: _Spaces,
    request: SpaceRequest,
    model: GrowthModel[Any] | None,
    clock: StageClock,
) -> Estimate:
    """The estimate, grown again in the patient if it comes from the atlas and the settings want it."""
    if spaces.settings.space != "patient" or estimate.space.name != "atlas":
        return estimate
    with clock.stage("grow in the patient"):
        return regrow(estimate, spaces.make(SpaceRequest(name="patient", domain_rule=request.domain_rule)), model)


def _registered(
    given: RegistrationResult | None,
    case: Case,
    atlas: Atlas,
    settings: PersonalizationSettings,
    clock: StageClock,
    report: Reporter,
) -> RegistrationResult:
    """A finished registration, if it is of the preset that the settings name, or one made now."""
    if given is None:
        with clock.stage("register"):
            return register_case(case, atlas, settings, report)
    if given.preset.name != settings.registration:
        raise ParameterError(
            f"registration was made by the preset {given.preset.name!r}, and the settings say "
            f"{settings.registration!r}: expected the same. Set PersonalizationSettings(registration=...)."
        )
    return given


def _read_patient(patient: Case | CaseFiles | str | os.PathLike[str], num_threads: int | None) -> Case:
    if isinstance(patient, Case):
        return patient
    if isinstance(patient, CaseFiles | str | os.PathLike):
        return read_case(patient, num_threads=num_threads)
    raise ParameterError(
        f"patient must be a Case, CaseFiles or the path of a BraTS folder, got {type(patient).__name__}."
    )


def _fitting_request(method: InverseMethod, atlas: Atlas, settings: PersonalizationSettings) -> SpaceRequest:
    """The space a method asks for; a wish that would have no effect is refused."""
    request = method.request_space(settings.space)
    require_fitting_atlas(request, atlas, method_name=method.name)
    if settings.space == "atlas" and request.name == "patient":
        raise ParameterError(
            f"method {method.name!r} works in the patient's own brain, and the space 'atlas' was asked for: leave the "
            "space to the method, or use method 'query'."
        )
    if settings.spacing_mm is not None and request.on_scan:
        raise ParameterError(
            f"spacing_mm has no effect on method {method.name!r}, which works on the grid of the scan. Leave it out."
        )
    return request


def _prepare(
    method: str | MethodOptions | InverseMethod,
    atlas: Atlas,
    settings: PersonalizationSettings,
    clock: StageClock,
    report: Reporter,
) -> tuple[InverseMethod, PersonalizationSettings]:
    """The method, ready to be asked, and the settings it needs."""
    options = options_named(method) if isinstance(method, str) else method
    if isinstance(options, MethodOptions):
        if isinstance(options, Sample) and options.stage_file is not None:
            # A run resumes from its stage file with the same masks and anatomy only.
            settings = dataclasses.replace(settings, deterministic=True)
        with clock.stage("prepare"):
            return prepare_method(options, atlas=atlas, settings=settings, report=report), settings
    if isinstance(options, InverseMethod):
        return options, settings
    raise ParameterError(
        f"method must be a name, options such as Query(), or an InverseMethod, got {type(method).__name__}. A method "
        "of your own needs name, references, request_space and estimate."
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Spaces:
    """Makes the spaces of one run."""

    case: Case
    atlas: Atlas
    registration: RegistrationResult
    settings: PersonalizationSettings

    @cached_property
    def scan(self) -> PatientSpace:
        """The patient's brain on the grid of the scan."""
        return PatientSpace(
            case=self.case, atlas=self.atlas, transform=self.registration.transform, grid=self.case.grid
        )

    def make(self, request: SpaceRequest = SpaceRequest()) -> Space:  # noqa: B008 (frozen)
        if request == SpaceRequest(name="patient", on_scan=True):
            return self.scan
        return make_space(
            request,
            case=self.case,
            atlas=self.atlas,
            transform=self.registration.transform,
            spacing_mm=self.settings.spacing_mm,
            mask_rule=registration_preset(self.settings.registration).mask_interpolation,
        )


@dataclass(frozen=True, kw_only=True)
class _Moved:
    """What an estimate is in the patient and in the atlas; fields as in `PersonalizationResult`."""

    density_patient: Volume
    density_atlas: Volume
    candidate_densities_patient: tuple[Volume, ...]
    posterior_patient: Mapping[str, Volume]
    posterior_atlas: Mapping[str, Volume]
    maps_patient: Mapping[str, Volume]
    seed_patient_mm: tuple[float, float, float] | None
    seed_atlas_mm: tuple[float, float, float] | None

    @property
    def fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _move(case: Case, estimate: Estimate, final: Estimate, in_atlas: Observation) -> _Moved:
    """Densities, maps and seed in both worlds; `final` is the estimate, grown again in the patient where wanted."""
    maps = {} if estimate.posterior is None else estimate.posterior.maps

    def to_patient(volume: Volume) -> Volume:
        return density_in_patient(estimate.space.to_patient(volume, case.grid), case)

    return _Moved(
        density_patient=density_in_patient(final.space.to_patient(final.cell_density, case.grid), case),
        density_atlas=_density_in_atlas(estimate.cell_density, estimate.space, in_atlas),
        candidate_densities_patient=tuple(
            to_patient(candidate.cell_density)
            for candidate in estimate.candidates
            if candidate.cell_density is not None
        ),
        posterior_patient={name: to_patient(each) for name, each in maps.items()},
        posterior_atlas={name: _density_in_atlas(each, estimate.space, in_atlas) for name, each in maps.items()},
        maps_patient={name: estimate.space.to_patient(each, case.grid) for name, each in estimate.maps.items()},
        seed_patient_mm=_point(None if final.seed_mm is None else final.space.points_to_patient([final.seed_mm])),
        seed_atlas_mm=_point(None if estimate.seed_mm is None else estimate.space.points_to_atlas([estimate.seed_mm])),
    )


def _judged(case: Case, estimate: Estimate, moved: _Moved, in_atlas: Observation) -> tuple[Volume, Volume]:
    """The densities in patient and atlas by which an answer is judged: before it was corrected to the outlines."""
    if estimate.uncorrected is None:
        return moved.density_patient, moved.density_atlas
    in_patient = density_in_patient(estimate.space.to_patient(estimate.uncorrected, case.grid), case)
    return in_patient, _density_in_atlas(estimate.uncorrected, estimate.space, in_atlas)


def _agreement_corrected(
    case: Case, estimate: Estimate, moved: _Moved, thresholds: VisibilityThresholds
) -> MaskAgreement | None:
    """Agreement of a corrected density, which holds by construction; None where nothing was corrected."""
    if estimate.uncorrected is None:
        return None
    return _agreement(moved.density_patient, case.segmentation, thresholds)


def _density_in_atlas(cell_density: Volume, space: Space, in_atlas: Observation) -> Volume:
    if space.name == "atlas":
        return cell_density
    return Volume(np.clip(space.to_atlas(cell_density, in_atlas.grid).data, 0.0, 1.0), in_atlas.grid)


def _point(points_mm: NDArray[np.float64] | None) -> tuple[float, float, float] | None:
    if points_mm is None:
        return None
    x_mm, y_mm, z_mm = points_mm[0]
    return float(x_mm), float(y_mm), float(z_mm)


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """What a result says of its own quality; fields as in `PersonalizationResult`."""

    registration_quality: RegistrationQuality
    agreement_patient: MaskAgreement
    agreement_atlas: MaskAgreement
    tumor_outside_domain: dict[str, float | None]
    input_checks: InputChecks
    coverage: TumorCoverage
    concerns: tuple[Concern, ...]

    @property
    def fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _score(
    case: Case,
    checks: InputChecks,
    quality: RegistrationQuality,
    observation: Observation,
    judged: tuple[Volume, Volume],
    in_atlas: Observation,
    answer: Estimate,
    request: SpaceRequest,
) -> _Scores:
    """Agreement in both spaces, coverage, all concerns; the domain counts where the method simulates on it."""
    outside: dict[str, float | None] = {"tumor_core": None, "whole_tumor": None}
    if not request.on_scan:
        outside = _outside_domain(observation, observation.require_space().anatomy.domain)
    thresholds = observation.thresholds
    agreement_atlas = _agreement(judged[1], in_atlas, thresholds)
    coverage = measure_coverage(judged[0], case, thresholds, quality, shows_growth=not answer.is_ranking)
    poor = () if answer.is_ranking else _poor_agreement(agreement_atlas)
    remarks = (*_concerns(case, observation, outside), *poor)
    return _Scores(
        registration_quality=quality,
        agreement_patient=_agreement(judged[0], case.segmentation, thresholds),
        agreement_atlas=agreement_atlas,
        tumor_outside_domain=outside,
        input_checks=checks,
        coverage=coverage,
        concerns=by_harm((*checks.concerns, *coverage.concerns, *quality.concerns, *remarks, *answer.concerns)),
    )


def _agreement(density: Volume, seen: Segmentation | Observation, thresholds: VisibilityThresholds) -> MaskAgreement:
    return mask_agreement(thresholds.tumor_core(density.data), thresholds.whole_tumor(density.data), seen)


def _recorded(
    settings: PersonalizationSettings, atlas: Atlas, method_name: str, request: SpaceRequest, final: Space
) -> dict[str, Any]:
    """Settings of a run for its provenance, JSON-ready."""
    in_patient = final.name == "patient" and not request.on_scan
    return {
        "atlas": atlas.name,
        "atlas_content_hash": atlas.content_hash,
        "domain_rule": request.domain_rule,
        "method": method_name,
        "space": final.name,
        **({"spacing_mm": settings.spacing_mm or request.spacing_mm or DEFAULT_SPACING_MM} if in_patient else {}),
        "registration": settings.registration,
        "t1gd_threshold": settings.thresholds.t1gd_threshold,
        "flair_threshold": settings.thresholds.flair_threshold,
        "seed": settings.seed,
        "deterministic": settings.deterministic,
    }


def _registration_references(registration: RegistrationResult) -> tuple[str, ...]:
    """Papers behind what was really done: SyN only where something was deformed."""
    preset = registration.preset
    deformable = () if preset.deformable is None else (_DEFORMABLE_REFERENCE,)
    return (*deformable, *((preset.reference,) if preset.reference else ()))


def _checked(
    case: Case, atlas: Atlas, registration: RegistrationResult, before: Callable[[], CaseChecks]
) -> tuple[InputChecks, RegistrationQuality]:
    """What is found out about input and registration, whatever the method answers."""
    checks = check_input(case, atlas, registration.transform, before())
    return checks, _registration_quality(case, atlas, registration)


def _registration_quality(case: Case, atlas: Atlas, registration: RegistrationResult) -> RegistrationQuality:
    is_t1_weighted = case.structural_modality in ("t1", "t1c")
    return registration_quality(
        registration.transform,
        patient_image=case.structural_image,
        patient_brain=Volume(case.brain, case.grid),
        atlas_brain=Volume(atlas.tissue_maps.brain, atlas.grid),
        atlas_tissues=atlas.tissue_maps if is_t1_weighted else None,
        tumor_core=Volume(case.segmentation.tumor_core, case.grid),
        whole_tumor=Volume(case.segmentation.whole_tumor, case.grid),
    )


def _outside_domain(observation: Observation, domain: NDArray[np.bool_]) -> dict[str, float | None]:
    def part(mask: NDArray[np.bool_]) -> float | None:
        count = int(np.count_nonzero(mask))
        return None if count == 0 else float(np.count_nonzero(mask & ~domain)) / count

    return {"tumor_core": part(observation.tumor_core), "whole_tumor": part(observation.whole_tumor)}


def _concerns(case: Case, observation: Observation, outside: Mapping[str, float | None]) -> tuple[Concern, ...]:
    """Remarks on data and observation."""
    remarks = []
    if not case.segmentation.has_core:
        remarks.append(named_concern("no-core", "The segmentation has no tumor core: only the FLAIR mask is matched."))
    elif not observation.has_core:
        text = (
            f"The tumor core ({case.segmentation.core_ml:.2f} ml) is smaller than a voxel of the simulation grid: only "
            "the FLAIR mask is matched."
        )
        remarks.append(named_concern("core-below-voxel", text, case.segmentation.core_ml))
    if case.structural_modality != "t1":
        text = f"There is no T1 image: {case.structural_modality} was registered to the T1 atlas."
        remarks.append(named_concern("no-t1", text))
    remarks.extend(
        named_concern(
            "outside-domain",
            f"{part:.0%} of the {name.replace('_', ' ')} lies outside the simulation domain, where no cells can grow.",
            part,
        )
        for name, part in outside.items()
        if part is not None and part > _NOTABLE_OUTSIDE
    )
    return tuple(remarks)


def _poor_agreement(agreement: MaskAgreement) -> tuple[Concern, ...]:
    """What of the tumor the answer does not show, before registration errors of the way back come in."""
    shown = {"core (T1Gd)": agreement.dice_t1gd, "whole tumor (FLAIR)": agreement.dice_flair}
    return tuple(
        named_concern(
            "poor-match",
            f"Poor match: the predicted {name} overlaps the segmented one by Dice {value:.2f} in the atlas. Do not "
            "rely on this map; another method may fit.",
            value,
        )
        for name, value in shown.items()
        if value is not None and value < _POOR_DICE
    )
