"""GTV, margins along ways through tissue, and the form in which a map's target can be delivered."""

import numpy as np
import pytest

from gliofield.anatomy import Segmentation
from gliofield.errors import ImageError, ParameterError, SegmentationError
from gliofield.grid import Grid
from gliofield.radiotherapy import (
    GUIDELINES,
    Barriers,
    Guideline,
    Target,
    Trims,
    gross_tumor,
    guideline_named,
    guideline_target,
    open_barriers,
)
from gliofield.radiotherapy.barriers import BELOW_TENTORIUM, LEFT, RIGHT
from gliofield.radiotherapy.targets import delivered, first_voxels, settle_walls, volume_holding
from gliofield.volume import Volume

SHAPE = (40, 40, 40)
GRID = Grid.axis_aligned(SHAPE, 1.0, (0.0, 0.0, 0.0))
X, Y, Z = np.indices(SHAPE)
FIVE = Guideline(name="five", target="CTV_5", margin_mm=5.0, around="core", source="here")


def ball(center, radius):
    """Voxels within a distance of a center."""
    return (X - center[0]) ** 2 + (Y - center[1]) ** 2 + (Z - center[2]) ** 2 <= radius**2


def gtv(center=(20, 20, 20), radius=4):
    """A round GTV."""
    return Target(name="GTV", kind="GTV", mask=Volume(ball(center, radius), GRID), description="a ball")


def halves(**more):
    """A brain of two halves with a wall at x = 19.5."""
    compartments = np.where(X < 20, LEFT, RIGHT).astype(np.uint8)
    nothing = np.zeros(SHAPE, bool)
    return Barriers(**{"compartments": compartments, "ventricles": nothing, "brain": ~nothing, "grid": GRID} | more)


def segmentation(core=True, cavity=False):
    """Ball in ball, with a cavity beside it."""
    return Segmentation(
        tumor_core=ball((20, 20, 20), 3) if core else np.zeros(SHAPE, bool),
        whole_tumor=ball((20, 20, 20), 6),
        grid=GRID,
        cavity=ball((30, 20, 20), 2) if cavity else None,
    )


def test_the_gtv_is_the_core_with_the_cavity():
    """Or the whole tumor with it, as the guideline says."""
    seen = segmentation(cavity=True)

    core, whole = gross_tumor(seen), gross_tumor(seen, "whole tumor")

    np.testing.assert_array_equal(core.mask.data, seen.tumor_core | seen.cavity)
    np.testing.assert_array_equal(whole.mask.data, seen.whole_tumor | seen.cavity)
    assert "cavity" in core.description


def test_without_core_and_cavity_there_is_no_gtv_of_the_core():
    """It says which guidelines do without."""
    with pytest.raises(SegmentationError, match="idh-mutant-grade2"):
        gross_tumor(segmentation(core=False))


def test_guidelines_have_their_published_margins():
    """ESTRO-EANO 2023: 15 mm; IDH-mutant: 10 and 15 mm around FLAIR; NRG: 20 mm."""
    assert {name: each.margin_mm for name, each in GUIDELINES.items()} == {
        "estro-eano-2023": 15.0,
        "idh-mutant-grade2": 10.0,
        "idh-mutant-grade3": 15.0,
        "nrg": 20.0,
    }
    assert {name for name, each in GUIDELINES.items() if each.around == "whole tumor"} == {
        "idh-mutant-grade2",
        "idh-mutant-grade3",
    }


def test_names_fit_planning_systems():
    """At most 16 characters, also with a margin of one's own."""
    names = [each.target for each in GUIDELINES.values()] + [guideline_named("nrg", margin_mm=12.345678).target]

    assert all(0 < len(name) <= 16 for name in names)


def test_an_unknown_guideline_is_refused_with_the_closest_one():
    """And the list of them."""
    with pytest.raises(ParameterError, match="estro-eano-2023"):
        guideline_named("estro-2023")


@pytest.mark.parametrize("margin_mm", [0.0, -3.0, 200.0])
def test_a_margin_has_to_be_one(margin_mm):
    """Between 0 and 100 mm."""
    with pytest.raises(ParameterError, match="margin_mm must lie between 0 and 100 mm"):
        guideline_named("nrg", margin_mm=margin_mm)


