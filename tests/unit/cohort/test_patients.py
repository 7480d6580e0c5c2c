"""Patients are found wherever they lie, and whatever is wrong with one is said of that one."""

import pytest
from cohort_phantoms import write_words

from gliofield.cohort import BidsChoice, CohortPatient, CohortSource, find_cohort
from gliofield.cohort.patients import hash_patients, refuse_copies
from gliofield.errors import ParameterError

ODD = ["with space", 'it\'s "quoted"', "new\nline", "tab\tbed", "über", "-rf", "..", "a/../b".replace("/", "∕")]


def test_folders_of_any_name_are_patients(tmp_path):
    """Each has a harmless folder name of its own, and a name on one line."""
    names = [name for name in ODD if name != ".."]
    found = find_cohort(write_words(tmp_path / "in", [*names, "plain-1"]))

    assert {each.name for each in found} == {*names, "plain-1"}
    assert not any(each.problem for each in found)
    folders = [each.folder_name for each in found]
    assert len(set(folders)) == len(folders)
    assert all(each.isascii() and not set(each) & set(" '\"\n\t/") and each[0].isalnum() for each in folders)
    assert next(each.shown for each in found if each.name == "new\nline") == r"new\nline"
    assert next(each.folder_name for each in found if each.name == "plain-1") == "plain-1"


def test_dots_do_not_lead_out_of_the_folder():
    """Nor do names that are all punctuation."""
    assert CohortPatient(name="..").folder_name.startswith("patient-")
    assert CohortPatient(name="../../x").folder_name.startswith("x-")


def test_a_folder_without_a_patient_says_why(tmp_path):
    """The others are found all the same."""
    place = write_words(tmp_path / "in", "ab")
    (place / "b" / "p_seg.nii.gz").unlink()
    found = find_cohort(place)

    assert [bool(each.problem) for each in found] == [False, True]
    assert "a case needs tumor outlines" in found[1].problem


def test_results_among_the_patients_are_no_patient(tmp_path):
    """The output may lie in the input."""
    place = write_words(tmp_path / "in", "a")
    (place / "results").mkdir()
    (place / "results" / "cohort.json").write_text("{}")

    assert [each.name for each in find_cohort(place)] == ["a"]


def test_a_message_names_files_without_their_places(tmp_path):
    """On one line, whatever the folder is called."""
    (patient,) = find_cohort(write_words(tmp_path / "in", ["new\nline and more"]))
    text = f"{patient.files.segmentation}: is\nbroken in {patient.files.segmentation.parent}"

    assert patient.without_places(text) == "p_seg.nii.gz: is broken in new line and more"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (CohortSource(columns={"t1c": "T1"}), "is no table, so names of columns have no effect"),
        (CohortSource(bids=BidsChoice(sessions=("1",))), "is no BIDS data set .* have no effect"),
        (CohortSource(labels="brats2022"), "label scheme 'brats2022' is unknown"),
    ],
)
def test_options_of_another_kind_of_input_are_refused(tmp_path, source, message):
    """Instead of doing nothing."""
    with pytest.raises(ParameterError, match=message):
        find_cohort(write_words(tmp_path / "in", "a"), source)


@pytest.mark.parametrize(("name", "message"), [("nothing", "no such folder or table"), ("a.txt", "that is no table")])
def test_what_is_no_input_is_refused(tmp_path, name, message):
    """With what was expected."""
    (tmp_path / "a.txt").write_text("x")

    with pytest.raises(ParameterError, match=message):
        find_cohort(tmp_path / name)


def test_the_scheme_of_all_goes_to_segmentations(tmp_path):
    """It is checked later, with the labels."""
    (patient,) = find_cohort(write_words(tmp_path / "in", "a"), CohortSource(labels="nnunet"))

    assert patient.labels == "nnunet"


def test_an_unreadable_file_is_a_problem_of_its_patient(tmp_path):
    """As is a copy of another patient, which names that one."""
    place = write_words(tmp_path / "in", "abc", seg={"a": "same", "b": "same", "c": "same"})
    for ending in ("t1", "flair"):
        (place / "b" / f"p_{ending}.nii.gz").write_bytes((place / "a" / f"p_{ending}.nii.gz").read_bytes())
    (place / "c" / "p_seg.nii.gz").unlink()
    (place / "c" / "p_seg.nii.gz").symlink_to(tmp_path / "gone")
    patients = find_cohort(place)
    hashes = hash_patients(patients, num_threads=2)
    found = refuse_copies(patients, hashes)

    assert found[0].problem == ""
    assert "all files are those of 'a'" in found[1].problem
    assert found[2].problem == "p_seg.nii.gz cannot be read: No such file or directory. Check the patient's folder."
