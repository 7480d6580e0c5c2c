"""What an answer does with the visible tumor."""

import dataclasses

import numpy as np
import pytest
from outlined_ball import BRAIN, CORE, GRID, WHOLE, ball
from outlined_ball import outlined_case as case

from gliofield.errors import GridMismatchError
from gliofield.grid import Grid
from gliofield.imaging import VisibilityThresholds
from gliofield.pipeline import measure_coverage
from gliofield.registration import RegistrationQuality
from gliofield.volume import Volume

THRESHOLDS = VisibilityThresholds()
ML = GRID.voxel_volume_ml
FOCI = ball((14, 6, 0), 18.0) | ball((-22, 6, 0), 8.0) | ball((-14, -30, 0), 5.0)
QUALITY = RegistrationQuality(
    brain_overlap=0.95, tissue_overlap=None, jacobian_min=1.0, jacobian_max=1.0, jacobian_p01=1.0, jacobian_p99=1.0,
    num_folds=0, affine_volume_ratio=1.25, core_volume_ratio=None, whole_volume_ratio=1.0, inverse_error_median_mm=0.0,
    inverse_error_p99_mm=0.0,
)  # fmt: skip


def coverage(density, patient=None, **settings):
    values = np.where(BRAIN, density, 0.0).astype(np.float32)
    return measure_coverage(Volume(values, GRID), case() if patient is None else patient, THRESHOLDS, **settings)


def names(found):
    return [concern.name for concern in found.concerns]


def test_a_density_that_holds_the_tumor_raises_nothing():
    """All of it above the threshold, nothing beyond it."""
    found = coverage(0.5 * WHOLE)

    assert found.concerns == ()
    assert (found.below_threshold_ml, found.without_cells_ml, found.beyond_ml, found.largest_piece_ml) == (0, 0, 0, 0)
    assert found.largest_piece_mm is None
    assert found.core_below_threshold_share == 0.0


def test_visible_tumor_without_cells_is_told_with_its_place():
    """A third of the tumor, in one piece: how much, which part, where."""
    empty = WHOLE & (np.indices(GRID.shape)[0] > 34)
    found = coverage(0.5 * (WHOLE & ~empty))

    assert names(found) == ["tumor-without-cells"]
    assert found.concerns[0].value == found.without_cells_ml == pytest.approx(empty.sum() * ML)
    assert found.without_cells_share == pytest.approx(empty.sum() / WHOLE.sum())
    assert found.largest_piece_ml == pytest.approx(empty.sum() * ML)
    assert found.largest_piece_mm == pytest.approx(GRID.world_of(np.argwhere(empty).mean(axis=0)), abs=0.01)


def test_few_cells_are_not_none():
    """Below the threshold of FLAIR, but with cells: counted, and told where the piece is large."""
    rim = WHOLE & ~ball((14, 6, 0), 16.0)
    large = WHOLE & (np.indices(GRID.shape)[0] > 30)

    assert coverage(np.where(large, 0.1, 0.5) * WHOLE).below_threshold_ml == pytest.approx(large.sum() * ML)
    assert names(coverage(np.where(large, 0.1, 0.5) * WHOLE)) == ["tumor-without-cells"]
    assert names(coverage(np.where(rim & large, 0.1, 0.5) * WHOLE)) == []


def test_a_density_of_nothing_is_told():
    """82 ml of visible tumor without cells are never without a concern."""
    found = coverage(np.zeros(GRID.shape))

    assert found.without_cells_share == 1.0
    assert "tumor-without-cells" in names(found)


def test_foci_are_counted_with_volume_and_side():
    """A large one on the right, a smaller and a tiny one on the left, of which the answer shows the first."""
    patient = case(whole=FOCI, core=CORE)
    found = coverage(0.5 * WHOLE, patient)
    volumes = [focus.volume_ml for focus in found.foci]

    assert volumes == sorted(volumes, reverse=True)
    assert [focus.side for focus in found.foci] == ["right", "left"]
    assert [focus.shown for focus in found.foci] == [1.0, 0.0]
    assert "small-focus-without-cells" in names(found)
    assert "2 foci, and the answer shows only 0% of one of 2.0 ml on the left" in " ".join(map(str, found.concerns))


def test_a_large_focus_without_cells_makes_a_map_useless():
    """Half of the tumor is missing; one focus alone would be the matter of the agreement."""
    twins = ball((20, 6, 0), 14.0) | ball((-20, 6, 0), 14.0)
    patient = case(whole=twins, core=np.zeros_like(CORE))
    found = coverage(0.5 * ball((20, 6, 0), 14.0), patient)

    assert names(found)[0] == "focus-without-cells"
    assert found.concerns[0].level == "do-not-use"
    assert "focus-without-cells" not in names(coverage(np.zeros(GRID.shape)))


def test_a_focus_in_the_middle_is_on_no_side():
    """Within a centimeter of the middle of the brain."""
    found = coverage(0.5 * WHOLE, case(whole=ball((2, 0, 0), 12.0), core=np.zeros_like(CORE)))
    assert found.foci[0].side == "middle"


def test_cells_where_nothing_is_seen_are_told_of_what_claims_to_grow():
    """More than the tumor's own volume; a margin is drawn larger than what is seen."""
    wide = 0.5 * ball((14, 6, 0), 26.0)

    assert names(coverage(wide)) == ["cells-beyond-tumor"]
    assert coverage(wide).concerns[0].value == coverage(wide).beyond_ml
    assert coverage(wide, shows_growth=False).concerns == ()


def test_what_the_registration_did_to_volumes_stands_beside():
    """Beside the brain's own change; None where there is no mask or no registration."""
    found = coverage(0.5 * WHOLE, quality=QUALITY)
    assert found.volume_change == {"tumor_core": None, "whole_tumor": pytest.approx(0.8)}
    assert coverage(0.5 * WHOLE).volume_change == {"tumor_core": None, "whole_tumor": None}


def test_a_tumor_without_core_has_no_share_of_it():
    """None, not 0."""
    assert coverage(0.5 * WHOLE, case(core=np.zeros_like(CORE))).core_below_threshold_share is None


def test_the_values_are_written_without_their_concerns():
    """JSON-ready, foci included."""
    content = coverage(0.5 * WHOLE).to_json()
    assert content["foci"][0]["side"] == "right"
    assert "concerns" not in content


def test_a_density_on_another_grid_is_refused():
    """It belongs to another scan."""
    other = Grid.axis_aligned(GRID.shape, 2.5, (0, 0, 0))
    density = Volume(np.zeros(GRID.shape, dtype=np.float32), other)
    with pytest.raises(GridMismatchError, match="cell_density and scan lie on different grids"):
        measure_coverage(density, dataclasses.replace(case()), THRESHOLDS)
