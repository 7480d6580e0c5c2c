"""Members of an ensemble honor their own outlines, and are the same whatever computes them."""

import dataclasses

import numpy as np
import pytest

from gliofield.anatomy import growth_domain
from gliofield.assimilation import Ensemble, EnsembleSettings, HypothesisRanges, Rim
from gliofield.errors import ParameterError
from gliofield.imaging import VisibilityThresholds
from gliofield.testing.phantom_brain import LESION_CENTER_MM, PHANTOM_GRID, phantom_tissue_maps, radius_in

ANATOMY = growth_domain(phantom_tissue_maps())
FROM_CENTER = radius_in(PHANTOM_GRID, LESION_CENTER_MM, 1.0)
CORE, WHOLE = FROM_CENTER < 12.0, (FROM_CENTER < 24.0) & ANATOMY.tissue_maps.brain
SETTINGS = EnsembleSettings(num_members=6, num_anatomies=3)
# Nothing that is drawn from place to place; hypotheses without a direction.
STILL = dataclasses.replace(
    SETTINGS,
    outline_mm=0.0,
    growth_logit_std=0.0,
    registration_mm=0.0,
    ranges=HypothesisRanges(excess_tilt=0.0),
)


def ensemble_of(settings=SETTINGS, core=CORE, whole=WHOLE, anatomy=ANATOMY, **changes):
    rim = Rim.of(core, whole, PHANTOM_GRID, anatomy.domain | whole, PHANTOM_GRID)
    return Ensemble(rim=rim, anatomy=anatomy, thresholds=VisibilityThresholds(), settings=settings, **changes)


def test_every_member_shows_its_own_outlines_under_its_own_thresholds():
    """At every voxel of its domain; no cells outside it; members differ in all of it."""
    members = list(ensemble_of().members())

    for member in members:
        density = member.cell_density
        assert density.min() >= 0.0
        assert density.max() <= 1.0
        np.testing.assert_array_equal(member.thresholds.tumor_core(density), member.dense)
        np.testing.assert_array_equal(member.thresholds.whole_tumor(density), member.tumor)
        assert not density[~member.domain].any()
        assert density[member.domain & ~member.tumor].max() > 0.0
    for first, second in zip(members[:-1], members[1:], strict=True):
        assert np.any(first.tumor != second.tumor)
        assert np.any(first.domain != second.domain)
        assert first.thresholds != second.thresholds


def test_members_do_not_depend_on_threads_but_on_the_seed():
    """Bit for bit with one thread and with three; another seed gives others."""
    one, three = (list(ensemble_of().members(threads)) for threads in (1, 3))
    other = next(iter(ensemble_of(seed=1).members()))

    for first, second in zip(one, three, strict=True):
        np.testing.assert_array_equal(first.cell_density, second.cell_density)
    assert np.any(one[0].cell_density != other.cell_density)


def test_a_member_does_not_depend_on_how_many_there_are():
    """Noise is drawn for each by its number: only its hypothesis differs."""
    few = ensemble_of(
        dataclasses.replace(STILL, outline_mm=1.0, ranges=HypothesisRanges(edema_weight=0.0, dense_weight=0.0))
    )
    many = ensemble_of(dataclasses.replace(few.settings, num_members=9))

    np.testing.assert_array_equal(next(iter(few.members())).dense, next(iter(many.members())).dense)


@pytest.mark.parametrize("axes", [(0,), (1, 2)])
def test_a_mirrored_brain_has_mirrored_members(axes):
    """Without noise and direction: tissue and masks turned around give the densities turned around."""
    maps = ANATOMY.tissue_maps
    turned = {name: np.flip(getattr(maps, name), axes) for name in ("white_matter", "gray_matter", "csf", "brain")}
    mirrored = growth_domain(dataclasses.replace(maps, **turned))
    plain = ensemble_of(STILL).members()
    turned_members = ensemble_of(STILL, np.flip(CORE, axes), np.flip(WHOLE, axes), mirrored).members()

    for first, second in zip(plain, turned_members, strict=True):
        # The correction stops at a tolerance of 0.01 in logit.
        np.testing.assert_allclose(np.flip(second.cell_density, axes), first.cell_density, atol=5e-3)


def test_water_leaves_fewer_cells_outside_the_core_and_unseen_dense_tumor_is_dense():
    """Water: the tumor's outline lies within FLAIR's. Dense tumor: it goes beyond the core, within the tumor."""
    ranges = {"t1gd_logit_std": 0.0, "flair_logit_std": 0.0, "excess_tilt": 0.0}
    water, plain, dense = (
        ensemble_of(
            dataclasses.replace(STILL, ranges=HypothesisRanges(edema_weight=first, dense_weight=second, **ranges))
        )
        for first, second in ((1.0, 0.0), (0.0, 0.0), (0.0, 1.0))
    )
    cells = [np.mean([one.cell_density[~CORE].sum() for one in each.members()]) for each in (water, plain)]

    assert cells[0] < 0.8 * cells[1]
    for member in water.members():
        assert not np.any(member.tumor & ~WHOLE)
        np.testing.assert_array_equal(member.dense, CORE)
    assert max(np.count_nonzero(member.dense) for member in dense.members()) > 1.2 * np.count_nonzero(CORE)
    for member in dense.members():
        assert not np.any(CORE & ~member.dense)
        assert not np.any(member.dense & ~member.tumor)


def test_a_tumor_without_a_core_has_members():
    """T1Gd shows nothing of them but where the hypothesis has dense tumor; FLAIR's outline holds."""
    settings = dataclasses.replace(SETTINGS, num_members=12, ranges=HypothesisRanges(dense_weight=0.3))
    ensemble = ensemble_of(settings, core=np.zeros_like(CORE))
    assert 0 < np.count_nonzero(ensemble.hypotheses.is_dense) < 12
    for member, is_dense in zip(ensemble.members(), ensemble.hypotheses.is_dense, strict=True):
        assert member.dense.any() == is_dense
        np.testing.assert_array_equal(member.thresholds.tumor_core(member.cell_density), member.dense)
        np.testing.assert_array_equal(member.thresholds.whole_tumor(member.cell_density), member.tumor)


def test_a_cavity_holds_no_cells():
    """Whatever the outlines say."""
    cavity = FROM_CENTER < 6.0
    for member in ensemble_of(cavity=cavity).members():
        assert not member.cell_density[cavity].any()


def test_a_core_of_one_voxel_is_kept():
    """Noise may move an outline, but not make it disappear."""
    core = np.zeros_like(CORE)
    core[tuple(np.argwhere(FROM_CENTER == FROM_CENTER.min())[0])] = True

    for member in ensemble_of(dataclasses.replace(SETTINGS, outline_mm=3.0), core).members():
        assert member.dense.any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_members": 1}, "num_members must be at least 2, got 1"),
        ({"outline_mm": -1.0}, "outline_mm must be ≥ 0, got -1"),
        ({"growth_correlation_mm": 0.0}, r"growth_correlation_mm must be > 0 \[mm\], got 0"),
    ],
)
def test_settings_are_checked(wrong, message):
    """Each number says what is expected of it."""
    with pytest.raises(ParameterError, match=message):
        EnsembleSettings(**wrong)
