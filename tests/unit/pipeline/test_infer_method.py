"""Inverse method ``infer``: from masks in the atlas to one simulated tumor."""

import dataclasses
import json

import numpy as np
import pytest
from phantom_brain import phantom_atlas
from small_inverse_networks import tiny_inverse

from gliofield.anatomy import AtlasSpace
from gliofield.database import ClinicalDesign, named_model
from gliofield.errors import DatabaseError, ParameterError
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, seed_values
from gliofield.imaging import Estimate, Observation, VisibilityThresholds
from gliofield.inverse import InversePredictor
from gliofield.inverse.trained_ranges import TrainedRanges
from gliofield.pipeline.infer_method import (
    InferMethod,
    _beyond_training,
    predicted_tumor,
)
from gliofield.pipeline.regrowth import nearest_tissue, regrow
from gliofield.progress import ignore_progress
from gliofield.registration import Transform
from gliofield.volume import Volume
from gliofield_training.inverse import SimulatedTumors, train_inverse

pytest.importorskip("torch")

ATLAS = phantom_atlas()
GRID = ATLAS.simulation_grid(spacing_mm=5.0, shape=(28, 34, 26))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """A network that has seen a few tumors of the phantom."""
    path = tmp_path_factory.mktemp("infer") / "net.safetensors"
    source = SimulatedTumors(
        atlas=ATLAS,
        grid=GRID,
        design=ClinicalDesign(whole_volume_ml=(3.0, 900.0)),
        model=named_model("fk"),
        num_training_tumors=4,
        num_validation_tumors=0,
        num_threads=1,
    )
    train_inverse(source, tiny_inverse(num_epochs=1), path)
    return InversePredictor(path, device="cpu")


def observation():
    distance = np.linalg.norm(
        GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1)) - np.array([28.0, 10.0, 12.0]), axis=-1
    )
    return Observation(
        tumor_core=distance < 15.0,
        whole_tumor=distance < 28.0,
        grid=GRID,
        space=AtlasSpace(anatomy=ATLAS.anatomy(GRID)),
    )


def test_the_density_is_the_solution_for_the_parameters_it_says(predictor):
    """Parameters and density belong together; details go into the provenance as JSON."""
    method = InferMethod(predictor=predictor, atlas=ATLAS)
    estimate = method.estimate(observation(), report=ignore_progress)
    values = estimate.parameters
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=values["white_matter_diffusivity_mm2_per_day"],
        proliferation_rate_per_day=values["proliferation_rate_per_day"],
        seed_mm=tuple(values[f"seed_{axis}_mm"] for axis in "xyz"),
    )
    solution = FisherKolmogorov().simulate(ATLAS.anatomy(GRID), parameters, [values["growth_time_days"]])

    assert np.array_equal(estimate.cell_density.data, solution.cell_density[0])
    request = method.request_space("patient")
    assert (method.name, request.grid, request.atlas_hash) == ("infer", GRID, ATLAS.content_hash)
    assert json.loads(json.dumps(estimate.details))["mu1_mm"] > 0.0
    assert any(concern.name == "small-network" for concern in estimate.concerns)


@pytest.mark.parametrize(
    ("thresholds", "outside"),
    [((0.6, 0.2), []), ((0.9, 0.2), ["T1Gd"]), ((0.6, 0.02), ["FLAIR"]), ((0.4, 0.02), ["T1Gd", "FLAIR"])],
)
def test_thresholds_that_the_network_was_not_trained_on_are_a_concern(predictor, thresholds, outside):
    """The training drew T1Gd's from 0.5 to 0.85 and FLAIR's from 0.05 to 0.5."""
    t1gd, flair = thresholds
    asked = dataclasses.replace(
        observation(), thresholds=VisibilityThresholds(t1gd_threshold=t1gd, flair_threshold=flair)
    )
    estimate = InferMethod(predictor=predictor, atlas=ATLAS).estimate(asked, report=ignore_progress)

    found = [each.text.split()[0] for each in estimate.concerns if each.name == "untrained-thresholds"]
    assert found == outside


