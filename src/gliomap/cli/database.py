"""``gliomap database``: build, describe, verify."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliomap.cli.console import EXIT_FAILED, JsonOption, print_result, progress_bars, user_errors

if TYPE_CHECKING:
    from gliomap.database import SimulationDatabase

app = typer.Typer(help="Databases of simulated tumors: build, describe, verify.", no_args_is_help=True)

PathArgument = Annotated[Path, typer.Argument(help="Database folder.")]


@app.command("build")
def build_command(
    path: PathArgument,
    number: Annotated[int, typer.Option(min=1, help="Number of tumors; an existing database grows to it.")],
    design: Annotated[str | None, typer.Option(help="Design of the parameters: clinical, papers.")] = None,
    model: Annotated[str, typer.Option(help="Growth model: fk (Fisher-Kolmogorov).")] = "fk",
    atlas: Annotated[str, typer.Option(help="Atlas name or folder.")] = "sri24",
    spacing_mm: Annotated[float, typer.Option(help="Voxel spacing of the simulation grid [mm].")] = 1.875,
    domain_rule: Annotated[str | None, typer.Option(help="Rule of the simulation domain.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Root seed; tumor i depends on design, seed and i alone.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be built, build nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate tumors into a database. A killed build resumes when the same command is run again."""
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliomap.anatomy import DEFAULT_DOMAIN_RULE, load_atlas
        from gliomap.cores import available_cores
        from gliomap.database import DEFAULT_DESIGN, build_database, named_design
        from gliomap.errors import ParameterError, unknown_name
        from gliomap.growth import FisherKolmogorov

        if model != "fk":
            raise ParameterError(unknown_name("growth model", model, ["fk"]))
        chosen = named_design(design or DEFAULT_DESIGN)
        loaded = load_atlas(atlas, report=report)
        grid = loaded.simulation_grid(spacing_mm=spacing_mm)
        anatomy = loaded.anatomy(grid, domain_rule=domain_rule or DEFAULT_DOMAIN_RULE)
        if not dry_run:
            build_database(
                path,
                num_tumors=number,
                design=chosen,
                anatomy=anatomy,
                atlas_name=loaded.name,
                atlas_hash=loaded.content_hash,
                model=FisherKolmogorov(),
                seed=seed,
                num_workers=workers or available_cores(),
                report=report,
            )
    if not dry_run:
        info_command(path, as_json=as_json)
        return
    print_result(
        {"path": path, "number": number, "design": design or DEFAULT_DESIGN, "grid": grid.to_dict()},
        as_json=as_json,
        text=lambda: (
            f"would build {number} tumors ({design or DEFAULT_DESIGN}, {loaded.name}) in {path}\n{grid.describe()}"
        ),
    )


@app.command("info")
def info_command(path: PathArgument, as_json: JsonOption = False) -> None:
    """Describe a database: design, volumes, size."""
    with user_errors(as_json=as_json):
        from gliomap.database import SimulationDatabase

        _print_summary(SimulationDatabase.open(path), as_json=as_json)


@app.command("verify")
def verify_command(
    path: PathArgument,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every file and every tumor against its checksum; exit code 1 if anything is damaged."""
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliomap.cores import available_cores
        from gliomap.database import verify_database

        found = verify_database(path, num_threads=threads or available_cores(), report=report)
    content = {
        "is_intact": found.is_intact,
        "num_tumors": found.num_tumors,
        "num_files": found.num_files,
        "damaged_tumors": list(found.damaged_tumors),
        "problems": [dataclasses.asdict(problem) for problem in found.problems],
    }

    def text() -> str:
        if found.is_intact:
            return f"intact: {found.num_tumors} tumors in {found.num_files} files"
        lines = [f"{problem.path}: {problem.description}" for problem in found.problems]
        return "\n".join([f"damaged: {len(found.damaged_tumors)} of {found.num_tumors} tumors affected", *lines])

    print_result(content, as_json=as_json, text=text)
    if not found.is_intact:
        raise typer.Exit(EXIT_FAILED)


def _print_summary(database: SimulationDatabase, *, as_json: bool) -> None:
    from gliomap.database import summarize

    summary, header = summarize(database), database.header
    content = {
        "path": database.path,
        "atlas": header.atlas_name,
        "domain_rule": header.domain_rule,
        "design": header.design,
        "model": header.model,
        "root_seed": header.root_seed,
        "gliomap_version": header.gliomap_version,
        "grid": header.grid.to_dict(),
        **dataclasses.asdict(summary),
        "bytes_per_tumor": summary.bytes_per_tumor,
    }

    def quantiles(values: Sequence[float]) -> str:
        return " ".join(f"{value:8.2f}" for value in values)

    def text() -> str:
        lines = [
            f"{database.path}: {summary.num_tumors} tumors, design {header.design['name']}, seed {header.root_seed}, "
            f"atlas {header.atlas_name}, domain {header.domain_rule}",
            header.grid.describe(),
            f"{summary.size_bytes / 1e6:.1f} MB in {summary.num_files} files, {summary.bytes_per_tumor / 1e3:.1f} KB "
            f"per tumor; {summary.acceptance:.0%} of the simulations accepted",
            "quantiles                    5 %     25 %     50 %     75 %     95 %",
            f"  whole tumor (FLAIR) ml {quantiles(summary.flair_ml)}",
            f"  tumor core (T1Gd) ml   {quantiles(summary.t1gd_ml)}",
            f"  whole / core           {quantiles(summary.whole_to_core_ratio)}",
        ]
        return "\n".join(lines)

    print_result(content, as_json=as_json, text=text)
