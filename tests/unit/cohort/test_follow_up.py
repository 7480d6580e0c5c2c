"""A second scan is laid on the first and scored against its map; what cannot be compared is refused."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from egg_brain import EGG_GRID, egg_brain, turned
from phantom_brain import radius_in
from typer.testing import CliRunner

from gliofield.anatomy import Segmentation
from gliofield.cli import app
from gliofield.cohort import FollowUpSettings, follow_up, score_follow_up, write_follow_up
from gliofield.errors import OutputError, ParameterError, RegistrationError
from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.pipeline import Case, CaseFiles, read_case
from gliofield.registration import RegistrationResult, Transform, registration_preset
from gliofield.volume import Volume

CENTER_MM = (20.0, 10.0, 10.0)


def scan(core_mm=10.0, whole_mm=20.0, *, center_mm=CENTER_MM, grid=EGG_GRID, images=("t1", "flair"), brain=None):
    """A head with a tumor of two balls, in the order of axes and the world of a grid."""
    head = egg_brain(EGG_GRID).data if brain is None else brain
    distance = radius_in(EGG_GRID, center_mm, 1.0)
    outlines = Segmentation(
        tumor_core=head & (distance < core_mm), whole_tumor=head & (distance < whole_mm), grid=grid, scheme="brats2023"
    )
    image = Volume(np.where(head, 100.0 + distance, 0.0).astype(np.float32), grid)
    return Case(
        images=dict.fromkeys(images, image),
        segmentation=outlines,
        brain=head,
        stored_grid=grid,
        file_hashes={"t1": "a"},
    )


def result_of(folder, case, *, hashes=None):
    """The files of a result that are needed: a density and priorities that fall with the distance."""
    folder.mkdir()
    distance = radius_in(EGG_GRID, CENTER_MM, 1.0)
    for name in ("density", "target_priority"):
        write_volume(folder / f"{name}_patient.nii.gz", Volume(np.exp(-distance / 20.0).astype(np.float32), case.grid))
    inputs = {"inputs": {"sha256": dict(case.file_hashes) if hashes is None else hashes}}
    (folder / "provenance.json").write_text(json.dumps(inputs))
    return folder


def known(transform=None):
    """A registration that finds what a test says."""
    return RegistrationResult(
        transform=transform or Transform.identity(),
        preset=registration_preset("affine"),
        backend="none",
        seed=0,
        deterministic=True,
        num_threads=1,
    )


def scored(first, place, second, settings=None, *, transform=None):
    """A follow-up without any search."""
    return score_follow_up(first, place, second, settings, registration=known(transform))


def test_a_recurrence_where_the_map_says_is_held_whole(tmp_path):
    """A ball within the margin: all rankings hold it, and need about its volume for 95 %."""
    first = scan()
    found = scored(first, result_of(tmp_path / "r", first), scan(8.0, 16.0))
    in_second = np.count_nonzero(scan(8.0, 16.0).segmentation.whole_tumor) * EGG_GRID.voxel_volume_ml

    assert found.coverage["density"] == {"tumor_core": 1.0, "whole_tumor": 1.0}
    assert found.coverage.keys() == {"core-margin", "whole-margin", "density", "priority"}
    assert 0.94 * in_second <= found.volume_95_ml["density"]["whole_tumor"] <= in_second
    assert found.volume_95_ml["whole-margin"]["whole_tumor"] > in_second
    assert found.outside == {"tumor_core": 0.0, "whole_tumor": 0.0}


def test_a_recurrence_far_away_is_not_held(tmp_path):
    """In the other half of the brain: nothing of it, and a volume that is most of the brain."""
    first = scan()
    found = scored(first, result_of(tmp_path / "r", first), scan(center_mm=(-35.0, -20.0, 10.0)))
    brain_ml = np.count_nonzero(first.brain) * EGG_GRID.voxel_volume_ml

    assert found.coverage["density"]["tumor_core"] == 0.0
    assert found.volume_95_ml["density"]["tumor_core"] > 0.25 * brain_ml


def test_what_is_held_is_counted_at_the_volume_of_the_margin(tmp_path):
    """By hand: the margin's own ranking holds exactly what lies within 15 mm of the core."""
    first, second = scan(), scan(12.0, 30.0)
    found = scored(first, result_of(tmp_path / "r", first), second)
    from_core = follow_up.distance_mm(first.segmentation.tumor_core, EGG_GRID.spacing_mm)
    margin = (from_core <= 15.0) & first.brain
    whole = second.segmentation.whole_tumor

    assert found.margin_volume_ml == pytest.approx(np.count_nonzero(margin) * EGG_GRID.voxel_volume_ml)
    assert found.coverage["core-margin"]["whole_tumor"] == pytest.approx((margin & whole).sum() / whole.sum())


