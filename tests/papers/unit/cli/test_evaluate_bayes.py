"""``gliofield papers bayes``: what its options mean, what it prints, what it refuses before any work."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield_papers.bayes.calibration import PlacedTruth, calibration_of
from gliofield_papers.bayes.evaluation import BayesEvaluation
from gliofield_papers.bayes.identity import SETTINGS_FILE
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.bayes.sampling import RUN_NAMES, CaseRecord, CaseRun, DensityScore
from gliofield_papers.cli.bayes import _settings


@pytest.fixture
def asked(monkeypatch):
    """What the command asks for; answered at once."""
    calls = []

    def answer(atlas, folder, settings, **options):
        calls.append((settings, options))
        folder.mkdir(parents=True, exist_ok=True)
        place = PlacedTruth(truth=0.2, mean=0.2, std=0.1, rank=3, is_covered=(True,) * 4)
        score = DensityScore(
            tissue=0.1, white_matter=0.1, gray_matter=0.1, csf=0.1, either=0.1, dice=dict.fromkeys((0.2, 0.4, 0.8), 1.0)
        )
        run = CaseRun(
            places={"flair_threshold": place}, mean_density=score, map_density=score, log_evidence=-1.0,
            pareto_shape=0.2, num_simulations=100, num_failed=0, effective_samples=10.0, seconds=1.0,
        )  # fmt: skip
        record = CaseRecord(
            number=0, num_draws=1, core_voxels=5, whole_voxels=9, runs=dict.fromkeys(RUN_NAMES, run), failures={},
            conditions=MachineConditions.now(),
        )  # fmt: skip
        calibration = calibration_of([run.places], num_draws=31, num_samples=settings.case.num_samples)
        return BayesEvaluation(
            settings=settings, cases=(record,), calibration=dict.fromkeys(RUN_NAMES, calibration),
            time_places=np.array([0.4]), num_domain_voxels=10,
            num_compared_voxels=10, cost=None, patients=(), left_out={}, surrogate="",
        )  # fmt: skip

    monkeypatch.setattr("gliofield_papers.bayes.evaluation.evaluate_bayes", answer)
    return calls


def gliofield(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_options_change_the_preset(asked, atlas_folder, tmp_path):
    """--small is labelled; what is given replaces the preset, what is not stays."""
    result = gliofield(
        "papers", "bayes", "--out", tmp_path / "out", "--atlas", atlas_folder, "--small", "--cases", 7,
        "--samples", 60, "--seed", 5, "--threads", 1, "--no-cost",
    )  # fmt: skip
    (settings, options), *_ = asked

    assert result.exit_code == 0, result.stderr
    assert settings.is_small
    assert (settings.num_cases, settings.seed, settings.num_threads) == (7, 5, 1)
    assert (settings.case.num_samples, settings.case.num_ranked, settings.num_samples) == (60, 31, 250)
    assert options["with_cost"] is False
    assert result.stdout.startswith("**Small**")
    assert (tmp_path / "out" / "tables.md").read_text(encoding="utf-8") == result.stdout
    assert (tmp_path / "out" / "coverage.png").exists()


def test_json_holds_what_the_tables_show(asked, atlas_folder, tmp_path):
    """Ranks by parameter, and the folder."""
    result = gliofield("papers", "bayes", "--out", tmp_path / "out", "--atlas", atlas_folder, "--json")
    content = json.loads(result.stdout)

    assert content["folder"] == str(tmp_path / "out")
    assert content["calibration"]["with_pet"]["parameters"]["flair_threshold"]["ranks"] == [3]
    assert asked[0][0].is_small is False


def test_what_cannot_be_done_is_said_before_any_work(atlas_folder, tmp_path):
    """A surrogate without patients, a folder of something else; --force spares such a folder, too."""
    alone = gliofield(
        "papers", "bayes", "--out", tmp_path / "out", "--atlas", atlas_folder, "--checkpoint", tmp_path / "net"
    )
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "t1.nii").touch()
    foreign = gliofield("papers", "bayes", "--out", tmp_path / "scans", "--atlas", atlas_folder)
    forced = gliofield("papers", "bayes", "--out", tmp_path / "scans", "--atlas", atlas_folder, "--force")

    assert (alone.exit_code, foreign.exit_code, forced.exit_code) == (2, 2, 1)
    assert "--checkpoint has no effect without --patients" in alone.stderr
    assert SETTINGS_FILE in foreign.stderr
    assert (tmp_path / "scans" / "t1.nii").exists()


def test_force_is_left_to_the_evaluation(asked, atlas_folder, tmp_path):
    """It clears the folder once everything given has proved usable; nothing is removed before."""
    out = tmp_path / "out"
    out.mkdir()
    (out / SETTINGS_FILE).write_text("{}", encoding="utf-8")
    result = gliofield("papers", "bayes", "--out", out, "--atlas", atlas_folder, "--force")

    assert result.exit_code == 0, result.stderr
    assert asked[0][1]["replace_older"] is True
    assert (out / SETTINGS_FILE).exists()


@pytest.mark.parametrize(("samples", "num_ranked"), [(20, 15), (10, 7), (31, 31), (500, 31)])
def test_few_samples_hold_fewer_draws_for_ranks(samples, num_ranked):
    """One less than a power of two, at most the samples and at most 31."""
    assert _settings(False, {}, samples).case.num_ranked == num_ranked


def test_a_spacing_of_zero_is_refused(atlas_folder, tmp_path):
    """Before a folder is made."""
    result = gliofield("papers", "bayes", "--out", tmp_path / "out", "--atlas", atlas_folder, "--spacing-mm", 0)

    assert result.exit_code == 2
    assert "--spacing-mm must be finite and above 0" in result.stderr
    assert not (tmp_path / "out").exists()
