"""What fewer coupling steps do to the tumors of a database with mass effect: Dice against the default, and time.

    python benchmarks/database/bench_coupling_steps.py [--number 8] [--steps 16 8 6] [--spacing-mm 2.5] [--seed 0]

Grows the first draws of the design `clinical` with every number of steps, the first of which is the reference, and
prints the Dice of whole tumor and core against it and the CPU time relative to it.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import load_atlas
from gliofield.database import named_design
from gliofield.database.design import AttemptRng
from gliofield.errors import NumericalError
from gliofield.growth import MassEffect
from gliofield.metrics.overlap import dice
from gliofield.report.tables import markdown_table, number


def main() -> None:
    """Grow, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=8)
    parser.add_argument("--steps", type=int, nargs="+", default=[16, 8, 6])
    parser.add_argument("--spacing-mm", type=float, default=2.5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    atlas = load_atlas("sri24")
    anatomy = atlas.anatomy(atlas.simulation_grid(spacing_mm=arguments.spacing_mm))
    design = named_design("clinical", mass_effect=True)
    figures: dict[int, list[tuple[float, float, float]]] = {steps: [] for steps in arguments.steps}
    run = 0
    while len(figures[arguments.steps[0]]) < arguments.number:
        draw = design.draw(AttemptRng(arguments.seed, run, 0), anatomy)
        run += 1
        densities: list[NDArray[np.float32]] = []
        seconds: list[float] = []
        for steps in arguments.steps:
            begin = time.process_time()
            try:
                solution = MassEffect(num_coupling_steps=steps).simulate(
                    anatomy, draw.parameters, draw.times_days, volume_limit=draw.volume_limit
                )
            except NumericalError:
                break
            if solution.stopped_at_days is not None:
                break
            seconds.append(time.process_time() - begin)
            densities.append(solution.cell_density[-1])
        if len(densities) < len(arguments.steps):
            continue  # a draw that no database would keep
        for steps, density, used in zip(arguments.steps, densities, seconds, strict=True):
            whole, core = (
                dice(density > np.float32(u), densities[0] > np.float32(u), if_both_empty=1.0) for u in (0.2, 0.6)
            )
            figures[steps].append((whole, core, used / seconds[0]))
    rows = []
    for steps, values in figures.items():
        whole_dice, core_dice, times = np.array(values).T
        rows.append(
            [
                str(steps),
                f"{number(np.median(whole_dice), '.4f')} (least {number(whole_dice.min(), '.4f')})",
                f"{number(np.median(core_dice), '.4f')} (least {number(core_dice.min(), '.4f')})",
                number(np.median(times), ".2f"),
            ]
        )
    print(f"{arguments.number} tumors, {anatomy.grid.describe()}\n")
    print(markdown_table(["coupling steps", "Dice whole tumor", "Dice core", "CPU time"], rows))


if __name__ == "__main__":
    main()
