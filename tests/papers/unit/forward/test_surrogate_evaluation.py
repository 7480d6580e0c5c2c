"""Evaluation of surrogates: errors of what the model gives and of its network alone, and what is refused."""

import numpy as np
import pytest
from small_surrogates import phantom, poor_surrogates, tiny_samples, tiny_surrogate

from gliofield.errors import ParameterError
from gliofield_papers.errors_by_tissue import SURROGATE_LEVELS, density_errors
from gliofield_papers.forward.checkpoints import load_surrogates
from gliofield_papers.forward.evaluation import evaluate_surrogate
from gliofield_papers.forward.tables import surrogate_report
from gliofield_papers.forward.times import grow_at_times
from gliofield_papers.surrogate import (
    TISSUES,
    LearnedFisherKolmogorov,
    ParameterRanges,
    SurrogateNetworkSettings,
    simulate_samples,
    train_surrogate,
)
from gliofield_papers.surrogate.anatomies import crop_around

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A surrogate that has hardly learned."""
    return poor_surrogates(tmp_path_factory.mktemp("surrogate"))


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    """Samples in an anatomy that nobody trained on."""
    return tiny_samples(tmp_path_factory.mktemp("tests"), part="test", anatomies=[phantom(2)], number=10)


@pytest.fixture
def sees_tumor_everywhere(monkeypatch):
    """Networks answer a density of 1 in every voxel."""

    def answer(self, tissues, growth):
        return np.ones((len(growth), *tissues.shape[-3:]), np.float32)

    monkeypatch.setattr(LearnedFisherKolmogorov, "predict_cubes", answer)


def test_the_solver_itself_has_no_errors(models, tests, monkeypatch):
    """To float16, the precision of the samples."""
    rows = {tests.growth(row).tobytes(): row for row in range(len(tests))}

    def know(self, tissues, growth):
        from gliofield_papers.surrogate import ParameterRanges

        low, high = np.array(list(ParameterRanges().by_name().values())).T
        values = low + (growth + 1.0) / 2.0 * (high - low)
        known = np.array([np.frombuffer(row) for row in rows])
        nearest = [int(np.abs(known / high - value / high).sum(axis=1).argmin()) for value in values]
        return np.stack([tests.tumor(list(rows.values())[row]) for row in nearest])

    monkeypatch.setattr(LearnedFisherKolmogorov, "predict_cubes", know)
    (score,) = evaluate_surrogate(tests, models, num_timed=2).scores

    assert score.union["all"].mean == 0.0
    assert score.dice[0.2].mean == 1.0


def test_a_poor_surrogate_is_scored_and_reported(models, tests):
    """Errors, Dice, seconds beside the solver's; every table has its line, and the report says small."""
    evaluation = evaluate_surrogate(tests, models, num_timed=3)
    (score,) = evaluation.scores
    text = surrogate_report(evaluation)

    assert (evaluation.num_samples, evaluation.num_anatomies, evaluation.num_timed) == (10, 1, 3)
    assert evaluation.device == "cpu"
    assert 0.0 < score.published["white_matter"].mean <= 1.0
    assert set(score.dice) == set(score.network_dice) == {0.2, 0.4, 0.8}
    assert sum(value.num_defined + value.num_undefined for value in score.dice_by_time.values()) == 10
    assert min(score.single_s, score.batched_s, evaluation.solver_s) > 0.0
    assert "poor.safetensors (small)" in text
    assert "0.821" in text  # the paper's line


def test_what_is_scored_is_what_the_model_gives(models, tests):
    """Errors of every tumor are those of the density of `simulate`, cut out around the seed."""
    (score,) = evaluate_surrogate(tests, models, num_timed=1).scores

    for sample, draw in enumerate(tests.draws):
        given = models[0].simulate(phantom(2), draw.parameters, (draw.time_days,)).cell_density[0]
        cube = crop_around(given, draw.center, tests.crop_size)
        tissues = dict(zip(TISSUES, tests.tissues(sample), strict=True))
        expected = density_errors(cube, tests.tumor(sample), tissues, levels=SURROGATE_LEVELS)
        assert score.errors[sample].union["all"] == pytest.approx(expected.union["all"], rel=1e-5)
        assert score.errors[sample].dice == pytest.approx(expected.dice, nan_ok=True)


def test_tumor_outside_the_tissue_counts_for_the_network_alone(models, tests, sees_tumor_everywhere):
    """It lowers the network's Dice and is its error in CSF; the model, which has no tumor there, is not charged."""
    (score,) = evaluate_surrogate(tests, models, num_timed=1).scores

    assert score.network_dice[0.2].mean < score.dice[0.2].mean
    assert score.published["csf"].mean == 1.0
    assert all(np.isnan(error.published["csf"]) for error in score.errors)
    assert "csf" not in score.union


def test_the_picture_of_one_tumor_shows_the_dice_of_the_tables(tmp_path, sees_tumor_everywhere):
    """Where the cube holds the whole brain, a tumor's Dice at its own time is the same in both, to float16."""
    wide = tiny_surrogate(
        network=SurrogateNetworkSettings(crop_size=32, channels=4, num_halvings=1, block_length=1), num_epochs=1
    )
    samples = tiny_samples(tmp_path, wide), tiny_samples(tmp_path, wide, part="validation")
    train_surrogate(*samples, wide, tmp_path / "wide.safetensors")
    tests = tiny_samples(tmp_path, wide, part="test", anatomies=[phantom(2)], number=5)
    models = load_surrogates([tmp_path / "wide.safetensors"], device="cpu")
    evaluation = evaluate_surrogate(tests, models, num_timed=1)
    tumor = grow_at_times(tests, models, evaluation)

    in_tables = evaluation.scores[0].errors[tumor.sample].dice[0.2]
    assert 0.0 < in_tables < 1.0
    assert tumor.surrogates[0].dice[-1] == pytest.approx(in_tables, abs=1e-3)


def test_samples_that_do_not_fit_are_refused(models, tests, tmp_path):
    """In anatomies that were seen, of another cube or another step of the times; no surrogate."""
    seen = tiny_samples(tmp_path / "seen", part="test", anatomies=[phantom(1)], number=2)
    with pytest.raises(ParameterError, match="was trained or validated in 1 of the anatomies of the tests"):
        evaluate_surrogate(seen, models)
    small = tiny_samples(tmp_path / "small", part="test", anatomies=[phantom(2)], number=2, crop_size=4)
    with pytest.raises(ParameterError, match=r"differs from them in crop_size \(8, not 4\)"):
        evaluate_surrogate(small, models)
    for name in ("time_step_days", "diffusivity_ratio"):
        ranges = ParameterRanges(**{name: 5.0})
        other = simulate_samples(tmp_path / name, [phantom(2)], ranges, number=2, part="test", crop_size=8)
        with pytest.raises(ParameterError, match=rf"differs from them in {name} \([15]0\.0, not 5\.0\)"):
            evaluate_surrogate(other, models)
    with pytest.raises(ParameterError, match="at least one surrogate"):
        evaluate_surrogate(tests, [])
    with pytest.raises(ParameterError, match="num_threads of at least 1"):
        evaluate_surrogate(tests, models, num_threads=0)
