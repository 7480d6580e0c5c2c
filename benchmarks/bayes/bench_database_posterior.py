"""What the posterior over a database costs, and how far it can be trusted: a Markdown table.

    python benchmarks/bayes/bench_database_posterior.py DATABASE [--queries 12] [--repeats 5] [--threads 1]

Queries are tumors of the database itself, moved by a few voxels so that no tumor fits exactly, spread over its numbers.
Per row: the exponent at which ten tumors carry the weight (adapted), effective tumors at exponent 1, the truncation
error, and the wall time of a posterior, search included, with the index open and read before (median over repeats and
its spread). A second table varies the number of tumors read, a third adds FET-PET of the moved tumor (b = 0.8,
σ = 0.1): times with and without it are taken in turns.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from gliofield.anatomy import Anatomy, load_atlas
from gliofield.bayes import (
    BoxPrior,
    DatabasePosterior,
    DatabasePosteriorSettings,
    database_posterior,
    surrogate_paper_prior,
)
from gliofield.database import SimulationDatabase
from gliofield.imaging import Observation
from gliofield.retrieval import BlockIndex
from gliofield.volume import Volume

SHIFT_VOXELS = (2, -1, 1)
NUMBERS_READ = (96, 192, 384, 768)
PET_SCALE, PET_NOISE_STD = 0.8, 0.1


def moved_tumor(database: SimulationDatabase, tumor: int, anatomy: Anatomy) -> Observation:
    """Masks of a tumor of the database, moved and cut to the tissue."""
    levels = np.roll(database.density_levels(tumor), SHIFT_VOXELS, axis=(0, 1, 2))
    limits = database.header.threshold_levels
    return Observation(
        tumor_core=(levels > limits["t1gd"]) & anatomy.domain,
        whole_tumor=(levels > limits["flair"]) & anatomy.domain,
        grid=database.header.grid,
    )


def with_pet(observation: Observation, database: SimulationDatabase, tumor: int) -> Observation:
    """The same and noisy uptake of the moved tumor."""
    density = np.roll(database.cell_density(tumor), SHIFT_VOXELS, axis=(0, 1, 2))
    noise = PET_NOISE_STD * np.random.default_rng(tumor).normal(size=density.shape)
    pet = np.clip(PET_SCALE * density + noise, 0.0, 1.0).astype(np.float32)
    return replace(observation, pet=Volume(pet, observation.grid))


def timed(
    index: BlockIndex,
    observation: Observation,
    anatomy: Anatomy,
    prior: BoxPrior,
    settings: DatabasePosteriorSettings,
    repeats: int,
) -> tuple[DatabasePosterior, list[float]]:
    """The last posterior and all wall times [s]."""
    seconds = []
    for _ in range(repeats):
        begin_s = time.perf_counter()
        found = database_posterior(index, observation, anatomy, prior, settings=settings)
        seconds.append(time.perf_counter() - begin_s)
    return found, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database")
    parser.add_argument("--queries", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--index-folder", default=None, help="where the exact index is kept")
    arguments = parser.parse_args()
    database = SimulationDatabase.open(arguments.database)
    anatomy = load_atlas(database.header.atlas_name).anatomy(
        database.header.grid, domain_rule=database.header.domain_rule
    )
    prior = surrogate_paper_prior(anatomy, has_pet=False)
    index = BlockIndex.open(database, num_threads=arguments.threads, folder=arguments.index_folder)
    tumors = np.linspace(0, database.num_tumors - 1, arguments.queries).astype(int)
    observations = [moved_tumor(database, int(tumor), anatomy) for tumor in tumors]
    shared = {"max_truncation_error": 1.0, "num_threads": arguments.threads}
    adapted = DatabasePosteriorSettings(tempering_exponent=None, **shared)
    plain = DatabasePosteriorSettings(min_effective_tumors=1.0, **shared)
    database_posterior(index, observations[0], anatomy, prior, settings=adapted)  # reads the index from disk

    print(f"{database.num_tumors:,} tumors, design {database.header.design['name']}, {arguments.threads} thread(s)\n")
    print("| tumor | effective at exponent 1 | exponent for 10 | weight | truncation error | seconds |")
    print("|---|---|---|---|---|---|")
    for tumor, observation in zip(tumors, observations, strict=True):
        strict = database_posterior(index, observation, anatomy, prior, settings=plain)
        found, seconds = timed(index, observation, anatomy, prior, adapted, arguments.repeats)
        print(
            f"| {tumor} | {strict.effective_sample_size:.1f} | {found.tempering_exponent:.2g} | {found.weight:.2g} "
            f"| {found.truncation_error:.2g} | {np.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f}) |",
            flush=True,
        )
    print("\n| tumors read | seconds (median over queries) | truncation error (median) | summed std [ml] |")
    print("|---|---|---|---|")
    for number in NUMBERS_READ:
        settings = DatabasePosteriorSettings(tempering_exponent=None, num_tumors=number, **shared)
        rows = [timed(index, each, anatomy, prior, settings, 1) for each in observations]
        spread = [float(found.std.data.sum()) * anatomy.grid.voxel_volume_ml for found, _ in rows]
        print(
            f"| {number} | {np.median([seconds[0] for _, seconds in rows]):.2f} "
            f"| {np.median([found.truncation_error for found, _ in rows]):.2g} | {np.median(spread):.2f} |",
            flush=True,
        )
    print("\n| tumor | exponent without PET | with | truncation error | with | seconds | with |")
    print("|---|---|---|---|---|---|---|")
    prior_with_pet = surrogate_paper_prior(anatomy, has_pet=True)
    for tumor, observation in zip(tumors, observations, strict=True):
        seen = with_pet(observation, database, int(tumor))
        runs = [
            (
                timed(index, observation, anatomy, prior, adapted, 1),
                timed(index, seen, anatomy, prior_with_pet, adapted, 1),
            )
            for _ in range(arguments.repeats)
        ]
        (plain_found, _), (pet_found, _) = runs[-1]
        seconds = [float(np.median([run[which][1][0] for run in runs])) for which in (0, 1)]
        print(
            f"| {tumor} | {plain_found.tempering_exponent:.2g} | {pet_found.tempering_exponent:.2g} "
            f"| {plain_found.truncation_error:.2g} | {pet_found.truncation_error:.2g} "
            f"| {seconds[0]:.2f} | {seconds[1]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