def test_an_open_margin_is_the_euclidean_one():
    """5 mm around a ball of 4: all voxels within 5 mm of a voxel of it."""
    found = guideline_target(gtv(), open_barriers(np.ones(SHAPE, bool), GRID), FIVE)

    from scipy import ndimage

    np.testing.assert_array_equal(found.mask.data, ndimage.distance_transform_edt(~gtv().mask.data) <= 5.0)
    assert found.kind == "CTV"
    assert found.details["cut_by_barriers_in_brain_ml"] == 0.0


def test_a_margin_stays_on_its_side_of_the_falx():
    """A tumor 3 mm from the wall: nothing beyond, whatever the margin."""
    seen = gtv((14, 20, 20), 3)

    found = guideline_target(seen, halves(), FIVE).mask.data

    assert not found[20:].any()
    assert found[19].any()


def test_ventricles_and_what_is_no_brain_stay_out():
    """Though the margin reaches across them."""
    brain, ventricles = Z < 24, (X > 23) & (X < 26)
    found = guideline_target(
        gtv(), halves(compartments=np.ones(SHAPE, np.uint8), brain=brain, ventricles=ventricles), FIVE
    )

    outside = found.mask.data & ~gtv().mask.data
    assert not np.any(outside & (ventricles | ~brain))


@pytest.mark.parametrize(
    ("trims", "zone"),
    [
        ({"outer_brain_mm": 2.0}, Z >= 26),
        ({"ventricles_mm": 2.0}, (X >= 26) & (Z < 26)),
        ({"falx_mm": 2.0}, X < 14),
        ({"tentorium_mm": 2.0}, Y < 14),
    ],
    ids=["outer brain", "ventricles", "falx", "tentorium"],
)
def test_a_trim_lets_the_margin_go_on_behind_its_barrier_alone(trims, zone):
    """Two millimeters behind one of four barriers, which lie 2 to 3 mm from the tumor on four sides."""
    compartments = np.full(SHAPE, RIGHT, np.uint8)
    compartments[X < 14] = LEFT
    compartments[Y < 14] = BELOW_TENTORIUM
    barriers = halves(compartments=compartments, brain=Z < 26, ventricles=(X >= 26) & (Z < 26))

    bare = guideline_target(gtv(), barriers, FIVE).mask.data
    more = guideline_target(gtv(), barriers, FIVE, trims=Trims(**trims)).mask.data

    assert np.any(more & ~bare)
    assert not np.any(more & ~bare & ~zone)
    depth = {"outer_brain_mm": Z - 25, "ventricles_mm": X - 25, "falx_mm": 14 - X, "tentorium_mm": 14 - Y}
    assert depth[next(iter(trims))][more & ~bare].max() == 2


def test_a_trim_is_not_negative():
    """It is a length."""
    with pytest.raises(ParameterError, match="falx_mm must be ≥ 0"):
        Trims(falx_mm=-1.0)


def test_a_tumor_along_the_falx_does_not_seed_the_other_side():
    """A twentieth of it beyond a wall known to some millimeters: the wall gives way; two fifths: it was passed."""
    along, across = ball((14, 20, 20), 7), ball((19, 20, 20), 7)

    for seen, passes in ((along, False), (across, True)):
        settled = settle_walls(halves(), seen)
        margin = guideline_target(
            Target(name="GTV", kind="GTV", mask=Volume(seen, GRID), description=""), settled, FIVE
        ).mask.data
        assert np.any(margin[24:]) == passes
        assert np.all(margin[seen])


def test_delivered_holds_the_gtv_without_crumbs_and_holes():
    """A crumb of 27 voxels goes, a piece of 0.1 ml stays, an enclosed voxel is filled."""
    raw = ball((20, 20, 20), 8)
    raw[20, 25, 20] = False
    raw[2:5, 2:5, 18:21] = True
    large = (X >= 30) & (X < 36) & (Y >= 30) & (Y < 36) & (Z >= 18) & (Z < 23)
    raw |= large
    seen = gtv((20, 20, 20), 3)

    found = delivered(raw, seen, open_barriers(np.ones(SHAPE, bool), GRID))

    assert found[20, 25, 20]
    assert not found[2:5, 2:5, 18:21].any()
    assert np.all(found[large])
    assert np.all(found[seen.mask.data])


