"""``gliofield database``: build, describe, verify, merge."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command, make_group
from gliofield.cli.console import EXIT_FAILED, Console
from gliofield.cli.settings_options import choice

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.database import SimulationDatabase, Workforce
    from gliofield.grid import Grid
    from gliofield.progress import Reporter

app = make_group("database", "Databases of simulated tumors: build, describe, verify, merge.")

# Of the default database; without a folder nothing else can be built.
_ATLAS, _SPACING_MM, _MODEL = "sri24", 1.875, "fk"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Request:
    """What is to be built."""

    number: int
    design: str
    model: str
    seed: int
    part: str | None
    spacing_mm: float
    domain_rule: str
    device: str

    def tumors(self) -> range:
        """Numbers of the tumors to build."""
        from gliofield.database import part_of_database
        from gliofield.errors import ParameterError

        if self.part is None:
            return range(self.number)
        part, slash, num_parts = self.part.partition("/")
        if not (slash and part.isdecimal() and num_parts.isdecimal()):
            raise ParameterError(f"--part must be K/P, for example 2/8 for the second of eight, got {self.part!r}.")
        return part_of_database(self.number, int(part), int(num_parts))

    def require_default(self) -> None:
        """Raise `ParameterError` unless the default database is meant, the only one that has a place of its own."""
        from gliofield.errors import ParameterError

        wanted = (self.design, self.model, self.seed, self.part, self.spacing_mm, self.domain_rule, self.device)
        if wanted != (options.DEFAULT_DESIGN, _MODEL, 0, None, _SPACING_MM, options.DEFAULT_DOMAIN_RULE, "cpu"):
            raise ParameterError(
                "name a folder for a database of other settings than the default one: "
                "gliofield database build FOLDER --number N …"
            )


def build_command(
    console: Console,
    number: Annotated[int, typer.Option(min=1, help="Number of tumors; an existing database grows to it.")],
    path: Annotated[
        Path | None,
        typer.Argument(metavar="DB", help="Folder of the database; default: that of the atlas's default database."),
    ] = None,
    design: Annotated[
        str, choice(*options.DESIGNS, kind="design", help="How the parameters of the tumors are drawn.")
    ] = options.DEFAULT_DESIGN,
    model: Annotated[
        str, choice(*options.MODELS, kind="growth model", help="Growth model: Fisher-Kolmogorov, or with mass effect.")
    ] = _MODEL,
    push_pa: options.DesignPush = None,
    atlas: options.Atlas = _ATLAS,
    spacing_mm: options.Spacing = _SPACING_MM,
    domain_rule: options.DomainRule = options.DEFAULT_DOMAIN_RULE,
    seed: Annotated[int, typer.Option(min=0, help="Root seed; tumor i depends on design, seed and i alone.")] = 0,
    part: Annotated[
        str | None, typer.Option(metavar="K/P", help="Build part K of P only, for `database merge`.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes on this machine; default: all cores.")] = None,
    device: options.SolverDevice = "cpu",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers build, or its file.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be built, and build nothing.")] = False,
) -> None:
    """Simulate tumors into a database.

    A build that was stopped goes on when the same command is run again.
    """
    from gliofield.anatomy import load_atlas
    from gliofield.database import build_database, named_design, named_model
    from gliofield.output import require_writable_place
    from gliofield.pipeline import default_database_path

    request = _Request(
        number=number,
        design=design,
        model=model,
        seed=seed,
        part=part,
        spacing_mm=spacing_mm,
        domain_rule=domain_rule,
        device=device,
    )
    if path is None:
        request.require_default()
    else:
        require_writable_place(path)
    tumors = request.tumors()
    drawn_by = named_design(design, mass_effect=model == "mass-effect", push_pa=push_pa)
    crew = _workforce(workers, device, scheduler, console.report)
    loaded = load_atlas(atlas, report=console.report)
    folder = default_database_path(loaded) if path is None else path
    grid = loaded.simulation_grid(spacing_mm=spacing_mm)
    if dry_run:
        _print_request(console, request, tumors, loaded.name, folder, grid)
        return
    build_database(
        folder,
        num_tumors=len(tumors),
        first_tumor=tumors.start,
        design=drawn_by,
        atlas=loaded,
        grid=grid,
        domain_rule=domain_rule,
        model=named_model(model),
        seed=seed,
        workers=crew,
        # The default database is everybody's: who comes second waits for whoever builds it.
        wait=path is None,
        report=console.report,
    )
    describe_command(console, folder)


def _print_request(console: Console, request: _Request, tumors: range, atlas: str, folder: Path, grid: Grid) -> None:
    numbers = f"tumors {tumors.start} to {tumors.stop - 1}" if request.part else f"{request.number} tumors"
    content = {
        "path": folder,
        "number": len(tumors),
        "first_tumor": tumors.start,
        "design": request.design,
        "model": request.model,
        "grid": grid.to_dict(),
    }
    text = f"would build {numbers} ({request.design}, {request.model}, {atlas}) in {folder}\n{grid.describe()}"
    console.result(content, lambda: text)


def _workforce(workers: int | None, device: str, scheduler: str | None, report: Reporter) -> Workforce:
    """Who builds, of the options that say so."""
    from gliofield.cores import available_cores
    from gliofield.database import DaskWorkers, LocalWorkers
    from gliofield.errors import ParameterError
    from gliofield.growth.many import PROCESSOR, load_device

    chosen = [name for name, is_set in (("--workers", workers), ("--scheduler", scheduler)) if is_set is not None]
    chosen += [f"--device {device}"] if device != PROCESSOR else []
    if len(chosen) > 1:
        raise ParameterError(f"{' and '.join(chosen)} exclude each other: name one of them.")
    if scheduler is not None:
        return DaskWorkers(scheduler, report=report)
    if device != PROCESSOR:
        crew: Workforce = load_device(device).make_workforce(device)
        return crew
    return LocalWorkers(workers or available_cores())


def describe_command(
    console: Console,
    path: options.Database,
    figure: Annotated[
        Path | None, typer.Option(help="Also draw marginals, seeds and random tumors (.png, .pdf, .svg).")
    ] = None,
    force: options.Force = False,
) -> None:
    """Describe a database: its design, the volumes of its tumors, its size."""
    from gliofield.database import SimulationDatabase, summarize

    if figure is None:
        console.refuse("force", because="without --figure")
    database = SimulationDatabase.open(path)
    if figure is not None:
        from gliofield.report import write_database_figure

        write_database_figure(database, figure, atlas=_atlas_of(database, console.report), replace=force)
    summary, header = summarize(database), database.header
    content: dict[str, Any] = {
        "path": database.path,
        "atlas": header.atlas_name,
        "domain_rule": header.domain_rule,
        "design": header.design,
        "model": header.model,
        "root_seed": header.root_seed,
        "first_tumor": header.first_tumor,
        "gliofield_version": header.gliofield_version,
        "grid": header.grid.to_dict(),
        **dataclasses.asdict(summary),
        "rejections": summary.rejections.as_dict(),
        "bytes_per_tumor": summary.bytes_per_tumor,
        "figure": figure,
    }
    console.result(content, lambda: _describe(database, summary, figure))


def _describe(database: SimulationDatabase, summary: Any, figure: Path | None) -> str:
    header = database.header

    def quantiles(values: Sequence[float]) -> str:
        return " ".join(f"{value:8.2f}" for value in values)

    first = f" from number {header.first_tumor}" if header.first_tumor else ""
    lines = [
        f"{database.path}: {summary.num_tumors} tumors{first}, design {header.design['name']}, model "
        f"{header.model['name']}, seed {header.root_seed}, atlas {header.atlas_name}, domain {header.domain_rule}",
        header.grid.describe(),
        f"{summary.size_bytes / 1e6:.1f} MB in {summary.num_files} files, {summary.bytes_per_tumor / 1e3:.1f} KB "
        f"per tumor; {summary.acceptance:.0%} of the draws accepted, {summary.rejections}",
        "quantiles                    5 %     25 %     50 %     75 %     95 %",
        f"  whole tumor (FLAIR) ml {quantiles(summary.flair_ml)}",
        f"  tumor core (T1Gd) ml   {quantiles(summary.t1gd_ml)}",
        f"  whole / core           {quantiles(summary.whole_to_core_ratio)}",
        *_thin_fronts(database, summary),
        *([f"figure: {figure}"] if figure is not None else []),
    ]
    return "\n".join(lines)


def _thin_fronts(database: SimulationDatabase, summary: Any) -> list[str]:
    """How many tumors the grid does not resolve, and what would."""
    from gliofield.growth.thin_fronts import shortest_resolved_mm

    if not summary.num_thin_fronts:
        return []
    spacing_mm = max(database.header.grid.spacing_mm)
    line = (
        f"thin fronts: {summary.num_thin_fronts} tumors ({summary.num_thin_fronts / summary.num_tumors:.0%}) have "
        f"√(D_w/ρ) below {shortest_resolved_mm(spacing_mm):.2g} mm, too thin for {spacing_mm:g} mm: their volumes are "
        "too large for their parameters, by 15 % at half that length."
    )
    if spacing_mm > 1.0:
        share = summary.num_thin_fronts_at_1_mm / summary.num_tumors
        line += f" With --spacing-mm 1, {spacing_mm**3:.1f} times the voxels, it would be {share:.0%}."
    return [line]


def _atlas_of(database: SimulationDatabase, report: Reporter) -> Atlas | None:
    """The atlas behind a database where it is known by name, for the background of its figure."""
    from gliofield.anatomy import load_atlas
    from gliofield.errors import AtlasError, ParameterError

    try:
        atlas = load_atlas(database.header.atlas_name, report=report)
    except (AtlasError, ParameterError):
        return None
    return atlas if atlas.content_hash == database.header.atlas_hash else None


def merge_command(
    console: Console,
    path: Annotated[Path, typer.Argument(metavar="DB", help="Folder of the merged database; must be new.")],
    parts: Annotated[
        list[Path], typer.Argument(metavar="PART...", help="Parts that were built with --part, in any order.")
    ],
) -> None:
    """Merge parts that were built apart into one database; the parts stay as they are."""
    from gliofield.database import merge_databases

    merge_databases(path, parts, report=console.report)
    describe_command(console, path)


def verify_command(console: Console, path: options.Database, threads: options.Threads = None) -> None:
    """Check every file and every tumor against its checksum; exit code 1 if anything is damaged."""
    from gliofield.cores import available_cores
    from gliofield.database import verify_database

    found = verify_database(path, num_threads=threads or available_cores(), report=console.report)
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

    console.result(content, text)
    if not found.is_intact:
        raise typer.Exit(EXIT_FAILED)


add_command(
    app,
    "build",
    build_command,
    examples=[
        "gliofield database build --number 5000",
        "gliofield database build DB --number 20000 --design papers --model mass-effect",
        "gliofield database build PART2 --number 20000 --part 2/8",
    ],
    runs_long=True,
    resumes=True,
)
add_command(
    app,
    "info",
    describe_command,
    examples=["gliofield database info DB", "gliofield database info DB --figure page.png"],
)
add_command(app, "verify", verify_command, examples=["gliofield database verify DB --threads 4"])
add_command(app, "merge", merge_command, examples=["gliofield database merge DB PART1 PART2"])
