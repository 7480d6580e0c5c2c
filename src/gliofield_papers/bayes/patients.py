"""Table I and Fig. 9 of the surrogate paper on real patients: MAP by the numerical solver beside MAP by a surrogate.

Each patient is registered as by `personalize` and sampled by its method ``sample``, once per growth model, on one grid,
with one prior and one weight of voxels: in the atlas, or, as in the paper, in the patient's own brain with the atlas's
tissue. The paper's patients are others and had FET-PET, so its numbers stand beside ours as ranges; its seeds are
fractions of other heads and do not compare.

What one growth model says is written as soon as it is there (`bayes_patient_files`), and a run that was stopped goes on
from its last batch. What failed is recorded with the reason. Sampling is not tried again; reading and registration
are, for they may fail by what is not installed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas
from gliofield.errors import GridMismatchError, ImageError, NumericalError, ParameterError, RegistrationError
from gliofield.growth import GrowthModel
from gliofield.imaging import Observation
from gliofield.metrics.overlap import dice
from gliofield.pipeline import (
    CaseFiles,
    PatientSpace,
    PersonalizationSettings,
    observe,
    observe_in_atlas,
    patient_grid,
    read_case,
    register_case,
)
from gliofield.pipeline.density_posterior import DensityPosterior
from gliofield.pipeline.sample_method import SampleMethod, SampleSettings
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.registration import registration_preset
from gliofield_papers.bayes.cost import mean_distance
from gliofield_papers.bayes.identity import differing_keys, registration_identity
from gliofield_papers.bayes.measuring import MachineConditions, require_failure_of_data, timed_sampling
from gliofield_papers.bayes.patient_files import (
    ModelPosterior,
    ParameterEstimate,
    PatientPosterior,
    patient_file,
    read_patient,
    write_patient,
)
from gliofield_papers.errors_by_tissue import SURROGATE_LEVELS

SOLVER, SURROGATE = "numerical solver", "surrogate"
#: What failed if a patient could not be brought to the atlas.
OBSERVATION = "reading and registration"
_MASKS = ("tumor_core", "whole_tumor")
# What makes a single patient unusable.
_PATIENT_ERRORS = (ImageError, GridMismatchError, RegistrationError, NumericalError)


@dataclass(frozen=True, kw_only=True)
class PublishedRange:
    """Smallest and largest MAP of the paper's five patients (Table I), by growth model."""

    solver: tuple[float, float]
    surrogate: tuple[float, float]


