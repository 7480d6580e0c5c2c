"""Table I and Fig. 9 of the surrogate paper on real patients: MAP by the numerical solver beside MAP by a surrogate.

Each patient is registered as by `personalize` and sampled by its method ``sample`` in the atlas, once per growth model,
on one grid, with one prior and one weight of voxels. The paper's patients are others and had FET-PET, so its numbers
stand beside ours as ranges; its seeds are fractions of other heads and do not compare.

A patient's result is written as soon as it is there and read by a later run: the densities and masks in an archive, the
rest as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gliomap.anatomy import Atlas
from gliomap.dice import dice
from gliomap.errors import GridMismatchError, ImageError, NumericalError, ParameterError, RegistrationError
from gliomap.experiments.bayes_cost import mean_distance
from gliomap.experiments.density_errors import SURROGATE_LEVELS
from gliomap.experiments.measuring import timed
from gliomap.growth import FisherKolmogorov, GrowthModel
from gliomap.output import atomic_file
from gliomap.personalize import AtlasObservation, CaseFiles, PersonalizationSettings, observe_in_atlas, read_case
from gliomap.personalize.sample_method import SampleMethod, SampleSettings
from gliomap.progress import ProgressEvent, Reporter, ignore_progress
from gliomap.registration import register
from gliomap.volume import Volume

SOLVER, SURROGATE = "numerical solver", "surrogate"
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


@dataclass(frozen=True, kw_only=True)
class ParameterEstimate:
    """Best sample and 95 % interval of one parameter, in its unit."""

    map: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ModelPosterior:
    """Posterior of one patient by one growth model.

    Parameters
    ----------
    parameters : mapping of str to ParameterEstimate
        All that were sampled, and √(D_w T), √(ρ T), √(D_w/ρ) as intervals with NaN for the MAP.
    dice_core, dice_whole : float
        Mean Dice of masks drawn from the posterior with the observed ones.
    num_fine, num_coarse : int
        Simulations at full and at half the resolution.
    seconds : float
        Wall time.
    concerns : tuple of str
        What the method itself remarks.
    """

    parameters: Mapping[str, ParameterEstimate]
    dice_core: float
    dice_whole: float
    num_fine: int
    num_coarse: int
    seconds: float
    concerns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class PatientPosterior:
    """Posteriors of one patient in the atlas.

    Parameters
    ----------
    name : str
        Of the patient's folder.
    core_ml, whole_ml : float
        Volumes of the masks in the atlas [ml].
    spacing_mm : float
        Of the atlas's grid [mm].
    uses_pet : bool
        Whether FET-PET was there.
    models : mapping of str to ModelPosterior
        `SOLVER`, and `SURROGATE` where there is one.
    map_dice : mapping of float to float
        Dice of both MAP densities above each level; NaN where neither exceeds it; empty without a surrogate.
    map_distance : float
        Their mean |difference| over voxels where either has tumor; NaN without a surrogate.
    densities : mapping of str to array (X, Y, Z)
        MAP densities by model, float32.
    masks : mapping of str to array (X, Y, Z)
        ``tumor_core`` and ``whole_tumor`` in the atlas.
    """

    name: str
    core_ml: float
    whole_ml: float
    spacing_mm: float
    uses_pet: bool
    models: Mapping[str, ModelPosterior]
    map_dice: Mapping[float, float]
    map_distance: float
    densities: Mapping[str, NDArray[np.float32]] = field(repr=False)
    masks: Mapping[str, NDArray[np.bool_]] = field(repr=False)


def sample_patients(
    atlas: Atlas,
    patients: Mapping[str, CaseFiles],
    folder: Path,
    *,
    spacing_mm: float,
    settings: SampleSettings,
    surrogate: GrowthModel[Any] | None = None,
    personalization: PersonalizationSettings | None = None,
    report: Reporter = ignore_progress,
) -> tuple[tuple[PatientPosterior, ...], dict[str, str]]:
    """Posteriors of patients, those written before read from their files.

    Parameters
    ----------
    atlas : Atlas
        Where tumors grow.
    patients : mapping of str to CaseFiles
        Files by name.
    folder : Path
        Where results are kept; exists.
    spacing_mm : float
        Spacing of the grid [mm]; a surrogate's own.
    settings : SampleSettings
        Of the solver's runs; a surrogate knows one resolution, so its runs have one level.
    surrogate : GrowthModel or None
        Learned growth model.
    personalization : PersonalizationSettings, optional
        Registration.
    report : Reporter
        Told of every patient.

    Returns
    -------
    sampled : tuple of PatientPosterior
        In the order of `patients`.
    left_out : dict of str to str
        Why others were left out, by name.
    """
    chosen = PersonalizationSettings() if personalization is None else personalization
    models: dict[str, tuple[GrowthModel[Any], SampleSettings]] = {SOLVER: (FisherKolmogorov(), settings)}
    if surrogate is not None:
        models[SURROGATE] = (surrogate, replace(settings, num_levels=1, num_workers=1))
    sampled, left_out = list[PatientPosterior](), dict[str, str]()
    for done, (name, files) in enumerate(patients.items(), start=1):
        path = folder / f"{name}.json"
        try:
            if not path.exists():
                observation = _observed(files, atlas, spacing_mm, chosen)
                _write(path, _sampled(name, observation, atlas, models))
            sampled.append(_read(path))
        except _PATIENT_ERRORS as error:
            left_out[name] = str(error)
        report(ProgressEvent(task="patients", completed=done, total=len(patients)))
    return tuple(sampled), left_out


def _observed(files: CaseFiles, atlas: Atlas, spacing_mm: float, settings: PersonalizationSettings) -> AtlasObservation:
    """Masks of a patient on the atlas's grid of a spacing, and PET where there is one."""
    case = read_case(files)
    registration = register(
        patient_image=case.structural_image,
        atlas_image=atlas.t1,
        patient_brain=Volume(case.brain, case.grid),
        lesion=Volume(case.segmentation.whole_tumor, case.grid),
        preset=settings.registration,
        seed=settings.seed,
        deterministic=settings.deterministic,
        num_threads=settings.num_threads,
    )
    return observe_in_atlas(case, registration.transform, atlas.simulation_grid(spacing_mm=spacing_mm), settings)


