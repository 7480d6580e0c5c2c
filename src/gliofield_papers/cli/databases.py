"""``gliofield papers matching`` and ``gliofield papers coverage``: what the design of a database buys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.outputs import require_output_file, write_tables

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.database import SimulationDatabase
    from gliofield.progress import Reporter
    from gliofield_papers.databases.patient_volumes import PatientTumor
    from gliofield_papers.queries.matching_queries import MatchingQueries

_Databases = Annotated[list[Path], typer.Argument(metavar="DB...", help="Folders of simulation databases.")]
_Names = Annotated[
    list[str] | None, typer.Option("--name", help="Name of a database in tables, in their order; default: its design.")
]


def evaluate_matching(
    console: Console,
    databases: _Databases,
    out: Annotated[
        Path, typer.Option(help="Folder to write: matching.md, matching.csv, matching.json and matching.png.")
    ],
    names: _Names = None,
    queries: Annotated[
        Path | None, typer.Option(help="Keep the synthetic queries in this file (.npz), or use those that are there.")
    ] = None,
    patients: options.Patients = None,
    synthetic: Annotated[int, typer.Option(min=3, help="Held-out synthetic tumors.")] = 200,
    sizes: Annotated[
        list[int] | None, typer.Option("--size", min=1, help="Number of tumors to match among; repeatable.")
    ] = None,
    other_atlas: Annotated[str, typer.Option(help="Brain of the virtual patients among the synthetic tumors.")] = (
        "mni152"
    ),
    atlas: options.DatabaseAtlas = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Root seed of the synthetic tumors; no database's.")] = None,
    force: options.Force = False,
    threads: options.Threads = None,
) -> None:
    """Match unseen tumors in databases: mean best Dice against the number of simulations.

    All databases are asked the same: patients, and held-out tumors of the designs clinical and papers and of another
    brain, a third each. It takes minutes to hours.
    """
    from gliofield_papers.databases.folder import MATCHING_MARKER, write_matching_folder

    _require_place(out, force=force, marker=MATCHING_MARKER)

    from gliofield.anatomy import load_atlas
    from gliofield.database import SimulationDatabase
    from gliofield_papers.databases.matching import DEFAULT_SIZES, match_database
    from gliofield_papers.databases.matching_tables import matching_record, matching_report

    opened = [SimulationDatabase.open(path) for path in databases]
    labels = _labels(opened, names)
    asked = _queries(
        load_atlas(atlas or opened[0].header.atlas_name, report=console.report),
        other_atlas,
        spacing_mm=opened[0].header.grid.spacing_mm[0],
        file=queries,
        patients=patients or [],
        number=synthetic,
        seed=seed,
        threads=threads,
        report=console.report,
    )
    curves = [
        match_database(label, database, asked, sizes=sizes or DEFAULT_SIZES, num_threads=threads, report=console.report)
        for label, database in zip(labels, opened, strict=True)
    ]
    write_matching_folder(curves, asked, out, force=force)
    content = {"folder": out, "queries": dict(asked.settings), **matching_record(curves)}
    console.result(content, lambda: matching_report(curves))


def _queries(
    atlas: Atlas,
    other_atlas: str,
    *,
    spacing_mm: float,
    file: Path | None,
    patients: list[Path],
    number: int,
    seed: int | None,
    threads: int | None,
    report: Reporter,
) -> MatchingQueries:
    """Patients, if there are any, and synthetic tumors, which are kept where they are wanted again."""
    from gliofield.anatomy import load_atlas
    from gliofield.cores import require_threads
    from gliofield.database import LocalWorkers
    from gliofield.pipeline import find_patients
    from gliofield_papers.queries.matching_queries import (
        DEFAULT_SEED,
        MatchingQueries,
        held_out_queries,
        patient_queries,
    )

    sets = []
    if patients:
        sets.append(patient_queries(atlas, find_patients(patients)[0], spacing_mm=spacing_mm, report=report))
    if file is not None and file.is_file():
        sets.append(MatchingQueries.read(file))
    else:
        drawn = held_out_queries(
            atlas,
            load_atlas(other_atlas, report=report),
            num_queries=number,
            spacing_mm=spacing_mm,
            seed=DEFAULT_SEED if seed is None else seed,
            workers=LocalWorkers(require_threads(threads)),
            report=report,
        )
        if file is not None:
            drawn.write(file)
        sets.append(drawn)
    return MatchingQueries.joined(sets)


def evaluate_coverage(
    console: Console,
    databases: _Databases,
    names: _Names = None,
    patients: Annotated[
        Path | None, typer.Option(help="Folder of patients with segmentations, at any depth; default: none.")
    ] = None,
    centers: Annotated[int, typer.Option(min=1, help="Tumors per database whose centers are measured.")] = 400,
    out: options.Tables = None,
    figure: Annotated[
        Path | None, typer.Option(help="Also draw all of it, beside published figures (.png, .pdf, .svg).")
    ] = None,
    force: options.Force = False,
) -> None:
    """Compare the tumors of databases with those of patients: volumes, whole over core, place."""
    from gliofield.report import require_figure_name, write_figure

    if out is None and figure is None:
        console.refuse("force", because="without --out or --figure")
    require_output_file(out, ending=".md", replace=force)
    if figure is not None:
        require_figure_name(figure)
        require_output_file(figure, ending="", replace=force)

    from gliofield.anatomy import DEFAULT_ATLAS, load_atlas
    from gliofield.database import SimulationDatabase
    from gliofield_papers.databases.coverage import cohort_of_database, cohort_of_patients
    from gliofield_papers.databases.coverage_figure import coverage_figure
    from gliofield_papers.databases.coverage_tables import coverage_record, coverage_report
    from gliofield_papers.databases.literature_volumes import PUBLISHED_VOLUMES, RANGES_TO_COVER
    from gliofield_papers.databases.patient_volumes import measure_patients

    opened = [SimulationDatabase.open(path) for path in databases]
    atlases = {name: load_atlas(name) for name in dict.fromkeys(each.header.atlas_name for each in opened)}
    cohorts = [
        cohort_of_database(database, name=label, atlas=atlases[database.header.atlas_name], num_centers=centers)
        for label, database in zip(_labels(opened, names), opened, strict=True)
    ]
    measured: tuple[PatientTumor, ...] = ()
    beside = None
    if patients is not None:
        atlas = atlases.get(DEFAULT_ATLAS) or load_atlas(DEFAULT_ATLAS, report=console.report)
        measured = measure_patients(patients, atlas_grid=atlas.grid)
        beside = cohort_of_patients(measured, atlas=atlas)
    text = coverage_report(cohorts, measured, beside)
    write_tables(out, text, replace=force)
    if figure is not None:
        drawn = coverage_figure(cohorts, patients=beside, published=PUBLISHED_VOLUMES, ranges_to_cover=RANGES_TO_COVER)
        write_figure(drawn, figure, replace=force)
    content = {"file": out, "figure": figure, **coverage_record(cohorts, measured, beside)}
    console.result(content, lambda: text)


def _labels(databases: Sequence[SimulationDatabase], names: list[str] | None) -> list[str]:
    """What databases are called in tables: designs, of one design the names of their folders, or what was given."""
    from gliofield.errors import ParameterError

    if names is not None and len(names) != len(databases):
        raise ParameterError(f"--name must be given once per database, {len(databases)} times, got {len(names)}.")
    designs = [str(database.header.design["name"]) for database in databases]
    counts = Counter(designs)
    return names or [
        database.path.name if counts[design] > 1 else design
        for database, design in zip(databases, designs, strict=True)
    ]


def _require_place(out: Path, *, force: bool, marker: str) -> None:
    from gliofield.output import require_absent

    require_absent(out, replace=force, marker=marker)