def test_growth_has_a_floor_of_what_drawing_again_may_change(tmp_path):
    """The same outline has not grown; one of twice the volume has. Outlines that lie apart farther have a higher floor,
    and none is finer than a voxel."""
    first = scan()
    place = result_of(tmp_path / "r", first)
    same, grown = scored(first, place, scan()), scored(first, place, scan(13.0, 26.0))
    coarse = scored(first, place, scan(), FollowUpSettings(outline_error_mm=8.0)).growth["whole_tumor"]
    fine = same.growth["whole_tumor"]

    assert (same.growth["whole_tumor"].change_ml, same.growth["whole_tumor"].is_beyond_floor) == (0.0, False)
    assert grown.growth["whole_tumor"].change_ml > 25.0
    assert grown.growth["whole_tumor"].is_beyond_floor
    assert coarse.floor_ml > fine.floor_ml > 0.0


def test_the_second_head_may_lie_elsewhere(tmp_path):
    """Turned and shifted under its header, with the registration that undoes it: the same scores."""
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    grid = turned(EGG_GRID, turn)
    first = scan()
    place = result_of(tmp_path / "r", first)
    straight = scored(first, place, scan(8.0, 16.0))
    back = Transform.affine(EGG_GRID.world_from_voxel @ np.linalg.inv(grid.world_from_voxel))
    tilted = scored(first, place, scan(8.0, 16.0, grid=grid), transform=back)

    assert tilted.coverage == straight.coverage
    assert tilted.volume_95_ml == straight.volume_95_ml
    assert tilted.brain_overlap > 0.99


def test_without_a_core_there_is_no_volume_to_compare_at(tmp_path):
    """The volume for 95 % is there all the same; nothing seen later has no numbers at all."""
    first, second = scan(core_mm=0.0), scan(core_mm=0.0)
    found = scored(first, result_of(tmp_path / "r", first), second)

    assert found.margin_volume_ml is None
    assert found.coverage["density"] == {"tumor_core": None, "whole_tumor": None}
    assert found.volume_95_ml["density"]["tumor_core"] is None
    assert found.volume_95_ml["density"]["whole_tumor"] > 0.0


def test_the_result_of_another_scan_is_refused(tmp_path):
    """By the hashes that it keeps; a folder without a result, too."""
    first = scan()

    with pytest.raises(ParameterError, match=r"was made of other files than the first scan"):
        scored(first, result_of(tmp_path / "r", first, hashes={"t1": "b"}), scan())
    with pytest.raises(ParameterError, match="is no result: expected a folder"):
        scored(first, tmp_path / "nothing", scan())


def test_two_heads_are_refused(tmp_path):
    """By their volumes, or because they do not lie on each other."""
    first = scan()
    place = result_of(tmp_path / "r", first)
    larger = Transform.affine(np.diag([1.1, 1.1, 1.1, 1.0]))
    with pytest.raises(RegistrationError, match=r"scales the second brain's volume by 1.33: expected 0.91 to 1.1"):
        scored(first, place, scan(), transform=larger)
    shift = np.eye(4)
    shift[0, 3] = 30.0
    with pytest.raises(RegistrationError, match=r"two brains overlap by a Dice of 0\.\d\d only"):
        scored(first, place, scan(), transform=Transform.affine(shift))


