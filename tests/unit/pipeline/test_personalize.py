"""`personalize` in a few words: what it takes, what it refuses, and a method with a density alone."""

import dataclasses
import json

import nibabel
import numpy as np
import pytest
from phantom_brain import phantom_atlas, write_phantom_atlas, write_phantom_patient

import gliofield
from gliofield.anatomy import SpaceRequest
from gliofield.concern import as_concerns
from gliofield.errors import DatabaseError, ParameterError
from gliofield.imaging import Estimate
from gliofield.pipeline import (
    CaseFiles,
    DistanceMethod,
    InferMethod,
    MarginMethod,
    PersonalizationSettings,
    QueryMethod,
    QueryWithPosterior,
    SampleMethod,
    find_case_files,
    options_named,
    prepare_method,
    read_case,
)
from gliofield.pipeline.method_options import (
    METHOD_OPTIONS,
    Assimilate,
    Infer,
    Margin,
    Query,
    Sample,
    WholeMargin,
    uses_pet,
)
from gliofield.volume import Volume
from gliofield_papers.tmcmc import paper_settings

ATLAS = phantom_atlas()
NO_REGISTRATION = PersonalizationSettings(registration="none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phantom_patient(tmp_path_factory.mktemp("patients") / "P1")


@pytest.fixture(scope="module")
def result(folder):
    return gliofield.personalize(folder, method="distance", atlas=ATLAS, settings=NO_REGISTRATION)


@dataclasses.dataclass(frozen=True)
class HalfDensity:
    """A method in the atlas that knows nothing of growth."""

    name: str = "half"
    references: tuple[str, ...] = ()
    atlas_hash: str | None = None

    def request_space(self, wanted):
        return SpaceRequest(grid=ATLAS.simulation_grid(spacing_mm=8.0), atlas_hash=self.atlas_hash)

    def estimate(self, observation, *, report):
        density = np.where(observation.whole_tumor, 0.5, 0.0).astype(np.float32)
        return Estimate(cell_density=Volume(density, observation.grid), space=observation.require_space())


def test_patients_methods_and_atlases_may_be_words(folder, result, tmp_path):
    """A folder, its files or a case; a name, options or a method; an atlas, its name or folder: the same density."""
    atlas = write_phantom_atlas(tmp_path / "atlas")
    ways = [
        {"patient": str(folder), "method": "distance", "atlas": ATLAS},
        {"patient": find_case_files(folder), "method": gliofield.Distance(), "atlas": ATLAS},
        {"patient": read_case(find_case_files(folder)), "method": DistanceMethod(), "atlas": str(atlas)},
    ]
    for way in ways:
        found = gliofield.personalize(way.pop("patient"), **way, settings=NO_REGISTRATION)
        np.testing.assert_array_equal(found.density_patient.data, result.density_patient.data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patient": 3}, "patient must be a Case, CaseFiles or the path of a BraTS folder, got int"),
        ({"method": 3}, "method must be a name, options such as Query.., or an InverseMethod, got int"),
        ({"method": "distanse"}, "method 'distanse' is unknown: .* Did you mean 'distance'"),
        ({"atlas": 3}, "atlas must be .*, got 3 .int."),
        (
            {"settings": Sample()},
            "settings must be PersonalizationSettings, got Sample. The method's own",
        ),
    ],
)
def test_a_wrong_kind_of_argument_meets_a_sentence(folder, arguments, message):
    """Not an AttributeError from somewhere inside."""
    usual = {"patient": folder, "method": "distance", "atlas": ATLAS, "settings": NO_REGISTRATION}
    asked = {**usual, **arguments}
    with pytest.raises(ParameterError, match=message):
        gliofield.personalize(asked.pop("patient"), **asked)


