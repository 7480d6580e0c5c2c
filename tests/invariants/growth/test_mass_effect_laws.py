"""Laws of mass effect, whatever the parameters: what is kept, what stays in bounds, what does not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mass_effect_phantoms import SEED_MM, phantom_anatomy, phantom_maps, pushed, pushing_tumor

from gliofield.anatomy import growth_domain
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.grid import Grid
from gliofield.growth import MassEffect, VolumeLimit, seed_density

ANATOMY = phantom_anatomy()
MAPS = ANATOMY.tissue_maps
# A tumor that fills a third of the brain and moves it by some mm.
LARGE = {"d": 0.6, "rho": 0.1, "push_pa": 10_000.0}
TISSUES = ("white_matter", "gray_matter", "csf")
LAWS = settings(max_examples=8, deadline=None)
# Tumors that have not filled the brain long ago: most of the growth is within the time.
RATES = {"d": st.floats(0.02, 1.5), "rho": st.floats(0.0, 0.08), "push": st.just(0.0) | st.floats(1.0, 20_000.0)}
TIMES = st.floats(5.0, 150.0)


def total(values):
    """Sum over all voxels."""
    return values.sum(dtype=np.float64)


@LAWS
@given(d=RATES["d"], push=RATES["push"], time=TIMES)
def test_without_growth_no_cell_is_made_or_lost(d, push, time):
    """Motion and diffusion only move cells, to float32 rounding of some hundred stages."""
    solution = pushed(ANATOMY, d=d, rho=0.0, push_pa=push, times_days=[time])

    assert total(solution.cell_density) == pytest.approx(total(seed_density(ANATOMY, SEED_MM)), rel=5e-6)


@LAWS
@given(**RATES, time=TIMES)
def test_every_tissue_is_conserved(d, rho, push, time):
    """White matter, gray matter and CSF each keep their amount."""
    solution = pushed(ANATOMY, d=d, rho=rho, push_pa=push, times_days=[time])

    for name in TISSUES:
        assert total(getattr(solution, name)) == pytest.approx(total(getattr(MAPS, name)), rel=2e-6), name


@LAWS
@given(**RATES, time=TIMES)
def test_densities_and_tissue_stay_in_bounds_within_the_brain(d, rho, push, time):
    """0 ≤ c ≤ 1, no tissue is negative, and nothing is outside the skull."""
    solution = pushed(ANATOMY, d=d, rho=rho, push_pa=push, times_days=[time])

    assert solution.cell_density.min() >= 0.0
    assert solution.cell_density.max() <= 1.0
    for name in ("cell_density", *TISSUES):
        values = getattr(solution, name)
        assert values.min() >= 0.0, name
        assert not values[:, ~MAPS.brain].any(), name


@LAWS
@given(**RATES, time=TIMES)
def test_no_tissue_is_turned_inside_out(d, rho, push, time):
    """det J > 0, and fractions of the moved tissue are tissue maps."""
    solution = pushed(ANATOMY, d=d, rho=rho, push_pa=push, times_days=[time])

    assert 0.0 < solution.min_jacobian_determinant[0] <= 1.0
    maps = solution.tissue_maps(0)
    assert np.abs(maps.white_matter + maps.gray_matter + maps.csf - 1.0)[maps.brain].max() < 0.05


def test_nothing_moves_outside_the_brain_nor_through_the_skull():
    """u = 0 in every voxel outside the brain, and along an axis in a voxel with skull on both of its sides."""
    solution = pushed(ANATOMY, **LARGE)
    u = solution.displacement_mm[0]

    assert np.abs(u).max() > 3.0
    assert not u[~MAPS.brain].any()
    for axis in range(3):
        lone = MAPS.brain & ~np.roll(MAPS.brain, 1, axis) & ~np.roll(MAPS.brain, -1, axis)
        assert not u[lone, axis].any()


def test_tissue_is_thinned_and_pressed_as_the_displacement_says():
    """Amounts of tissue sum to det(I − ∇u), within a quarter of their change.

    u adds up increments where things are when they move, and the grid is coarse: to first order only.
    """
    gaps = []
    for push in (500.0, 1000.0):
        solution = pushed(growth_domain(MAPS, rule="brain"), d=0.6, rho=0.1, push_pa=push, times_days=[90.0])
        derivatives = [np.gradient(solution.displacement_mm[0, ..., a], 5.0) for a in range(3)]
        determinant = np.linalg.det(np.eye(3) - np.moveaxis(np.array(derivatives), (0, 1), (-2, -1)))
        amounts = sum(getattr(solution, name)[0] for name in TISSUES)
        # Off the skull, where differences of cell values reach beyond it.
        inside = MAPS.brain & np.all([np.roll(MAPS.brain, s, a) for a in range(3) for s in (-2, -1, 1, 2)], axis=0)
        gaps.append(np.linalg.norm((amounts - determinant)[inside]) / np.linalg.norm((determinant - 1.0)[inside]))

    assert max(gaps) < 0.25, gaps


@pytest.mark.parametrize("factor", [0.5, 4.0])
def test_only_diffusion_and_growth_over_the_whole_time_matter(factor):
    """The same D T, ρ T and γ give the same tumor and the same displacement, to float32 rounding."""
    solution = pushed(ANATOMY, times_days=[40.0, 120.0], **LARGE)
    faster = pushed(
        ANATOMY,
        times_days=[40.0 / factor, 120.0 / factor],
        **{**LARGE, "d": LARGE["d"] * factor, "rho": LARGE["rho"] * factor},
    )

    np.testing.assert_allclose(faster.cell_density, solution.cell_density, atol=1e-5)
    np.testing.assert_allclose(faster.displacement_mm, solution.displacement_mm, atol=1e-4)
    np.testing.assert_allclose(faster.csf, solution.csf, atol=1e-4)


def mirrored(maps, axis):
    """The same brain mirrored about the origin plane of an axis, in the world and in the array."""
    arrays = {name: np.ascontiguousarray(np.flip(getattr(maps, name), axis)) for name in (*TISSUES, "brain")}
    return TissueMaps(**arrays, grid=maps.grid)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_mirror_image_of_a_brain_grows_the_mirror_image_of_its_tumor(axis):
    """Densities and tissue are mirrored, and so is u with its component along the axis reversed."""
    seed = np.array(SEED_MM)
    seed[axis] *= -1.0
    model = MassEffect(num_coupling_steps=6, force_tolerance=1e-4)

    solution = pushed(ANATOMY, model=model, **LARGE)
    other = pushed(growth_domain(mirrored(MAPS, axis)), model=model, seed_mm=tuple(seed), **LARGE)

    for name in ("cell_density", *TISSUES):
        np.testing.assert_allclose(
            np.flip(getattr(other, name), axis + 1), getattr(solution, name), atol=2e-3, err_msg=name
        )
    sign = np.where(np.arange(3) == axis, -1.0, 1.0)
    u = solution.displacement_mm
    np.testing.assert_allclose(sign * np.flip(other.displacement_mm, axis + 1), u, atol=2e-3 * np.abs(u).max())


def test_a_symmetric_brain_pushed_from_its_middle_stays_symmetric():
    """A seed in the plane of symmetry keeps it."""
    anatomy = phantom_anatomy(is_mirror_symmetric=True)
    solution = pushed(anatomy, seed_mm=(0.0, -30.0, 10.0), model=MassEffect(num_coupling_steps=6), **LARGE)
    u = solution.displacement_mm[0]

    assert np.abs(u).max() > 1.0
    np.testing.assert_allclose(u[::-1, ..., 0], -u[..., 0], atol=1e-3 * np.abs(u).max())
    np.testing.assert_allclose(u[::-1, ..., 1:], u[..., 1:], atol=1e-3 * np.abs(u).max())


def test_the_displacement_is_a_vector_of_the_world():
    """The same brain stored with x and z exchanged and y reversed has the same displacements in mm, RAS+."""
    axes = np.zeros((4, 4))
    axes[0, 2], axes[1, 1], axes[2, 0], axes[3, 3] = 1, -1, 1, 1
    stored = {
        name: np.ascontiguousarray(getattr(MAPS, name).transpose(2, 1, 0)[:, ::-1]) for name in (*TISSUES, "brain")
    }
    last = MAPS.grid.shape[1] - 1
    matrix = MAPS.grid.world_from_voxel @ axes
    matrix[:3, 3] = MAPS.grid.world_of((0, last, 0))
    grid = Grid(stored["brain"].shape, matrix)
    model = MassEffect(num_coupling_steps=6, force_tolerance=1e-4)

    u = pushed(ANATOMY, model=model, **LARGE).displacement_mm[0]
    turned = pushed(growth_domain(TissueMaps(**stored, grid=grid)), model=model, **LARGE).displacement_mm[0]

    np.testing.assert_allclose(turned[:, ::-1].transpose(2, 1, 0, 3), u, atol=2e-3 * np.abs(u).max())


def test_small_pushes_displace_in_proportion():
    """u / γ is the same for 10 Pa and 20 Pa, within 1 % of its maximum, in a brain whose domain does not change."""
    anatomy = growth_domain(MAPS, rule="brain")
    model = MassEffect(num_coupling_steps=6, force_tolerance=1e-4)
    ten, twenty = (pushed(anatomy, model=model, **{**LARGE, "push_pa": push}).displacement_mm for push in (10.0, 20.0))

    assert np.abs(ten).max() > 1e-3
    np.testing.assert_allclose(twenty / 2, ten, atol=0.01 * np.abs(ten).max())


def test_tissue_is_pushed_away_from_the_tumor():
    """Displacements around the tumor point away from its middle, and the ventricle moves with them."""
    solution = pushed(ANATOMY, **{**LARGE, "push_pa": 4000.0})
    voxels = np.moveaxis(np.indices(ANATOMY.grid.shape), 0, -1)
    weights = solution.cell_density[0][..., np.newaxis]
    points = ANATOMY.grid.world_of(voxels)
    middle = (weights * points).sum(axis=(0, 1, 2)) / weights.sum()
    outward = (solution.displacement_mm[0] * (points - middle)).sum(axis=-1)
    moved = np.linalg.norm(solution.displacement_mm[0], axis=-1) > 0.5

    assert np.count_nonzero(moved) > 500
    assert np.mean(outward[moved] > 0) > 0.95


def test_pushed_tissue_moves_further_with_a_stronger_push():
    """max |u| grows with γ, and det J falls."""
    solutions = [pushed(ANATOMY, **{**LARGE, "push_pa": push}) for push in (1000.0, 4000.0, 16_000.0)]

    moves = [np.abs(s.displacement_mm).max() for s in solutions]
    determinants = [s.min_jacobian_determinant[0] for s in solutions]
    assert moves == sorted(moves)
    assert determinants == sorted(determinants, reverse=True)


def test_several_times_agree_with_runs_to_each():
    """A snapshot is what a run to its time alone gives, up to the error of the coupling steps."""
    model = MassEffect(num_coupling_steps=16)
    both = pushed(ANATOMY, model=model, times_days=[80.0, 120.0], **LARGE)
    first = pushed(ANATOMY, model=model, times_days=[80.0], **LARGE)

    assert both.times_days == (80.0, 120.0)
    gap = np.abs(both.displacement_mm[0] - first.displacement_mm[0]).max()
    assert gap < 0.05 * np.abs(first.displacement_mm).max()
    np.testing.assert_allclose(both.cell_density[0], first.cell_density[0], atol=0.02)


def test_tissue_beyond_the_brain_mask_is_left_alone_or_left_out_but_not_half_lost():
    """Resampled maps have traces of tissue outside the mask: what a solution has at the start it has at the end."""
    brain = MAPS.brain & (np.indices(MAPS.brain.shape)[0] < 12)
    arrays = {name: getattr(MAPS, name) for name in TISSUES}
    anatomy = growth_domain(TissueMaps(**arrays, brain=brain, grid=MAPS.grid))

    at_rest, moved = (pushed(anatomy, push_pa=push, seed_mm=(-25.0, 15.0, 5.0)) for push in (0.0, 1e-6))

    for name in TISSUES:
        np.testing.assert_allclose(getattr(moved, name), getattr(at_rest, name), atol=1e-3, err_msg=name)


def test_a_push_that_hardly_moves_anything_leaves_maps_and_domain_as_they_are():
    """Also where tissue does not fill its voxels: at 10⁻³ Pa the tumor is that of γ = 0."""
    maps = phantom_maps()
    rng = np.random.default_rng(1)
    filling = rng.uniform(0.5, 1.0, maps.brain.shape).astype(np.float32)
    anatomy = growth_domain(
        TissueMaps(
            white_matter=maps.white_matter * filling,
            gray_matter=maps.gray_matter * filling,
            csf=maps.csf * filling,
            brain=maps.brain,
            grid=maps.grid,
        )
    )

    without, tiny = (pushed(anatomy, **{**LARGE, "push_pa": push}).cell_density for push in (0.0, 1e-3))

    np.testing.assert_allclose(tiny, without, atol=1e-3)


def test_a_tumor_beyond_its_limit_ends_the_run():
    """The solution says when, and holds the times reached before."""
    model = MassEffect(num_coupling_steps=12)
    limit = VolumeLimit(threshold=0.2, max_volume_ml=20.0)

    solution = model.simulate(ANATOMY, pushing_tumor(**LARGE), [20.0, 120.0], volume_limit=limit)

    assert solution.times_days == (20.0,)
    assert 20.0 < solution.stopped_at_days < 120.0
    assert solution.displacement_mm.shape == (1, *ANATOMY.grid.shape, 3)


@pytest.mark.parametrize(
    ("changes", "times_days"),
    [({}, [1e-3, 100.0]), ({"rho": 0.2}, [1000.0])],
    ids=["a time soon after the seed", "long after the brain is full"],
)
def test_steps_of_very_different_length_come_to_equilibrium(changes, times_days):
    """What the tissue did in one step says little of the next when that is a hundred times as long."""
    solution = pushed(ANATOMY, times_days=times_days, **{**LARGE, "push_pa": 4000.0, **changes})

    assert len(solution.times_days) == len(times_days)
    assert solution.min_jacobian_determinant[-1] > 0.0


@pytest.mark.parametrize("diffusivity_ratio", [0.1, 1.0, 100.0])
def test_gray_matter_may_be_the_faster_tissue(diffusivity_ratio):
    """The time steps keep up with whichever is faster: as without mass effect at a tiny push."""
    tiny, none = (
        pushed(ANATOMY, diffusivity_ratio=diffusivity_ratio, **{**LARGE, "d": 0.2, "push_pa": push}).cell_density
        for push in (1e-3, 0.0)
    )

    np.testing.assert_allclose(tiny, none, atol=2e-3)
