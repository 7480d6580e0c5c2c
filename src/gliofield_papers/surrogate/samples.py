"""Tumors that a surrogate learns from: simulated by the solver, cut out around their seeds, kept on disk.

Sample i of a part depends on (seed, part, i), the anatomies, the ranges and the model alone. Tumors are stored in files
of some dozens each (float16), so an interrupted simulation goes on where it was, and one folder serves training sets of
several sizes; tissues are cut out of the anatomies when they are needed. On which backend a tumor grew does not count:
those of the processor and of a GPU differ by rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.cores import require_threads
from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, Solution, simulate_many
from gliofield.growth.many import PROCESSOR
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.records import to_record
from gliofield_papers.surrogate.anatomies import crop_around, tissue_channels
from gliofield_papers.surrogate.config import ParameterRanges
from gliofield_papers.surrogate.guess import guess_logits
from gliofield_papers.surrogate.sample_files import completed_file, require_own_folder
from gliofield_training import ProcessGroup

#: Parts of the samples, by the number in their random keys.
SAMPLE_PARTS = ("training", "validation", "test")
SAMPLES_PER_FILE = 64


@dataclass(frozen=True, kw_only=True)
class SampleDraw:
    """One sample: its anatomy's number, growth parameters, time [days] and the voxel it is cut out around."""

    anatomy: int
    parameters: FisherKolmogorovParameters
    time_days: float
    center: tuple[int, int, int]


class SurrogateSamples:
    """Simulated tumors and the tissues they grew in; made by `simulate_samples`.

    Parameters
    ----------
    anatomies : sequence of Anatomy
        Where they grew, by one rule of the domain; `SampleDraw.anatomy` counts them.
    draws : sequence of SampleDraw
        What was simulated.
    files : sequence of (n, S, S, S) float16 arrays
        Tumors in the order of the draws, `SAMPLES_PER_FILE` each; what is beyond the draws is not read.
    ranges : ParameterRanges
        What was drawn from.
    identity : dict
        JSON values: everything the samples depend on.
    """

    def __init__(
        self,
        anatomies: Sequence[Anatomy],
        draws: Sequence[SampleDraw],
        files: Sequence[NDArray[np.float16]],
        ranges: ParameterRanges,
        identity: dict[str, Any],
    ) -> None:
        self.anatomies = tuple(anatomies)
        self.draws = tuple(draws)
        self.ranges = ranges
        self.identity = identity
        self.crop_size = int(files[0].shape[-1])
        self.spacing_mm = anatomies[0].spacing_mm
        self.domain_rule = anatomies[0].domain_rule
        self._files = tuple(files)
        self._tissues = [tissue_channels(anatomy) for anatomy in anatomies]

    def __len__(self) -> int:
        return len(self.draws)

    def tissues(self, sample: int) -> NDArray[np.float32]:
        """White matter, gray matter and CSF around a seed, (3, S, S, S)."""
        draw = self.draws[sample]
        return crop_around(self._tissues[draw.anatomy], draw.center, self.crop_size)

    def guess(self, sample: int) -> NDArray[np.float32]:
        """Log-odds of the physical guess around a seed, (S, S, S)."""
        draw = self.draws[sample]
        return guess_logits(
            self.tissues(sample),
            seed_offset(self.anatomies[draw.anatomy], draw.parameters.seed_mm),
            self.growth(sample)[np.newaxis],
            spacing_mm=self.spacing_mm,
            diffusivity_ratio=self.ranges.diffusivity_ratio,
        )[0]

    def tumor(self, sample: int) -> NDArray[np.float32]:
        """Cell density around a seed, (S, S, S)."""
        file, row = divmod(sample, SAMPLES_PER_FILE)
        return self._files[file][row].astype(np.float32)

    def growth(self, sample: int) -> NDArray[np.float64]:
        """D_w [mm²/day], ρ [1/day] and T [days] of a sample, (3,)."""
        draw = self.draws[sample]
        parameters = draw.parameters
        return np.array(
            [parameters.white_matter_diffusivity_mm2_per_day, parameters.proliferation_rate_per_day, draw.time_days]
        )


