"""A growth model and a design that cost nothing: balls that grow with the front speed of their parameters.

They live in an importable module because worker processes have to import them. Tests about storing and searching use
them in place of the solver; nothing here says anything about tumors.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from one_brain_atlas import atlas_of

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database import LocalWorkers, SimulationDatabase, TumorDraw, build_database
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorovParameters, Solution, VolumeLimit
from gliofield.progress import Reporter, ignore_progress

DELAY_VARIABLE = "GROWING_BALL_DELAY_S"
EXIT_VARIABLE = "GROWING_BALL_EXIT"


@dataclass(frozen=True, kw_only=True)
class GrowingBall:
    """Ball around the seed whose density falls linearly from 1 to 0 over twice `edge_mm`, half of it at v T / 2.

    A delay per tumor, so that a process can be killed in time, and a sudden death of the process come from the
    environment, since they are no settings of a model.
    """

    edge_mm: float = 3.0
    fails_with: str = ""
    num_threads: int = 1

    @property
    def name(self) -> str:
        """``growing-ball``."""
        return "growing-ball"

    def simulate(
        self,
        anatomy: Anatomy,
        parameters: FisherKolmogorovParameters,
        times_days: Sequence[float],
        *,
        volume_limit: VolumeLimit | None = None,
    ) -> Solution:
        """Balls of radius v T / 2 at each time."""
        time.sleep(float(os.environ.get(DELAY_VARIABLE, "0")))
        if os.environ.get(EXIT_VARIABLE):
            os._exit(1)
        if self.fails_with:
            raise ZeroDivisionError(self.fails_with)
        voxels = np.moveaxis(np.indices(anatomy.grid.shape), 0, -1)
        distance_mm = np.linalg.norm(anatomy.grid.world_of(voxels) - np.array(parameters.seed_mm), axis=-1)
        radii_mm = [0.5 * parameters.front_speed_mm_per_day * t for t in times_days]
        densities = [np.clip(0.5 + (r - distance_mm) / (2 * self.edge_mm), 0.0, 1.0) for r in radii_mm]
        return Solution(
            cell_density=np.array(densities, dtype=np.float32) * anatomy.domain,
            times_days=tuple(times_days),
            grid=anatomy.grid,
            num_steps=1,
            num_voxel_steps=anatomy.grid.num_voxels,
            scheme="analytic",
            backend="numpy",
            front_resolution=1.0,
        )


@dataclass(frozen=True, kw_only=True)
class BallDesign:
    """Balls of 1 to 6 mm anywhere in the domain; the larger are rejected with a probability."""

    rejected_share: float = 0.3
    snapshots_per_run: int = 1

    @property
    def name(self) -> str:
        """``balls``."""
        return "balls"

    @property
    def push_pa(self) -> None:
        """Balls push nothing."""
        return None

    def draw(self, rng: np.random.Generator, anatomy: Anatomy) -> TumorDraw:
        """A ball at a random place."""
        voxels = np.argwhere(anatomy.domain)
        seed_mm = anatomy.grid.world_of(voxels[rng.integers(len(voxels))] + rng.random(3) - 0.5)
        times_days = sorted(20.0 + 100.0 * float(rng.random()) for _ in range(self.snapshots_per_run))
        return TumorDraw(
            parameters=FisherKolmogorovParameters(
                white_matter_diffusivity_mm2_per_day=0.05,
                proliferation_rate_per_day=0.05,
                seed_mm=(float(seed_mm[0]), float(seed_mm[1]), float(seed_mm[2])),
            ),
            times_days=tuple(times_days),
            # Not a threshold of anything here, but what decides about the draw.
            filter_thresholds=(float(rng.random()),),
        )

    def accepts(self, draw: TumorDraw, cell_density: NDArray[np.float32], grid: Grid) -> bool:
        """True with probability 1 − `rejected_share`."""
        return draw.filter_thresholds[0] >= self.rejected_share


def ball_anatomy(num_voxels: int = 12, spacing_mm: float = 2.0) -> Anatomy:
    """Cube of `num_voxels`³ with a rim of one voxel outside the domain; the left half is white matter."""
    shape = (num_voxels,) * 3
    domain = np.zeros(shape, dtype=bool)
    domain[1:-1, 1:-1, 1:-1] = True
    white_matter = np.where(domain & (np.indices(shape)[0] < num_voxels // 2), 1.0, 0.0).astype(np.float32)
    return Anatomy(
        white_matter=white_matter,
        gray_matter=domain.astype(np.float32) - white_matter,
        domain=domain,
        grid=Grid.axis_aligned(shape, spacing_mm, (-20.0, 5.0, 1.0)),
        domain_rule="cube",
    )


def build_balls(
    path: Path,
    *,
    num_tumors: int = 12,
    seed: int = 7,
    num_workers: int = 1,
    design: BallDesign | None = None,
    model: GrowingBall | None = None,
    anatomy: Anatomy | None = None,
    atlas_name: str = "cube",
    first_tumor: int = 0,
    report: Reporter = ignore_progress,
) -> SimulationDatabase:
    """Small database of balls."""
    return build_database(
        path,
        num_tumors=num_tumors,
        design=design if design is not None else BallDesign(),
        atlas=atlas_of(anatomy if anatomy is not None else ball_anatomy(), name=atlas_name),
        model=model if model is not None else GrowingBall(),
        seed=seed,
        first_tumor=first_tumor,
        workers=LocalWorkers(num_workers),
        report=report,
    )


def folder_content(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder, by its path inside it."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def main() -> None:
    """Build a database of balls in this process: PATH NUM_TUMORS NUM_WORKERS."""
    import sys

    build_balls(Path(sys.argv[1]), num_tumors=int(sys.argv[2]), num_workers=int(sys.argv[3]))


if __name__ == "__main__":
    main()
