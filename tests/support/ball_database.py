"""A database of balls in the mixed anatomy, with growth parameters that say where and how large they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from growth_likelihoods import ANATOMY, SEED_MM
from level_database import LevelDatabase, database_of_levels

from gliofield.database.quantization import quantize_density

NAMES = (
    "white_matter_diffusivity_mm2_per_day",
    "proliferation_rate_per_day",
    "growth_time_days",
    "seed_x_mm",
    "seed_y_mm",
    "seed_z_mm",
)


def ball(seed_mm, radius_mm: float, width_mm: float) -> np.ndarray:
    """Density of a ball with a blurred edge, cut to the domain, float32."""
    voxels = np.stack(np.meshgrid(*[np.arange(n) for n in ANATOMY.grid.shape], indexing="ij"), axis=-1)
    distance = np.linalg.norm(ANATOMY.grid.world_of(voxels) - np.asarray(seed_mm), axis=-1)
    return np.where(ANATOMY.domain, np.clip((radius_mm - distance) / width_mm + 0.5, 0, 1), 0).astype(np.float32)


def ball_database(number: int, *, seed: int = 0) -> LevelDatabase:
    """Balls of several places, sizes and edges; λ is the width of the edge, τ follows the radius."""
    rng = np.random.default_rng(seed)
    rows, levels = [], []
    for _ in range(number):
        place = np.array(SEED_MM) + rng.uniform(-6.0, 6.0, 3)
        radius, width = rng.uniform(7.0, 16.0), rng.uniform(4.0, 9.0)
        levels.append(quantize_density(ball(place, radius, width)))
        length, scaled_time = width / 3.0, radius
        rate = 0.05 / length
        rows.append([length**2 * rate, rate, scaled_time / rate, *place])
    plain = database_of_levels(levels, ANATOMY.grid)
    table = replace(plain.table, parameters=np.array(rows))
    header = replace(plain.header, domain_rule=ANATOMY.domain_rule)
    return LevelDatabase(path=plain.path, header=header, parameter_names=NAMES, table=table, chunks=plain.chunks)