def simulate_samples(
    folder: Path,
    anatomies: Sequence[Anatomy],
    ranges: ParameterRanges,
    *,
    number: int,
    part: str,
    crop_size: int,
    seed: int = 0,
    model: FisherKolmogorov | None = None,
    device: str = PROCESSOR,
    num_threads: int | None = None,
    processes: ProcessGroup | None = None,
    report: Reporter = ignore_progress,
) -> SurrogateSamples:
    """Samples of a part, simulated where they are not on disk already.

    Calls at the same time may share a folder and ask for different numbers; some tumors are then simulated twice.

    Parameters
    ----------
    folder : Path
        Where the tumors go; made if missing. Stored ones beyond `number` stay.
    anatomies : sequence of Anatomy
        Where they grow, on grids of one spacing, by one rule of the domain.
    ranges : ParameterRanges
        Growth parameters.
    number : int
        How many, ≥ 1.
    part : str
        One of `SAMPLE_PARTS`; gives other samples for the same seed.
    crop_size : int
        Voxels per axis of each cube.
    seed : int
        Root of the random numbers, ≥ 0.
    model : FisherKolmogorov or None
        The solver. None: the default.
    device : str
        Where it computes: ``cpu``, or a device of `simulate_many`, which grows the tumors of an anatomy in batches.
    num_threads : int or None
        Threads that simulate; None: all cores.
    processes : ProcessGroup or None
        Processes that want the same samples in the same folder: each begins with a share of its own.
    report : Reporter
        Receives the number of files looked after.

    Raises
    ------
    ParameterError
        If there are no anatomies, their spacings or rules differ, one does not know its CSF, or a number is out of
        range.
    OutputError
        If the folder holds other samples, cannot be written, or a file in it is damaged.
    """
    if number < 1 or seed < 0 or part not in SAMPLE_PARTS:
        raise ParameterError(
            f"expected number at least 1, seed not negative and part one of {', '.join(SAMPLE_PARTS)}, got {number}, "
            f"{seed} and {part!r}."
        )
    _require_anatomies(anatomies)
    solver = FisherKolmogorov() if model is None else model
    draws = [drawn_sample(anatomies, ranges, index, part=part, seed=seed) for index in range(number)]
    settings = {"ranges": to_record(ranges), "part": part, "crop_size": crop_size, "seed": seed}
    identity = {**settings, **_identity(anatomies, solver)}
    require_own_folder(folder, identity)
    threads = require_threads(num_threads)
    grown = partial(_grown, anatomies, crop_size=crop_size, solver=solver, device=device, num_threads=threads)
    files: dict[int, NDArray[np.float16]] = {}
    blocks = [draws[start : start + SAMPLES_PER_FILE] for start in range(0, number, SAMPLES_PER_FILE)]
    for index in _order_files(len(blocks), processes):
        name, block = f"tumors-{index:06d}.npy", blocks[index]
        files[index] = completed_file(folder / name, len(block), crop_size=crop_size, grown=partial(grown, block))
        task = f"simulate files of {SAMPLES_PER_FILE}, {part}"
        report(ProgressEvent(task=task, completed=len(files), total=len(blocks)))
    in_order = [files[index] for index in range(len(blocks))]
    return SurrogateSamples(anatomies, draws, in_order, ranges, {**identity, "number": number})


def _order_files(num_files: int, processes: ProcessGroup | None) -> Sequence[int]:
    """All files, from the share of this process on, so that processes meet as late as they can."""
    first = 0 if processes is None else num_files * processes.rank // processes.num_processes
    return (*range(first, num_files), *range(first))


