"""``gliofield database``: build, describe, verify, merge."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli.console import EXIT_FAILED, ForceOption, JsonOption, print_result, progress_bars, user_errors
from gliofield.cli.options import AtlasOption, DomainRuleOption, SpacingOption, ThreadsOption
from gliofield.progress import Reporter

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.database import SimulationDatabase, Workforce

app = typer.Typer(help="Databases of simulated tumors: build, describe, verify, merge.", no_args_is_help=True)

PathArgument = Annotated[Path, typer.Argument(help="Database folder.")]

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
        from gliofield.anatomy import DEFAULT_DOMAIN_RULE
        from gliofield.database import DEFAULT_DESIGN
        from gliofield.errors import ParameterError

        wanted = (self.design, self.model, self.seed, self.part, self.spacing_mm, self.domain_rule, self.device)
        if wanted != (DEFAULT_DESIGN, _MODEL, 0, None, _SPACING_MM, DEFAULT_DOMAIN_RULE, "cpu"):
            raise ParameterError(
                "name a folder for a database of other settings than the default one: "
                "gliofield database build FOLDER --number N …"
            )


@app.command("build")
def build_command(
    number: Annotated[int, typer.Option(min=1, help="Number of tumors; an existing database grows to it.")],
    path: Annotated[
        Path | None, typer.Argument(help="Database folder; none: the default database of the atlas.")
    ] = None,
    design: Annotated[str | None, typer.Option(help="Design of the parameters: clinical, papers.")] = None,
    model: Annotated[str, typer.Option(help="Growth model: fk (Fisher-Kolmogorov) or mass-effect.")] = _MODEL,
    atlas: AtlasOption = _ATLAS,
    spacing_mm: SpacingOption = _SPACING_MM,
    domain_rule: DomainRuleOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Root seed; tumor i depends on design, seed and i alone.")] = 0,
    part: Annotated[str | None, typer.Option(help="Build part K of P only (K/P), for `database merge`.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes on this machine; default: all cores.")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda to grow tumors in batches on a GPU.")] = "cpu",
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler (tcp://HOST:PORT, or its file) whose workers build.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be built, build nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate tumors into a database. A killed build resumes when the same command is run again."""
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import DEFAULT_DOMAIN_RULE, load_atlas
        from gliofield.database import DEFAULT_DESIGN, build_database, named_design, named_model
        from gliofield.personalize import default_database_path

        request = _Request(
            number=number,
            design=design or DEFAULT_DESIGN,
            model=model,
            seed=seed,
            part=part,
            spacing_mm=spacing_mm,
            domain_rule=domain_rule or DEFAULT_DOMAIN_RULE,
            device=device,
        )
        if path is None:
            request.require_default()
        tumors = request.tumors()
        growth_model = named_model(model, device=device)
        growth_design = named_design(request.design, mass_effect=model == "mass-effect")
        crew = _workforce(workers, device, scheduler, report)
        loaded = load_atlas(atlas, report=report)
        folder = default_database_path(loaded) if path is None else path
        grid = loaded.simulation_grid(spacing_mm=spacing_mm)
        loaded.anatomy(grid, domain_rule=request.domain_rule)  # made once; a dry run refuses what the build would
        if not dry_run:
            build_database(
                folder,
                num_tumors=len(tumors),
                first_tumor=tumors.start,
                design=growth_design,
                atlas=loaded,
                grid=grid,
                domain_rule=request.domain_rule,
                model=growth_model,
                seed=seed,
                workers=crew,
                report=report,
            )
    if not dry_run:
        info_command(folder, as_json=as_json)
        return
    numbers = f"tumors {tumors.start} to {tumors.stop - 1}" if part else f"{number} tumors"
    print_result(
        {
            "path": folder,
            "number": len(tumors),
            "first_tumor": tumors.start,
            "design": request.design,
            "model": model,
            "grid": grid.to_dict(),
        },
        as_json=as_json,
        text=lambda: f"would build {numbers} ({request.design}, {model}, {loaded.name}) in {folder}\n{grid.describe()}",
    )


def _workforce(workers: int | None, device: str, scheduler: str | None, report: Reporter) -> Workforce:
    """Who builds, of the options that say so."""
    from gliofield.cores import available_cores
    from gliofield.database import CudaWorker, DaskWorkers, LocalWorkers
    from gliofield.errors import ParameterError

    chosen = [name for name, is_set in (("--workers", workers), ("--scheduler", scheduler)) if is_set is not None]
    chosen += ["--device cuda"] if device == "cuda" else []
    if len(chosen) > 1:
        raise ParameterError(f"{' and '.join(chosen)} exclude each other: name one of them.")
    if scheduler is not None:
        return DaskWorkers(scheduler, report=report)
    if device == "cuda":
        return CudaWorker()
    return LocalWorkers(workers or available_cores())


@app.command("info")
def info_command(
    path: PathArgument,
    figure: Annotated[Path | None, typer.Option(help="Also draw what it holds (.png, .pdf, .svg).")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Describe a database: design, volumes, size; with --figure marginals, seeds and a sheet of random tumors."""
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.database import SimulationDatabase

        database = SimulationDatabase.open(path)
        if figure is not None:
            from gliofield.report import write_database_figure

            write_database_figure(database, figure, atlas=_atlas_of(database, report), replace=force)
    with user_errors(as_json=as_json):
        _print_summary(database, figure, as_json=as_json)


def _atlas_of(database: SimulationDatabase, report: Reporter) -> Atlas | None:
    """The atlas behind a database where it is known by name, for the background of its figure."""
    from gliofield.anatomy import load_atlas
    from gliofield.errors import AtlasError, ParameterError

    try:
        atlas = load_atlas(database.header.atlas_name, report=report)
    except (AtlasError, ParameterError):
        return None
    return atlas if atlas.content_hash == database.header.atlas_hash else None


@app.command("merge")
def merge_command(
    path: Annotated[Path, typer.Argument(help="Folder of the merged database; must be new.")],
    parts: Annotated[list[Path], typer.Argument(help="Parts, built with --part; in any order.")],
    as_json: JsonOption = False,
) -> None:
    """Make one database of parts that were built apart; the parts stay as they are."""
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.database import merge_databases

        merge_databases(path, parts, report=report)
    info_command(path, as_json=as_json)


@app.command("verify")
def verify_command(
    path: PathArgument,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every file and every tumor against its checksum; exit code 1 if anything is damaged."""
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.cores import available_cores
        from gliofield.database import verify_database

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


def _print_summary(database: SimulationDatabase, figure: Path | None, *, as_json: bool) -> None:
    from gliofield.database import summarize

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

    def quantiles(values: Sequence[float]) -> str:
        return " ".join(f"{value:8.2f}" for value in values)

    first = f" from number {header.first_tumor}" if header.first_tumor else ""

    def text() -> str:
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
            *([f"figure: {figure}"] if figure is not None else []),
        ]
        return "\n".join(lines)

    print_result(content, as_json=as_json, text=text)