def _sampled(
    name: str,
    observation: AtlasObservation,
    atlas: Atlas,
    models: Mapping[str, tuple[GrowthModel[Any], SampleSettings]],
) -> PatientPosterior:
    segmentation = observation.segmentation
    anatomy = atlas.anatomy(segmentation.grid)
    posteriors, densities = dict[str, ModelPosterior](), dict[str, NDArray[np.float32]]()
    for label, (model, settings) in models.items():
        method = SampleMethod(anatomy=anatomy, atlas_hash=atlas.content_hash, settings=settings, model=model)
        posteriors[label], densities[label] = _model_posterior(method, observation)
    both = [densities[label] for label in (SOLVER, SURROGATE) if label in densities]
    has_both = len(both) == 2
    nan = float("nan")
    return PatientPosterior(
        name=name,
        core_ml=segmentation.core_ml,
        whole_ml=float(np.count_nonzero(segmentation.whole_tumor)) * segmentation.grid.voxel_volume_ml,
        spacing_mm=anatomy.spacing_mm,
        uses_pet=observation.pet is not None,
        models=posteriors,
        map_dice=(
            {level: dice(both[0] > level, both[1] > level, if_both_empty=nan) for level in SURROGATE_LEVELS}
            if has_both
            else {}
        ),
        map_distance=mean_distance(both[0], both[1]) if has_both else nan,
        densities=densities,
        masks={name: getattr(segmentation, name) for name in _MASKS},
    )


def _model_posterior(method: SampleMethod, observation: AtlasObservation) -> tuple[ModelPosterior, NDArray[np.float32]]:
    seconds, estimate = timed(lambda: method.estimate(observation, report=ignore_progress))
    posterior = estimate.posterior
    assert posterior is not None
    best = posterior.samples.map_parameters
    counts = posterior.details["num_likelihoods"]
    nan = float("nan")
    checks = {name: check.dice_with_observed for name, check in posterior.mask_checks.items()}
    found = ModelPosterior(
        parameters={
            name: ParameterEstimate(map=best.get(name, nan), low=interval.low, high=interval.high)
            for name, interval in posterior.intervals.items()
        },
        dice_core=checks.get("t1gd", nan),
        dice_whole=checks.get("flair", nan),
        num_fine=counts["fine"],
        num_coarse=counts["coarse"],
        seconds=seconds,
        concerns=tuple(estimate.concerns),
    )
    return found, np.asarray(estimate.cell_density.data, dtype=np.float32)


def _write(path: Path, patient: PatientPosterior) -> None:
    """Write the archive first: a record stands for both."""
    arrays: dict[str, NDArray[Any]] = {
        **{f"density {label}": values for label, values in patient.densities.items()},
        **{f"mask {name}": values for name, values in patient.masks.items()},
    }
    with atomic_file(path.with_suffix(".npz")) as partial, open(partial, "wb") as handle:
        np.savez_compressed(handle, **cast(dict[str, Any], arrays))
    content = {
        each.name: getattr(patient, each.name)
        for each in dataclasses.fields(patient)
        if each.name not in ("densities", "masks")
    }
    content["models"] = {label: dataclasses.asdict(model) for label, model in patient.models.items()}
    with atomic_file(path) as partial:
        # NaN stays NaN: the file is read by `_read` alone.
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _read(path: str | os.PathLike[str]) -> PatientPosterior:
    archive_path = Path(path).with_suffix(".npz")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        with np.load(archive_path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        models = {label: _model_of(model) for label, model in content.pop("models").items()}
        overlaps = {float(level): float(value) for level, value in content.pop("map_dice").items()}
        return PatientPosterior(
            **content,
            models=models,
            map_dice=overlaps,
            densities=_starting(arrays, "density "),
            masks=_starting(arrays, "mask "),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(
            f"{os.fspath(path)} is no result of a patient ({error}). Remove it, and the patient is sampled again."
        ) from error


def _model_of(content: Mapping[str, Any]) -> ModelPosterior:
    parameters = {name: ParameterEstimate(**value) for name, value in content["parameters"].items()}
    return ModelPosterior(**{**content, "parameters": parameters, "concerns": tuple(content["concerns"])})


def _starting(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def published_names(patients: Sequence[PatientPosterior]) -> tuple[str, ...]:
    """Parameters of the paper's table that were sampled, in its order."""
    sampled = {name for patient in patients for name in patient.models[SOLVER].parameters}
    return tuple(name for name in PUBLISHED_MAP if name in sampled)
