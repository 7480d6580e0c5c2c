from dataclasses import replace

import numpy as np
import pytest
from killed_runs import KilledError, killed_after
from known_posteriors import GaussianMixtureTarget, correlated

from gliofield.bayes import TmcmcSettings
from gliofield.bayes.multilevel import advance, result, start
from gliofield.bayes.multilevel_sampling import sample_multilevel
from gliofield.bayes.multilevel_state import Levels, MultilevelSettings
from gliofield.bayes.surrogate_correction import LevelCorrection
from gliofield.errors import NumericalError, ParameterError

SETTINGS = MultilevelSettings(
    sampler=TmcmcSettings.thorough(seed=5, num_samples=100, num_steps=3), num_coarse_steps=3, num_fine_steps=2
)


@pytest.fixture
def levels():
    fine = correlated().target
    return Levels(coarse=GaussianMixtureTarget(fine.centers + 0.1, 1.5 * fine.covariances, [1.0]), fine=fine)


@pytest.mark.parametrize("last_stage", [1, 3, 5])
def test_a_run_that_was_killed_ends_with_the_same_samples(tmp_path, levels, last_stage):
    """On the coarse level, in the bridge, on the fine level: the same bits."""
    file, whole = tmp_path / "run.npz", sample_multilevel(levels, SETTINGS)

    with pytest.raises(KilledError):
        sample_multilevel(levels, SETTINGS, stage_file=file, fingerprint="a", report=killed_after(last_stage))
    resumed = sample_multilevel(levels, SETTINGS, stage_file=file, fingerprint="a")

    np.testing.assert_array_equal(resumed.coordinates, whole.coordinates)
    np.testing.assert_array_equal(resumed.log_likelihood, whole.log_likelihood)
    assert (resumed.log_evidence, resumed.stages) == (whole.log_evidence, whole.stages)


def test_stage_files_of_other_runs_are_refused(tmp_path, levels):
    """Other data, other settings, another number of parameters, another format, no fingerprint."""
    file = tmp_path / "run.npz"
    sample_multilevel(levels, SETTINGS, stage_file=file, fingerprint="a")
    with pytest.raises(ParameterError, match="other data, prior or model"):
        sample_multilevel(levels, SETTINGS, stage_file=file, fingerprint="b")
    with pytest.raises(ParameterError, match="other settings"):
        sample_multilevel(levels, replace(SETTINGS, num_fine_steps=1), stage_file=file, fingerprint="a")
    two = GaussianMixtureTarget([[0.0, 0.0]], [np.eye(2)], [1.0])
    with pytest.raises(ParameterError, match="samples of shape"):
        sample_multilevel(Levels(coarse=two, fine=two), SETTINGS, stage_file=file, fingerprint="a")
    with pytest.raises(ParameterError, match="needs a fingerprint"):
        sample_multilevel(levels, SETTINGS, stage_file=file)
    file.write_bytes(b"no archive")
    with pytest.raises(ParameterError, match="cannot be continued"):
        sample_multilevel(levels, SETTINGS, stage_file=file, fingerprint="a")


def test_the_stages_pass_from_the_coarse_to_the_fine_level(levels):
    """Exponent and share never fall, end at 1, and the samples carry the fine likelihood."""
    sampled = sample_multilevel(levels, SETTINGS)
    exponents = [info.tempering_exponent for info in sampled.stages]
    shares = [info.fine_share for info in sampled.stages]

    assert exponents == sorted(exponents)
    assert shares == sorted(shares)
    assert (exponents[-1], shares[-1]) == (1.0, 1.0)
    np.testing.assert_allclose(sampled.log_likelihood, levels.fine.log_likelihood(sampled.coordinates), rtol=1e-12)


def test_equal_levels_keep_every_walk(levels):
    """Where both levels agree the decision is never against a walk, and the bridge is one stage without weight."""
    same = Levels(coarse=levels.fine, fine=levels.fine)

    sampled = sample_multilevel(same, replace(SETTINGS, num_probes=0))

    bridge = [info for info in sampled.stages if info.fine_share > 0.0]
    assert len(bridge) == 1
    assert abs(bridge[0].log_mean_weight) < 1e-9
    moved = 1.0 - (1.0 - bridge[0].acceptance_rate) ** SETTINGS.num_coarse_steps
    assert bridge[0].fine_acceptance_rate == pytest.approx(moved, abs=0.2)


def test_levels_that_exclude_each_other_are_an_error(levels):
    """A fine level that is impossible wherever the coarse one is likely."""

    class Impossible(type(levels.fine)):
        def log_likelihood(self, coordinates):
            return np.full(len(coordinates), -np.inf)

    fine = Impossible(levels.fine.centers, levels.fine.covariances, [1.0])
    with pytest.raises(NumericalError, match="exclude each other"):
        sample_multilevel(Levels(coarse=levels.coarse, fine=fine), SETTINGS)


def test_states_are_asked_in_order(levels):
    """No result before the end, no stage after it, and not more stages than allowed."""
    state = start(levels, SETTINGS)
    with pytest.raises(ParameterError, match="not finished"):
        result(state)
    finished = replace(state, tempering_exponent=1.0, fine_share=1.0)
    with pytest.raises(ParameterError, match="is finished"):
        advance(levels, finished)
    short = replace(SETTINGS, sampler=replace(SETTINGS.sampler, max_stages=1))
    with pytest.raises(NumericalError, match="within 1 stages"):
        sample_multilevel(levels, short)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_coarse_steps": 0}, "num_coarse_steps must be at least 1"),
        ({"num_fine_steps": 0}, "num_fine_steps must be at least 1"),
        ({"num_probes": -1}, "num_probes must be at least 0"),
        ({"switch_weight_cv": 0.0}, "switch_weight_cv must be finite and above 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    """By name."""
    with pytest.raises(ParameterError, match=message):
        MultilevelSettings(**changes)


def test_levels_of_different_parameters_are_refused(levels):
    """They must be the same posterior at two resolutions."""
    with pytest.raises(ParameterError, match="same parameters"):
        Levels(coarse=GaussianMixtureTarget([[0.0, 0.0]], [np.eye(2)], [1.0]), fine=levels.fine)


@pytest.mark.parametrize(("number", "degree"), [(40, 2), (15, 1), (5, 0), (0, -1)])
def test_a_correction_is_as_smooth_as_its_samples_allow(number, degree):
    """A quadratic difference is met exactly by enough samples; beyond them the correction is constant."""
    rng = np.random.default_rng(2)
    points = rng.uniform(-2.0, 2.0, (number, 3))

    def difference(rows):
        return 1.0 + rows @ [1.0, -2.0, 0.5] + rows[:, 0] * rows[:, 1] - rows[:, 2] ** 2

    correction = LevelCorrection.fitted(points, difference(points))
    inside = rng.uniform(-0.5, 0.5, (10, 3))

    assert correction.degree == degree
    if degree == 2:
        np.testing.assert_allclose(correction.at(inside), difference(inside), atol=1e-8)
        far = np.array([[100.0, 0.0, 0.0], [1000.0, 0.0, 0.0]])
        assert len(set(correction.at(far))) == 1
    if degree == -1:
        assert not correction.at(inside).any()
