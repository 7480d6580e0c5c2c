"""Inverse method ``infer``: a network says the growth parameters, the solver grows that one tumor.

Learn-Morph-Infer (Ezhov et al. 2023): masks in the atlas → μ1, μ2 and seed, or whatever the network was trained to
predict → D_w, ρ, T at a fixed front speed → one simulation in the atlas. `regrow_in_patient` repeats that simulation
in the patient's own anatomy: the atlas's tissue, warped onto the patient by the registration of a finished result.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gliofield.anatomy import Anatomy, Atlas, Segmentation
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth import (
    FisherKolmogorov,
    FisherKolmogorovParameters,
    GrowthModel,
    MassEffect,
    MassEffectParameters,
    growth_parameters_of,
)
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.inverse import InverseHeader, InversePrediction, InversePredictor, ObservationSettings
from gliofield.inverse.targets import SEED_TARGETS
from gliofield.personalize.method import AtlasEstimate, AtlasObservation
from gliofield.personalize.patient_anatomy import DEFAULT_SPACING_MM, patient_anatomy, resampled_density
from gliofield.personalize.pipeline import mask_agreement
from gliofield.personalize.result import PersonalizationResult
from gliofield.progress import ProgressEvent, Reporter
from gliofield.volume import Volume

_REFERENCE = (
    "Ezhov et al. (2023), Learn-Morph-Infer: a new way of solving the inverse problem for brain tumor modeling, "
    "doi:10.1016/j.media.2022.102672"
)
# More of the tumor than this outside the network's view deserves a word in the result. *Chosen*.
_NOTABLE_HIDDEN = 0.01
_RATES = ("white_matter_diffusivity_mm2_per_day", "proliferation_rate_per_day", "growth_time_days")


@dataclass(frozen=True, kw_only=True, eq=False)
class InferMethod:
    """Inverse method ``infer`` by one trained network or ensemble.

    Parameters
    ----------
    predictor : InversePredictor
        The trained networks.
    atlas : Atlas
        The atlas they were trained in.
    model : GrowthModel or None
        What grows the predicted tumor; None: the model of the training, with default settings. Parameters with a push
        are given to it when the networks were trained on tumors with mass effect.

    Raises
    ------
    DatabaseError
        If the atlas is another one.
    """

    predictor: InversePredictor
    atlas: Atlas
    model: GrowthModel[Any] | None = None
    _anatomy: Anatomy = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.predictor.require_atlas(self.atlas.name, self.atlas.content_hash)
        object.__setattr__(self, "_anatomy", self.atlas.anatomy(self.grid, domain_rule=self.domain_rule))

    @property
    def name(self) -> str:
        """``infer``."""
        return "infer"

    @property
    def references(self) -> tuple[str, ...]:
        """The paper of the method."""
        return (_REFERENCE,)

    @property
    def grid(self) -> Grid:
        """Grid of the training."""
        return self.predictor.header.origin.grid

    @property
    def atlas_hash(self) -> str:
        """Content hash of the atlas of the training."""
        return self.predictor.header.origin.atlas_hash

    @property
    def domain_rule(self) -> str:
        """Domain rule of the training."""
        return self.predictor.header.origin.domain_rule

    def estimate(self, observation: AtlasObservation, *, report: Reporter) -> AtlasEstimate:
        """Density and parameters of the tumor the networks see in the masks.

        A seed outside the tissue moves to the nearest voxel of tissue, which the details record.

        Raises
        ------
        SegmentationError
            If there is no tumor core, or none where the network looks.
        """
        segmentation, header = observation.segmentation, self.predictor.header
        prediction = self.predictor.predict(segmentation)
        tumor = predicted_tumor(header, prediction, self._anatomy)
        report(ProgressEvent(task="simulate the predicted tumor", completed=0, total=1))
        model = self.model or _default_model(tumor.parameters)
        density = model.simulate(self._anatomy, tumor.parameters, [tumor.growth_time_days]).cell_density[0]
        report(ProgressEvent(task="simulate the predicted tumor", completed=1, total=1))
        push = {"push_pa": header.push_pa} if header.has_mass_effect else {}
        return AtlasEstimate(
            cell_density=Volume(density, self.grid),
            parameters={
                **dataclasses.asdict(prediction.rates),
                **_seed_values(tumor.parameters.seed_mm),
                **push,
            },
            details={
                "checkpoint": self.predictor.path,
                "checkpoint_digest": self.predictor.digest,
                "model": model.name,
                "diffusivity_ratio": tumor.parameters.diffusivity_ratio,
                "mu1_mm": prediction.rates.mu1_mm,
                "mu2": prediction.rates.mu2,
                "predicted_targets": prediction.targets,
                "predicted_spread": prediction.spread,
                "clamped_to_trained_range": list(prediction.clamped),
                "seed_moved_into_tissue_mm": tumor.seed_moved_mm,
                "is_small": header.is_small,
            },
            concerns=(
                *_moved_seed(tumor.seed_moved_mm, of="atlas"),
                *_beyond_training(header, prediction, segmentation),
                *_untrained_thresholds(header.settings.observation, observation.thresholds),
                *(("the network was trained with less than the paper's setting (small)",) if header.is_small else ()),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class PredictedTumor:
    """What a prediction asks the solver for.

    Parameters
    ----------
    parameters : FisherKolmogorovParameters
        With a push where the training had one; the seed lies in the tissue.
    growth_time_days : float
        T [days].
    seed_moved_mm : float
        Distance of the predicted seed from the tissue [mm].
    """

    parameters: FisherKolmogorovParameters
    growth_time_days: float
    seed_moved_mm: float


def predicted_tumor(header: InverseHeader, prediction: InversePrediction, anatomy: Anatomy) -> PredictedTumor:
    """The tumor of a prediction in an anatomy in atlas space.

    Ratio of diffusivities and push, of which the masks say nothing, are those of the training.
    """
    seed_mm, moved_mm = nearest_tissue(anatomy, prediction.seed_mm)
    values = dataclasses.asdict(prediction.rates)
    if header.diffusivity_ratio is not None:
        values["diffusivity_ratio"] = header.diffusivity_ratio
    if header.has_mass_effect:
        values["push_pa"] = header.push_pa
    return PredictedTumor(
        parameters=growth_parameters_of(values | _seed_values(seed_mm)),
        growth_time_days=prediction.rates.growth_time_days,
        seed_moved_mm=moved_mm,
    )


def nearest_tissue(anatomy: Anatomy, point_mm: tuple[float, float, float]) -> tuple[tuple[float, float, float], float]:
    """The point itself if it lies in the domain, else the center of the nearest voxel that does; and the distance [mm].

    Raises
    ------
    ParameterError
        If the point is not finite.
    """
    point = np.asarray(point_mm, dtype=np.float64)
    if not np.isfinite(point).all():
        raise ParameterError(f"the seed must be finite [mm], got {point_mm}.")
    voxel = np.rint(anatomy.grid.voxel_of(point)).astype(int)
    if np.all(voxel >= 0) and np.all(voxel < anatomy.grid.shape) and anatomy.domain[tuple(voxel)]:
        return point_mm, 0.0
    centers_mm = anatomy.grid.world_of(np.argwhere(anatomy.domain))
    distances_mm = np.linalg.norm(centers_mm - point, axis=1)
    nearest = int(np.argmin(distances_mm))
    x_mm, y_mm, z_mm = (float(coordinate) for coordinate in centers_mm[nearest])
    return (x_mm, y_mm, z_mm), float(distances_mm[nearest])


def regrow_in_patient(
    result: PersonalizationResult,
    atlas: Atlas,
    *,
    model: GrowthModel[Any] | None = None,
    spacing_mm: float = DEFAULT_SPACING_MM,
    domain_rule: str | None = None,
) -> PersonalizationResult:
    """A result whose tumor grew in the patient's own anatomy instead of being warped there from the atlas.

    The atlas's tissue is moved onto the patient by the registration of the result; tissue the tumor has pushed aside
    or replaced is thus the atlas's. Growth parameters are those of the result, the seed is its place in the patient.

    Parameters
    ----------
    result : PersonalizationResult
        Of any method that says growth parameters.
    atlas : Atlas
        The atlas of the result.
    model : GrowthModel or None
        What grows it; None: `FisherKolmogorov`, or `MassEffect` where the parameters have a push.
    spacing_mm : float
        Spacing of the simulation [mm].
    domain_rule : str or None
        Rule of the simulation domain; None: that of the result.

    Raises
    ------
    ParameterError
        If the result says no growth parameters.
    """
    estimate = result.estimate.parameters
    if any(name not in estimate for name in _RATES):
        raise ParameterError(
            f"the result of method {result.method_name!r} says no growth parameters, got {', '.join(estimate)}: "
            f"expected {', '.join(_RATES)}."
        )
    rule = str(result.settings["domain_rule"]) if domain_rule is None else domain_rule
    transform = result.registration.transform
    anatomy = patient_anatomy(result.case, transform, atlas, spacing_mm=spacing_mm, domain_rule=rule)
    x_mm, y_mm, z_mm = result.seed_patient_mm
    seed_mm, moved_mm = nearest_tissue(anatomy, (x_mm, y_mm, z_mm))
    values = {name: estimate[name] for name in (*_RATES, "push_pa") if name in estimate}
    if "diffusivity_ratio" in result.estimate.details:
        values["diffusivity_ratio"] = float(result.estimate.details["diffusivity_ratio"])
    parameters = growth_parameters_of(values | _seed_values(seed_mm))
    chosen = model or _default_model(parameters)
    solution = chosen.simulate(anatomy, parameters, [float(estimate["growth_time_days"])])
    density = resampled_density(Volume(solution.cell_density[0], anatomy.grid), result.case)
    return dataclasses.replace(
        result,
        density_patient=density,
        seed_patient_mm=seed_mm,
        agreement_patient=mask_agreement(density.data, result.case.segmentation, result.thresholds),
        concerns=(*result.concerns, *_moved_seed(moved_mm, of="patient")),
        settings={**result.settings, "grown_in": "patient", "spacing_mm": spacing_mm},
    )


def _default_model(parameters: FisherKolmogorovParameters) -> GrowthModel[Any]:
    return MassEffect() if isinstance(parameters, MassEffectParameters) else FisherKolmogorov()


def _seed_values(seed_mm: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(SEED_TARGETS, seed_mm, strict=True))


def _beyond_training(
    header: InverseHeader, prediction: InversePrediction, segmentation: Segmentation
) -> tuple[str, ...]:
    """What of masks and answer the network has not learned."""
    remarks = []
    hidden = header.layout.share_outside(segmentation.whole_tumor)
    if hidden > _NOTABLE_HIDDEN:
        remarks.append(
            f"{hidden:.0%} of the whole tumor lies where no tumor of the training grew, and the network does not look"
        )
    if prediction.clamped:
        remarks.append(
            f"the network's answer for {', '.join(prediction.clamped)} lay outside the range it was trained on and was "
            "clamped to it: do not rely on it"
        )
    if header.trained_ranges is not None:
        remarks.extend(
            header.trained_ranges.departures(
                prediction.targets, core_ml=segmentation.core_ml, whole_ml=segmentation.whole_ml
            )
        )
    return tuple(remarks)


def _untrained_thresholds(trained: ObservationSettings, asked: VisibilityThresholds) -> tuple[str, ...]:
    """Which thresholds of the run the network has seen no masks of."""
    ranges = {
        "T1Gd": (asked.t1gd_threshold, trained.t1gd_thresholds),
        "FLAIR": (asked.flair_threshold, trained.flair_thresholds),
    }
    return tuple(
        f"{modality} is taken to show densities above {threshold:g}, but the network was trained on masks at "
        f"{low:g} to {high:g}: its growth parameters are those of that range"
        for modality, (threshold, (low, high)) in ranges.items()
        if not low <= threshold <= high
    )


def _moved_seed(moved_mm: float, *, of: Literal["atlas", "patient"]) -> tuple[str, ...]:
    if moved_mm == 0.0:
        return ()
    return (f"the seed lay outside the {of}'s tissue and was moved by {moved_mm:.1f} mm to the nearest tissue",)