def test_a_density_alone_is_a_result(result, tmp_path):
    """No parameters, no seed, no intervals: everything is written all the same, and the reader is told."""
    saved = result.save(tmp_path / "result", name="P1")
    parameters = json.loads((saved / "parameters.json").read_text(encoding="utf-8"))
    stored = nibabel.load(saved / "density_patient.nii.gz")

    assert parameters["parameters"] == parameters["identifiable"] == {}
    assert parameters["note"] == "The method 'distance' gives a density alone, without growth parameters."
    assert (result.seed_patient_mm, result.seed_atlas_mm) == (None, None)
    assert stored.get_data_dtype() == np.float32
    assert result.agreement_patient.combined == pytest.approx(2.0)
    assert result.settings["space"] == "patient"
    assert result.tumor_outside_domain == {"tumor_core": None, "whole_tumor": None}
    with pytest.raises(gliofield.GliofieldError, match="exists"):
        result.save(tmp_path / "result")


def test_a_method_in_the_atlas_reaches_the_patient(folder):
    """By the way back of its space; the atlas has the method's own grid."""
    found = gliofield.personalize(folder, method=HalfDensity(), atlas=ATLAS, settings=NO_REGISTRATION)

    assert found.density_atlas.grid == ATLAS.simulation_grid(spacing_mm=8.0)
    assert found.density_patient.data.max() == 0.5
    assert found.settings["space"] == "atlas"


def test_a_density_alone_cannot_be_grown_again(folder):
    """What it lacks is said."""
    in_patient = dataclasses.replace(NO_REGISTRATION, space="patient")
    with pytest.raises(ParameterError, match="cannot be grown again in the patient: .* got none"):
        gliofield.personalize(folder, method=HalfDensity(), atlas=ATLAS, settings=in_patient)


def test_a_method_of_another_atlas_is_refused_before_the_registration(folder):
    """A registration takes seconds; the hashes are known at once."""
    with pytest.raises(DatabaseError, match="'half' was made for another atlas"):
        gliofield.personalize(
            folder, method=HalfDensity(atlas_hash="0" * 64), atlas=ATLAS, settings=PersonalizationSettings()
        )


def test_controls_may_be_asked_in_the_atlas(folder):
    """Then their distances are those of the atlas's world."""
    in_atlas = dataclasses.replace(NO_REGISTRATION, space="atlas")
    found = gliofield.personalize(folder, method="whole-margin", atlas=ATLAS, settings=in_atlas)

    assert found.settings["space"] == "atlas"
    assert found.estimate.cell_density.grid == ATLAS.simulation_grid()


def test_a_result_prints_a_few_lines(result):
    """The verdict first, then method, volumes, agreement, concerns, and what it may be used for; never an array."""
    text = repr(result)

    assert text == result.summary()
    assert text.startswith("Verdict: ")
    assert text.splitlines()[1] == "Tumor-cell density by method 'distance' (space: patient)"
    assert "Dice with the scan  T1Gd 1.00, FLAIR 1.00" in text
    assert text.endswith("For research use only; not a medical device.")
    assert len(text.splitlines()) < 12


def test_a_result_shows_itself_in_a_notebook(result):
    """Verdict, picture and table in one piece, texts escaped."""
    page = dataclasses.replace(result, concerns=as_concerns(["a < b"]))._repr_html_()

    assert page.startswith("<div><p><b>Verdict: check before use; 1 concern.</b></p>")
    assert page.count("data:image/png;base64,") == 1
    assert "<td>Dice FLAIR</td><td>1.00</td>" in page
    assert "<li>check: a &lt; b</li>" in page