def test_what_the_training_did_not_show_is_a_concern(predictor):
    """Masks larger than any of the training, and a tumor that reaches beyond the network's view."""
    header = predictor.header
    seen = TrainedRanges(core_ml=(0.1, 1.0), whole_ml=(1.0, 1000.0), core_share=(0.0, 1.0), targets={})
    (start, stop), *others = header.layout.box
    narrow = dataclasses.replace(header.layout, box=((start, (start + stop) // 2), *others))
    seen_masks = observation()
    other = dataclasses.replace(header, trained_ranges=seen, layout=narrow)
    remarks = _beyond_training(other, predictor.predict(seen_masks), seen_masks)

    assert any("of the whole tumor lies where no tumor of the training grew" in remark.text for remark in remarks)
    assert any(
        each.text.startswith("the tumor core has") and "the training showed 0.1 to 1" in each.text for each in remarks
    )


def test_the_tumor_of_a_prediction_has_ratio_and_push_of_the_training(predictor):
    """Of both the masks say nothing; without them in the training, the solver's defaults."""
    anatomy, header = ATLAS.anatomy(GRID), predictor.header
    prediction = predictor.predict(observation())
    settings = {**header.origin.design_settings, "diffusivity_ratio": 5.0, "push_pa": [0.0, 400.0]}
    record = {**header.origin.record, "design": {"name": "clinical", "settings": settings}}
    origin = dataclasses.replace(header.origin, record=record, model={"name": "mass-effect", "settings": {}})
    pushed = predicted_tumor(dataclasses.replace(header, origin=origin), prediction, anatomy)

    assert (pushed.parameters.diffusivity_ratio, pushed.parameters.push_pa) == (5.0, 200.0)
    assert type(predicted_tumor(header, prediction, anatomy).parameters) is FisherKolmogorovParameters


def test_another_atlas_is_refused(predictor):
    """At once, not after the registration."""
    maps = ATLAS.tissue_maps
    turned = dataclasses.replace(maps, white_matter=maps.gray_matter, gray_matter=maps.white_matter)
    other = dataclasses.replace(ATLAS, name="turned", tissue_maps=turned)
    with pytest.raises(DatabaseError, match="not in 'turned'"):
        InferMethod(predictor=predictor, atlas=other)


def test_a_seed_in_tissue_stays_and_one_outside_moves_to_the_nearest():
    """The distance is said; a point far off the grid works too."""
    anatomy = ATLAS.anatomy(GRID)
    inside = tuple(GRID.world_of(np.argwhere(anatomy.domain)[100]) + 1.0)
    assert nearest_tissue(anatomy, inside) == (inside, 0.0)

    moved, distance_mm = nearest_tissue(anatomy, (500.0, 0.0, 0.0))
    centers = GRID.world_of(np.argwhere(anatomy.domain))
    assert distance_mm == pytest.approx(np.linalg.norm(centers - [500.0, 0.0, 0.0], axis=1).min())
    assert anatomy.domain[tuple(np.rint(GRID.voxel_of(moved)).astype(int))]
    with pytest.raises(ParameterError, match="finite"):
        nearest_tissue(anatomy, (float("nan"), 0.0, 0.0))


GROWTH = {
    "white_matter_diffusivity_mm2_per_day": 0.3,
    "proliferation_rate_per_day": 0.05,
    "growth_time_days": 150.0,
    **seed_values((28.0, 10.0, 12.0)),
}


def estimate_of(parameters, details=None):
    """An estimate in the atlas, whose patient is the atlas itself."""
    space = AtlasSpace(anatomy=ATLAS.anatomy(GRID), patient=Transform.identity())
    return Estimate(
        cell_density=Volume(np.zeros(GRID.shape, np.float32), GRID),
        space=space,
        parameters=parameters,
        details=details or {},
    )


def test_a_patient_like_the_atlas_regrows_the_tumor_of_the_atlas():
    """With the identity as registration, growth in the patient is growth in the atlas on that grid."""
    patient = AtlasSpace(anatomy=ATLAS.anatomy(ATLAS.grid), patient=Transform.identity())
    regrown = regrow(estimate_of(GROWTH), patient)
    solution = FisherKolmogorov().simulate(
        ATLAS.anatomy(ATLAS.grid),
        FisherKolmogorovParameters(
            white_matter_diffusivity_mm2_per_day=0.3, proliferation_rate_per_day=0.05, seed_mm=(28.0, 10.0, 12.0)
        ),
        [150.0],
    )

    np.testing.assert_array_equal(regrown.cell_density.data, solution.cell_density[0])
    assert regrown.space is patient
    slower = regrow(estimate_of(GROWTH, {"diffusivity_ratio": 50.0}), patient)
    assert slower.cell_density.data.sum() < regrown.cell_density.data.sum()


def test_the_seed_of_a_regrown_tumor_is_its_place_in_the_patient():
    """The way from the atlas is the transform's, not its inverse: a turn and a shift tell them apart."""
    turn = np.eye(4)
    turn[:2, :2] = [[0.0, -1.0], [1.0, 0.0]]
    turn[:3, 3] = [3.0, -2.0, 1.0]
    transform = Transform.affine(turn)
    in_patient = (28.0, 10.0, 12.0)
    in_atlas = tuple(float(x) for x in transform.atlas_points_of([in_patient])[0])
    estimate = estimate_of({**GROWTH, **seed_values(in_atlas)})
    estimate = dataclasses.replace(estimate, space=dataclasses.replace(estimate.space, patient=transform))

    regrown = regrow(estimate, AtlasSpace(anatomy=ATLAS.anatomy(ATLAS.grid), patient=Transform.identity()))

    assert regrown.seed_mm == pytest.approx(in_patient, abs=1e-9)


@pytest.mark.parametrize("missing", ["growth_time_days", "seed_y_mm"])
def test_an_estimate_without_growth_parameters_cannot_be_regrown(missing):
    """A method that gives a density alone, or a part of the parameters."""
    parameters = {name: value for name, value in GROWTH.items() if name != missing}
    with pytest.raises(ParameterError, match="cannot be grown again .* expected the growth parameters"):
        regrow(estimate_of(parameters), AtlasSpace(anatomy=ATLAS.anatomy(GRID)))