def drawn_sample(
    anatomies: Sequence[Anatomy], ranges: ParameterRanges, index: int, *, part: str, seed: int
) -> SampleDraw:
    """What sample `index` of a part simulates: all uniform, the seed over the tissue of its anatomy."""
    key = (SAMPLE_PARTS.index(part), index)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    number = int(rng.integers(len(anatomies)))
    diffusivity, rate = (float(rng.uniform(low, high)) for low, high in list(ranges.by_name().values())[:2])
    time_days = ranges.growth_time_days[0] + ranges.time_step_days * float(rng.integers(ranges.num_times))
    anatomy = anatomies[number]
    tissue = np.flatnonzero(anatomy.domain)
    voxel = np.array(np.unravel_index(tissue[rng.integers(len(tissue))], anatomy.grid.shape))
    x_mm, y_mm, z_mm = (float(mm) for mm in anatomy.grid.world_of(voxel + rng.random(3) - 0.5))
    return SampleDraw(
        anatomy=number,
        parameters=FisherKolmogorovParameters(
            white_matter_diffusivity_mm2_per_day=diffusivity,
            proliferation_rate_per_day=rate,
            seed_mm=(x_mm, y_mm, z_mm),
            diffusivity_ratio=ranges.diffusivity_ratio,
        ),
        time_days=time_days,
        center=center_voxel(anatomy, (x_mm, y_mm, z_mm)),
    )


def center_voxel(anatomy: Anatomy, seed_mm: Sequence[float]) -> tuple[int, int, int]:
    """The voxel nearest to a seed, around which everything is cut out."""
    x, y, z = (int(index) for index in np.rint(anatomy.grid.voxel_of(seed_mm)))
    return x, y, z


def seed_offset(anatomy: Anatomy, seed_mm: Sequence[float]) -> NDArray[np.float64]:
    """From the center of a seed's voxel to the seed [voxel], (3,)."""
    return np.asarray(anatomy.grid.voxel_of(seed_mm), dtype=np.float64) - center_voxel(anatomy, seed_mm)


def _grown(
    anatomies: Sequence[Anatomy],
    block: Sequence[SampleDraw],
    first: int,
    *,
    crop_size: int,
    solver: FisherKolmogorov,
    device: str,
    num_threads: int,
) -> NDArray[np.float16]:
    """Tumors of a block of draws from the first that is missing on, (n, S, S, S)."""
    draws = block[first:]
    tumors = np.empty((len(draws), *(crop_size,) * 3), dtype=np.float16)
    if device != PROCESSOR:
        for row, density in _grown_on_device(anatomies, draws, solver, device):
            tumors[row] = crop_around(density, draws[row].center, crop_size)
        return tumors

    def grown(draw: SampleDraw) -> NDArray[np.float32]:
        solution = solver.simulate(anatomies[draw.anatomy], draw.parameters, (draw.time_days,))
        return crop_around(solution.cell_density[0], draw.center, crop_size)

    with ThreadPoolExecutor(num_threads) as executor:
        for row, cropped in enumerate(executor.map(grown, draws)):
            tumors[row] = cropped
    return tumors


def _grown_on_device(
    anatomies: Sequence[Anatomy], draws: Sequence[SampleDraw], solver: FisherKolmogorov, device: str
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for number in sorted({draw.anatomy for draw in draws}):
        rows = [row for row, draw in enumerate(draws) if draw.anatomy == number]
        tumors = [(draws[row].parameters, draws[row].time_days) for row in rows]
        solutions = simulate_many(solver, anatomies[number], tumors, device=device)
        for row, solution in zip(rows, solutions, strict=True):
            assert isinstance(solution, Solution)  # without mass effect there is always one
            yield row, solution.cell_density[0]


def _identity(anatomies: Sequence[Anatomy], solver: FisherKolmogorov) -> dict[str, Any]:
    return {
        "anatomies": [anatomy.content_hash for anatomy in anatomies],
        "scheme": solver.scheme,
        "time_step_scale": solver.time_step_scale,
    }


def _require_anatomies(anatomies: Sequence[Anatomy]) -> None:
    if not anatomies:
        raise ParameterError("there are no anatomies: expected at least 1.")
    spacings = [anatomy.spacing_mm for anatomy in anatomies]
    if max(spacings) > 1.001 * min(spacings):
        raise ParameterError(
            f"anatomies must lie on grids of one spacing, got {min(spacings):g} to {max(spacings):g} mm. Resample them."
        )
    rules = sorted({anatomy.domain_rule for anatomy in anatomies})
    if len(rules) > 1:
        raise ParameterError(
            f"anatomies must have domains of one rule, got {', '.join(rules)}: what counts as CSF depends on it."
        )
    for anatomy in anatomies:
        tissue_channels(anatomy)
