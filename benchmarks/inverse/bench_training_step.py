"""What a step of training costs by memory format, and what a sample's loading costs: a Markdown table.

    python benchmarks/inverse/bench_training_step.py [--repeats 5]

One thread, batches of 16 random volumes for the inverse network and of 8 for the surrogate. "Channels last" is what
gliofield uses: the channels of a voxel lie beside each other. Repeats alternate between the formats; medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from gliofield.inverse.networks import make_network as make_inverse_network
from gliofield.inverse.observation import InputLayout
from gliofield_papers.surrogate.config import SurrogateNetworkSettings
from gliofield_papers.surrogate.network import make_network as make_surrogate_network

FORMATS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last_3d}
BOX = ((29, 100), (13, 105), (27, 97))


def step_of(network: torch.nn.Module, *inputs: torch.Tensor) -> Callable[[], None]:
    """One forward and one backward pass."""
    return lambda: network(*inputs).square().mean().backward()


def seconds(run: Callable[[], None]) -> float:
    """Processor seconds of a call."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    small = SurrogateNetworkSettings(crop_size=32, channels=16, num_halvings=2, block_length=2)
    steps: dict[str, dict[str, Callable[[], None]]] = {}
    for channels, pooling in ((16, 4), (24, 4), (16, 2)):
        shape = InputLayout(box=BOX, pooling=pooling).shape
        volumes = torch.rand((16, 1, *shape), generator=generator)
        steps[f"inverse, {channels} channels, {shape}"] = {
            name: step_of(make_inverse_network(channels, 5, seed=0).to(memory_format=layout), volumes)
            for name, layout in FORMATS.items()
        }
    tissues, growth = (torch.rand(shape, generator=generator) for shape in ((8, 3, 32, 32, 32), (8, 3)))
    steps["surrogate, 16 channels, (32, 32, 32)"] = {
        name: step_of(make_surrogate_network(small, seed=0).to(memory_format=layout), tissues, growth)
        for name, layout in FORMATS.items()
    }
    print("| network | " + " | ".join(f"{name} [s]" for name in FORMATS) + " | ratio |\n|---|---|---|---|")
    for label, by_format in steps.items():
        taken = [[seconds(by_format[name]) for name in FORMATS] for _ in range(repeats)]
        first, last = np.median(taken, axis=0)
        print(f"| {label} | {first:.3f} | {last:.3f} | {last / first:.2f} |", flush=True)

    rng = np.random.default_rng(0)
    whole = rng.random((128, 128, 128)) < 0.1
    core = whole & (rng.random(whole.shape) < 0.5)
    print("\n| voxels averaged per axis | loading of a sample [ms] |\n|---|---|")
    for pooling in (1, 2, 4):
        layout = InputLayout(box=BOX, pooling=pooling)
        taken_ms = [1e3 * seconds(lambda layout=layout: layout.volume(core, whole)) for _ in range(20)]  # type: ignore[misc]
        print(f"| {pooling} | {np.median(taken_ms):.2f} |")


if __name__ == "__main__":
    main()
