"""The coarse level against the fine one, where both must say the same: images and densities of 2 × 2 × 2 blocks."""

from dataclasses import dataclass, replace

import numpy as np
from growth_likelihoods import NAMES, TRUTH, solution_of

from gliofield.anatomy import Anatomy
from gliofield.bayes.coarse_likelihood import coarsened_likelihood
from gliofield.bayes.growth_target import GrowthLikelihood
from gliofield.grid import Grid
from gliofield.imaging import ImagingLikelihood, LikelihoodOptions, Observation
from gliofield.volume import Volume

SHAPE, SPACING_MM = (16, 12, 8), 2.0
GRID = Grid.axis_aligned(SHAPE, SPACING_MM, (-7.0, 3.0, 10.0))
GRID_OF_BLOCKS = Grid.axis_aligned((8, 6, 4), 2 * SPACING_MM, (-6.0, 4.0, 11.0))
SEED_MM = (8.0, 12.0, 16.0)
NAMES_WITHOUT_PET = tuple(name for name in NAMES if not name.startswith("pet"))


def in_blocks(values):
    """Values of coarse voxels in each of their eight fine ones."""
    return values.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)


def distance_of_blocks(place_mm):
    """Distance of every coarse voxel's center from a place [mm], (8, 6, 4)."""
    voxels = np.moveaxis(np.indices(GRID_OF_BLOCKS.shape), 0, -1)
    return np.linalg.norm(GRID_OF_BLOCKS.world_of(voxels) - np.asarray(place_mm), axis=-1)


@dataclass(frozen=True)
class BallOfBlocks:
    """A soft ball of ρ T mm around the seed, sampled at coarse voxels on either grid."""

    @property
    def name(self):
        return "ball of blocks"

    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        radius_mm = parameters.proliferation_rate_per_day * times_days[-1]
        density = np.clip(0.5 + (radius_mm - distance_of_blocks(parameters.seed_mm)) / 10.0, 0.0, 1.0)
        if anatomy.grid.shape == SHAPE:
            density = in_blocks(density)
        return solution_of(density[np.newaxis].astype(np.float32), times_days, anatomy.grid)


def observed(pet):
    """Masks and PET of a ball, each constant in every block; without PET where it is not asked for."""
    distance = distance_of_blocks(SEED_MM)
    noise = 0.05 * np.random.default_rng(4).normal(size=distance.shape)
    values = np.clip(0.3 + 0.6 * np.clip(1.0 - distance / 20.0, 0.0, 1.0) + noise, 0.0, 1.0)
    return Observation(
        tumor_core=in_blocks(distance < 6.0),
        whole_tumor=in_blocks(distance < 12.0),
        pet=Volume(in_blocks(values.astype(np.float32)), GRID) if pet else None,
        grid=GRID,
    )


def likelihood_of(*, pet, pet_stride=1):
    """Likelihood on the fine level, in every voxel of the grid."""
    domain = np.ones(SHAPE, dtype=bool)
    anatomy = Anatomy(
        white_matter=domain.astype(np.float32),
        gray_matter=np.zeros(SHAPE, dtype=np.float32),
        domain=domain,
        grid=GRID,
        domain_rule="blocks",
    )
    options = LikelihoodOptions(pet_stride=pet_stride)
    imaging = ImagingLikelihood(observation=observed(pet), domain=domain, options=options)
    names = NAMES if pet else NAMES_WITHOUT_PET
    return GrowthLikelihood(model=BallOfBlocks(), anatomy=anatomy, likelihood=imaging, names=names)


def rows():
    """Five tumors and imaging models, (5, 12); the last three columns belong to PET."""
    changes = dict(zip(("seed_x_mm", "seed_y_mm", "seed_z_mm"), SEED_MM, strict=True)) | {"growth_time_days": 300.0}
    varied = 1.0 + 0.2 * np.random.default_rng(5).uniform(-1.0, 1.0, (5, len(NAMES)))
    return np.array([{**TRUTH, **changes}[name] for name in NAMES]) * varied


def test_masks_of_blocks_are_as_likely_on_either_level():
    """A coarse voxel stands for the eight it was made of: the log-likelihoods are equal."""
    fine = likelihood_of(pet=False)

    values = fine(rows()[:, : len(NAMES_WITHOUT_PET)])

    assert np.ptp(values) > 1000.0
    np.testing.assert_allclose(fine.coarsened()(rows()[:, : len(NAMES_WITHOUT_PET)]), values, rtol=1e-6)


def test_pet_of_blocks_is_as_likely_on_either_level():
    """As for masks: what PET adds to the log-likelihood of the masks is the same on both levels."""
    with_pet, without = likelihood_of(pet=True), likelihood_of(pet=False)

    pet = with_pet(rows()) - without(rows()[:, : len(NAMES_WITHOUT_PET)])
    coarse_pet = with_pet.coarsened()(rows()) - without.coarsened()(rows()[:, : len(NAMES_WITHOUT_PET)])

    assert np.ptp(pet) > 100.0
    np.testing.assert_allclose(coarse_pet, pet, rtol=1e-4)


def test_pet_voxels_left_out_on_the_fine_level_do_not_count_on_the_coarse_one():
    """PET of every third voxel per axis: the coarse level weighs its voxels as those few, not as all it averaged."""
    strided, whole, masks = (
        likelihood_of(pet=pet, pet_stride=stride) for pet, stride in ((True, 3), (True, 1), (False, 1))
    )
    share = strided.simulation.likelihood.num_pet_voxels / np.prod(SHAPE)

    coarse_pet = strided.coarsened()(rows()) - masks.coarsened()(rows()[:, : len(NAMES_WITHOUT_PET)])

    assert share < 0.05
    pet = whole(rows()) - masks(rows()[:, : len(NAMES_WITHOUT_PET)])
    np.testing.assert_allclose(coarse_pet, share * pet, rtol=1e-3)


def test_a_coarse_voxel_of_pet_is_the_mean_of_what_was_measured():
    """0 is no measurement: it lowers no mean, and a block of which half is 0 is left out."""
    seen = observed(pet=True)
    values = seen.pet.data.copy()
    values[0, 0, :2], values[2:4, :2, 0] = 0.0, 0.0
    domain = np.ones(SHAPE, dtype=bool)
    fine = ImagingLikelihood(observation=replace(seen, pet=Volume(values, GRID)), domain=domain)
    anatomy = Anatomy(
        white_matter=np.ones(GRID_OF_BLOCKS.shape, dtype=np.float32),
        gray_matter=np.zeros(GRID_OF_BLOCKS.shape, dtype=np.float32),
        domain=np.ones(GRID_OF_BLOCKS.shape, dtype=bool),
        grid=GRID_OF_BLOCKS,
        domain_rule="blocks",
    )

    coarse = coarsened_likelihood(fine, anatomy)

    expected = seen.pet.data[::2, ::2, ::2].copy()
    expected[1, 0, 0] = 0.0
    np.testing.assert_allclose(coarse.compared_pet.data, expected, rtol=1e-6)
    assert coarse.num_pet_voxels == expected.size - 1
