"""Inverse method ``infer``: a network says the growth parameters, the solver grows that one tumor.

Learn-Morph-Infer (Ezhov et al. 2023): masks in the atlas → μ1, μ2 and seed, or whatever the network was trained to
predict → D_w, ρ, T at a fixed front speed → one simulation in the atlas. `regrow_in_patient` repeats that simulation
in the patient's own anatomy: the atlas's tissue, warped onto the patient by the registration of a finished result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gliomap.anatomy import Anatomy, Atlas
from gliomap.errors import ParameterError
from gliomap.grid import Grid
from gliomap.growth import FisherKolmogorov, FisherKolmogorovParameters, GrowthModel, MassEffect, MassEffectParameters
from gliomap.imaging.visibility import VisibilityThresholds
from gliomap.inverse import InversePrediction, InversePredictor, ObservationSettings
from gliomap.personalize.method import AtlasEstimate, AtlasObservation
from gliomap.personalize.patient_anatomy import DEFAULT_SPACING_MM, patient_anatomy, resampled_density
from gliomap.personalize.pipeline import mask_agreement
from gliomap.personalize.result import PersonalizationResult
from gliomap.progress import ProgressEvent, Reporter
from gliomap.volume import Volume

_REFERENCE = (
    "Ezhov et al. (2023), Learn-Morph-Infer: a new way of solving the inverse problem for brain tumor modeling, "
    "doi:10.1016/j.media.2022.102672"
)
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
            If there is no tumor core.
        """
        prediction = self.predictor.predict(observation.segmentation)
        seed_mm, moved_mm = nearest_tissue(self._anatomy, prediction.seed_mm)
        report(ProgressEvent(task="simulate the predicted tumor", completed=0, total=1))
        push_pa = self.predictor.header.push_pa if self.predictor.header.has_mass_effect else None
        model = self.model or _default_model(push_pa)
        parameters = _parameters(dataclasses.asdict(prediction.rates), seed_mm, push_pa)
        times_days = [prediction.rates.growth_time_days]
        density = model.simulate(self._anatomy, parameters, times_days).cell_density[0]
        report(ProgressEvent(task="simulate the predicted tumor", completed=1, total=1))
        return AtlasEstimate(
            cell_density=Volume(density, self.grid),
            parameters={
                **dataclasses.asdict(prediction.rates),
                **{f"seed_{axis}_mm": value for axis, value in zip("xyz", seed_mm, strict=True)},
                **({} if push_pa is None else {"push_pa": push_pa}),
            },
            details={
                "checkpoint": self.predictor.path,
                "checkpoint_digest": self.predictor.digest,
                "model": model.name,
                "mu1_mm": prediction.rates.mu1_mm,
                "mu2": prediction.rates.mu2,
                "predicted_targets": prediction.targets,
                "predicted_spread": prediction.spread,
                "clamped_to_trained_range": list(prediction.clamped),
                "seed_moved_into_tissue_mm": moved_mm,
                "is_small": self.predictor.header.is_small,
            },
            concerns=(
                *_concerns(prediction, moved_mm, is_small=self.predictor.header.is_small),
                *_untrained_thresholds(self.predictor.header.settings.observation, observation.thresholds),
            ),
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
    push_pa = None if "push_pa" not in estimate else float(estimate["push_pa"])
    parameters = _parameters(estimate, seed_mm, push_pa)
    chosen = model or _default_model(push_pa)
    solution = chosen.simulate(anatomy, parameters, [float(estimate["growth_time_days"])])
    density = resampled_density(Volume(solution.cell_density[0], anatomy.grid), result.case)
    return dataclasses.replace(
        result,
        density_patient=density,
        seed_patient_mm=seed_mm,
        agreement_patient=mask_agreement(density.data, result.case.segmentation, result.thresholds),
        concerns=(*result.concerns, *_moved_seed(moved_mm)),
        settings={**result.settings, "grown_in": "patient", "spacing_mm": spacing_mm},
    )


def _default_model(push_pa: float | None) -> GrowthModel[Any]:
    return FisherKolmogorov() if push_pa is None else MassEffect()


def _parameters(
    values: Mapping[str, float], seed_mm: tuple[float, float, float], push_pa: float | None
) -> FisherKolmogorovParameters:
    diffusivity, rate = (float(values[name]) for name in _RATES[:2])
    if push_pa is None:
        return FisherKolmogorovParameters(
            white_matter_diffusivity_mm2_per_day=diffusivity, proliferation_rate_per_day=rate, seed_mm=seed_mm
        )
    return MassEffectParameters(
        white_matter_diffusivity_mm2_per_day=diffusivity,
        proliferation_rate_per_day=rate,
        seed_mm=seed_mm,
        push_pa=push_pa,
    )


def _concerns(prediction: InversePrediction, moved_mm: float, *, is_small: bool) -> tuple[str, ...]:
    remarks = list(_moved_seed(moved_mm))
    if prediction.clamped:
        remarks.append(
            f"the network's answer for {', '.join(prediction.clamped)} lay outside the range it was trained on and was "
            "clamped to it: do not rely on it"
        )
    if is_small:
        remarks.append("the network was trained with less than the paper's setting (small)")
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


def _moved_seed(moved_mm: float) -> tuple[str, ...]:
    if moved_mm == 0.0:
        return ()
    return (f"the seed lay outside the tissue and was moved by {moved_mm:.1f} mm to the nearest tissue",)