@pytest.mark.parametrize("name", METHOD_OPTIONS)
def test_every_method_has_a_name_and_a_line(name):
    """For lists of methods; defaults are complete."""
    options = options_named(name)

    assert options.name == name
    assert options.summary


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Query(num_candidates=0), "num_candidates must be at least 1"),
        (lambda: Query(num_densities=16), "num_densities must lie between 0 and num_candidates = 15, got 16"),
        (lambda: Query(tempering_exponent=0.5), "tempering_exponent has no effect without the posterior"),
        (lambda: Query(prior="patient"), "prior has no effect without the posterior"),
        (lambda: Query(pet_model="paper"), "pet_model has no effect without the posterior"),
        (lambda: Query(posterior=True, pet_model="papper"), "pet_model 'papper' is unknown: .* Did you mean 'paper'"),
        (lambda: Sample(pet_model="none"), "pet_model 'none' is unknown"),
        (lambda: Query(correlation_length_mm=1.0), "correlation_length_mm has no effect without the posterior"),
        (lambda: Query(posterior=True, prior="papper"), "prior 'papper' is unknown: .* Did you mean 'paper'"),
        (lambda: Sample(num_samples=9), "num_samples must be at least 10"),
        (lambda: Sample(preset="papper"), "preset 'papper' is unknown: .* Did you mean 'paper'"),
        (lambda: Sample(preset="paper", num_samples=64), "num_samples is decided by the preset paper"),
        (lambda: Sample(preset="paper", correlation_length_mm=0.0), "correlation_length_mm is decided by the preset"),
        (lambda: Sample(device="tpu"), "device 'tpu' is unknown"),
        (lambda: options_named("querry"), "method 'querry' is unknown: .* Did you mean 'query'"),
    ],
)
def test_options_that_cannot_be_are_refused(make, message):
    """When they are made, not after the registration."""
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "does"),
    [(Assimilate(), True), (Sample(), True), (Query(posterior=True), True), (Query(), False), (Margin(), False)],
)
def test_it_is_known_which_methods_compare_pet(options, does):
    """Those that fit or weigh tumors by it."""
    assert uses_pet(options) == does


def test_options_become_methods(monkeypatch):
    """With the settings that were asked for; the database is opened once, of the atlas."""
    opened = []

    class Database:
        header = None

    def open_database(path, *, atlas, **settings):
        opened.append((path, atlas))
        return Database()

    monkeypatch.setattr("gliofield.pipeline.default_database.open_database", open_database)
    settings = PersonalizationSettings(seed=3, num_threads=2)

    query = prepare_method(Query(num_candidates=4, index="direct"), atlas=ATLAS, settings=settings)
    posterior = prepare_method(Query(posterior=True, tempering_exponent=0.25, pet_fwhm_mm=4.0), atlas=ATLAS)
    options = Sample(num_samples=90, pet_model="paper", pet_fwhm_mm=6.0, prior="patient")
    sample = prepare_method(options, atlas=ATLAS, settings=settings)
    of_paper = prepare_method(Sample(preset="paper"), atlas=ATLAS, settings=settings)
    margin = prepare_method(Margin(margin_mm=10.0), atlas=ATLAS)
    whole = prepare_method(WholeMargin(), atlas=ATLAS)

    assert isinstance(query, QueryMethod)
    assert (query.num_candidates, query.index, query.num_threads) == (4, "direct", 2)
    assert isinstance(posterior, QueryWithPosterior)
    assert (posterior.settings.tempering_exponent, posterior.settings.pet_fwhm_mm) == (0.25, 4.0)
    assert posterior.pet_model == "background"
    assert isinstance(sample, SampleMethod)
    assert (sample.settings.sampler.num_effective, sample.settings.sampler.seed) == (90, 3)
    assert (sample.settings.prior, sample.settings.num_workers) == ("patient", 2)
    assert (sample.settings.pet_model, sample.settings.pet_fwhm_mm) == ("paper", 6.0)
    assert of_paper.settings == dataclasses.replace(paper_settings(seed=3), num_workers=2)
    assert (margin, whole) == (
        MarginMethod(margin_mm=10.0),
        MarginMethod(name="whole-margin", around="whole tumor"),
    )
    assert opened == [(None, ATLAS), (None, ATLAS)]


def test_a_network_of_another_atlas_is_refused():
    """The one that comes with gliofield belongs to SRI24."""
    pytest.importorskip("torch")
    with pytest.raises((ParameterError, DatabaseError), match="phantom"):
        prepare_method(Infer(), atlas=ATLAS)
    assert InferMethod.__name__ == "InferMethod"


