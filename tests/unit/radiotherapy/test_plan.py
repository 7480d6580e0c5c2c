"""All targets of one patient: what each is for, what is said of it, and what an ensemble adds."""

import dataclasses
import json

import numpy as np
import pytest
import two_hemispheres as head

from gliofield.errors import ParameterError, SegmentationError
from gliofield.pipeline import MemberDensities
from gliofield.radiotherapy import PlanningCase, TargetSettings, cells_of, guideline_named, plan_targets, saving_at
from gliofield.radiotherapy.plan import expected_order, needed_voxels
from gliofield.volume import Volume


def density_around(scan, width_mm, center_mm=(30.0, 10.0, 20.0)):
    """A density that falls with the distance from a center, in the brain."""
    far = np.sqrt(sum((place - at) ** 2 for place, at in zip(head.places(), center_mm, strict=True)))
    return (np.exp(-((far / width_mm) ** 2)) * scan.case.brain).astype(np.float32)


def planning(*, members=0, scan=None, mean=True):
    """A round tumor in the right hemisphere whose map leans to the front; members differ in width."""
    patient = head.scan() if scan is None else scan
    density = density_around(patient, 18.0, (30.0, 16.0, 20.0))
    levels = [MemberDensities.level_of(density_around(patient, width)) for width in np.linspace(12.0, 24.0, members)]
    return PlanningCase(
        scan=patient,
        density=Volume(density, head.GRID),
        priority=Volume(density + np.float32(1e-6), head.GRID),
        mean=Volume(density, head.GRID) if mean else None,
        members=MemberDensities(levels=np.stack(levels), grid=head.GRID, log_std=0.1) if members else None,
        method_name="made up",
    )


@pytest.fixture(scope="module")
def plan():
    """Targets with an ensemble of nine."""
    return plan_targets(planning(members=9))


def test_every_ctv_holds_the_gtv_and_passes_no_barrier(plan):
    """Nothing in ventricles, outside the brain, or in the other hemisphere of a tumor far from the midline."""
    seen = plan.targets[0].mask.data

    assert [each.name for each in plan.targets] == [
        "GTV",
        "CTV_ESTRO_15",
        "CTV_model_vol",
        "CTV_model_95",
        "CTV_95_inner",
        "CTV_95_outer",
    ]
    for target in plan.targets[1:]:
        assert np.all(target.mask.data[seen])
        assert not np.any(target.mask.data & ~seen & ~plan.barriers.region)


def test_the_model_has_the_volume_of_the_guideline(plan):
    """To a voxel or 0.2 %, in its delivered form."""
    guideline, model = plan.named("CTV_ESTRO_15"), plan.named("CTV_model_vol")

    assert model.volume_ml == pytest.approx(guideline.volume_ml, abs=2 * head.GRID.voxel_volume_ml)


def test_inner_and_outer_target_hold_one_another(plan):
    """Inner in outer; both are first voxels of one ranking."""
    inner, outer = plan.named("CTV_95_inner").mask.data, plan.named("CTV_95_outer").mask.data

    assert np.all(outer[inner])
    assert np.count_nonzero(outer) > np.count_nonzero(inner)


def test_expected_shares_have_intervals_with_an_ensemble_alone(plan):
    """Share, cells inside and beyond; without members a number each."""
    with_members = plan.cells[0]
    without = cells_of(plan.named("CTV_ESTRO_15"), planning())

    assert with_members.share.low < with_members.share.mean < with_members.share.high
    assert without.share.low is None
    assert 0.0 < without.share.mean < 1.0


def test_the_smallest_target_holds_the_wanted_share(plan):
    """95 % of the expected cells outside the core, and hardly more."""
    case = planning(members=9)
    cells = np.where(case.outside_core, case.expected.data, 0.0)

    held = cells[plan.named("CTV_model_95").mask.data].sum() / cells.sum()

    assert 0.949 <= held <= 0.97


def test_a_map_needs_no_more_than_the_margin_for_the_same_cells(plan):
    """By its own expectation: its order is the best there is."""
    assert plan.saving is not None
    assert plan.saving.model_ml <= plan.saving.guideline_ml
    assert plan.saving.saved_ml == pytest.approx(plan.saving.guideline_ml - plan.saving.model_ml)


def test_what_differs_is_said_with_its_place(plan):
    """The map leans to the front: what the model has more lies in front of the GTV."""
    found = plan.comparisons[0]

    assert 0.0 < found.dice < 1.0
    assert found.shared_ml + found.only_one_ml == pytest.approx(found.volume_ml)
    assert found.largest is not None
    assert "front" in found.largest.direction or "behind" in found.largest.direction


