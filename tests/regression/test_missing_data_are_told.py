"""Symptom: zeros inside a brain image (blocks that were lost, slices that were not written, NaN replaced by 0, the rest
of a file that was cut off) made a smaller brain, and nothing was said.

Cause: the brain is where the image is not 0, whatever shape that has.
Guard: holes, gaps and flat ends of the brain are a concern with volume and place; right images raise none.
"""

import dataclasses
import re

import numpy as np
import pytest
from outlined_ball import GRID, PLACES, ball
from outlined_ball import outlined_case as case

from gliofield.anatomy.image_damage import find_missing_data
from gliofield.concern import verdict_of
from gliofield.grid import Grid
from gliofield.nifti import read_volume
from gliofield.pipeline import CaseFiles, check_case, find_case_files, read_case
from gliofield.pipeline.input_checks import missing_data
from gliofield.volume import Volume


def damaged(where, *, names=("flair", "t1c")):
    """The patient of the phantom with zeros somewhere in some images, read again as a file would be."""
    whole = case()
    images = {
        name: Volume(np.where(where & (name in names), 0.0, image.data), GRID) for name, image in whole.images.items()
    }
    return dataclasses.replace(whole, images=images)


def told(found):
    """The concern about missing data; None without one."""
    return next((concern for concern in found.concerns if concern.name == "missing-data"), None)


@pytest.mark.parametrize(
    ("where", "words", "volume_ml"),
    [
        (ball((-14, -10, 8), 12.0), r"7\.\d ml inside the brain are 0, around \(-14, -10, 8\) mm", 7.2),
        (np.all(np.abs(PLACES - [[[[-15]]], [[[0]]], [[[10]]]]) < 9.0, axis=0), "inside the brain are 0", 5.2),
        (np.abs(PLACES[2] + 10.0) < 6.0, r"are 0 (above|below) a flat face of \d\d cm² at \(0, 0, -\d+\) mm", 63.0),
        (np.abs(PLACES[1] - 3.0) < 1.5, "are 0 (in front of|behind) a flat face", 26.0),
        (PLACES[2] > 20.0, r"ends in a flat face of 5\d cm² at \(0, 0, 20\) mm, with nothing above it", None),
        (PLACES[0] < -15.0, "ends in a flat face of .* with nothing left of it", None),
    ],
    ids=["ball", "block", "slab", "slice", "cut above", "cut left"],
)
def test_missing_data_are_a_concern_with_volume_and_place(where, words, volume_ml):
    """Whatever lacks; the verdict is that somebody must look."""
    concern = told(check_case(damaged(where)))
    assert concern is not None
    assert re.search(words, concern.text), concern.text
    assert "in t1c, flair:" in concern.text
    assert verdict_of([concern]) == "check"
    if volume_ml is not None:
        assert concern.value == pytest.approx(volume_ml, rel=0.15)


def test_the_image_is_named():
    """The others are sound; what was found is written with the checks."""
    found = check_case(damaged(ball((-14, -10, 8), 12.0), names=("flair",)))
    assert "missing in flair:" in told(found).text
    assert found.to_json()["missing_data"]["flair"][0]["kind"] == "hole"


def test_a_hole_that_leaks_is_a_hole():
    """Fissures of zeros lead into it from outside."""
    leak = (np.abs(PLACES[0] + 14) < 2.5) & (np.abs(PLACES[1] + 10) < 2.5) & (PLACES[2] > 0)
    assert "inside the brain are 0" in told(check_case(damaged(ball((-14, -10, 8), 12.0) | leak))).text


def test_dark_fluid_that_was_clipped_to_0_is_none():
    """A ventricle whose gray values fall towards its middle, where they are 0."""
    radius = np.sqrt(sum((axis - place) ** 2 for axis, place in zip(PLACES, (-14, -10, 8), strict=True)))
    whole = case()
    dark = Volume(whole.images["flair"].data * np.clip((radius - 8.0) / 10.0, 0.0, 1.0), GRID)
    assert np.count_nonzero(dark.data[radius < 8.0]) == 0
    fluid = dataclasses.replace(whole, images={**whole.images, "flair": dark})
    assert told(check_case(fluid)) is None


def test_a_brain_that_reaches_the_border_of_the_image_is_not_cut():
    """The field of view ends there; a brain of thick slices has large caps."""
    inside = ball((0, 0, 0), 46.0)
    short = Grid((48, 48, 34), GRID.world_from_voxel)
    assert find_missing_data(Volume(inside[:, :, 14:], short)) == ()
    thick = Grid((48, 48, 12), np.array([[2.0, 0, 0, -48], [0, 2.0, 0, -48], [0, 0, 8.0, -45], [0, 0, 0, 1]]))
    assert find_missing_data(Volume(inside[:, :, 2::4], thick)) == ()
    assert find_missing_data(Volume(np.zeros(GRID.shape), GRID)) == ()


def test_a_mask_that_was_given_is_looked_at_itself():
    """Its own hole is told; what images show outside of it is nobody's concern."""
    whole = case()
    head = {name: Volume(np.where(image.data == 0, 7.0, image.data), GRID) for name, image in whole.images.items()}
    with_mask = dataclasses.replace(whole, images=head, file_hashes={"brain_mask": "0" * 64})
    assert told(check_case(with_mask)) is None
    brain = with_mask.brain & ~ball((-14, -10, 8), 12.0)
    assert "in t1c, flair, brain mask:" in told(check_case(dataclasses.replace(with_mask, brain=brain))).text


@pytest.fixture(scope="module")
def patients(shared_data):
    """Four real patients."""
    folder = shared_data / "patients"
    tcga = folder / "TCGA-FG-6692"
    files = CaseFiles(t1=tcga / "t1_bet.nii.gz", flair=tcga / "fla_bet.nii.gz", segmentation=tcga / "seg_simple.nii.gz")
    names = ("BraTS2021_01476", "BraTS2021_01481", "BraTS2021_01485")
    return [read_case(files), *(read_case(find_case_files(folder / name)) for name in names)]


def test_real_patients_are_not_doubted(patients):
    """Damage made in one of them is found."""
    assert [missing_data(patient) for patient in patients] == [{}] * len(patients)
    image = patients[1].structural_image
    for lost, kind in ((np.s_[:, :, 100:], "cut"), (np.s_[:, :, 70], "gap"), (np.s_[110:130, 100:120, 70:90], "hole")):
        data = image.data.copy()
        data[lost] = 0
        assert [found.kind for found in find_missing_data(Volume(data, image.grid))] == [kind]


def test_the_templates_are_not_doubted(shared_data):
    """The T1 image of the atlas."""
    assert find_missing_data(read_volume(shared_data / "atlas" / "sri24" / "t1_brain.nii.gz")) == ()
