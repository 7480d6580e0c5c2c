from dataclasses import replace

import numpy as np
import pytest
from killed_runs import KilledError, killed_after
from known_posteriors import correlated

from gliofield.bayes import TmcmcSettings, read_stage_file, sample_posterior, write_stage_file
from gliofield.bayes.tmcmc import advance, start
from gliofield.errors import OutputError, ParameterError

SETTINGS = TmcmcSettings.thorough(seed=5, num_samples=200, num_steps=3)


@pytest.fixture
def target():
    return correlated().target


@pytest.mark.parametrize("last_stage", [1, 2, 3])
def test_a_run_that_was_killed_ends_with_the_same_samples(tmp_path, target, last_stage):
    """Bit for bit: samples, evidence and stages."""
    file = tmp_path / "run.npz"
    whole = sample_posterior(target, SETTINGS)

    with pytest.raises(KilledError):
        sample_posterior(target, SETTINGS, stage_file=file, fingerprint="a", report=killed_after(last_stage))
    resumed = sample_posterior(target, SETTINGS, stage_file=file, fingerprint="a")

    np.testing.assert_array_equal(resumed.coordinates, whole.coordinates)
    np.testing.assert_array_equal(resumed.log_likelihood, whole.log_likelihood)
    assert resumed.log_evidence == whole.log_evidence
    assert resumed.stages == whole.stages


def test_a_run_killed_within_a_stage_repeats_it(tmp_path, target):
    """The file holds the last whole stage; the half one is drawn again, the same."""
    file = tmp_path / "run.npz"
    whole = sample_posterior(target, SETTINGS)
    likelihood, calls = target.log_likelihood, []

    def dying(rows):
        calls.append(len(rows))
        if len(calls) == 6:  # the prior, three steps of the first stage, the second of the second
            raise KilledError
        return likelihood(rows)

    target.log_likelihood = dying
    with pytest.raises(KilledError):
        sample_posterior(target, SETTINGS, stage_file=file, fingerprint="a")
    target.log_likelihood = likelihood

    resumed = sample_posterior(target, SETTINGS, stage_file=file, fingerprint="a")
    np.testing.assert_array_equal(resumed.coordinates, whole.coordinates)


def test_a_finished_file_gives_the_result_without_sampling(tmp_path, target):
    """No likelihood is computed again."""
    file = tmp_path / "run.npz"
    first = sample_posterior(target, SETTINGS, stage_file=file, fingerprint="a")
    target.log_likelihood = None

    again = sample_posterior(target, SETTINGS, stage_file=file, fingerprint="a")
    np.testing.assert_array_equal(again.coordinates, first.coordinates)


def test_the_file_is_read_without_pickle(tmp_path, target):
    """Plain arrays only, and nothing beside the file is left."""
    file = tmp_path / "run.npz"
    state, _ = advance(target, start(target, SETTINGS))
    write_stage_file(file, state, fingerprint="a")

    with np.load(file, allow_pickle=False) as archive:
        assert {archive[name].dtype.kind for name in archive.files} == {"f", "u"}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"settings": replace(SETTINGS, seed=6)}, r"other settings \(seed\)"),
        ({"settings": replace(SETTINGS, num_steps=4, num_samples=100)}, "num_samples, num_steps"),
        ({"fingerprint": "b"}, "other data, prior or model"),
        ({"num_parameters": 4}, r"shape \(600, 3\): expected \(600, 4\)"),
    ],
)
def test_a_file_of_another_run_is_refused(tmp_path, target, change, complaint):
    """Settings, data and number of parameters are compared."""
    file = tmp_path / "run.npz"
    write_stage_file(file, start(target, SETTINGS), fingerprint="a")
    run = {"settings": SETTINGS, "num_parameters": 3, "fingerprint": "a"} | change
    with pytest.raises(ParameterError, match=complaint):
        read_stage_file(file, **run)


def truncated(file):
    file.write_bytes(file.read_bytes()[:-200])


def flipped(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def other_archive(file):
    np.savez(file, something=np.zeros(3))


def other_format(file):
    np.savez(file, header=np.frombuffer(b"[1]", np.uint8), coordinates=0.0, log_prior=0.0, log_likelihood=0.0)


@pytest.mark.parametrize("damage", [truncated, flipped, other_archive, other_format, lambda file: file.unlink()])
def test_a_damaged_file_is_refused(tmp_path, target, damage):
    """Cut off, changed by one bit, something else, or gone."""
    file = tmp_path / "run.npz"
    write_stage_file(file, start(target, SETTINGS), fingerprint="a")
    damage(file)
    with pytest.raises(ParameterError, match="stage file .* (cannot be read|has another format)"):
        read_stage_file(file, settings=SETTINGS, num_parameters=3, fingerprint="a")


def test_a_stage_file_needs_a_fingerprint(tmp_path, target):
    """Without one it could continue the run of another patient."""
    with pytest.raises(ParameterError, match="needs a fingerprint"):
        sample_posterior(target, SETTINGS, stage_file=tmp_path / "run.npz")


def test_a_file_that_cannot_be_written_is_an_error(tmp_path, target):
    """A missing folder, before any stage is lost."""
    with pytest.raises(OutputError, match="cannot be written"):
        sample_posterior(target, SETTINGS, stage_file=tmp_path / "none" / "run.npz", fingerprint="a")


def test_progress_is_the_exponent(target):
    """One event before the first draws and one per stage, the last at 1."""
    events = []
    sampled = sample_posterior(target, SETTINGS, report=events.append)

    assert [event.completed for event in events] == [0.0, *(info.tempering_exponent for info in sampled.stages)]
    assert events[-1].completed == events[-1].total == 1.0