def test_a_scan_without_flair_is_refused(tmp_path):
    """Whichever it is."""
    first = scan()

    with pytest.raises(ParameterError, match="the second scan has no FLAIR"):
        scored(first, result_of(tmp_path / "r", first), scan(images=("t1",)))


def test_a_head_that_has_lost_its_voxel_sizes_is_refused(tmp_path):
    """24 slices of 1 mm are no head."""
    flat = Grid.axis_aligned(EGG_GRID.shape, (4.0, 4.0, 1.0), (0.0, 0.0, 0.0))

    with pytest.raises(ParameterError, match="the brain of the first scan is .* x 30 mm large: .*true voxel sizes"):
        scored(scan(grid=flat), tmp_path, scan())


@pytest.mark.parametrize("pair", ["01", "02"])
def test_real_pairs_without_voxel_sizes_are_refused(shared_data, tmp_path, pair):
    """They have no FLAIR either; what is said first is what makes every millimeter wrong."""
    folder = shared_data / "longitudinal" / "BTP" / pair
    before, after = (
        read_case(CaseFiles(t1c=folder / f"{when}_Scan_T1.nii.gz", whole_tumor=folder / f"{when}_Mask.nii.gz"))
        for when in ("Pre", "Post")
    )

    with pytest.raises(ParameterError, match=r"x 2\d mm large: expected at least 80 mm .*lost the true voxel sizes"):
        scored(before, tmp_path, after)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"margin_mm": 0.0}, "margin_mm"), ({"outline_error_mm": float("inf")}, "outline_error"), ({"part": 1.0}, "part")],
)
def test_numbers_out_of_range_are_refused(given, message):
    """Before anything is registered."""
    with pytest.raises(ParameterError, match=message):
        FollowUpSettings(**given)


def test_the_folder_is_a_result_of_its_own(tmp_path):
    """Numbers, outlines on the first grid, transform; nothing else is replaced."""
    first = scan()
    found = scored(first, result_of(tmp_path / "r", first), scan(8.0, 16.0))
    write_follow_up(found, tmp_path / "f", first=first)
    content = json.loads((tmp_path / "f" / "follow_up.json").read_text())

    assert {path.name for path in (tmp_path / "f").iterdir()} == {
        *("follow_up.json", "second_on_first.nii.gz", "second_to_first"),
    }
    assert content["coverage_at_margin_volume"]["density"]["tumor_core"] == 1.0
    assert content["notice"] == "For research use only; not a medical device."
    assert set(np.unique(found.second_on_first.data)) == {0, 1, 2}
    with pytest.raises(OutputError, match="exists"):
        write_follow_up(found, tmp_path / "f", first=first)
    write_follow_up(replace(found, margin_volume_ml=None), tmp_path / "f", first=first, force=True)


def write_patient(folder, case):
    """A BraTS folder of a case."""
    folder.mkdir()
    for name, image in case.images.items():
        write_volume(folder / f"p_{name}.nii.gz", image)
    labels = case.segmentation.whole_tumor * 2 + case.segmentation.tumor_core * 1
    write_volume(folder / "p_seg.nii.gz", Volume(labels.astype(np.uint8), case.grid))
    return read_case(folder)


def test_the_command_prints_a_table_and_writes_the_folder(tmp_path):
    """From three folders."""
    first = write_patient(tmp_path / "first", scan())
    write_patient(tmp_path / "second", scan(8.0, 16.0))
    result_of(tmp_path / "r", first)
    words = ["follow-up", *(str(tmp_path / name) for name in ("r", "first", "second")), "--out", str(tmp_path / "f")]
    words += ["--registration", "none"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    again = CliRunner().invoke(app, words)

    assert done.exit_code == 0
    assert "| core-margin  |" in done.stdout
    assert re.search(r"whole tumor: .* (within|beyond) what drawing outlines again may change", done.stdout)
    assert (tmp_path / "f" / "follow_up.json").is_file()
    assert again.exit_code == 1
