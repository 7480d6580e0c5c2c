"""Tumors that no database holds, to measure how well databases match them: real patients and three kinds of synthetic.

A set is made once and used for every database that is compared, so it must not favor one: a third of the synthetic
tumors comes from the design ``clinical``, a third from ``papers``, both with root seeds of their own, and a third are
virtual patients, grown in another brain with parameters of neither design (`PriorDesign`) and brought to the atlas by a
registration, as real patients are. All of them go through the rejection of a database build.

Masks on the atlas' simulation grid, packed into bits, are all that is kept: some 10 kB per tumor in a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.atlas import DEFAULT_SPACING_MM, Atlas
from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database import Design, LocalWorkers, SimulationDatabase, TumorDraw, build_database, named_design
from gliofield.database.design import AttemptRng
from gliofield.database.schema import describe_settings
from gliofield.database.workforce import Workforce
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov
from gliofield.imaging import Observation
from gliofield.leftovers import scratch_folder
from gliofield.output import atomic_file
from gliofield.pipeline.case import CaseFiles, read_case
from gliofield.pipeline.run import observe_in_atlas, register_case
from gliofield.pipeline.settings import PersonalizationSettings
from gliofield.progress import Reporter, ignore_progress
from gliofield.registration import RegistrationResult, register
from gliofield.volume import Volume
from gliofield_papers.indexes.full_scan import PackedQueries
from gliofield_papers.queries.prior_design import PriorDesign

#: Groups of queries, beside those named after the design they were drawn from.
REAL_GROUP, VIRTUAL_GROUP = "real", "virtual"
DEFAULT_NUM_QUERIES = 200
#: Far from the root seeds databases are built with, 0 and up.
DEFAULT_SEED = 10_000
_DESIGN_NAMES = ("clinical", "papers")
_REGISTRATION = "fast"
_ONE_PROCESS = LocalWorkers(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchingQueries:
    """Queries with names and groups.

    Parameters
    ----------
    names : tuple of str
        One per query.
    groups : tuple of str
        ``real``, ``virtual``, or the name of the design a query was drawn from.
    packed : PackedQueries
        Their masks.
    settings : mapping of str to values
        What they were made of, ready for JSON.

    Raises
    ------
    ParameterError
        If there are not as many names and groups as queries.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    packed: PackedQueries
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.groups) == len(self.packed):
            raise ParameterError(
                f"MatchingQueries: expected a name and a group per query, got {len(self.names)} names and "
                f"{len(self.groups)} groups for {len(self.packed)} queries."
            )

    @classmethod
    def joined(cls, sets: Sequence[MatchingQueries]) -> MatchingQueries:
        """All queries of several sets, in order; errors as `PackedQueries.joined`."""
        return cls(
            names=tuple(name for part in sets for name in part.names),
            groups=tuple(group for part in sets for group in part.groups),
            packed=PackedQueries.joined([part.packed for part in sets]),
            settings={key: value for part in sets for key, value in part.settings.items()},
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> MatchingQueries:
        """Queries written by `write`.

        Raises
        ------
        ParameterError
            If there is no such file, or it holds something else.
        """
        try:
            with np.load(path) as stored:
                description = json.loads(str(stored["description"]))
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ParameterError(f"{path} cannot be read as queries with names ({error}). Make them again.") from error
        return cls(
            names=tuple(description["names"]),
            groups=tuple(description["groups"]),
            packed=PackedQueries.read(path),
            settings=description["settings"],
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write names, groups, masks and settings as a compressed ``.npz``.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        description = {"names": self.names, "groups": self.groups, "settings": dict(self.settings)}
        with atomic_file(Path(path)) as partial, open(partial, "wb") as handle:
            arrays: dict[str, Any] = self.packed.arrays()
            np.savez_compressed(handle, description=np.array(json.dumps(description)), **arrays)


def held_out_queries(
    atlas: Atlas,
    other_atlas: Atlas,
    *,
    num_queries: int = DEFAULT_NUM_QUERIES,
    seed: int = DEFAULT_SEED,
    spacing_mm: float = DEFAULT_SPACING_MM,
    designs: Sequence[Design] | None = None,
    registration: str = _REGISTRATION,
    workers: Workforce = _ONE_PROCESS,
    report: Reporter = ignore_progress,
) -> MatchingQueries:
    """Synthetic queries: of each design and of virtual patients in another brain, in equal parts.

    Parameters
    ----------
    atlas : Atlas
        Atlas of the databases.
    other_atlas : Atlas
        Brain of the virtual patients, normally ``mni152``. Its T1 is registered to the atlas once, deterministically,
        and all masks are moved by that one transform. Their sizes are those of patients in that brain; in the atlas
        they change as the brain does.
    num_queries : int
        Number of tumors, at least one of each kind; where it cannot be divided, the first kinds get one more.
    seed : int
        Root seed of the first kind; those of the others are the numbers after it. No database may have any of them.
    spacing_mm : float
        Spacing of the simulation grids [mm].
    designs : sequence of Design, optional
        Default: ``clinical`` and ``papers`` with their default settings, drawn independently. One snapshot per run is
        best: snapshots of one run are like each other.
    registration : str
        Preset of the registration.
    workers : Workforce
        Who grows the tumors.
    report : Reporter
        Told about builds and registration.

    Raises
    ------
    ParameterError
        If there are fewer queries than kinds, or a setting is out of range.
    RegistrationError
        If the other brain cannot be registered to the atlas.
    """
    drawn_from = [IndependentDraws(named_design(name)) for name in _DESIGN_NAMES] if designs is None else list(designs)
    counts = _equal_parts(num_queries, len(drawn_from) + 1)
    growth = _Growth(onto=atlas.simulation_grid(spacing_mm=spacing_mm), workers=workers, report=report)
    parts = [
        growth.queries(design, design.name, atlas, count, seed + number)
        for number, (design, count) in enumerate(zip(drawn_from, counts, strict=False))
    ]
    moved = register(
        patient_image=other_atlas.t1,
        atlas_image=atlas.t1,
        patient_brain=Volume(other_atlas.tissue_maps.brain, other_atlas.grid),
        preset=registration,
        deterministic=True,
        report=report,
    )
    virtual = growth.queries(PriorDesign(), VIRTUAL_GROUP, other_atlas, counts[-1], seed + len(drawn_from), moved)
    return MatchingQueries.joined([*parts, virtual])


def patient_queries(
    atlas: Atlas,
    files: Mapping[str, CaseFiles],
    *,
    spacing_mm: float = DEFAULT_SPACING_MM,
    settings: PersonalizationSettings | None = None,
    report: Reporter = ignore_progress,
) -> MatchingQueries:
    """Queries of real patients, as `personalize` would ask them.

    Parameters
    ----------
    atlas : Atlas
        Atlas of the databases.
    files : mapping of str to CaseFiles
        Files of each patient by name.
    spacing_mm : float
        Spacing of the simulation grid [mm].
    settings : PersonalizationSettings, optional
        Registration; default: the default preset, deterministic.
    report : Reporter
        Told about the registrations.

    Raises
    ------
    ParameterError
        If there is no patient.
    ImageError
        If a patient's files cannot be used.
    RegistrationError
        If a patient cannot be registered, or nothing of the tumor is left in the atlas.
    """
    if not files:
        raise ParameterError("files is empty: expected at least one patient.")
    chosen = PersonalizationSettings(deterministic=True) if settings is None else settings
    grid = atlas.simulation_grid(spacing_mm=spacing_mm)
    parts = []
    for case_files in files.values():
        case = read_case(case_files)
        registration = register_case(case, atlas, chosen, report)
        observation = observe_in_atlas(case, atlas, registration.transform, chosen, grid=grid)
        parts.append(PackedQueries.pack([observation], grid))
    return MatchingQueries(
        names=tuple(files),
        groups=(REAL_GROUP,) * len(files),
        packed=PackedQueries.joined(parts),
        settings={REAL_GROUP: {"registration": chosen.registration, "deterministic": chosen.deterministic}},
    )


@dataclass(frozen=True)
class IndependentDraws:
    """A design whose tumors are drawn independently of each other.

    The tumors of a database may be points of a low-discrepancy sequence. Queries that are points of the same sequence
    would all lie as far from their nearest tumor as chance has it once.

    Parameters
    ----------
    design : Design
        What is drawn.
    """

    design: Design

    @property
    def name(self) -> str:
        """That of the design."""
        return self.design.name

    @property
    def snapshots_per_run(self) -> int:
        """Those of the design."""
        return self.design.snapshots_per_run

    @property
    def push_pa(self) -> tuple[float, float] | None:
        """That of the design."""
        return self.design.push_pa

    def draw(self, rng: AttemptRng, anatomy: Anatomy) -> TumorDraw:
        """A draw of the design, from independent numbers throughout."""
        return self.design.draw(rng.independent(), anatomy)

    def accepts(self, draw: TumorDraw, cell_density: NDArray[np.float32], grid: Grid) -> bool:
        """As the design."""
        return self.design.accepts(draw, cell_density, grid)


@dataclass(frozen=True, kw_only=True)
class _Growth:
    """What the kinds of synthetic tumors share."""

    onto: Grid
    workers: Workforce
    report: Reporter

    def queries(
        self,
        design: Design,
        group: str,
        brain: Atlas,
        num_tumors: int,
        seed: int,
        moved: RegistrationResult | None = None,
    ) -> MatchingQueries:
        """Tumors of a design grown in a brain, brought to the grid by a registration if it is another brain's."""
        grid = self.onto if moved is None else brain.simulation_grid(spacing_mm=self.onto.spacing_mm[0])
        with scratch_folder() as scratch:
            database = build_database(
                Path(scratch) / "database",
                num_tumors=num_tumors,
                design=design,
                atlas=brain,
                grid=grid,
                model=FisherKolmogorov(),
                seed=seed,
                workers=self.workers,
                report=self.report,
            )
            packed = [self._packed(database, index, moved) for index in range(num_tumors)]
        settings = {"design": describe_settings(design), "seed": seed, "atlas": brain.name}
        if moved is not None:
            settings["registration"] = moved.preset.name
        return MatchingQueries(
            names=tuple(f"{group}-{index}" for index in range(num_tumors)),
            groups=(group,) * num_tumors,
            packed=PackedQueries.joined(packed),
            settings={group: settings},
        )

    def _packed(self, database: SimulationDatabase, index: int, moved: RegistrationResult | None) -> PackedQueries:
        levels, at = database.density_levels(index), database.header.threshold_levels
        whole, core = levels > at["flair"], levels > at["t1gd"]
        if moved is not None:
            whole, core = (
                moved.transform.mask_to_atlas(
                    Volume(mask, database.header.grid), self.onto, moved.preset.mask_interpolation
                ).data
                for mask in (whole, core)
            )
        # Interpolation may leave a voxel of the core outside the whole tumor.
        return PackedQueries.pack([Observation(tumor_core=core & whole, whole_tumor=whole, grid=self.onto)], self.onto)


def _equal_parts(number: int, num_parts: int) -> list[int]:
    if number < num_parts:
        raise ParameterError(f"num_queries must be at least {num_parts}, one of each kind, got {number}.")
    return [number // num_parts + (part < number % num_parts) for part in range(num_parts)]