#: Ezhov et al. 2021, "Learnable surrogate", Table I; units as in the names.
PUBLISHED_MAP = {
    "white_matter_diffusivity_mm2_per_day": PublishedRange(solver=(0.08920, 0.08998), surrogate=(0.08360, 0.08990)),
    "proliferation_rate_per_day": PublishedRange(solver=(0.01080, 0.01993), surrogate=(0.01066, 0.02897)),
    "growth_time_days": PublishedRange(solver=(503.146, 686.923), surrogate=(418.631, 687.841)),
    "pet_noise_std": PublishedRange(solver=(0.2177, 0.2496), surrogate=(0.1702, 0.2498)),
    "pet_scale": PublishedRange(solver=(0.6000, 0.7309), surrogate=(0.6287, 0.7198)),
    "t1gd_threshold": PublishedRange(solver=(0.6010, 0.7976), surrogate=(0.6009, 0.7344)),
    "flair_threshold": PublishedRange(solver=(0.3608, 0.4376), surrogate=(0.3358, 0.4337)),
    "visibility_width": PublishedRange(solver=(0.0514, 0.0796), surrogate=(0.0500, 0.0799)),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class PatientModel:
    """A growth model that patients are sampled with.

    Parameters
    ----------
    model : GrowthModel or None
        The model; None: what it has said of patients is read, nothing is sampled.
    identity : mapping
        What its results depend on, JSON-ready.
    settings : SampleSettings
        How it is sampled.
    """

    model: GrowthModel[Any] | None
    identity: Mapping[str, Any]
    settings: SampleSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class PatientSampler:
    """Samples real patients and writes what became of them.

    Parameters
    ----------
    atlas : Atlas
        Where tumors grow.
    folder : Path
        Where results are kept.
    spacing_mm : float
        Spacing of the grid [mm]; a surrogate's own.
    models : mapping of str to PatientModel
        By name: `SOLVER`, and `SURROGATE` where there is one.
    personalization : PersonalizationSettings
        Registration; deterministic, or a run that was stopped may not go on.
    in_patient : bool
        Whether tumors grow in the patient's own brain; otherwise in the atlas.
    conditions : MachineConditions
        Those before the evaluation.
    """

    atlas: Atlas
    folder: Path
    spacing_mm: float
    models: Mapping[str, PatientModel]
    personalization: PersonalizationSettings
    in_patient: bool = False
    conditions: MachineConditions = field(default_factory=MachineConditions.now)

    def require_continuable(self, patients: Mapping[str, CaseFiles]) -> None:
        """Refuse patients that cannot be read or sampled, before any work.

        Raises
        ------
        ParameterError
            If files cannot be read, are others than those that were sampled, or a model is missing for a new patient.
        """
        for name, files in patients.items():
            patient = self._begun(name, files)
            if OBSERVATION not in patient.failures and not self._can_sample(self._missing(patient)):
                raise ParameterError(
                    f"{name} would be sampled without the surrogate that other patients of {self.folder} were compared "
                    "with: give its checkpoint again, or choose another folder."
                )

    def run(
        self, patients: Mapping[str, CaseFiles], *, report: Reporter = ignore_progress
    ) -> tuple[tuple[PatientPosterior, ...], dict[str, str]]:
        """Posteriors of patients, as far as they were not written before.

        Returns
        -------
        sampled : tuple of PatientPosterior
            In the order of `patients`, those of which at least one model says something.
        left_out : dict of str to str
            Why others were left out, by name.

        Raises
        ------
        ParameterError
            As `require_continuable`.
        """
        sampled, left_out = list[PatientPosterior](), dict[str, str]()
        for done, (name, files) in enumerate(patients.items(), start=1):
            patient = self._completed(name, files)
            if patient.models:
                sampled.append(patient)
            else:
                left_out[name] = "; ".join(f"{what}: {reason}" for what, reason in patient.failures.items())
            report(ProgressEvent(task="patients", completed=done, total=len(patients)))
        return tuple(sampled), left_out

    def _begun(self, name: str, files: CaseFiles) -> PatientPosterior:
        """What is known of a patient; nothing yet if it was not sampled, or failed on other files."""
        inputs = {
            "files": files.hashes(),
            "spacing_mm": self.spacing_mm,
            "registration": registration_identity(self.personalization),
            # As it will be read: JSON knows no tuples.
            "models": json.loads(json.dumps({label: each.identity for label, each in self.models.items()})),
            **({"space": "patient"} if self.in_patient else {}),
        }
        path = patient_file(self.folder, name)
        stored = read_patient(path) if path.exists() else None
        differing = [] if stored is None else differing_keys(stored.inputs, inputs)
        if stored is None or (differing and not stored.models):
            return PatientPosterior(name=name, inputs=inputs, spacing_mm=self.spacing_mm)
        if differing:
            raise ParameterError(
                f"{path} was made of other inputs ({', '.join(differing)}) than those given now for {name}: give "
                "those, or remove it, and the patient is sampled again."
            )
        return stored

    def _missing(self, patient: PatientPosterior) -> list[str]:
        return [label for label in self.models if label not in {**patient.models, **patient.failures}]

    def _can_sample(self, labels: Sequence[str]) -> bool:
        return all(self.models[label].model is not None for label in labels)

    def _completed(self, name: str, files: CaseFiles) -> PatientPosterior:
        """A patient of whom every model has said something, or nothing can be said."""
        path, patient = patient_file(self.folder, name), self._begun(name, files)
        missing = self._missing(patient)
        if not missing or not self._can_sample(missing):
            return patient
        if not patient.masks:
            # Left of other inputs, if there are any.
            for label in missing:
                self._stage_file(name, label).unlink(missing_ok=True)
        try:
            observation = self._observed(files)
        except _PATIENT_ERRORS as error:
            failed = replace(patient, failures={**patient.failures, OBSERVATION: str(error)})
            write_patient(path, failed)
            return failed
        patient = replace(
            patient,
            core_ml=observation.core_ml,
            whole_ml=observation.whole_ml,
            uses_pet=observation.pet is not None,
            masks={each: getattr(observation, each) for each in _MASKS},
            failures={what: reason for what, reason in patient.failures.items() if what != OBSERVATION},
        )
        write_patient(path, patient)
        for label in missing:
            patient = self._with_model(patient, label, observation)
            write_patient(path, patient)
            self._stage_file(name, label).unlink(missing_ok=True)
        return patient

    def _observed(self, files: CaseFiles) -> Observation:
        """Masks of a patient where tumors grow, and PET where there is one."""
        case = read_case(files)
        transform = register_case(case, self.atlas, self.personalization).transform
        if self.in_patient:
            rule = registration_preset(self.personalization.registration).mask_interpolation
            own = patient_grid(case, self.spacing_mm)
            space = PatientSpace(case=case, atlas=self.atlas, transform=transform, grid=own, mask_rule=rule)
            return observe(case, space, self.personalization.thresholds)
        grid = self.atlas.simulation_grid(spacing_mm=self.spacing_mm)
        return observe_in_atlas(case, self.atlas, transform, self.personalization, grid=grid)

    def _with_model(self, patient: PatientPosterior, label: str, observation: Observation) -> PatientPosterior:
        """A patient with what one more model says, or why it says nothing."""
        asked, stage_file = self.models[label], self._stage_file(patient.name, label)
        assert asked.model is not None
        was_stopped = stage_file.exists()
        method = SampleMethod(settings=replace(asked.settings, stage_file=stage_file), model=asked.model)
        try:
            found, density = self._model_posterior(method, observation)
        except _PATIENT_ERRORS as error:
            require_failure_of_data(error)
            return replace(patient, failures={**patient.failures, label: str(error)})
        if was_stopped:
            found = replace(found, seconds=float("nan"))
        densities = {**patient.densities, label: density}
        return _compared(replace(patient, models={**patient.models, label: found}, densities=densities))

    def _model_posterior(
        self, method: SampleMethod, observation: Observation
    ) -> tuple[ModelPosterior, NDArray[np.float32]]:
        seconds, estimate = timed_sampling(method, observation)
        posterior = estimate.posterior
        assert isinstance(posterior, DensityPosterior)
        best = posterior.samples.map_parameters
        nan = float("nan")
        checks = {name: check.dice_with_observed for name, check in posterior.mask_checks.items()}
        found = ModelPosterior(
            parameters={
                name: ParameterEstimate(map=best.get(name, nan), low=interval.low, high=interval.high)
                for name, interval in posterior.intervals.items()
            },
            dice_core=checks.get("t1gd", nan),
            dice_whole=checks.get("flair", nan),
            num_simulations=posterior.details["simulations_since_last_start"]["num_simulations"],
            seconds=seconds,
            concerns=tuple(concern.text for concern in estimate.concerns),
            conditions=self.conditions.at_end(),
        )
        return found, np.asarray(estimate.cell_density.data, dtype=np.float32)

    def _stage_file(self, name: str, label: str) -> Path:
        return self.folder / f"{name}-{label.replace(' ', '-')}.stage.npz"


def _compared(patient: PatientPosterior) -> PatientPosterior:
    """A patient with the distance of both models' densities, once both are there."""
    if not {SOLVER, SURROGATE} <= patient.densities.keys():
        return patient
    solver, surrogate = patient.densities[SOLVER], patient.densities[SURROGATE]
    nan = float("nan")
    return replace(
        patient,
        map_dice={level: dice(solver > level, surrogate > level, if_both_empty=nan) for level in SURROGATE_LEVELS},
        map_distance=mean_distance(solver, surrogate),
    )


def published_names(patients: Sequence[PatientPosterior]) -> tuple[str, ...]:
    """Parameters of the paper's table that were sampled, in its order."""
    sampled = {name for patient in patients for model in patient.models.values() for name in model.parameters}
    return tuple(name for name in PUBLISHED_MAP if name in sampled)
