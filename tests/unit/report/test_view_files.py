"""What a report shows of a scan, and how it is kept."""

import dataclasses

import numpy as np
import pytest
from phantom_results import phantom_result

from gliofield.report import view_files
from gliofield.report.view_files import BELOW_THRESHOLD, CORE, WITHOUT_CELLS, make_view, read_view, write_view
from gliofield.volume import Volume


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return phantom_result(tmp_path_factory.mktemp("patients"))


def view_of(result, **given):
    return make_view(result.case, name="P", atlas=result.atlas, transform=result.registration.transform, **given)


def test_a_view_is_read_as_it_was_written(result, tmp_path):
    """All volumes, on their grid, under the folder's name."""
    made = view_of(result, judged=result.density_judged, thresholds=result.thresholds)
    write_view(tmp_path / "view", made)

    read = read_view(tmp_path)

    assert (read.name, read.registered, list(read.images)) == ("P", made.registered, list(made.images))
    assert read.grid.is_same_as(made.grid)
    for name in ("outlines", "atlas", "atlas_tissue", "not_covered"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
    assert read_view(tmp_path / "view") is None


def test_gray_levels_are_zero_outside_the_brain_alone(result):
    """0 is outside, whatever the darkest voxel inside has."""
    view = view_of(result)
    image = view.images["t1c"]

    assert image.dtype == np.uint8
    assert image.max() == 255
    volume_ml = np.count_nonzero(image) * view.grid.voxel_volume_ml
    assert volume_ml == pytest.approx(result.case.brain.sum() * result.case.grid.voxel_volume_ml, rel=0.01)


def test_visible_tumor_that_is_not_covered_is_marked_in_two_degrees(result):
    """At or below FLAIR's threshold, and with no cells at all; nothing outside the tumor."""
    density = np.full(result.case.grid.shape, 0.9, dtype=np.float32)
    half = result.case.grid.shape[0] // 2
    core_x = int(np.argmax(result.case.segmentation.tumor_core.sum(axis=(1, 2))))
    density[: core_x - 1] = 0.2
    density[: min(core_x - 2, half)] = 0.0
    view = view_of(result, judged=Volume(density, result.case.grid), thresholds=result.thresholds)

    labels = view.not_covered
    assert set(np.unique(labels)) <= {0, BELOW_THRESHOLD, WITHOUT_CELLS}
    assert not labels[~view.whole_tumor].any()
    assert (labels > 0).any()
    assert (view.outlines == CORE).any()


def test_a_fine_scan_is_made_coarser_until_it_fits(result, monkeypatch):
    """The finest axis gives first; the tumor keeps its volume."""
    monkeypatch.setattr(view_files, "_MOST_VOXELS", 20_000)

    view = view_of(result)

    assert view.grid.num_voxels <= 20_000
    seen = np.count_nonzero(view.whole_tumor) * view.grid.voxel_volume_ml
    assert seen == pytest.approx(result.case.segmentation.whole_ml, rel=0.15)


def test_a_scan_without_atlas_has_no_check_of_the_registration(result):
    """The rest is there."""
    view = make_view(result.case, name="P")

    assert (view.atlas, view.atlas_tissue, view.not_covered) == (None, None, None)
    assert dataclasses.asdict(view)["name"] == "P"
