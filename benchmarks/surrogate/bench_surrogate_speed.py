"""Seconds per tumor of a surrogate and of the solver, on the same tumors of the same machine.

    python benchmarks/surrogate/bench_surrogate_speed.py [--settings small] [--repeats 10] [--threads 1] [--device cpu]

What a network takes does not depend on its weights, so it is not trained for this. Each repeat draws eight tumors from
the surrogate paper's ranges, in the moved brain of the atlas. The growth model grows the first of them, cutting out and
pasting included; its network answers all eight at once; the solver grows the eight one after another, on the whole
grid, with as many threads. Medians over repeats, after a first one that warms up. The paper's setting, 64³ voxels and
128 filters, takes 10¹² multiplications per tumor: it is for a GPU.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from gliofield.anatomy import Anatomy, load_atlas
from gliofield.growth import FisherKolmogorov
from gliofield.learning import TrainingHistory
from gliofield_papers.forward.seconds import TIMED_BATCH
from gliofield_papers.measuring import timed
from gliofield_papers.surrogate import (
    LearnedFisherKolmogorov,
    SurrogateHeader,
    SurrogateSettings,
    patient_like_anatomy,
)
from gliofield_papers.surrogate.anatomies import crop_around, tissue_channels
from gliofield_papers.surrogate.checkpoint import CHECKPOINT_KIND
from gliofield_papers.surrogate.network import make_network
from gliofield_papers.surrogate.samples import SampleDraw, drawn_sample
from gliofield_training import write_checkpoint

# The small setting works on a coarser grid, so that its cube covers as much.
SPACING_MM = {"small": 3.75, "papers": 1.875}
COLUMNS = ("single", "batched", "solver")


def untrained_surrogate(settings: SurrogateSettings, spacing_mm: float, device: str) -> LearnedFisherKolmogorov:
    """The growth model of a network with its first weights."""
    header = SurrogateHeader(
        settings=settings,
        spacing_mm=spacing_mm,
        trained_on={"anatomies": []},
        validated_on={"anatomies": []},
        history=TrainingHistory(epochs=(), best_epoch=0, is_stopped_early=False),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "untrained.safetensors"
        tensors = make_network(settings.network, seed=0).state_dict()
        write_checkpoint(path, kind=CHECKPOINT_KIND, header=header.to_dict(), tensors=tensors)
        return LearnedFisherKolmogorov(checkpoint=str(path), device=device)


def _grow_all(solver: FisherKolmogorov, anatomy: Anatomy, draws: Sequence[SampleDraw]) -> None:
    for draw in draws:
        solver.simulate(anatomy, draw.parameters, (draw.time_days,))


def measured(settings: SurrogateSettings, anatomy: Anatomy, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds per tumor of every repeat, by column."""
    model = untrained_surrogate(settings, anatomy.spacing_mm, arguments.device)
    solver = FisherKolmogorov(num_threads=arguments.threads)
    channels, growth = tissue_channels(anatomy), np.zeros((TIMED_BATCH, 3))
    rows = []
    for repeat in range(1 + arguments.repeats):
        draws = [
            drawn_sample([anatomy], settings.ranges, repeat * TIMED_BATCH + number, part="test", seed=0)
            for number in range(TIMED_BATCH)
        ]
        cubes = np.stack([crop_around(channels, draw.center, settings.network.crop_size) for draw in draws])
        first = draws[0]
        single_s = timed(partial(model.simulate, anatomy, first.parameters, (first.time_days,)))[0]
        batched_s = timed(partial(model.predict_cubes, cubes, growth))[0] / TIMED_BATCH
        solver_s = timed(partial(_grow_all, solver, anatomy, draws))[0] / TIMED_BATCH
        rows.append((single_s, batched_s, solver_s))
    return {name: list(values) for name, values in zip(COLUMNS, zip(*rows[1:], strict=True), strict=True)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", nargs="+", default=["small"], choices=list(SPACING_MM))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--atlas", default="sri24")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    atlas = load_atlas(arguments.atlas)
    threads = f"{arguments.threads} thread" + ("s" if arguments.threads > 1 else "")
    print(f"network on {arguments.device}, solver on the processor; {threads}; {arguments.repeats} repeats")
    print(
        "| setting | spacing [mm] | cube | single [s] (min-max) | batched [s] (min-max) | solver [s] (min-max) | "
        "single / solver | batched / solver |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in arguments.settings:
        settings = SurrogateSettings.small() if name == "small" else SurrogateSettings.papers()
        anatomy = patient_like_anatomy(atlas, 0, grid=atlas.simulation_grid(spacing_mm=SPACING_MM[name]))
        seconds = measured(settings, anatomy, arguments)
        cells = [f"{np.median(s):.4f} ({min(s):.4f}-{max(s):.4f})" for s in seconds.values()]
        single, batched, solver = (float(np.median(seconds[column])) for column in COLUMNS)
        cube = f"{settings.network.crop_size}³"
        print(
            f"| {name} | {SPACING_MM[name]:g} | {cube} | {' | '.join(cells)} | {single / solver:.1f} | "
            f"{batched / solver:.1f} |"
        )


if __name__ == "__main__":
    main()
