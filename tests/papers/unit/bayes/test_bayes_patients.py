"""Real patients of the evaluation of posteriors: what is written when, gone on with, recorded as failed, refused."""

import dataclasses
import math
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield.errors import NumericalError, ParameterError, RegistrationError
from gliofield.growth import FisherKolmogorov
from gliofield.pipeline import PersonalizationSettings, find_patients
from gliofield.pipeline.sample_method import SampleSettings
from gliofield_papers.bayes.evaluation import BayesEvaluationSettings, _patient_models
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.bayes.patient_files import ModelPosterior, ParameterEstimate, patient_file, read_patient
from gliofield_papers.bayes.patients import OBSERVATION, SOLVER, SURROGATE, PatientModel, PatientSampler

CONDITIONS = MachineConditions(architecture="x86_64", num_cores=2, load_average_before=0.1, load_average_after=0.2)
POSTERIOR = ModelPosterior(
    parameters={"pet_scale": ParameterEstimate(map=0.7, low=0.6, high=0.8)}, dice_core=0.5, dice_whole=0.7,
    num_simulations=30, seconds=3.0, concerns=(), conditions=CONDITIONS,
)  # fmt: skip


def model(**identity):
    return PatientModel(model=FisherKolmogorov(), identity=identity, settings=SampleSettings())


@pytest.fixture
def patients(tmp_path):
    """A single patient, the phantom."""
    return find_patients([write_phantom_patient(tmp_path / "P1")])[0]


@pytest.fixture
def sampler(tmp_path):
    """Two models, without a registration."""
    folder = tmp_path / "out"
    folder.mkdir()
    return PatientSampler(
        atlas=phantom_atlas(), folder=folder, spacing_mm=8.0, models={SOLVER: model(), SURROGATE: model(digest="a")},
        personalization=PersonalizationSettings(registration="none"), conditions=CONDITIONS,
    )  # fmt: skip


@pytest.fixture
def answers(monkeypatch):
    """What models answer, in turn: a posterior of that density, or an error; the stage files they were given."""
    prepared, stage_files = [], []

    def answer(self, method, observation):
        stage_files.append((method.settings.stage_file.name, method.settings.stage_file.exists()))
        method.settings.stage_file.touch()
        found = prepared.pop(0)
        if isinstance(found, BaseException):
            raise found
        return POSTERIOR, np.full(observation.grid.shape, found, dtype=np.float32)

    monkeypatch.setattr(PatientSampler, "_model_posterior", answer)
    return prepared, stage_files


