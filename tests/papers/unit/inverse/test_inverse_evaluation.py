"""Evaluation of inverse networks: a perfect one has no errors, a poor one has, and what does not fit is refused."""

import dataclasses

import numpy as np
import pytest
from phantom_brain import phantom_atlas
from small_inverse_networks import FewBalls, tiny_inverse

from gliofield.database import (
    ClinicalDesign,
    LocalWorkers,
    build_database,
    named_model,
    quantize_density,
    recorded_model,
)
from gliofield.errors import DatabaseError, ParameterError
from gliofield.inverse import InversePredictor, MaskPerturbation, ObservationSettings, TargetSettings
from gliofield.learning import read_checkpoint
from gliofield_papers.inverse.evaluation import InverseEvaluationSettings, evaluate_inverse
from gliofield_papers.inverse.tables import inverse_report
from gliofield_training import write_checkpoint
from gliofield_training.inverse import DatabaseTumors, train_inverse

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
        atlas=ATLAS,
        grid=GRID,
        model=named_model("fk"),
        workers=LocalWorkers(1),
    )


@pytest.fixture(scope="module")
def checkpoint(database, tmp_path_factory):
    """A network that has hardly learned."""
    path = tmp_path_factory.mktemp("networks") / "poor.safetensors"
    train_inverse(DatabaseTumors(database, num_threads=1), tiny_inverse(num_epochs=1), path)
    return path


SETTINGS = InverseEvaluationSettings(num_tumors=3, num_timed=1, num_threads=1)


def all_knowing(database):
    """An `InversePredictor.predict` that answers with the parameters of the tumor whose masks it is shown."""

    def know(self, segmentation):
        from gliofield.inverse import GrowthRates, InversePrediction

        shown = [
            tumor
            for tumor in DatabaseTumors(database).test_tumors
            if not (segmentation.tumor_core & (database.density_levels(tumor) == 0)).any()
        ]
        overlaps = [np.count_nonzero(database.density_levels(tumor)[segmentation.tumor_core] > 120) for tumor in shown]
        diffusivity, rate, time, *seed_mm = database.parameters[shown[int(np.argmax(overlaps))]]
        rates = GrowthRates.of_invariants(np.sqrt(diffusivity * time), np.sqrt(rate * time))
        return InversePrediction(rates=rates, seed_mm=tuple(seed_mm), targets={}, spread={}, clamped=())

    return know


def test_a_network_that_knows_the_truth_has_no_errors(database, checkpoint, monkeypatch):
    """Growing again from μ1, μ2 and seed gives the true tumor, at every level: nothing of it is lost to storage."""
    monkeypatch.setattr(InversePredictor, "predict", all_knowing(database))
    (score,) = evaluate_inverse(database, ATLAS, [checkpoint], settings=SETTINGS, device="cpu").scores

    assert score.num_without_core == 0
    assert score.published["white_matter"].mean < 1e-4
    assert score.union["all"].mean < 1e-4
    assert all(value.mean > 0.999 for value in score.dice.values() if value.num_defined)
    assert score.dice[0.001].num_defined == 3
    assert (score.location_mm.mean, score.num_clamped, score.num_not_simulated) == (0.0, 0, 0)


def test_tumors_of_a_database_grow_again_as_they_are_stored(database):
    """Parameters, time and model of the database give its levels, bit by bit."""
    model, anatomy = recorded_model(database.header.model, source="db"), ATLAS.anatomy(GRID)
    for tumor in (0, 7):
        parameters, time_days = database.growth_of(tumor)
        density = model.simulate(anatomy, parameters, [time_days]).cell_density[0]
        np.testing.assert_array_equal(quantize_density(density), database.density_levels(tumor))


def test_csf_is_where_the_soft_map_has_any(database, checkpoint):
    """As the authors take it: voxels that share CSF with tissue count, though cells live in their tissue alone."""
    evaluation = evaluate_inverse(database, ATLAS, [checkpoint], settings=SETTINGS, device="cpu")

    anatomy = ATLAS.anatomy(GRID)
    assert np.any(anatomy.domain & (anatomy.tissue_maps.csf > 1e-4))
    assert evaluation.scores[0].published["csf"].num_defined == 3
    assert "which its solver closes to cells" in inverse_report(evaluation)


def test_the_floor_is_what_true_targets_leave(database, checkpoint):
    """Nothing without mass effect: masks say μ1, μ2 and seed, and these the whole tumor."""
    (score,) = evaluate_inverse(database, ATLAS, [checkpoint], settings=SETTINGS, device="cpu").scores

    assert score.floor["white_matter"].num_defined == 3
    assert score.floor["white_matter"].mean < 1e-4 < score.published["white_matter"].mean


@pytest.fixture(scope="module")
def pushing(tmp_path_factory):
    """Tumors of drawn pushes, and of one push."""

    def build(name, push_pa):
        return build_database(
            tmp_path_factory.mktemp(name) / "db",
            num_tumors=13,
            design=ClinicalDesign(whole_volume_ml=(3.0, 900.0), push_pa=push_pa),
            atlas=ATLAS,
            grid=GRID,
            model=named_model("mass-effect"),
            workers=LocalWorkers(1),
        )

    return build("drawn", (0.0, 20_000.0)), build("fixed", (10_000.0, 10_000.0))


