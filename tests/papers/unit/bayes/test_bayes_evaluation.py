"""The evaluation of posteriors as a whole: its folder, its parts, and what is refused."""

import dataclasses
import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from growth_likelihoods import use_small_batches
from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield.errors import DatabaseError, GliofieldError, NumericalError, ParameterError
from gliofield.pipeline import PersonalizationSettings, find_patients
from gliofield_papers.bayes.cost import REFERENCE_WAY, mean_distance
from gliofield_papers.bayes.evaluation import BayesEvaluationSettings, evaluate_bayes
from gliofield_papers.bayes.identity import SETTINGS_FILE, database_identity, open_folder, surrogate_identity
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.bayes.patients import SOLVER, PatientSampler
from gliofield_papers.bayes.sampling import RUN_NAMES, CaseRecord, CaseSettings
from gliofield_papers.surrogate.checkpoint import CHECKPOINT_KIND
from gliofield_training import write_checkpoint

TINY = BayesEvaluationSettings.small(
    num_cases=1,
    spacing_mm=10.0,
    voxel_stride=2,
    case=CaseSettings(num_samples=12, num_ranked=2, num_densities=2),
    sample_spacing_mm=8.0,
    num_samples=10,
    num_tmcmc_samples=8,
    num_steps=1,
    num_paper_samples=8,
    num_threads=1,
)
IDENTITY = {"seed": 0, "database": None, "surrogate": None, "registration": None}


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    use_small_batches(monkeypatch)


def test_a_folder_goes_on_with_its_own_settings_alone(tmp_path):
    """The same settings go on; others, and folders with other things in them, are refused."""
    open_folder(tmp_path / "new", IDENTITY)
    open_folder(tmp_path / "new", IDENTITY)
    with pytest.raises(ParameterError, match=r"evaluation of other settings \(seed\)"):
        open_folder(tmp_path / "new", {**IDENTITY, "seed": 1})
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "t1.nii").touch()
    with pytest.raises(ParameterError, match="holds no evaluation"):
        open_folder(tmp_path / "scans", IDENTITY)


def test_inputs_of_one_part_may_come_later_but_not_change(tmp_path):
    """A database may be named until the costs are there; then it may be left out, not replaced."""
    open_folder(tmp_path, IDENTITY)
    open_folder(tmp_path, {**IDENTITY, "database": ["db", 5]})
    (tmp_path / "cost.json").touch()
    open_folder(tmp_path, IDENTITY)
    assert json.loads((tmp_path / SETTINGS_FILE).read_text())["database"] == ["db", 5]
    with pytest.raises(ParameterError, match=r"\(database\)"):
        open_folder(tmp_path, {**IDENTITY, "database": ["other", 5]})


def test_a_registration_may_change_until_a_patient_was_begun(tmp_path):
    """Afterwards it may be left out, with the patients, but not replaced."""
    open_folder(tmp_path, {**IDENTITY, "registration": {"registration": "none"}})
    open_folder(tmp_path, {**IDENTITY, "registration": {"registration": "affine"}})
    (tmp_path / "patients" / "P1.json").touch()
    assert open_folder(tmp_path, IDENTITY)["registration"] == {"registration": "affine"}
    with pytest.raises(ParameterError, match=r"\(registration\)"):
        open_folder(tmp_path, {**IDENTITY, "registration": {"registration": "none"}})


def test_a_database_is_known_by_its_content(tmp_path):
    """Not by its place: its manifest holds the digests of all files."""
    database = SimpleNamespace(path=tmp_path, num_tumors=5)
    (tmp_path / "manifest.json").write_text("one", encoding="utf-8")
    one = database_identity(database)
    (tmp_path / "manifest.json").write_text("two", encoding="utf-8")

    assert one["num_tumors"] == 5
    assert database_identity(database)["manifest_sha256"] != one["manifest_sha256"]
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(DatabaseError, match="no readable manifest"):
        database_identity(database)


def test_a_surrogate_is_known_by_weights_and_settings(tmp_path):
    """The same file name with other weights, and the same weights at another spacing, are others."""
    torch = pytest.importorskip("torch")
    path, identities = tmp_path / "net.safetensors", []
    for weight, spacing_mm in ((0.0, 1.5), (1.0, 1.5), (1.0, 2.0)):
        write_checkpoint(path, kind=CHECKPOINT_KIND, header={}, tensors={"w": torch.full((2,), weight)})
        header = SimpleNamespace(settings=SimpleNamespace(to_json=dict), spacing_mm=spacing_mm)
        identities.append(surrogate_identity(path, header))

    assert identities[0]["checkpoint_digest"] != identities[1]["checkpoint_digest"]
    assert identities[1] != identities[2]
    assert surrogate_identity(path, header) == identities[2]


class ReachedError(Exception):
    """All that comes before the cases is done."""


@pytest.fixture
def at_cases(monkeypatch):
    """Evaluations end where cases would be sampled."""

    def stop(*arguments, **options):
        raise ReachedError

    monkeypatch.setattr("gliofield_papers.bayes.evaluation.sample_cases", stop)


