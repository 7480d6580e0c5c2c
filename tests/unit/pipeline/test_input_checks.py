"""Whether scan, outlines and header belong together."""

import dataclasses
import itertools

import numpy as np
import pytest
from outlined_ball import CORE, GRID, PLACES, WHOLE, ball
from outlined_ball import outlined_case as case

from gliofield.anatomy import Segmentation
from gliofield.concern import verdict_of
from gliofield.grid import Grid
from gliofield.pipeline import Case, CaseFiles, check_case, find_case_files, read_case
from gliofield.pipeline.input_checks import (
    core_gap,
    edge_contrast,
    inside_contrast,
    orientation_concerns,
    surface_shares,
)
from gliofield.registration import OrientationCheck

RIGHT = OrientationCheck(
    affine_overlap=0.95, misfit=0.01, best_misfit=0.01, best_turn="no turn", is_turned=False, turned_degrees=4.0
)


def names(found):
    return [concern.name for concern in found.concerns]


def test_outlines_that_belong_to_the_scan_raise_nothing():
    """FLAIR changes at the edge, T1Gd at the core; the scheme and the core's share are told."""
    found = check_case(case())

    assert found.concerns == ()
    assert found.label_scheme == "brats2023"
    assert found.core_share == pytest.approx(1 / 8, abs=0.02)
    assert found.flair_edge > 0.95
    assert found.flair_inside > 0.95
    assert found.t1gd_gap > 0.8
    assert found.cavity_ml == 0.0


@pytest.mark.parametrize("flip", [np.s_[::-1], np.s_[::-1, ::-1]], ids=["left and right", "turned"])
def test_outlines_that_lie_elsewhere_are_told(flip):
    """Flipped against the images; both FLAIR and T1Gd contradict."""
    found = check_case(case(core=CORE[flip].copy(), whole=WHOLE[flip].copy()))

    assert names(found) == ["mask-against-flair", "mask-against-t1gd"]
    assert found.concerns[0].value == found.flair_edge < 0.75


def test_a_bias_field_is_no_fault_of_the_mask():
    """A bright front makes the tumor as bright as the rest of the brain; its edge stays one."""
    noise = np.random.default_rng(1).normal(0.0, 4.0, GRID.shape)
    biased = case(flair=100.0 + 40.0 * WHOLE - 2.0 * PLACES[0] + noise)

    assert inside_contrast(biased.images["flair"], biased) < 0.75
    assert edge_contrast(biased.images["flair"], biased) > 0.85
    assert check_case(biased).concerns == ()


def test_too_few_voxels_say_nothing():
    """A core of a few voxels, and none at all; images that were not given."""
    tiny = case(core=ball((14, 6, 0), 3.0))
    assert np.isnan(core_gap(tiny.images["t1c"], tiny))
    assert check_case(tiny).t1gd_gap is None
    assert check_case(case(core=np.zeros_like(CORE))).t1gd_gap is None
    bare = check_case(dataclasses.replace(case(), images={"t1": case().images["t1c"]}))
    assert (bare.flair_edge, bare.flair_inside, bare.t1gd_gap) == (None, None, None)


def test_core_and_edema_that_changed_places_are_told():
    """The "core" surrounds the "edema"; the scheme is named."""
    found = check_case(case(core=WHOLE & ~CORE))

    assert found.core_on_surface == 1.0
    assert found.edema_outside == 0.0
    assert names(found) == ["core-on-surface"]
    assert "'brats2023'" in found.concerns[0].text


def test_a_core_with_little_edema_is_a_note():
    """A thin cap of edema faces the outside more than the core: nothing has changed places."""
    cap = WHOLE & (PLACES[0] > 24.0)
    found = check_case(case(core=WHOLE & ~cap, t1c=100.0 + 40.0 * (WHOLE & ~cap)))

    assert found.core_on_surface > 0.5
    assert found.edema_outside > 0.5
    assert names(found) == ["little-edema"]
    assert verdict_of(found.concerns) == "no-concern"


def test_shares_of_the_surface_count_faces_by_area():
    """Two voxels of 1 × 1 × 4 mm, core below edema: each has the same four sides and one end."""
    grid = Grid.axis_aligned((1, 1, 2), 1.0, (0, 0, 0))
    grid = Grid(grid.shape, np.diag([1.0, 1.0, 4.0, 1.0]))
    core = np.array([[[True, False]]])
    shares = surface_shares(Segmentation(tumor_core=core, whole_tumor=np.ones_like(core), grid=grid))

    assert shares == (pytest.approx(0.5), pytest.approx(17 / 18))


def test_without_edema_all_of_the_surface_is_core():
    """One label for everything: a concern, since no edema says otherwise."""
    found = check_case(case(core=WHOLE))

    assert (found.core_on_surface, found.edema_outside) == (1.0, None)
    assert "core-on-surface" in names(found)


def test_a_cavity_is_a_concern_with_its_volume():
    """And it is no healthy brain beside the tumor."""
    cavity = ball((14, 6, 30), 10.0) & ~WHOLE
    found = check_case(case(cavity=cavity))

    assert names(found) == ["cavity"]
    assert found.concerns[0].value == pytest.approx(cavity.sum() * 0.008)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, None),
        ({"misfit": 0.02, "is_turned": True, "best_turn": "a turn by 180 degrees"}, "orientation"),
        ({"misfit": 0.012, "is_turned": True}, None),
        ({"misfit": 0.02}, None),
        ({"affine_overlap": 0.85}, "affine-overlap"),
        ({"turned_degrees": 60.0}, None),
        ({"turned_degrees": 88.0}, "turned-header"),
    ],
)
def test_a_turn_that_fits_better_is_told(changes, name):
    """Clearly better, and another turn than the header's; else brains must overlap after the affine stage."""
    concerns = orientation_concerns(dataclasses.replace(RIGHT, **changes))

    assert [concern.name for concern in concerns] == ([] if name is None else [name])


def test_checks_are_written_without_their_concerns():
    """JSON-ready; the concerns stand beside them."""
    found = dataclasses.replace(check_case(case()), orientation=RIGHT)

    assert found.to_json()["orientation"]["misfit_ratio"] == 1.0
    assert "concerns" not in found.to_json()
    assert check_case(case()).to_json()["orientation"] is None


@pytest.fixture(scope="module")
def patients(shared_data) -> dict[str, Case]:
    folder = shared_data / "patients"
    cases = {
        name: read_case(find_case_files(folder / name))
        for name in ("BraTS2021_01476", "BraTS2021_01481", "BraTS2021_01485")
    }
    tcga = folder / "TCGA-FG-6692"
    files = CaseFiles(
        t1=tcga / "t1_bet.nii.gz",
        t1c=tcga / "t1c_bet.nii.gz",
        flair=tcga / "fla_bet.nii.gz",
        segmentation=tcga / "seg_simple.nii.gz",
    )
    return {**cases, "TCGA-FG-6692": read_case(files)}


def test_real_patients_raise_nothing(patients):
    """Four right inputs, none doubted."""
    assert {name: names(check_case(patient)) for name, patient in patients.items()} == dict.fromkeys(patients, [])


def test_masks_of_other_patients_are_told(patients):
    """They share a grid, so nothing else would say so: at least nine of ten."""
    told = []
    for one, other in itertools.permutations(patients.values(), 2):
        masks = other.segmentation
        exchanged = dataclasses.replace(one, segmentation=masks, brain=one.brain | masks.whole_tumor)
        told.append(verdict_of(check_case(exchanged).concerns) != "no-concern")
    assert np.mean(told) >= 0.9
