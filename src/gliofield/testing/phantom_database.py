"""A small simulation database in the phantom brain, in which some tumors come twice, so that searches meet ties."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.database import SimulationDatabase, TumorDraw, build_database
from gliofield.database.design import AttemptRng
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorovParameters
from gliofield.testing.phantom_brain import PHANTOM_GRID, phantom_atlas


@dataclass(frozen=True, kw_only=True)
class PhantomDesign:
    """Design whose tumors are drawn from a few, with repetition.

    Parameters
    ----------
    num_distinct : int
        How many different tumors there are; a larger database holds some of them more than once.
    """

    num_distinct: int = 8
    snapshots_per_run: int = 1

    @property
    def name(self) -> str:
        """``phantom``."""
        return "phantom"

    @property
    def push_pa(self) -> None:
        """None: the tumors push nothing."""
        return None

    def draw(self, rng: AttemptRng, anatomy: Anatomy) -> TumorDraw:
        """One of the tumors: seeded anywhere in white matter, 120 to 200 days old, with a core."""
        own = np.random.default_rng(int(rng.integers(self.num_distinct)))
        white = np.argwhere(anatomy.white_matter > 0.9)
        x_mm, y_mm, z_mm = anatomy.grid.world_of(white[own.integers(len(white))])
        last_day = float(own.uniform(120.0, 200.0))
        return TumorDraw(
            parameters=FisherKolmogorovParameters(
                white_matter_diffusivity_mm2_per_day=float(own.uniform(0.3, 0.6)),
                proliferation_rate_per_day=float(own.uniform(0.05, 0.07)),
                seed_mm=(float(x_mm), float(y_mm), float(z_mm)),
            ),
            times_days=tuple(np.linspace(0.0, last_day, self.snapshots_per_run + 1)[1:].tolist()),
        )

    def accepts(self, draw: TumorDraw, cell_density: NDArray[np.float32], grid: Grid) -> bool:
        """Always."""
        return True


def build_phantom_database(path: str | os.PathLike[str], num_tumors: int = 12) -> SimulationDatabase:
    """Database of reaction-diffusion tumors in the phantom's atlas, on `PHANTOM_GRID`; a second or two.

    Parameters
    ----------
    path : path
        Folder of the database.
    num_tumors : int
        Tumors; more than 8 of them cannot all be different.
    """
    return build_database(path, num_tumors, atlas=phantom_atlas(), design=PhantomDesign(), grid=PHANTOM_GRID)
