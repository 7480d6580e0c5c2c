"""Scores of rankings on a row of voxels, whose answers are counted by hand (`volume_rows`)."""

import math

import pytest
from volume_rows import CELLS, mask, row, tumor_of

from gliofield.scoring.volume_scores import VolumeScores, score_ranking

FIELDS = ("cells", "cells_total", "recurrence_enhancing", "recurrence_any", "volume_95_ml")


def test_the_core_margin_holds_what_lies_near():
    """Twelve voxels: 1.5 of the 2.0 outside, 3.5 of all 4.0; the last 5 % lie in voxel 20, after 21 nearer ones."""
    tumor = tumor_of()
    scores = score_ranking(-tumor.from_core_mm, tumor)

    assert tumor.num_target_voxels == 12
    assert scores.cells == pytest.approx(1.5 / 2.0)
    assert scores.cells_total == pytest.approx(3.5 / 4.0)
    assert scores.recurrence_enhancing == 1.0
    assert scores.recurrence_any == 0.5
    assert scores.volume_95_ml == pytest.approx(21 * 0.002)
    assert tumor.cells_outside_core_ml == pytest.approx(2.0 * 0.002)


def test_the_oracle_is_best():
    """All cells in the first twelve; 95 % of those outside in the core and four voxels, all but 0.08 of 2.0."""
    tumor = tumor_of()
    scores = score_ranking(tumor.cell_density, tumor)

    assert scores.cells == scores.cells_total == 1.0
    assert scores.volume_95_ml == pytest.approx(6 * 0.002)


def test_ties_go_to_the_voxel_nearer_to_the_core_and_then_to_the_first():
    """A map without values is the margin; voxels 2 and 5 are alike near, and 2 is the first."""
    tumor = tumor_of()
    near = tumor_of(treatable=mask(2, 5), tumor_core=mask(3, 4), cell_density=row(v2=0.5, v5=0.5))

    assert score_ranking(row(), tumor) == score_ranking(-tumor.from_core_mm, tumor)
    assert score_ranking(row(), near).volume_95_ml == pytest.approx(2 * 0.002)
    first = score_ranking(row(), tumor_of(treatable=mask(2, 5), cell_density=row(v2=0.5)))
    second = score_ranking(row(), tumor_of(treatable=mask(2, 5), cell_density=row(v5=0.5)))
    assert (first.volume_95_ml, second.volume_95_ml) == (pytest.approx(0.002), pytest.approx(0.004))


def test_only_what_can_be_treated_counts():
    """With a cavity in the voxels 5 and 6 the margin has ten voxels, and 0.8 of cells remain to be found."""
    tumor = tumor_of(treatable=~mask(5, 6))
    scores = score_ranking(-tumor.from_core_mm, tumor)

    assert tumor.num_target_voxels == 10
    assert scores.cells == pytest.approx(0.3 / 0.8)
    assert scores.recurrence_enhancing == 1.0


def test_without_a_core_there_is_no_volume_to_compare_at():
    """V95 is left, by the distance to the whole tumor where values are equal: voxel 20 is the 21st."""
    tumor = tumor_of(tumor_core=mask(), whole_tumor=mask(5))
    scores = score_ranking(row(), tumor)

    assert [name for name in FIELDS if not math.isnan(getattr(scores, name))] == ["volume_95_ml"]
    assert scores.volume_95_ml == pytest.approx(21 * 0.002)
    assert not tumor.has_core


@pytest.mark.parametrize(
    ("changes", "undefined"),
    [
        ({"cell_density": row()}, {"cells", "cells_total", "volume_95_ml"}),
        ({"cell_density": row(v3=1.0)}, {"cells", "volume_95_ml"}),
        ({"recurrences": {"enhancing": mask(), "any": mask(20)}}, {"recurrence_enhancing"}),
        ({"recurrences": {}}, {"recurrence_enhancing", "recurrence_any"}),
        ({"treatable": mask(30)}, set(FIELDS)),
        ({"treatable": mask()}, set(FIELDS)),
    ],
)
def test_what_has_no_denominator_is_undefined(changes, undefined):
    """No cells, none outside the core, no recurrence, no treatable voxel near the core, none at all."""
    scores = score_ranking(CELLS, tumor_of(**changes))

    assert {name for name in FIELDS if math.isnan(getattr(scores, name))} == undefined


def test_scores_are_undefined_unless_given():
    """As of a margin that there is none of."""
    assert all(math.isnan(getattr(VolumeScores(), name)) for name in FIELDS)
