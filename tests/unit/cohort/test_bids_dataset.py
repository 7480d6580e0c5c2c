"""Patients of a BIDS data set are found by what BIDS calls their files, and nothing is guessed where two fit."""

import json

import pytest

from gliofield.cohort import BidsChoice, CohortSource, find_cohort
from gliofield.cohort.bids_dataset import read_filter
from gliofield.errors import ParameterError


@pytest.fixture
def dataset(tmp_path):
    """Writes empty files into a data set."""

    def write(*paths):
        for path in paths:
            file = tmp_path / "raw" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(path)
        (tmp_path / "raw").mkdir(exist_ok=True)
        (tmp_path / "raw" / "dataset_description.json").write_text("{}")
        return tmp_path / "raw"

    return write


ONE = (
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-01/anat/sub-01_ce-gadolinium_T1w.nii.gz",
    "sub-01/anat/sub-01_FLAIR.nii.gz",
    "sub-01/pet/sub-01_trc-FET_pet.nii.gz",
    "derivatives/hand/sub-01/anat/sub-01_dseg.nii.gz",
    "derivatives/hand/sub-01/anat/sub-01_desc-brain_mask.nii.gz",
)
TWO_SESSIONS = tuple(
    f"{place}sub-02/ses-{ses}/anat/sub-02_ses-{ses}_{suffix}.nii.gz"
    for ses in ("pre", "post")
    for place, suffix in (("", "T1w"), ("", "FLAIR"), ("derivatives/hand/", "dseg"))
)


def names_of(patient):
    return {role: path.name for role, path in patient.files.given.items()}


def test_files_are_known_by_suffix_and_entities(dataset):
    """Contrast agent, derivatives, PET and brain mask."""
    (patient,) = find_cohort(dataset(*ONE))

    assert patient.name == "sub-01"
    assert names_of(patient) == {
        "t1": "sub-01_T1w.nii.gz",
        "t1c": "sub-01_ce-gadolinium_T1w.nii.gz",
        "flair": "sub-01_FLAIR.nii.gz",
        "pet": "sub-01_trc-FET_pet.nii.gz",
        "segmentation": "sub-01_dseg.nii.gz",
        "brain_mask": "sub-01_desc-brain_mask.nii.gz",
    }


def test_subjects_without_a_description_are_a_data_set_too(tmp_path):
    """By their folders."""
    for path in ONE:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")

    assert [each.name for each in find_cohort(tmp_path)] == ["sub-01"]


def test_an_image_of_a_derivative_is_preferred(dataset):
    """Outlines were drawn on what was processed."""
    (patient,) = find_cohort(dataset(*ONE, "derivatives/prep/sub-01/anat/sub-01_desc-preproc_FLAIR.nii.gz"))

    assert names_of(patient)["flair"] == "sub-01_desc-preproc_FLAIR.nii.gz"


def test_two_sessions_need_a_choice(dataset):
    """One without; one patient for each session that is chosen."""
    place = dataset(*TWO_SESSIONS)
    (undecided,) = find_cohort(place)
    (one,) = find_cohort(place, CohortSource(bids=BidsChoice(sessions=("ses-pre",))))
    both = find_cohort(place, CohortSource(bids=BidsChoice(sessions=("pre", "post"))))

    assert undecided.problem.startswith("2 sessions could be meant (ses-post, ses-pre)")
    assert (one.name, one.problem) == ("sub-02_ses-pre", "")
    assert [each.name for each in both] == ["sub-02_ses-post", "sub-02_ses-pre"]


def test_a_session_that_is_not_there_is_told(dataset):
    """Of the subject that lacks it; subjects without sessions are not asked."""
    found = find_cohort(dataset(*ONE, *TWO_SESSIONS), CohortSource(bids=BidsChoice(sessions=("late",))))

    assert [each.problem for each in found] == ["", "none of its sessions (ses-post, ses-pre) is one asked for."]


def test_a_missing_segmentation_is_told(dataset):
    """It may be called otherwise."""
    (patient,) = find_cohort(dataset(*ONE[:3]))

    assert "no outlines of the tumor" in patient.problem
    assert "--bids-filter" in patient.problem


def test_two_files_that_fit_are_refused_until_one_is_chosen(dataset, tmp_path):
    """By a filter, whose entities may have the names of PyBIDS."""
    place = dataset(*ONE, "sub-01/anat/sub-01_acq-mprage_T1w.nii.gz")
    (undecided,) = find_cohort(place)
    (tmp_path / "filter.json").write_text(json.dumps({"t1": {"suffix": "T1w", "acquisition": "mprage"}}))
    filters = read_filter(tmp_path / "filter.json")
    (chosen,) = find_cohort(place, CohortSource(bids=BidsChoice(filters=filters)))

    assert "2 files could be the t1 (sub-01_T1w.nii.gz, sub-01_acq-mprage_T1w.nii.gz)" in undecided.problem.replace(
        "sub-01_acq-mprage_T1w.nii.gz, sub-01_T1w.nii.gz", "sub-01_T1w.nii.gz, sub-01_acq-mprage_T1w.nii.gz"
    )
    assert names_of(chosen)["t1"] == "sub-01_acq-mprage_T1w.nii.gz"


def test_masks_take_the_place_of_a_segmentation(dataset):
    """By their label; a segmentation goes before them."""
    masks = tuple(f"derivatives/hand/sub-01/anat/sub-01_label-{label}_mask.nii.gz" for label in ("core", "tumor"))
    (patient,) = find_cohort(dataset(*ONE[:3], *masks))
    (with_both,) = find_cohort(dataset(ONE[4]))

    assert {"tumor_core", "whole_tumor"} <= names_of(patient).keys()
    assert {"tumor_core", "whole_tumor"}.isdisjoint(names_of(with_both))


def test_participants_are_chosen_by_label(dataset):
    """With or without sub-; one that is not there is an error."""
    place = dataset(*ONE, *TWO_SESSIONS)

    assert [e.name for e in find_cohort(place, CohortSource(bids=BidsChoice(participants=("sub-01",))))] == ["sub-01"]
    with pytest.raises(ParameterError, match="participant '3' is unknown: expected one of 01, 02"):
        find_cohort(place, CohortSource(bids=BidsChoice(participants=("3",))))


def test_a_data_set_without_subjects_is_refused(dataset):
    """It may be the wrong folder."""
    with pytest.raises(ParameterError, match="BIDS data set without subjects"):
        find_cohort(dataset())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[1]", "is not understood"),
        ('{"t1x": {}}', "input of the BIDS filter 't1x' is unknown"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused(tmp_path, text, message):
    """With what was expected."""
    (tmp_path / "filter.json").write_text(text)

    with pytest.raises(ParameterError, match=message):
        read_filter(tmp_path / "filter.json")