def test_files_complete_or_replace_those_of_a_folder(folder, tmp_path):
    """A PET beside a BraTS folder; a segmentation instead of its own; masks instead of both."""
    files = find_case_files(folder, given={"pet": tmp_path / "pet.nii.gz"})
    assert files.pet == tmp_path / "pet.nii.gz"
    assert files.segmentation is not None
    assert find_case_files(folder, given={"segmentation": tmp_path / "s.nii.gz"}).segmentation.name == "s.nii.gz"
    masks = find_case_files(folder, given={"whole_tumor": tmp_path / "w.nii.gz"})
    assert (masks.segmentation, masks.whole_tumor.name) == (None, "w.nii.gz")


def test_what_is_no_patient_is_named(folder, tmp_path):
    """A file, a folder of patients, a folder of DICOM files, other images, nothing."""
    dicom, others, empty = tmp_path / "dicom", tmp_path / "others", tmp_path / "empty"
    for place in (dicom, others, empty):
        place.mkdir()
    (dicom / "IM0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 16)
    (others / "brain.nii.gz").write_bytes(b"")
    cases = {
        next(folder.glob("*_t1ce.nii.gz")): "is a file: expected the folder of a patient. .* --t1c case_t1ce.nii.gz",
        folder.parent: "It holds 1 folders with images, such as P1: give one of them",
        dicom: "It holds DICOM files: make a case of them first",
        others: "It holds the NIfTI files brain.nii.gz. Name them by what they are",
        empty: "It holds no NIfTI files",
        tmp_path / "nowhere": "no such folder",
    }
    for path, message in cases.items():
        with pytest.raises(ParameterError, match=message):
            find_case_files(path)


def test_case_files_need_an_image_and_an_outline():
    """The sentence names what is missing."""
    with pytest.raises(ParameterError, match="at least one structural image"):
        CaseFiles(segmentation="seg.nii.gz")


def test_a_space_without_effect_is_refused(folder):
    """A method that works in the patient cannot be asked in the atlas, nor a method on the scan for a spacing."""
    in_atlas = dataclasses.replace(NO_REGISTRATION, space="atlas")
    with pytest.raises(
        ParameterError, match="'assimilate' works in the patient's own brain, and the space 'atlas' was"
    ):
        gliofield.personalize(folder, method="assimilate", atlas=ATLAS, settings=in_atlas)
    spaced = dataclasses.replace(NO_REGISTRATION, space="patient", spacing_mm=3.0)
    with pytest.raises(ParameterError, match="spacing_mm has no effect on method 'distance'"):
        gliofield.personalize(folder, method="distance", atlas=ATLAS, settings=spaced)


def test_a_case_is_read_from_a_folder(folder):
    """A path is the patient's folder; labels may be named; another kind meets a sentence."""
    case = gliofield.read_case(folder, scheme="brats2023")

    assert case.segmentation.scheme == "brats2023"
    assert case.grid == read_case(find_case_files(folder)).grid
    with pytest.raises(ParameterError, match="patient must be CaseFiles or str .* Give the folder of a patient"):
        gliofield.read_case(3)


def test_a_margin_is_not_judged_as_a_density(folder):
    """It is drawn larger than what is seen, so its overlap with the masks and its size are no concern."""
    found = gliofield.personalize(folder, method="whole-margin", atlas=ATLAS, settings=NO_REGISTRATION)

    assert {"poor-match", "cells-beyond-tumor"}.isdisjoint(concern.name for concern in found.concerns)
    assert found.coverage.beyond_ml > found.case.segmentation.whole_ml


def test_a_finished_registration_is_taken(folder, result):
    """Nothing is registered, and the answer is the same; one of another preset is refused."""
    given = {"method": "distance", "atlas": ATLAS, "registration": result.registration}
    again = gliofield.personalize(folder, settings=NO_REGISTRATION, **given)

    assert again.registration is result.registration
    assert "register" in result.seconds
    assert "register" not in again.seconds
    np.testing.assert_array_equal(again.density_atlas.data, result.density_atlas.data)
    with pytest.raises(ParameterError, match="made by the preset 'none', and the settings say 'fast'"):
        gliofield.personalize(folder, **given)
