"""What targets are made of, from a result in memory and from its folder: the same."""

import json
import shutil

import numpy as np
import pytest
from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield.assimilation import EnsembleSettings, FitSettings
from gliofield.errors import AtlasError, GridMismatchError, ImageError, ParameterError
from gliofield.nifti import write_volume
from gliofield.pipeline import AssimilateMethod, PersonalizationSettings, personalize
from gliofield.pipeline.ensemble_posterior import UncertaintySettings
from gliofield.radiotherapy import PlanningCase, plan_targets, read_planning_case
from gliofield.radiotherapy.planning_case import MEMBERS_FILE, OUTLINES_FILE
from gliofield.report.targets_folder import write_targets
from gliofield.volume import Volume

ATLAS = phantom_atlas()
METHOD = AssimilateMethod(
    fit=FitSettings(num_starts=1, num_evaluations=8, num_refinements=4, num_stretched=0),
    spacing_mm=4.0,
    uncertainty=UncertaintySettings(ensemble=EnsembleSettings(num_members=6, num_anatomies=2)),
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A patient of the phantom with an ensemble of six."""
    patient = write_phantom_patient(tmp_path_factory.mktemp("case") / "patient")
    return personalize(patient, method=METHOD, atlas=ATLAS, settings=PersonalizationSettings(registration="none"))


@pytest.fixture(scope="module")
def kept(result, tmp_path_factory):
    """Its folder; not to be changed."""
    return result.save(tmp_path_factory.mktemp("result") / "RESULT")


@pytest.fixture
def folder(kept, tmp_path):
    """A copy to be changed."""
    return shutil.copytree(kept, tmp_path / "RESULT")


def test_a_folder_holds_what_the_result_held(result, kept):
    """Outlines, brain, maps, members; no file of the patient is needed."""
    in_memory, read = PlanningCase.of(result, ATLAS), read_planning_case(kept, atlas=ATLAS)

    for name in ("tumor_core", "whole_tumor"):
        np.testing.assert_array_equal(getattr(read.segmentation, name), getattr(in_memory.segmentation, name))
    np.testing.assert_array_equal(read.scan.case.brain, in_memory.scan.case.brain)
    for name in ("density", "priority", "mean", "probability_flair"):
        np.testing.assert_allclose(getattr(read, name).data, getattr(in_memory, name).data, atol=1e-6)
    np.testing.assert_array_equal(read.members.levels, in_memory.members.levels)
    assert read.members.grid.is_same_as(in_memory.members.grid)
    assert (read.members.log_std, read.method_name) == (in_memory.members.log_std, "assimilate")


def test_members_agree_with_the_mean_of_the_ensemble(kept):
    """Cells outside the core: of the members, and of the mean on the scan, to a percent."""
    planning = read_planning_case(kept, atlas=ATLAS)

    members_ml = planning.members.cells_ml(planning.outside_core, planning.grid).mean()
    mean_ml = planning.mean.data[planning.outside_core].sum() * planning.grid.voxel_volume_ml

    assert members_ml == pytest.approx(mean_ml, rel=0.01)


def test_targets_are_added_to_the_folder(folder):
    """Masks on the case's own grid, the record and the picture; a second time only with leave."""
    from gliofield.errors import OutputError
    from gliofield.nifti import read_volume

    planning = read_planning_case(folder, atlas=ATLAS)
    plan = plan_targets(planning)
    path = write_targets(plan, planning, folder, name="phantom")

    record = json.loads(path.read_text())
    for each in record["targets"]:
        mask = read_volume(folder / each["file"])
        assert mask.grid.is_same_as(planning.grid)
        np.testing.assert_array_equal(mask.data > 0, plan.named(each["name"]).mask.data)
    assert (folder / "targets.png").stat().st_size > 10_000
    assert record["notice"].startswith("For research use only")
    with pytest.raises(OutputError, match="holds targets already"):
        write_targets(plan, planning, folder)
    write_targets(plan, planning, folder, force=True)
    assert len(list((folder / "targets").iterdir())) == len(plan.targets)


def test_a_result_with_targets_can_be_replaced(result, folder):
    """The whole folder is still known to be the command's own."""
    planning = read_planning_case(folder, atlas=ATLAS)
    write_targets(plan_targets(planning), planning, folder)

    result.save(folder, force=True)

    assert not (folder / "targets.json").exists()


def test_a_picture_is_drawn_on_the_scan_alone(kept):
    """An image on another grid is refused."""
    from gliofield.grid import Grid
    from gliofield.report.targets_figure import targets_figure

    planning = read_planning_case(kept, atlas=ATLAS)
    other = Volume(np.zeros((3, 3, 3), np.float32), Grid.axis_aligned((3, 3, 3), 1.0, 0.0))
    with pytest.raises(GridMismatchError, match="image and targets"):
        targets_figure(plan_targets(planning), planning, background=other)


def test_a_folder_of_something_else_is_no_result(tmp_path):
    """Without provenance, or with one of something else."""
    with pytest.raises(ParameterError, match="is no result: expected a folder"):
        read_planning_case(tmp_path)
    (tmp_path / "provenance.json").write_text('{"settings": {}}')
    with pytest.raises(ParameterError, match="is no result: expected a folder"):
        read_planning_case(tmp_path)


def test_a_result_of_before_has_no_outlines(folder):
    """It has to be made again."""
    (folder / OUTLINES_FILE).unlink()
    with pytest.raises(ParameterError, match="keeps no outlines"):
        read_planning_case(folder, atlas=ATLAS)


def test_another_atlas_is_refused(folder):
    """Its walls would lie elsewhere."""
    about = json.loads((folder / "provenance.json").read_text())
    about["settings"]["atlas_content_hash"] = "0" * 64
    (folder / "provenance.json").write_text(json.dumps(about))
    with pytest.raises(AtlasError, match="was made with another atlas"):
        read_planning_case(folder, atlas=ATLAS)


def test_a_map_on_another_grid_is_refused(folder):
    """A folder that was put together by hand."""
    from gliofield.grid import Grid

    other = Volume(np.zeros((5, 5, 5), np.float32), Grid.axis_aligned((5, 5, 5), 4.0, 0.0))
    write_volume(folder / "density_patient.nii.gz", other)
    with pytest.raises(GridMismatchError, match="density_patient"):
        read_planning_case(folder, atlas=ATLAS)


def test_damaged_members_are_refused(folder):
    """Not taken for none."""
    (folder / MEMBERS_FILE).write_bytes(b"damaged")
    with pytest.raises(ImageError, match="members.npz cannot be read"):
        read_planning_case(folder, atlas=ATLAS)


def test_a_result_without_priorities_makes_no_targets(result):
    """As a value made by hand may be."""
    import dataclasses

    with pytest.raises(ParameterError, match="has no target priority"):
        PlanningCase.of(dataclasses.replace(result, rankings=None), ATLAS)
