"""How much too large tumors are whose front a grid does not resolve: what `growth.thin_fronts` rests on.

    python benchmarks/growth/bench_thin_fronts.py [--spacing-mm 1.875] [--days 300] [--atlas NAME]

For each infiltration length λ, at a front speed of 0.1 mm/day: the volume above 0.2 on the grid, over that on a grid of
a third of the spacing, in a block of white matter; with ``--atlas`` also in its white matter, on half the spacing.
"""

from __future__ import annotations

import argparse

import numpy as np

from gliofield.anatomy import Anatomy, load_atlas
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.growth.thin_fronts import are_thin_fronts

_LENGTHS_MM = (0.5, 0.75, 1.0, 1.25, 1.5, 1.875, 2.5)
_SPEED_MM_PER_DAY, _MARGIN_MM = 0.1, 6.0


def block(spacing_mm: float, half_mm: float) -> Anatomy:
    """A cube of white matter with a voxel at 0."""
    number = 2 * int(half_mm / spacing_mm) + 1
    shape, first_mm = (number,) * 3, -(number // 2) * spacing_mm
    everywhere = np.ones(shape, dtype=bool)
    return Anatomy(
        white_matter=everywhere.astype(np.float32),
        gray_matter=np.zeros(shape, np.float32),
        domain=everywhere,
        grid=Grid.axis_aligned(shape, spacing_mm, (first_mm,) * 3),
        domain_rule="all",
    )


def volume_ml(anatomy: Anatomy, length_mm: float, days: float, seed_mm: tuple[float, float, float]) -> float:
    """Volume above the FLAIR threshold [ml]."""
    tumor = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=length_mm * _SPEED_MM_PER_DAY / 2.0,
        proliferation_rate_per_day=_SPEED_MM_PER_DAY / (2.0 * length_mm),
        seed_mm=seed_mm,
    )
    return float(FisherKolmogorov().simulate(anatomy, tumor, days).volume_ml(0.2)[0])


def main() -> None:
    """Print a row per infiltration length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spacing-mm", type=float, default=1.875)
    parser.add_argument("--days", type=float, default=300.0)
    parser.add_argument("--atlas")
    arguments = parser.parse_args()
    spacing_mm, days = arguments.spacing_mm, arguments.days
    half_mm = _SPEED_MM_PER_DAY * days + _MARGIN_MM
    places = {"block": ((block(spacing_mm, half_mm), block(spacing_mm / 3, half_mm)), (0.0, 0.0, 0.0))}
    if arguments.atlas:
        atlas = load_atlas(arguments.atlas)
        pair = tuple(atlas.anatomy(atlas.simulation_grid(spacing_mm=each)) for each in (spacing_mm, spacing_mm / 2))
        places[atlas.name] = (pair, (-90.0, 130.0, 80.0))
    print("| place | λ mm | λ voxels | thin | ml, this grid | ml, finer | too large |\n|---|---|---|---|---|---|---|")
    for name, ((coarse, fine), seed_mm) in places.items():
        for length_mm in _LENGTHS_MM:
            found, finer = (volume_ml(each, length_mm, days, seed_mm) for each in (coarse, fine))
            is_thin = "yes" if are_thin_fronts(length_mm, spacing_mm) else ""
            print(
                f"| {name} | {length_mm:g} | {length_mm / spacing_mm:.2f} | {is_thin} | {found:.1f} | {finer:.1f} | "
                f"{found / finer - 1:+.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
