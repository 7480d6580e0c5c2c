"""Symptom: a database of 6 mm or more could not be built: one unlucky seed ended it at the same tumor every time.

Cause: a seed in a voxel of tissue, but farther from all centers of voxels than its radius, is refused by the model, and
the design drew it again with every attempt to go on.
Guard: such a draw is rejected, and counted, as others are; finer grids draw what they drew before.
"""

import numpy as np
import pytest

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database import TumorDraw, build_database
from gliofield.database.simulate import BatchSimulator
from gliofield.errors import DatabaseError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.testing import PHANTOM_GRID, PhantomDesign, phantom_atlas


@pytest.mark.parametrize("spacing_mm", [6.0, 8.0, 10.0])
def test_a_coarse_database_is_built(tmp_path, spacing_mm):
    """With rejected draws among its tumors."""

    class Anywhere(PhantomDesign):
        """Seeds anywhere in a voxel."""

        def draw(self, rng, anatomy):
            tumor = super().draw(rng, anatomy)
            shift = (rng.random(3) - 0.5) * anatomy.grid.spacing_mm
            seed = tuple(float(x) for x in np.add(tumor.parameters.seed_mm, shift))
            parameters = FisherKolmogorovParameters(
                white_matter_diffusivity_mm2_per_day=0.5, proliferation_rate_per_day=0.05, seed_mm=seed
            )
            return TumorDraw(parameters=parameters, times_days=tumor.times_days)

    shape = np.ceil(np.array(PHANTOM_GRID.shape) * 4.0 / spacing_mm).astype(int)
    grid = Grid.axis_aligned(shape, spacing_mm, (-86.0, -98.0, -78.0))
    database = build_database(tmp_path / "db", 24, atlas=phantom_atlas(), design=Anywhere(), grid=grid)

    assert database.num_tumors == 24
    if spacing_mm == 10.0:
        assert database.table.attempt.sum() > 0
        assert database.table.rejections[:, 0].sum() == database.table.attempt.sum()


def block(spacing_mm):
    """A block of tissue with a rim."""
    domain = np.zeros((8, 8, 8), dtype=bool)
    domain[1:-1, 1:-1, 1:-1] = True
    grid = Grid.axis_aligned(domain.shape, spacing_mm, (0.0, 0.0, 0.0))
    white = domain.astype(np.float32)
    return Anatomy(white_matter=white, gray_matter=np.zeros_like(white), domain=domain, grid=grid, domain_rule="block")


@pytest.mark.parametrize(
    ("spacing_mm", "voxel", "is_worth"),
    [(8.0, 3.0, True), (8.0, 3.49, False), (2.0, 3.49, True), (8.0, 0.3, True), (8.0, -9.0, True)],
)
def test_only_seeds_between_the_voxels_of_coarse_tissue_are_rejected(spacing_mm, voxel, is_worth):
    """One on a center, one at the corner, one on a finer grid; wrong seeds are left to the model, which names them."""
    anatomy = block(spacing_mm)
    simulator = BatchSimulator(anatomy=anatomy, model=FisherKolmogorov(), design=PhantomDesign(), header=None)
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.5,
        proliferation_rate_per_day=0.05,
        seed_mm=(voxel * spacing_mm,) * 3,
    )
    assert simulator.is_worth_simulating(TumorDraw(parameters=parameters, times_days=(100.0,))) == is_worth


def test_a_design_whose_every_seed_is_wrong_still_ends_with_its_reason(tmp_path):
    """Outside of the tissue: the error of the model."""

    class Outside(PhantomDesign):
        """Seeds in the corner of the grid."""

        def draw(self, rng, anatomy):
            corner = tuple(float(x) for x in anatomy.grid.world_of((0, 0, 0)))
            parameters = FisherKolmogorovParameters(
                white_matter_diffusivity_mm2_per_day=0.5, proliferation_rate_per_day=0.05, seed_mm=corner
            )
            return TumorDraw(parameters=parameters, times_days=(100.0,))

    with pytest.raises(DatabaseError, match="lies outside the tissue"):
        build_database(tmp_path / "db", 2, atlas=phantom_atlas(), design=Outside(), grid=PHANTOM_GRID)
