"""Evaluation of inverse networks: a perfect one has no errors, a poor one has, and what does not fit is refused."""

import dataclasses

import numpy as np
import pytest
from phantom_brain import phantom_atlas
from small_inverse_networks import FewBalls, tiny_inverse

from gliomap.database import ClinicalDesign, LocalWorkers, build_database, named_model
from gliomap.errors import DatabaseError, ParameterError
from gliomap.experiments.inverse_evaluation import InverseEvaluationSettings, evaluate_inverse
from gliomap.inverse import DatabaseTumors, InversePredictor, train_inverse
from gliomap.report.inverse_tables import inverse_report

pytest.importorskip("torch")

ATLAS = phantom_atlas()
GRID = ATLAS.simulation_grid(spacing_mm=5.0, shape=(28, 34, 26))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """26 tumors in the phantom."""
    return build_database(
        tmp_path_factory.mktemp("evaluation") / "db",
        num_tumors=26,
        design=ClinicalDesign(whole_volume_ml=(3.0, 900.0)),
        anatomy=ATLAS.anatomy(GRID),
        atlas_name=ATLAS.name,
        atlas_hash=ATLAS.content_hash,
        model=named_model("fk"),
        workers=LocalWorkers(1),
    )


@pytest.fixture(scope="module")
def checkpoint(database, tmp_path_factory):
    """A network that has hardly learned."""
    path = tmp_path_factory.mktemp("networks") / "poor.safetensors"
    train_inverse(DatabaseTumors(database, num_threads=1), tiny_inverse(num_epochs=1), path)
    return path


SETTINGS = InverseEvaluationSettings(num_tumors=3, num_threads=1)


def test_a_network_that_knows_the_truth_has_no_errors(database, checkpoint, monkeypatch):
    """Growing again from μ1, μ2 and seed gives the tumor of the database, to what one byte per voxel keeps of it."""
    rows = iter(range(100))
    truth = DatabaseTumors(database).test_tumors

    def know(self, segmentation):
        from gliomap.inverse import GrowthRates, InversePrediction

        diffusivity, rate, time, *seed_mm = database.parameters[truth[next(rows)]]
        rates = GrowthRates.of_invariants(np.sqrt(diffusivity * time), np.sqrt(rate * time))
        return InversePrediction(rates=rates, seed_mm=tuple(seed_mm), targets={}, spread={}, clamped=())

    monkeypatch.setattr(InversePredictor, "predict", know)
    (score,) = evaluate_inverse(database, ATLAS, [checkpoint], settings=SETTINGS, device="cpu").scores

    assert score.num_without_core == 0
    assert score.published["white_matter"].mean < 0.003
    assert score.union["all"].mean < 0.003
    assert score.dice[0.2].mean > 0.999
    assert (score.location_mm.mean, score.num_clamped, score.num_not_simulated) == (0.0, 0, 0)


def test_a_poor_network_is_scored_and_reported(database, checkpoint):
    """Errors are errors; every table has its line, and the report says small."""
    evaluation = evaluate_inverse(database, ATLAS, [checkpoint, checkpoint], settings=SETTINGS, device="cpu")
    first, second = evaluation.scores
    text = inverse_report(evaluation)

    assert evaluation.num_tumors == 3
    assert 0.01 < first.published["white_matter"].mean <= 1.0
    assert first.published == second.published
    assert first.location_axis_mm.mean <= first.location_mm.mean
    assert len(first.dice) == 13
    assert "poor.safetensors (small)" in text
    assert "{μ1, μ2, x}" in text
    assert "0.461" in text  # the paper's line


def test_networks_that_do_not_fit_are_refused(database, checkpoint, tmp_path):
    """Another atlas, another split, no checkpoint."""
    train_inverse(FewBalls(4), tiny_inverse(num_epochs=1), tmp_path / "balls.safetensors")
    with pytest.raises(DatabaseError, match="trained in the atlas 'cube'"):
        evaluate_inverse(database, ATLAS, [tmp_path / "balls.safetensors"], device="cpu")
    other = DatabaseTumors(database, seed=1, num_threads=1)
    train_inverse(other, tiny_inverse(num_epochs=1), tmp_path / "split.safetensors")
    with pytest.raises(DatabaseError, match="another split"):
        evaluate_inverse(database, ATLAS, [checkpoint, tmp_path / "split.safetensors"], device="cpu")
    with pytest.raises(ParameterError, match="at least one checkpoint"):
        evaluate_inverse(database, ATLAS, [])
    with pytest.raises(ParameterError, match="num_tumors"):
        dataclasses.replace(SETTINGS, num_tumors=0)