def test_the_record_names_files_kinds_and_the_notice(plan):
    """What the export reads: name, file, kind, description, volume; JSON to the last value."""
    record = json.loads(json.dumps(plan.to_json()))

    assert [set(each) >= {"name", "file", "kind", "description", "volume_ml"} for each in record["targets"]]
    assert record["targets"][0]["file"] == "targets/GTV.nii.gz"
    assert "research use only" in record["notice"]
    assert plan.summary().endswith("For research use only; not a medical device.")


def test_without_uncertainty_there_is_no_band_and_a_note():
    """And the density takes the place of the mean."""
    plan = plan_targets(planning(mean=False))

    assert [each.name for each in plan.targets][-1] == "CTV_model_95"
    assert any("no uncertainty" in note for note in plan.notes)


def test_a_posterior_without_members_has_a_band_of_probabilities():
    """P(density > FLAIR's threshold) at both ends of the level."""
    case = planning()
    chance = np.clip(2.0 * case.density.data, 0.0, 1.0)

    plan = plan_targets(dataclasses.replace(case, probability_flair=Volume(chance, head.GRID)))

    inner, outer = plan.named("CTV_P_inner"), plan.named("CTV_P_outer")
    assert np.all(outer.mask.data[inner.mask.data])
    assert (inner.details["probability"], outer.details["probability"]) == (0.95, 0.05)


def test_without_cells_outside_the_core_there_is_no_model_target_of_them():
    """A map of zeros: the guideline and the ranking remain, and it is said."""
    case = planning(mean=False)
    nothing = Volume(np.zeros(head.GRID.shape, np.float32), head.GRID)

    plan = plan_targets(dataclasses.replace(case, density=nothing))

    assert [each.name for each in plan.targets] == ["GTV", "CTV_ESTRO_15", "CTV_model_vol"]
    assert any("No cells are expected" in note for note in plan.notes)
    assert plan.saving is None


def test_a_tumor_without_core_needs_another_guideline():
    """It says which, and that one works."""
    case = planning(scan=head.scan(core_mm=-1.0))

    with pytest.raises(SegmentationError, match="idh-mutant"):
        plan_targets(case)
    plan = plan_targets(case, TargetSettings(guideline=guideline_named("idh-mutant-grade2")))
    assert plan.targets[1].name == "CTV_IDH2_10"


def test_members_are_asked_for_their_own_volume():
    """Wider members need more voxels; the wanted share is theirs at that volume."""
    case = planning(members=5)
    plan = plan_targets(case)
    gtv, reachable = plan.targets[0], case.treatable

    needed = needed_voxels(case, gtv, reachable, 0.9)
    order = expected_order(case, gtv, reachable)

    assert np.all(np.diff(needed) > 0)
    mask = gtv.mask.data.copy()
    mask.ravel()[order[: int(needed[2])]] = True
    held, total = (case.members.cells_ml(part & case.outside_core, head.GRID)[2] for part in (mask, case.outside_core))
    assert held / total == pytest.approx(0.9, abs=0.02)


def test_cells_of_members_are_those_of_their_densities(rng):
    """On a finer grid, against the density interpolated there."""
    from gliofield.grid import Grid
    from gliofield.resample import resample

    coarse, fine = Grid.axis_aligned((8, 9, 7), 2.0, (0.5, 0.0, -1.0)), Grid.axis_aligned((12, 15, 11), 1.0, (1, 1, 0))
    density = rng.random((3, *coarse.shape))
    members = MemberDensities(levels=MemberDensities.level_of(density), grid=coarse)
    region = rng.random(fine.shape) > 0.5

    found = members.cells_ml(region, fine)

    stored = (members.levels / 255.0) ** 2
    direct = [resample(Volume(each.astype(np.float32), coarse), fine).data[region].sum() for each in stored]
    np.testing.assert_allclose(found, np.array(direct) * fine.voxel_volume_ml, rtol=1e-4)
    assert members.cells_ml(np.zeros(fine.shape, bool), fine).tolist() == [0.0, 0.0, 0.0]


def test_there_is_no_volume_of_members_without_members():
    """It says how to get them."""
    case = planning()
    plan = plan_targets(case)
    with pytest.raises(ParameterError, match="--uncertainty"):
        needed_voxels(case, plan.targets[0], case.treatable, 0.9)


def test_a_saving_is_asked_of_a_ctv_with_its_gtv():
    """Else its cells could not be compared."""
    case = planning()
    plan = plan_targets(case)
    with pytest.raises(ParameterError, match="does not hold all of"):
        saving_at(plan.targets[0], plan.targets[1], case, case.treatable)


@pytest.mark.parametrize("wrong", [{"share": 1.0}, {"level": 0.0}])
def test_share_and_level_lie_between_0_and_1(wrong):
    """Both are probabilities."""
    with pytest.raises(ParameterError, match="must lie in"):
        TargetSettings(**wrong)


def test_an_unknown_target_is_refused_with_the_known_ones(plan):
    """By name."""
    with pytest.raises(ParameterError, match="CTV_model_vol"):
        plan.named("PTV")