def test_older_results_are_removed_only_for_inputs_that_can_be_used(at_cases, tmp_path):
    """A missing checkpoint, a missing file of a patient: all stays; usable inputs: nothing is left."""
    out, patients = tmp_path / "out", find_patients([write_phantom_patient(tmp_path / "P1")])[0]
    with pytest.raises(ReachedError):
        evaluate_bayes(phantom_atlas(), out, TINY, with_cost=False)
    (out / "cases" / "case-0000.json").touch()
    again = partial(evaluate_bayes, phantom_atlas(), out, TINY, with_cost=False, replace_older=True)
    with pytest.raises(GliofieldError, match=r"missing\.safetensors|PyTorch"):
        again(patients=patients, checkpoint=tmp_path / "missing.safetensors")
    patients["P1"].flair.unlink()
    with pytest.raises(ParameterError, match="cannot be read"):
        again(patients=patients)
    assert (out / "cases" / "case-0000.json").exists()

    with pytest.raises(ReachedError):
        again()
    assert (out / SETTINGS_FILE).exists()
    assert not (out / "cases" / "case-0000.json").exists()


def test_no_folder_is_made_for_a_grid_that_cannot_be(at_cases, tmp_path):
    """Anatomies come first."""
    with pytest.raises(GliofieldError):
        evaluate_bayes(phantom_atlas(), tmp_path / "out", dataclasses.replace(TINY, spacing_mm=1e4), with_cost=False)
    assert not (tmp_path / "out").exists()


def test_registration_is_deterministic_and_of_the_evaluations_seed(monkeypatch, tmp_path):
    """Whatever the caller asked for: no result depends on the number of threads."""
    asked = []

    def note(self, patients, *, report):
        asked.append(self.personalization)
        raise ReachedError

    monkeypatch.setattr(PatientSampler, "run", note)
    with pytest.raises(ReachedError):
        evaluate_bayes(
            phantom_atlas(), tmp_path, dataclasses.replace(TINY, seed=7), with_cost=False,
            registration=PersonalizationSettings(registration="none", seed=1),
        )  # fmt: skip

    assert asked == [PersonalizationSettings(registration="none", seed=7, deterministic=True)]


def test_cases_that_all_failed_leave_no_calibration(monkeypatch, tmp_path):
    """The error says why the first did."""
    record = CaseRecord(
        number=0, num_draws=1, core_voxels=5, whole_voxels=9, runs={}, conditions=MachineConditions.now(),
        failures=dict.fromkeys(RUN_NAMES, "samples collapse."),
    )  # fmt: skip
    monkeypatch.setattr("gliofield_papers.bayes.evaluation.sample_cases", lambda *_, **__: (record,))
    with pytest.raises(NumericalError, match=r"none of the 1 virtual cases .* samples collapse\."):
        evaluate_bayes(phantom_atlas(), tmp_path, TINY, with_cost=False)


def test_numbers_of_cases_and_processes_are_no_part_of_the_identity():
    """More cases may be asked for later, on another machine."""
    more = dataclasses.replace(TINY, num_cases=99, num_threads=7)

    assert more.identity() == TINY.identity()
    assert dataclasses.replace(TINY, voxel_stride=1).identity() != TINY.identity()


def test_distance_of_densities():
    """Over voxels where either has tumor; NaN where neither has."""
    one, other = np.array([0.0, 0.4, 0.0]), np.array([0.0, 0.0, 0.2])

    assert mean_distance(one, other) == pytest.approx(0.3)
    assert np.isnan(mean_distance(np.zeros(3), np.zeros(3)))


def test_settings_out_of_range_are_refused(tmp_path):
    """And a surrogate without patients."""
    for changes, message in (
        ({"num_cases": 0}, "num_cases ≥ 1"),
        ({"num_paper_samples": 1}, "num_samples must be"),
        ({"num_tmcmc_samples": 1}, "num_samples must be"),
        ({"num_samples": 1}, "num_effective must be at least 10"),
        ({"voxel_stride": 0}, "voxel_stride must be at least 1"),
        ({"spacing_mm": 0.0}, "spacing_mm must be finite and above 0"),
        ({"time_step_scale": float("nan")}, "time_step_scale must be finite"),
        ({"sample_spacing_mm": -1.0}, "sample_spacing_mm must be finite"),
    ):
        with pytest.raises(ParameterError, match=message):
            dataclasses.replace(TINY, **changes)
    with pytest.raises(ParameterError, match="real patients only"):
        evaluate_bayes(phantom_atlas(), tmp_path / "out", TINY, checkpoint="surrogate.safetensors")


@pytest.mark.slow
def test_all_parts_are_made_and_read_again(tmp_path):
    """Cases, ways and a patient of the phantom; a second run finds everything and changes nothing."""
    write_phantom_patient(tmp_path / "P1")
    patients, _ = find_patients([tmp_path / "P1"])
    run = [
        evaluate_bayes(
            phantom_atlas(),
            tmp_path / "out",
            TINY,
            patients=patients,
            registration=PersonalizationSettings(registration="none", num_threads=1),
        )
        for _ in range(2)
    ]

    assert [repr(each.cases) for each in run] == [repr(run[0].cases)] * 2
    assert [repr(each.cost) for each in run] == [repr(run[0].cost)] * 2
    assert [way.way for way in run[0].cost.ways][0] == REFERENCE_WAY
    (patient,) = run[1].patients
    assert patient.models[SOLVER].seconds == run[0].patients[0].models[SOLVER].seconds
    assert 0.0 < patient.densities[SOLVER].max() <= 1.0
    assert patient.map_dice == {}
