"""Which series is which image, by words and times, and what is left to the user."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from gliofield.errors import DicomError
from gliofield.radiotherapy.dicom import DicomSeries, assign_series, guess_contrast


def series(description="", number=1, modality="MR", times=None, **tags):
    """A series of one header; `times` are inversion, echo and repetition time [ms]."""
    header = Dataset()
    inversion, echo, repetition = times or (None, None, None)
    attributes = {
        "SeriesDescription": description, "SeriesNumber": number, "Modality": modality,
        "SeriesInstanceUID": f"1.2.3.{10_000_000 + number}", "InversionTime": inversion, "EchoTime": echo,
        "RepetitionTime": repetition, **tags,
    }  # fmt: skip
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return DicomSeries(headers=(header,), files=(Path("x"),))


@pytest.mark.parametrize(
    ("description", "contrast"),
    [
        ("t1_mprage_sag_p2_iso_Gd", "t1c"), ("AX T1 POST", "t1c"), ("T1 3D +C", "t1c"), ("T1c MPRAGE", "t1c"),
        ("t1_tse_km", "t1c"), ("SAG BRAVO POST GAD", "t1c"), ("t1_mprage_sag", "t1"), ("AX T1 PRE", "t1"),
        ("T1 nativ", "t1"), ("SAG T1 without contrast", None), ("Ax T2 FLAIR", "flair"), ("tirm_dark-fluid", "flair"),
        ("3D FLAIR CS", "flair"), ("AX T2 FSE", "t2"), ("t2_tse_tra", "t2"), ("AX T2* GRE", None), ("DWI b1000", None),
        ("ep2d_diff_ADC", None), ("SWI mIP", None), ("localizer", None), ("dsc perfusion", None), ("tof angio", None),
    ],
)  # fmt: skip
def test_words_tell(description, contrast):
    """Of the description; what is a map, a scout or another contrast, or speaks for and against one, is none."""
    assert guess_contrast(series(description)).contrast == contrast


@pytest.mark.parametrize(
    ("times", "agent", "contrast"),
    [
        ((2500, 100, 9000), "", "flair"),
        ((None, 90, 5000), "", "t2"),
        ((None, 3, 8), "", "t1"),
        ((900, 3, 2000), "Gadovist", "t1c"),
        ((None, 3, 8), "NONE", "t1"),
        ((None, 45, 1500), "", None),
        (None, "", None),
    ],
)
def test_times_tell_where_words_do_not(times, agent, contrast):
    """Inversion, echo and repetition time; a contrast agent makes T1 a T1Gd."""
    assert guess_contrast(series("scan", times=times, ContrastBolusAgent=agent)).contrast == contrast


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"description": "t1 mprage", "times": (2500, 100, 9000)}, "its description says t1, its times say flair"),
        ({"description": "t1 native", "ContrastBolusAgent": "Gd"}, "disagree about a contrast agent"),
        ({"description": "t1", "ImageType": ["DERIVED", "SECONDARY", "SUBTRACTION"]}, "another kind of image"),
        ({"description": "head", "modality": "CT"}, "CT, which a case does not use"),
    ],
)
def test_what_does_not_speak_for_one_image_is_not_guessed(tags, reason):
    """With the reason."""
    guess = guess_contrast(series(**tags))

    assert guess.contrast is None
    assert reason in guess.reason


def test_a_study_is_told_apart():
    """T1, T1Gd, FLAIR, T2, PET; the others are left."""
    study = [
        series(words, number) for number, words in enumerate(("loc", "t1", "t1 gd", "t2", "flair", "dwi"), start=1)
    ]
    study.append(series("FET", 9, modality="PT"))
    found = assign_series(study, {})

    assert {name: each.text("SeriesNumber") for name, each in found.items()} == {
        "t1c": "3", "flair": "5", "t1": "2", "t2": "4", "pet": "9"
    }  # fmt: skip


def test_two_of_a_kind_are_refused_with_the_list_until_one_is_named():
    """Or left out; a named one may be what its words do not say."""
    study = [series("t1 gd", 1), series("t1 gd cor", 2), series("t2", 3), series("t2 fs", 4), series("odd", 5)]
    with pytest.raises(DicomError, match=r"(?s)2 series could be the t1c.*\(--t1c\).*1: t1 gd.*2: t1 gd cor"):
        assign_series(study, {})
    with pytest.raises(DicomError, match="2 series could be the t2"):
        assign_series(study, {"t1c": "2"})
    found = assign_series(study, {"t1c": "2", "t2": "none", "flair": "5"})

    assert {name: each.text("SeriesNumber") for name, each in found.items()} == {"t1c": "2", "flair": "5"}


def test_without_a_t1gd_the_reasons_are_listed():
    """A case lies on its grid."""
    with pytest.raises(DicomError, match=r"(?s)no series can be told to be the T1Gd.*2: dwi.*another kind"):
        assign_series([series("flair", 1), series("dwi", 2)], {})
    with pytest.raises(DicomError, match="0 series are called 8"):
        assign_series([series("t1 gd", 1)], {"t1c": "8"})
