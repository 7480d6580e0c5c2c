"""Evaluation of surrogates: errors against the solver, time, and what is refused."""

import numpy as np
import pytest
from small_surrogates import phantom, tiny_samples, tiny_surrogate

from gliomap.errors import ParameterError
from gliomap.experiments.surrogate_evaluation import evaluate_surrogate
from gliomap.report.surrogate_tables import surrogate_report
from gliomap.surrogate import LearnedFisherKolmogorov, SurrogateNetworkSettings, train_surrogate

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A surrogate that has hardly learned."""
    folder = tmp_path_factory.mktemp("surrogate")
    samples = tiny_samples(folder), tiny_samples(folder, part="validation")
    train_surrogate(*samples, tiny_surrogate(num_epochs=1), folder / "poor.safetensors")
    return folder / "poor.safetensors"


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    """Samples in an anatomy that nobody trained on."""
    return tiny_samples(tmp_path_factory.mktemp("tests"), part="test", anatomies=[phantom(2)], number=10)


def test_the_solver_itself_has_no_errors(checkpoint, tests, monkeypatch):
    """To float16, the precision of the samples."""
    rows = {tests.growth(row).tobytes(): row for row in range(len(tests))}

    def know(self, tissues, growth):
        from gliomap.surrogate import ParameterRanges

        low, high = np.array(list(ParameterRanges().by_name().values())).T
        values = low + (growth + 1.0) / 2.0 * (high - low)
        known = np.array([np.frombuffer(row) for row in rows])
        nearest = [int(np.abs(known / high - value / high).sum(axis=1).argmin()) for value in values]
        return np.stack([tests.tumor(list(rows.values())[row]) for row in nearest])

    monkeypatch.setattr(LearnedFisherKolmogorov, "predict_cubes", know)
    (score,) = evaluate_surrogate(tests, [phantom(2)], [checkpoint], device="cpu", num_timed=2).scores

    assert score.union["all"].mean == 0.0
    assert score.dice[0.2].mean == 1.0


def test_a_poor_surrogate_is_scored_and_reported(checkpoint, tests):
    """Errors, Dice, seconds beside the solver's; every table has its line, and the report says small."""
    evaluation = evaluate_surrogate(tests, [phantom(2)], [checkpoint], device="cpu", num_timed=3)
    (score,) = evaluation.scores
    text = surrogate_report(evaluation)

    assert (evaluation.num_samples, evaluation.num_anatomies, evaluation.num_timed) == (10, 1, 3)
    assert evaluation.device == "cpu"
    assert 0.0 < score.published["white_matter"].mean <= 1.0
    assert set(score.dice) == {0.2, 0.4, 0.8}
    assert sum(value.num_defined + value.num_undefined for value in score.dice_by_time.values()) == 10
    assert min(score.single_s, score.batched_s, evaluation.solver_s) > 0.0
    assert "poor.safetensors (small)" in text
    assert "0.821" in text  # the paper's line


def test_surrogates_that_do_not_fit_are_refused(checkpoint, tests, tmp_path):
    """One that knows the anatomies, one of another size, none."""
    seen = tiny_samples(tmp_path, part="test", anatomies=[phantom(1)], number=2)
    with pytest.raises(ParameterError, match="trained or validated in anatomies of these samples"):
        evaluate_surrogate(seen, [phantom(1)], [checkpoint], device="cpu")
    wide = tiny_surrogate(network=SurrogateNetworkSettings(crop_size=4, channels=4, num_halvings=1), num_epochs=1)
    samples = tiny_samples(tmp_path, wide), tiny_samples(tmp_path, wide, part="validation")
    train_surrogate(*samples, wide, tmp_path / "other.safetensors")
    with pytest.raises(ParameterError, match="cuts out 4³ voxels"):
        evaluate_surrogate(tests, [phantom(2)], [tmp_path / "other.safetensors"], device="cpu")
    with pytest.raises(ParameterError, match="at least one checkpoint"):
        evaluate_surrogate(tests, [phantom(2)], [])