def test_a_push_that_is_drawn_and_not_predicted_has_a_floor(pushing, tmp_path):
    """One push for all, or one that is predicted, leaves none; nothing is learned where all push alike."""
    drawn, fixed = pushing
    settings = InverseEvaluationSettings(num_tumors=1, num_timed=1, num_threads=1)

    def floor(database, name, **targets):
        path = tmp_path / name
        chosen = tiny_inverse(num_epochs=1, targets=TargetSettings(**targets))
        train_inverse(DatabaseTumors(database, num_threads=1), chosen, path)
        (score,) = evaluate_inverse(database, ATLAS, [path], settings=settings, device="cpu").scores
        return score.floor["white_matter"].mean, score.targets

    assert np.all(fixed.parameters[:, -1] == 10_000.0)
    assert floor(fixed, "fixed.safetensors")[0] < 1e-3
    assert floor(drawn, "drawn.safetensors")[0] > 5e-3
    of_push, targets = floor(drawn, "push.safetensors", has_push=True)
    assert (of_push < 1e-3, targets) == (True, "{μ1, μ2, γ, x}")
    with pytest.raises(ParameterError, match="all push alike"):
        floor(fixed, "nothing.safetensors", has_push=True)


def test_networks_are_shown_the_same_masks_whatever_they_were_trained_with(database, checkpoint, tmp_path, monkeypatch):
    """Thresholds are those of the evaluation, not of the training; other ranges and errors give other masks."""
    narrow = dataclasses.replace(
        tiny_inverse(num_epochs=1),
        observation=ObservationSettings(t1gd_thresholds=(0.6, 0.61), flair_thresholds=(0.2, 0.21)),
    )
    train_inverse(DatabaseTumors(database, num_threads=1), narrow, tmp_path / "narrow.safetensors")
    seen: list[tuple[str, int, int]] = []
    predict = InversePredictor.predict

    def watched(self, segmentation):
        core, whole = (int(np.count_nonzero(mask)) for mask in (segmentation.tumor_core, segmentation.whole_tumor))
        seen.append((self.path, core, whole))
        return predict(self, segmentation)

    monkeypatch.setattr(InversePredictor, "predict", watched)

    def shown_to(settings):
        seen.clear()
        paths = [checkpoint, tmp_path / "narrow.safetensors"]
        evaluate_inverse(database, ATLAS, paths, settings=settings, device="cpu")
        return [{(core, whole) for path, core, whole in seen if path == str(own)} for own in paths]

    first, second = shown_to(SETTINGS)
    other = ObservationSettings(t1gd_thresholds=(0.8, 0.9), flair_thresholds=(0.4, 0.5))
    perturbed = ObservationSettings(perturbation=MaskPerturbation())

    assert first == second
    assert len(first) == 3
    for observation in (other, perturbed):
        assert shown_to(dataclasses.replace(SETTINGS, observation=observation))[0] != first


def test_a_poor_network_is_scored_and_reported(database, checkpoint):
    """Errors are errors; every table has its line, and the report says small."""
    evaluation = evaluate_inverse(database, ATLAS, [checkpoint, checkpoint], settings=SETTINGS, device="cpu")
    first, second = evaluation.scores
    text = inverse_report(evaluation)

    assert evaluation.num_tumors == 3
    assert 0.01 < first.published["white_matter"].mean <= 1.0
    assert first.dice == second.dice
    assert first.location_axis_mm.mean <= first.location_mm.mean
    assert len(first.dice) == 13
    assert "poor.safetensors (small)" in text
    assert "{μ1, μ2, x}" in text
    assert "0.461" in text  # the paper's line


def test_a_tumor_out_of_a_networks_view_does_not_end_the_evaluation(database, checkpoint, tmp_path):
    """It is counted, as no tumor; another network is scored as usual."""
    stored = read_checkpoint(checkpoint)
    corner = {"box": [[0, 16], [0, 16], [0, 16]], "pooling": 1}
    write_checkpoint(
        tmp_path / "blind.safetensors",
        kind=stored.kind,
        header={**stored.header, "layout": corner},
        tensors=stored.tensors,
    )
    evaluation = evaluate_inverse(
        database, ATLAS, [tmp_path / "blind.safetensors", checkpoint], settings=SETTINGS, device="cpu"
    )
    blind, usual = evaluation.scores

    assert blind.num_not_simulated > 0
    assert blind.location_mm.num_undefined == blind.num_not_simulated
    assert blind.location_mm.num_defined == 3 - blind.num_not_simulated
    assert blind.union["all"].num_defined == 3
    assert [errors.dice[0.001] for errors in blind.errors].count(0.0) >= blind.num_not_simulated
    assert (usual.num_not_simulated, usual.location_mm.num_undefined) == (0, 0)
    assert "blind.safetensors" in inverse_report(evaluation)


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
    with pytest.raises(ParameterError, match="without flips"):
        dataclasses.replace(SETTINGS, observation=ObservationSettings(flips=True))
    shifted = dataclasses.replace(database, header=dataclasses.replace(database.header, first_tumor=10))
    with pytest.raises(DatabaseError, match="26 tumors from number 0 on"):
        evaluate_inverse(shifted, ATLAS, [checkpoint], device="cpu")
    steps = {**database.header.model["settings"], "time_step_scale": 0.5}
    finer = dataclasses.replace(database.header, model={**database.header.model, "settings": steps})
    with pytest.raises(DatabaseError, match=r"other settings .*\(time_step_scale\)"):
        evaluate_inverse(dataclasses.replace(database, header=finer), ATLAS, [checkpoint], device="cpu")