def test_a_run_that_was_killed_goes_on_inside_the_patient(sampler, patients, answers):
    """The solver's result stands; the surrogate goes on from its stage file, and has no seconds for that."""
    prepared, stage_files = answers
    prepared += [0.5, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        sampler.run(patients)
    stopped = read_patient(patient_file(sampler.folder, "P1"))
    prepared.append(0.5)
    ((patient,), left_out) = sampler.run(patients)

    assert list(stopped.models) == [SOLVER]
    assert [name for name, _ in stage_files] == [
        "P1-numerical-solver.stage.npz", "P1-surrogate.stage.npz", "P1-surrogate.stage.npz"
    ]  # fmt: skip
    assert [is_there for _, is_there in stage_files] == [False, False, True]
    assert patient.models[SOLVER] == POSTERIOR
    assert math.isnan(patient.models[SURROGATE].seconds)
    assert patient.map_dice[0.2] == 1.0
    assert patient.map_distance == 0.0
    assert left_out == {}
    assert not list(sampler.folder.glob("*.stage.npz"))


def test_as_published_a_tumor_grows_in_the_patient(sampler, patients, monkeypatch):
    """On a grid of its own, with the atlas's tissue in its brain; what was sampled in the atlas is of other inputs."""
    seen = []

    def answer(self, method, observation):
        seen.append(observation)
        return POSTERIOR, np.full(observation.grid.shape, 0.5, dtype=np.float32)

    monkeypatch.setattr(PatientSampler, "_model_posterior", answer)
    own = dataclasses.replace(sampler, in_patient=True)

    ((patient,), left_out) = own.run(patients)

    assert left_out == {}
    assert seen[0].require_space().name == "patient"
    assert seen[0].grid.spacing_mm == (8.0, 8.0, 8.0)
    assert patient.masks["whole_tumor"].shape == seen[0].grid.shape
    with pytest.raises(ParameterError, match="other inputs .*space"):
        sampler.run(patients)


def test_the_published_setting_samples_as_the_paper():
    """2,048 samples of one step, independent voxels, PET without background, no limit of the volume."""
    settings = BayesEvaluationSettings(is_published=True, seed=3)
    sampling = _patient_models(settings, 2, None, None)[SOLVER].settings

    assert (sampling.sampler.num_samples, sampling.sampler.num_steps, sampling.sampler.seed) == (2048, 1, 3)
    assert (sampling.correlation_length_mm, sampling.pet_model, sampling.max_volume_ml) == (0.0, "paper", None)
    assert "is_published" in settings.identity()
    assert "is_published" not in BayesEvaluationSettings().identity()


def test_a_failed_model_is_recorded_and_not_tried_again(sampler, patients, answers):
    """The other model's result is reported; where both fail, the patient is left out with both reasons."""
    answers[0].extend([NumericalError("samples collapse."), 0.5])
    ((patient,), _) = sampler.run(patients)
    ((again,), _) = sampler.run(patients)
    patient_file(sampler.folder, "P1").unlink()
    answers[0].extend([NumericalError("one."), NumericalError("two.")])
    neither, left_out = sampler.run(patients)

    assert patient.failures == again.failures == {SOLVER: "samples collapse."}
    assert list(again.models) == [SURROGATE]
    assert math.isnan(again.map_distance)
    assert neither == ()
    assert left_out == {"P1": f"{SOLVER}: one.; {SURROGATE}: two."}


def test_a_dead_process_is_no_failure_of_the_patient(sampler, patients, answers):
    """Whoever starts again finds the patient to be sampled."""
    died = NumericalError("a worker process died")
    died.__cause__ = BrokenProcessPool()
    answers[0].append(died)

    with pytest.raises(NumericalError, match="process died"):
        sampler.run(patients)
    assert read_patient(patient_file(sampler.folder, "P1")).failures == {}


def test_a_failed_registration_is_recorded_and_tried_again(sampler, patients, answers, monkeypatch):
    """It may be for what is not installed."""

    def refuse(*arguments):
        raise RegistrationError("no ANTs.")

    with monkeypatch.context() as patched:
        patched.setattr("gliofield_papers.bayes.patients.register_case", refuse)
        _, left_out = sampler.run(patients)
    recorded = read_patient(patient_file(sampler.folder, "P1"))
    answers[0].extend([0.5, 0.5])
    ((patient,), _) = sampler.run(patients)

    assert left_out == {"P1": f"{OBSERVATION}: no ANTs."}
    assert recorded.failures == {OBSERVATION: "no ANTs."}
    assert patient.failures == {}


@pytest.mark.parametrize("what", ["files", "spacing_mm", "registration", "models"])
def test_a_result_of_other_inputs_is_refused(sampler, patients, answers, what):
    """Files of other content under the same names, another spacing, registration or checkpoint."""
    answers[0].extend([0.5, 0.5])
    sampler.run(patients)
    if what == "files":
        with open(patients["P1"].flair, "ab") as handle:
            handle.write(b"more")
    changes = {
        "files": {},
        "spacing_mm": {"spacing_mm": 6.0},
        "registration": {"personalization": PersonalizationSettings(registration="none", seed=1)},
        "models": {"models": {SOLVER: model(), SURROGATE: model(digest="b")}},
    }

    with pytest.raises(ParameterError, match=rf"made of other inputs \({what}\)"):
        dataclasses.replace(sampler, **changes[what]).require_continuable(patients)


def test_what_was_begun_without_a_result_starts_anew_on_other_inputs(sampler, patients, answers):
    """A stage file of the old inputs is not gone on from."""
    answers[0].append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sampler.run(patients)
    answers[0].extend([0.5, 0.5])
    ((patient,), _) = dataclasses.replace(sampler, spacing_mm=10.0).run(patients)

    assert [is_there for _, is_there in answers[1]] == [False, False, False]
    assert patient.spacing_mm == 10.0


def test_a_new_patient_needs_the_surrogate_of_the_others(sampler, patients, answers, tmp_path):
    """Finished ones are read without it."""
    answers[0].extend([0.5, 0.5])
    sampler.run(patients)
    absent = dataclasses.replace(sampler.models[SURROGATE], model=None)
    without = dataclasses.replace(sampler, models={**sampler.models, SURROGATE: absent})
    two = {**patients, **find_patients([write_phantom_patient(tmp_path / "P2")])[0]}

    without.require_continuable(patients)
    assert len(without.run(patients)[0]) == 1
    with pytest.raises(ParameterError, match="P2 would be sampled without the surrogate"):
        without.require_continuable(two)


def test_a_missing_file_is_refused_before_any_work(sampler, patients):
    """With its name."""
    patients["P1"].flair.unlink()
    with pytest.raises(ParameterError, match=r"flair\.nii\.gz cannot be read"):
        sampler.require_continuable(patients)


def test_a_damaged_record_says_so(tmp_path):
    """Half a file."""
    patient_file(tmp_path, "P1").write_text('{"name": "P1"', encoding="utf-8")
    with pytest.raises(ParameterError, match="is no result of a patient"):
        read_patient(patient_file(tmp_path, "P1"))
