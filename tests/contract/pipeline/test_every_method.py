"""Every inverse method of ours keeps the laws that `gliofield.testing` states for any."""

import pytest
from growth_likelihoods import use_small_batches

from gliofield.assimilation import FitSettings
from gliofield.bayes import ImportanceSettings
from gliofield.bayes.database_posterior import DatabasePosteriorSettings
from gliofield.database import build_database
from gliofield.pipeline import (
    METHOD_OPTIONS,
    AssimilateMethod,
    DistanceMethod,
    InferMethod,
    MarginMethod,
    QueryMethod,
    QueryWithPosterior,
    SampleMethod,
    SampleSettings,
)
from gliofield.progress import ignore_progress
from gliofield.testing import (
    PHANTOM_GRID,
    build_phantom_database,
    check_inverse_method,
    phantom_atlas,
    phantom_observation,
)

CONTROLS = {
    "margin": MarginMethod(),
    "whole-margin": MarginMethod(name="whole-margin", around="whole tumor"),
    "distance": DistanceMethod(),
}


@pytest.mark.parametrize("method", CONTROLS.values(), ids=CONTROLS.keys())
def test_a_control_keeps_the_laws(method):
    """On the scan, and in the atlas."""
    check_inverse_method(method)


def test_the_query_keeps_the_laws(tmp_path):
    """Candidates, with the densities of the first, come with the answer."""
    check_inverse_method(QueryMethod(database=build_phantom_database(tmp_path / "tumors"), num_densities=2))


@pytest.mark.parametrize(
    ("design", "exponent", "is_sure"), [("clinical", None, True), ("clinical", 1.0, False), ("papers", None, False)]
)
def test_the_query_with_its_posterior_keeps_the_laws(tmp_path, design, exponent, is_sure):
    """Where its database carries an uncertainty, and where it refuses one."""
    database = build_database(tmp_path / "tumors", 12, atlas=phantom_atlas(), design=design, grid=PHANTOM_GRID)
    settings = DatabasePosteriorSettings(tempering_exponent=exponent)
    method = QueryWithPosterior(query=QueryMethod(database=database), settings=settings)

    check_inverse_method(method)
    answer = method.estimate(phantom_observation(), report=ignore_progress)
    assert (answer.posterior is not None) == is_sure


def test_assimilation_keeps_the_laws():
    """In the patient's own brain, whatever is wanted."""
    fit = FitSettings(num_starts=1, num_evaluations=10, num_refinements=0, num_stretched=0)

    check_inverse_method(AssimilateMethod(fit=fit, spacing_mm=4.0))


def test_sampling_keeps_the_laws(monkeypatch):
    """A short run, in the atlas and in the patient."""
    use_small_batches(monkeypatch)
    monkeypatch.setattr("gliofield.bayes.mode._MAX_ITERATIONS", 2)
    settings = SampleSettings(sampler=ImportanceSettings(num_effective=10, max_simulations=512), num_densities=2)

    check_inverse_method(SampleMethod(settings=settings, grid=PHANTOM_GRID))


def test_inference_keeps_the_laws(tmp_path):
    """A network that has seen four tumors of the phantom."""
    pytest.importorskip("torch")
    from small_inverse_networks import tiny_inverse

    from gliofield.database import ClinicalDesign, named_model
    from gliofield.inverse import InversePredictor
    from gliofield_training.inverse import SimulatedTumors, train_inverse

    source = SimulatedTumors(
        atlas=phantom_atlas(),
        grid=PHANTOM_GRID,
        design=ClinicalDesign(whole_volume_ml=(3.0, 900.0)),
        model=named_model("fk"),
        num_training_tumors=4,
        num_validation_tumors=0,
        num_threads=1,
    )
    train_inverse(source, tiny_inverse(num_epochs=1), tmp_path / "net.safetensors")

    check_inverse_method(
        InferMethod(predictor=InversePredictor(tmp_path / "net.safetensors", device="cpu"), atlas=phantom_atlas())
    )


def test_no_method_is_left_out():
    """A method with a name of its own has a test above."""
    assert set(METHOD_OPTIONS) == {*CONTROLS, "assimilate", "query", "sample", "infer"}