def test_delivered_leaves_ventricles_open():
    """A hole that is one is not filled."""
    ventricle = np.zeros(SHAPE, bool)
    ventricle[20, 25, 20] = True
    barriers = halves(compartments=np.zeros(SHAPE, np.uint8), ventricles=ventricle)

    assert not delivered(ball((20, 20, 20), 8), gtv((20, 20, 20), 3), barriers)[20, 25, 20]


def test_delivered_drops_what_lies_beyond_a_wall_without_a_bridge():
    """However large it is."""
    raw = ball((10, 20, 20), 6) | ball((30, 20, 20), 6)

    found = delivered(raw, gtv((10, 20, 20), 3), halves())

    assert found[:20].any()
    assert not found[20:].any()


def test_delivered_has_no_empty_slice_between_pieces():
    """A large piece that an empty axial slice parts from the GTV is left out."""
    raw = ball((20, 20, 12), 5) | ball((20, 20, 30), 6)

    found = delivered(raw, gtv((20, 20, 12), 3), open_barriers(np.ones(SHAPE, bool), GRID))

    occupied = np.flatnonzero(found.any(axis=(0, 1)))
    assert np.all(np.diff(occupied) == 1)
    assert occupied.max() < 20


def test_first_voxels_have_the_volume_in_their_delivered_form(rng):
    """A noisy ranking, whose crumbs and holes cost volume: the form has the wanted one, to 0.2 % or a voxel."""
    ranking = -np.sqrt((X - 20.0) ** 2 + (Y - 20.0) ** 2 + (Z - 20.0) ** 2) + rng.normal(size=SHAPE)
    everywhere = np.ones(SHAPE, bool)

    raw, form = first_voxels(ranking, 3.0, gtv((20, 20, 20), 3), open_barriers(everywhere, GRID), everywhere)

    assert np.count_nonzero(form) == pytest.approx(3000, abs=60)
    assert np.count_nonzero(raw) != np.count_nonzero(form)


def test_the_smallest_volume_holds_the_share():
    """And no more voxels than it takes; a region that holds less says so."""
    expected = np.zeros(SHAPE)
    expected[10, 10, 10:14] = [0.5, 0.3, 0.1, 0.1]
    everywhere = np.ones(SHAPE, bool)

    mask, held = volume_holding(expected, 0.8, everywhere, everywhere)
    cut, less = volume_holding(expected, 0.8, everywhere, Z != 10)

    assert np.flatnonzero(mask[10, 10]).tolist() == [10, 11]
    assert held == pytest.approx(0.8)
    assert np.flatnonzero(cut[10, 10]).tolist() == [11, 12, 13]
    assert less == pytest.approx(0.5)


def test_without_expected_cells_there_is_no_volume():
    """Nothing is held."""
    everywhere = np.ones(SHAPE, bool)

    mask, held = volume_holding(np.zeros(SHAPE), 0.95, everywhere, everywhere)

    assert not mask.any()
    assert held == 0.0


def test_a_share_is_one():
    """In (0, 1]."""
    everywhere = np.ones(SHAPE, bool)
    with pytest.raises(ParameterError, match="share must lie in"):
        volume_holding(np.ones(SHAPE), 1.5, everywhere, everywhere)


@pytest.mark.parametrize("name", ["", "a name of seventeen"])
def test_a_name_has_1_to_16_characters(name):
    """Longer ones are cut by planning systems."""
    with pytest.raises(ParameterError, match="must have 1 to 16 characters"):
        Target(name=name, kind="CTV", mask=Volume(ball((20, 20, 20), 3), GRID), description="")


def test_a_kind_is_gtv_or_ctv():
    """Others are no targets of ours."""
    with pytest.raises(ParameterError, match="must be GTV or CTV"):
        Target(name="PTV", kind="PTV", mask=Volume(ball((20, 20, 20), 3), GRID), description="")


def test_a_target_is_not_empty():
    """An empty structure breaks imports."""
    with pytest.raises(ImageError, match="at least one voxel"):
        Target(name="CTV", kind="CTV", mask=Volume(np.zeros(SHAPE, bool), GRID), description="")
