"""Seconds per tumor of a surrogate and of the solver, on the same tumors of the same machine.

    python benchmarks/surrogate/bench_surrogate_speed.py [--settings small papers] [--tumors 5] [--device cpu]

What a network takes does not depend on its weights, so it need not be trained for this. The solver computes the whole
grid on one thread; the network computes the cube around the seed, one tumor at a time, with --threads threads. Tumors
are drawn from the surrogate paper's ranges in the moved brain of the atlas.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from gliomap.anatomy import Anatomy, load_atlas
from gliomap.growth import FisherKolmogorov
from gliomap.surrogate import SurrogateSettings, patient_like_anatomy
from gliomap.surrogate.anatomies import crop_around, tissue_channels
from gliomap.surrogate.network import SurrogateNetwork, make_network
from gliomap.surrogate.samples import drawn_sample

# The small setting works on a coarser grid, so that its cube covers as much.
SPACING_MM = {"small": 3.75, "papers": 1.875}


def seconds_of(work: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _density(network: SurrogateNetwork, tissues: torch.Tensor, growth: torch.Tensor) -> torch.Tensor:
    return network(tissues, growth).cpu()


def measured(
    settings: SurrogateSettings, anatomy: Anatomy, num_tumors: int, device: str
) -> tuple[list[float], list[float]]:
    """Seconds of the network and of the solver for each tumor, in turn, after a first pair that warms up."""
    network = make_network(settings.network, seed=0).to(device).eval()
    channels, solver = tissue_channels(anatomy), FisherKolmogorov()
    growth = torch.zeros(1, 3, device=device)
    by_network, by_solver = [], []
    for index in [0, *range(num_tumors)]:
        draw = drawn_sample([anatomy], settings.ranges, index, part="test", seed=0)
        cube = crop_around(channels, draw.center, settings.network.crop_size)[np.newaxis]
        tissues = torch.from_numpy(cube).to(device)
        with torch.inference_mode():
            by_network.append(seconds_of(partial(_density, network, tissues, growth)))
        by_solver.append(seconds_of(partial(solver.simulate, anatomy, draw.parameters, (draw.time_days,))))
    return by_network[1:], by_solver[1:]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", nargs="+", default=["small", "papers"], choices=["small", "papers"])
    parser.add_argument("--tumors", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--atlas", default="sri24")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    atlas = load_atlas(arguments.atlas)
    print(f"network on {arguments.device} with {arguments.threads} threads, solver on one thread of the processor")
    print("| setting | spacing [mm] | cube | network [s] (min-max) | solver [s] (min-max) | network / solver |")
    print("|---|---|---|---|---|---|")
    for name in arguments.settings:
        settings = SurrogateSettings.small() if name == "small" else SurrogateSettings.papers()
        anatomy = patient_like_anatomy(atlas, 0, grid=atlas.simulation_grid(spacing_mm=SPACING_MM[name]))
        both = measured(settings, anatomy, arguments.tumors, arguments.device)
        cells = [f"{np.median(s):.3f} ({min(s):.3f}-{max(s):.3f})" for s in both]
        ratio = np.median(both[0]) / np.median(both[1])
        cube = f"{settings.network.crop_size}³"
        print(f"| {name} | {SPACING_MM[name]:g} | {cube} | {cells[0]} | {cells[1]} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
