"""Inverse method ``infer``: a network reads the growth parameters off the masks, the solver grows that one tumor.

Learn-Morph-Infer (Ezhov et al. 2023): masks in the atlas → μ1, μ2 and seed, or whatever the network was trained to
predict → D_w, ρ, T at a fixed front speed → one simulation in the atlas.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from gliofield.anatomy import Anatomy, Atlas, SpaceName, SpaceRequest
from gliofield.concern import Concern, named_concern
from gliofield.growth import FisherKolmogorovParameters, GrowthModel, default_model, growth_parameters_of, seed_values
from gliofield.growth.parameters import PUSH_NAME, growth_values_of
from gliofield.imaging import Estimate, Observation, VisibilityThresholds
from gliofield.inverse import InverseHeader, InversePrediction, InversePredictor, ObservationSettings
from gliofield.pipeline.regrowth import moved_seed_concerns, nearest_tissue
from gliofield.pipeline.thin_front_concerns import FINER_PATIENT, thin_front_concerns
from gliofield.progress import ProgressEvent, Reporter
from gliofield.volume import Volume

_REFERENCE = (
    "Ezhov et al. (2023), Learn-Morph-Infer: a new way of solving the inverse problem for brain tumor modeling, "
    "doi:10.1016/j.media.2022.102672"
)
# More of the tumor than this outside the network's view deserves a word in the result. *Chosen*.
_NOTABLE_HIDDEN = 0.01
_SMALL = "The network was trained with less than the paper's setting (small)."


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

    def __post_init__(self) -> None:
        self.predictor.require_atlas(self.atlas.name, self.atlas.content_hash)

    @property
    def name(self) -> str:
        """``infer``."""
        return "infer"

    @property
    def references(self) -> tuple[str, ...]:
        """The paper of the method."""
        return (_REFERENCE,)

    def request_space(self, wanted: SpaceName | None) -> SpaceRequest:
        """The atlas, on the grid and by the rule of the training."""
        origin = self.predictor.header.origin
        return SpaceRequest(grid=origin.grid, domain_rule=origin.domain_rule, atlas_hash=origin.atlas_hash)

    def estimate(self, observation: Observation, *, report: Reporter) -> Estimate:
        """Density and parameters of the tumor the networks see in the masks.

        A seed outside the tissue moves to the nearest voxel of tissue, which the details record.

        Raises
        ------
        SegmentationError
            If there is no tumor core, or none where the network looks.
        """
        header, space = self.predictor.header, observation.require_space()
        prediction = self.predictor.predict(observation)
        tumor = predicted_tumor(header, prediction, space.anatomy)
        report(ProgressEvent(task="simulate the predicted tumor", completed=0, total=1))
        model = self.model or default_model(tumor.parameters)
        density = model.simulate(space.anatomy, tumor.parameters, [tumor.growth_time_days]).cell_density[0]
        report(ProgressEvent(task="simulate the predicted tumor", completed=1, total=1))
        return Estimate(
            cell_density=Volume(density, observation.grid),
            space=space,
            parameters=growth_values_of(tumor.parameters, tumor.growth_time_days),
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
                *moved_seed_concerns(tumor.seed_moved_mm, of="atlas"),
                *_beyond_training(header, prediction, observation),
                *thin_front_concerns(
                    dataclasses.asdict(prediction.rates), observation.grid.spacing_mm, advice=FINER_PATIENT
                ),
                *_untrained_thresholds(header.settings.observation, observation.thresholds),
                *((named_concern("small-network", _SMALL),) if header.is_small else ()),
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

    The ratio of diffusivities is that of the training, and so is a push that is not predicted.
    """
    seed_mm, moved_mm = nearest_tissue(anatomy, prediction.seed_mm)
    values = dataclasses.asdict(prediction.rates)
    if header.diffusivity_ratio is not None:
        values["diffusivity_ratio"] = header.diffusivity_ratio
    if header.has_mass_effect:
        values[PUSH_NAME] = prediction.targets.get(PUSH_NAME, header.push_pa)
    return PredictedTumor(
        parameters=growth_parameters_of(values | seed_values(seed_mm)),
        growth_time_days=prediction.rates.growth_time_days,
        seed_moved_mm=moved_mm,
    )


def _beyond_training(
    header: InverseHeader, prediction: InversePrediction, observation: Observation
) -> tuple[Concern, ...]:
    """What of masks and answer the network has not learned."""
    remarks = []
    hidden = header.layout.share_outside(observation.whole_tumor)
    if hidden > _NOTABLE_HIDDEN:
        text = (
            f"{hidden:.0%} of the whole tumor lies where no tumor of the training grew, and the network does not look."
        )
        remarks.append(named_concern("beyond-training", text, hidden))
    if prediction.clamped:
        text = (
            f"The network's answer for {', '.join(prediction.clamped)} lay outside the range it was trained on and was "
            "clamped to it: do not rely on it."
        )
        remarks.append(named_concern("beyond-training", text))
    if header.trained_ranges is not None:
        departures = header.trained_ranges.departures(
            prediction.targets, core_ml=observation.core_ml, whole_ml=observation.whole_ml
        )
        remarks.extend(named_concern("beyond-training", text) for text in departures)
    return tuple(remarks)


def _untrained_thresholds(trained: ObservationSettings, asked: VisibilityThresholds) -> tuple[Concern, ...]:
    """Which thresholds of the run the network has seen no masks of."""
    ranges = {
        "T1Gd": (asked.t1gd_threshold, trained.t1gd_thresholds),
        "FLAIR": (asked.flair_threshold, trained.flair_thresholds),
    }
    return tuple(
        named_concern(
            "untrained-thresholds",
            f"{modality} is taken to show densities above {threshold:g}, but the network was trained on masks at "
            f"{low:g} to {high:g}: its growth parameters are those of that range.",
            threshold,
        )
        for modality, (threshold, (low, high)) in ranges.items()
        if not low <= threshold <= high
    )
